//! Bounds for HTTP clients: so many at a time, so long, so much. Who dawdles makes room for who comes later, so that slow
//! clients hold nobody up.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::{Sleep, sleep};

/// Connections at a time; one more, and the oldest is closed.
const CONNECTIONS_MAX: usize = 32;
/// Until the request is whole.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(5);
/// From then on until the answer is read.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);
/// Bytes of a request. None that is answered is longer.
const REQUEST_LEN_MAX: usize = 16 * 1024;
/// Before the next try, when the system has nothing to accept with.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// A listener that keeps to the bounds.
pub(super) struct Bounded {
    listener: TcpListener,
    /// One for each connection, oldest first; dropping it closes the connection.
    open: VecDeque<oneshot::Sender<()>>,
}

impl Bounded {
    pub(super) fn new(listener: TcpListener) -> Bounded {
        Bounded { listener, open: VecDeque::new() }
    }

    fn admit(&mut self, stream: TcpStream) -> Connection {
        self.open.retain(|connection| !connection.is_closed());
        if self.open.len() >= CONNECTIONS_MAX {
            self.open.pop_front();
        }
        let (holder, displaced) = oneshot::channel();
        self.open.push_back(holder);
        let deadline = Box::pin(sleep(REQUEST_TIME_MAX));
        Connection { stream, displaced, deadline, received: 0, is_answered: false }
    }
}

impl Listener for Bounded {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        loop {
            match self.listener.accept().await {
                Ok((stream, client)) => return (self.admit(stream), client),
                Err(_) => sleep(ACCEPT_PAUSE).await,
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection that breaks when it is over any bound.
pub(super) struct Connection {
    stream: TcpStream,
    displaced: oneshot::Receiver<()>,
    deadline: Pin<Box<Sleep>>,
    received: usize,
    is_answered: bool,
}

impl Connection {
    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        let is_over = self.deadline.as_mut().poll(context).is_ready();
        if is_over || Pin::new(&mut self.displaced).poll(context).is_ready() || self.received > REQUEST_LEN_MAX {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Ok(())
    }

    fn begin_answer(&mut self) {
        if !std::mem::replace(&mut self.is_answered, true) {
            self.deadline = Box::pin(sleep(ANSWER_TIME_MAX));
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.check(context)?;
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(context, buf))?;
        this.received += buf.filled().len() - before;
        Poll::Ready(this.check(context))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.begin_answer();
        this.check(context)?;
        Pin::new(&mut this.stream).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}
