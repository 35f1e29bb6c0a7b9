//! One client's connection: its state, and what of it the two directions share.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use socket2::{SockRef, TcpKeepalive};

use super::close::CloseReason;
use super::deadlines::Deadlines;
use super::gate::Pass;
use super::limits::{
    CIPHERTEXT_LEN_MAX, CIPHERTEXT_LEN_MAX_UNALLOCATED, KEEPALIVE_AFTER, KEEPALIVE_EVERY, QUEUE_LEN_MAX, UNSENT_LEN_MAX,
};
use super::queue::WriteQueue;
use super::session::Session;
use super::slots::StreamId;
use super::tls::TlsConfigs;
use super::transmit::Sealed;
use crate::poll::{Interest, Poller, Source};
use crate::turn::address::{FiveTuple, Transport};
use crate::turn::io::ClientPath;
use crate::turn::time::Mono;

/// A connection. Idle, it owns no buffer.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) id: StreamId,
    pub(super) socket: TcpStream,
    pub(super) client: SocketAddr,
    pub(super) server: SocketAddr,
    pub(super) stage: Stage,
    /// Held while there is no allocation.
    pub(super) pass: Option<Pass>,
    /// Plaintext of a message that is not whole.
    pub(super) partial: Vec<u8>,
    /// Ciphertext of a record that is not whole.
    pub(super) received: Vec<u8>,
    pub(super) queue: WriteQueue,
    /// Records on their way; they leave before anything in the queue is looked at.
    pub(super) sealed: Sealed,
    /// The socket had no room; nothing is tried until it has.
    pub(super) blocked: bool,
    /// It stands in the list of those to be flushed.
    pub(super) dirty: bool,
    /// Requests given out that no answer came for. Some never get one.
    pub(super) unanswered: u32,
    pub(super) deadlines: Deadlines,
    /// The earliest entry in the timer wheel.
    pub(super) timer: Mono,
    interest: Option<Interest>,
}

/// How far a connection is.
#[derive(Debug)]
pub(super) enum Stage {
    /// Too few bytes to tell what it is.
    Fresh,
    /// TCP.
    Plain,
    /// TLS, its handshake not over.
    Handshake(Handshake),
    /// TLS.
    Tls(Session),
}

/// A TLS handshake.
pub(super) struct Handshake {
    pub(super) configs: Arc<TlsConfigs>,
    /// None until the ClientHello is whole, and while the handshake threads have it.
    pub(super) session: Option<Session>,
    pub(super) turn: Turn,
    /// It counts among the handshakes in flight.
    pub(super) in_flight: bool,
    pub(super) steps: u8,
    /// Length of whole records that were worked on and kept, as they hold the beginning of a message.
    pub(super) worked_on: usize,
}

/// Whose turn it is in a handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// The client's.
    Client,
    /// Ours, since now.
    Ours,
    /// Ours; it stands in line.
    Waiting,
    /// The handshake threads'.
    Away,
}

impl Handshake {
    pub(super) fn new(configs: Arc<TlsConfigs>) -> Handshake {
        Handshake { configs, session: None, turn: Turn::Client, in_flight: false, steps: 0, worked_on: 0 }
    }
}

impl Connection {
    /// Prepares an accepted socket and puts it into the poller.
    ///
    /// # Errors
    /// The client is gone already, or the system refuses.
    pub(super) fn new(
        deadlines: Deadlines,
        id: StreamId,
        socket: TcpStream,
        (client, server): (SocketAddr, SocketAddr),
        pass: Pass,
        poller: &Poller,
    ) -> io::Result<Connection> {
        socket.set_nonblocking(true)?;
        socket.set_nodelay(true)?;
        let options = SockRef::from(&socket);
        options.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE_AFTER).with_interval(KEEPALIVE_EVERY))?;
        options.set_tcp_notsent_lowat(UNSENT_LEN_MAX)?;
        poller.add(&socket, Source::Stream(id.0), Interest::Read)?;
        Ok(Connection {
            id,
            socket,
            client,
            server,
            stage: Stage::Fresh,
            pass: Some(pass),
            partial: Vec::new(),
            received: Vec::new(),
            queue: WriteQueue::default(),
            sealed: Sealed::default(),
            blocked: false,
            dirty: false,
            unanswered: 0,
            deadlines,
            timer: Mono(u64::MAX),
            interest: Some(Interest::Read),
        })
    }

    pub(super) fn allocated(&self) -> bool {
        self.pass.is_none()
    }

    pub(super) fn transport(&self) -> Option<Transport> {
        match self.stage {
            Stage::Fresh => None,
            Stage::Plain => Some(Transport::Tcp),
            Stage::Handshake(_) | Stage::Tls(..) => Some(Transport::Tls),
        }
    }

    /// The way to the client, once the first bytes told what it is.
    pub(super) fn path(&self) -> Option<ClientPath> {
        let tuple = FiveTuple { transport: self.transport()?, client: self.client, server: self.server };
        Some(ClientPath { tuple, link: self.id.into() })
    }

    /// How much ciphertext may be held back.
    pub(super) fn received_len_max(&self) -> usize {
        if self.allocated() { CIPHERTEXT_LEN_MAX } else { CIPHERTEXT_LEN_MAX_UNALLOCATED }
    }

    /// Whether anything waits to be written.
    pub(super) fn has_output(&self) -> bool {
        !self.queue.is_empty() || !self.sealed.is_empty()
    }

    /// Whether the client ended its side and has got everything it can still get.
    pub(super) fn is_finished(&self) -> bool {
        self.deadlines.ended.is_some() && self.unanswered == 0 && !self.has_output()
    }

    /// Has the poller report what can be dealt with now, and nothing else.
    ///
    /// # Errors
    /// The poller refuses.
    pub(super) fn update_interest(&mut self, poller: &Poller) -> io::Result<()> {
        let wanted = match (self.wants_input(), self.blocked) {
            (true, true) => Some(Interest::ReadWrite),
            (true, false) => Some(Interest::Read),
            (false, true) => Some(Interest::Write),
            (false, false) => None,
        };
        if wanted == self.interest {
            return Ok(());
        }
        let source = Source::Stream(self.id.0);
        match (self.interest, wanted) {
            (_, None) => poller.remove(&self.socket)?,
            (None, Some(interest)) => poller.add(&self.socket, source, interest)?,
            (Some(_), Some(interest)) => poller.modify(&self.socket, source, interest)?,
        }
        self.interest = wanted;
        Ok(())
    }

    /// What is not read stays with the client's TCP, which then slows the client down.
    fn wants_input(&self) -> bool {
        if self.deadlines.ended.is_some() {
            return false;
        }
        match self.stage {
            Stage::Handshake(_) => self.received.len() < self.received_len_max(),
            // Who does not read its answers makes no more of them.
            _ => !self.blocked || self.allocated() && self.queue.len() < QUEUE_LEN_MAX,
        }
    }

    /// When the next deadline is, if the timer does not know of one as early; it is to be told.
    pub(super) fn next_timer(&mut self) -> Option<Mono> {
        let (deadline, _) = self.deadlines.first(self.allocated())?;
        (deadline < self.timer).then(|| {
            self.timer = deadline;
            deadline
        })
    }

    /// Which deadline has passed.
    pub(super) fn overdue(&self, now: Mono) -> Option<CloseReason> {
        self.deadlines.first(self.allocated()).filter(|(deadline, _)| *deadline <= now).map(|(_, reason)| reason)
    }
}

impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handshake").field("turn", &self.turn).field("steps", &self.steps).finish_non_exhaustive()
    }
}
