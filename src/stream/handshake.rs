//! TLS handshakes off the packet thread: a signature takes as long as many packets.
//!
//! Only received bytes and the TLS state travel to these threads, never a socket, so a slow client occupies none of
//! them. A worker gets both back through its [`Inbox`].

use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use rustls::server::Acceptor;

use super::limits::HANDSHAKE_QUEUE_MAX;
use super::session::{Progress, Session, SessionError};
use super::slots::StreamId;
use super::tls::{ALPN, TlsConfigs};

/// Wakes a worker from another thread.
pub type Waker = Arc<dyn Fn() + Send + Sync>;

/// The threads that compute handshakes for all workers. They end when the pool is dropped.
#[derive(Debug)]
pub(super) struct HandshakePool {
    steps: SyncSender<Step>,
}

/// The pool has as much to do as it may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Busy;

/// What one connection has received, to be worked on.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) id: StreamId,
    /// None until the ClientHello is whole.
    pub(super) session: Option<Session>,
    pub(super) configs: Arc<TlsConfigs>,
    pub(super) received: Vec<u8>,
    pub(super) inbox: Arc<Inbox>,
}

/// What became of a [`Step`].
#[derive(Debug)]
pub(super) struct Stepped {
    pub(super) id: StreamId,
    pub(super) session: Option<Session>,
    /// What is left of the received bytes.
    pub(super) received: Vec<u8>,
    /// To be written to the client, whatever the result.
    pub(super) out: Vec<u8>,
    pub(super) result: Result<Progress, HandshakeError>,
}

/// Why a handshake failed.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum HandshakeError {
    /// The client's fault, as TLS sees it.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// Our fault.
    #[error("the handshake panicked")]
    Panicked,
}

/// Where a worker finds what came back.
pub(super) struct Inbox {
    stepped: Mutex<Vec<Stepped>>,
    waker: Waker,
}

impl HandshakePool {
    /// Starts the threads.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(super) fn new(threads: usize) -> io::Result<HandshakePool> {
        let (steps, queue) = sync_channel(HANDSHAKE_QUEUE_MAX);
        let queue = Arc::new(Mutex::new(queue));
        for number in 0..threads {
            let queue = Arc::clone(&queue);
            thread::Builder::new().name(format!("handshake-{number}")).spawn(move || work(&queue))?;
        }
        Ok(HandshakePool { steps })
    }

    pub(super) fn submit(&self, step: Step) -> Result<(), Busy> {
        self.steps.try_send(step).map_err(|_| Busy)
    }
}

impl Inbox {
    pub(super) fn new(waker: Waker) -> Inbox {
        Inbox { stepped: Mutex::new(Vec::new()), waker }
    }

    pub(super) fn take(&self) -> Vec<Stepped> {
        std::mem::take(&mut *self.stepped.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn put(&self, stepped: Stepped) {
        let mut inbox = self.stepped.lock().unwrap_or_else(PoisonError::into_inner);
        let first = inbox.is_empty();
        inbox.push(stepped);
        drop(inbox);
        // Whoever put in the first one has woken the worker, which takes all that is there.
        if first {
            (self.waker)();
        }
    }
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox").field("stepped", &self.stepped).finish_non_exhaustive()
    }
}

fn work(queue: &Mutex<Receiver<Step>>) {
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Step { id, session, configs, received, inbox }) = next else { return };
        let stepped = catch_unwind(AssertUnwindSafe(|| advance(id, session, &configs, received)));
        inbox.put(stepped.unwrap_or_else(|_| Stepped {
            id,
            session: None,
            received: Vec::new(),
            out: Vec::new(),
            result: Err(HandshakeError::Panicked),
        }));
    }
}

fn advance(id: StreamId, session: Option<Session>, configs: &TlsConfigs, mut received: Vec<u8>) -> Stepped {
    let mut out = Vec::new();
    let (session, result) = match session.map_or_else(|| begin(configs, &received), |session| Ok(Some(session))) {
        Err(error) => (None, Err(error.into())),
        Ok(None) => (None, Ok(Progress::Handshaking)),
        Ok(Some(mut session)) => {
            let result = session.handshake(&mut received, &mut out).map_err(HandshakeError::from);
            (Some(session), result)
        }
    };
    Stepped { id, session, received, out, result }
}

/// A session, once the ClientHello is whole: only then is it known which protocol names the client offers.
fn begin(configs: &TlsConfigs, received: &[u8]) -> Result<Option<Session>, SessionError> {
    let mut acceptor = Acceptor::default();
    let mut rest = received;
    while !rest.is_empty() && acceptor.read_tls(&mut rest).is_ok_and(|len| len > 0) {}
    let config = match acceptor.accept() {
        Ok(None) => return Ok(None),
        Ok(Some(accepted)) if names_us(&accepted.client_hello()) => &configs.named,
        // A broken ClientHello is the session's to refuse, with the right alert.
        Ok(Some(_)) | Err(_) => &configs.unnamed,
    };
    Session::new(Arc::clone(config)).map(Some)
}

fn names_us(hello: &rustls::server::ClientHello<'_>) -> bool {
    hello.alpn().is_some_and(|mut names| names.any(|name| ALPN.contains(&name)))
}
