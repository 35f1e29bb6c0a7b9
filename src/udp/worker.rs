//! The loop of one worker thread: wait, take what came, ask the core, send on.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use rand_chacha::ChaCha12Rng;

use super::batch::{Batch, Leave};
use super::connections::Acceptor;
use super::counters::Counters;
use super::fault::{Concerned, guarded};
use super::inbox::Inbox;
use super::journal::Journal;
use super::places::StreamPlaces;
use super::relays::Relays;
use super::shared::Shared;
use super::socket::Listener;
use super::sys::Arena;
use super::wake::Wake;
use crate::clock;
use crate::poll::{Interest, Poller, Ready, Source};
use crate::stream::{StreamId, Streams};
use crate::turn::address::WorkerId;
use crate::turn::budgets::UsedUp;
use crate::turn::io::{ClientPath, Credit, OwnPeer};
use crate::turn::time::{Mono, Now};
use crate::turn::{AnswerBuf, Server};

/// Everything one worker thread owns.
pub(super) struct Worker {
    pub(super) id: WorkerId,
    pub(super) server: Server,
    /// When the core panicked last.
    pub(super) fault_at: Option<Mono>,
    pub(super) places: StreamPlaces,
    pub(super) shared: Arc<Shared>,
    pub(super) listeners: Vec<Listener>,
    pub(super) acceptors: Vec<Acceptor>,
    pub(super) streams: Streams,
    pub(super) wake: Arc<Wake>,
    pub(super) inbox: Arc<Inbox>,
    pub(super) stop: Arc<AtomicBool>,
    pub(super) rng: ChaCha12Rng,
    pub(super) journal: Journal,
    pub(super) poller: Poller,
    pub(super) relays: Relays,
    pub(super) arena: Arena,
    pub(super) batch: Batch,
    pub(super) answer: AnswerBuf,
    pub(super) messages: Vec<Bytes>,
    pub(super) counters: Arc<Counters>,
    /// The core panicked: what it told of begins and ends may not add up.
    pub(super) is_told_wrong: bool,
}

impl Worker {
    /// Runs until told to stop.
    ///
    /// # Errors
    /// The system does not let it wait for its sockets.
    pub(super) fn run(&mut self) -> io::Result<()> {
        let mut ready: Vec<Ready> = Vec::new();
        let mut now = clock::now();
        while !self.stop.load(Ordering::Relaxed) {
            let timeout = self.next_deadline().map(|deadline| deadline.since(now.mono));
            self.poller.wait(&mut ready, timeout)?;
            // The only reading of the clock in one wake-up.
            now = clock::now();
            self.counters.heart.beat(now.mono);
            for ready in &ready {
                self.serve(now, ready);
            }
            self.resume_accepting(now);
            self.streams.handle_timeout(now.mono, &self.poller);
            if guarded(&mut self.server, |server| server.handle_timeout(now)).is_err() {
                self.contain(now, &Concerned::InTurn);
            }
            self.settle(now);
        }
        self.take_leave(now);
        Ok(())
    }

    /// Ends allocations and connections in order: logged, and with a word to TLS clients.
    fn take_leave(&mut self, now: Now) {
        // Once more for those whose turn did not come; a second panic ends them all.
        for _ in 0..3 {
            if guarded(&mut self.server, |server| server.handle_stop(now)).is_ok() {
                break;
            }
            self.contain(now, &Concerned::InTurn);
        }
        self.drain_outputs(now);
        self.streams.close_all(now.mono);
    }

    /// Has the epoll set report what lasts.
    ///
    /// # Errors
    /// The system refuses.
    pub(super) fn watch(&self) -> io::Result<()> {
        self.poller.add(&*self.wake, Source::Wake, Interest::Read)?;
        for (place, listener) in (0..).zip(&self.listeners) {
            self.poller.add(&*listener.socket, Source::Listener(place), Interest::Read)?;
        }
        for (place, acceptor) in (0..).zip(&self.acceptors) {
            self.poller.add(acceptor.socket(), Source::Acceptor(place), Interest::Read)?;
        }
        Ok(())
    }

    fn next_deadline(&self) -> Option<Mono> {
        [self.server.poll_timeout(), self.streams.poll_timeout(), self.next_resumption()].into_iter().flatten().min()
    }

    fn serve(&mut self, now: Now, ready: &Ready) {
        match ready.source {
            Source::Wake => {
                self.wake.clear();
                self.streams.handle_handshakes(now.mono, &self.poller);
                self.read_inbox(now);
            }
            Source::Listener(place) => self.serve_socket(now, Leave::Listener(place)),
            Source::Relay(place) => self.serve_socket(now, Leave::Relay(place)),
            Source::Acceptor(place) => self.accept(now, place),
            Source::Stream(place) => self.serve_stream(now, StreamId(place), ready),
        }
    }

    /// Does what is left after a wake-up: outputs of the core, ends of connections, writes that were put off.
    fn settle(&mut self, now: Now) {
        self.read_silent_streams(now);
        self.drain_outputs(now);
        self.streams.flush(now.mono, &self.poller);
        self.end_disconnected(now);
        self.count_up();
    }

    /// What is counted once per wake-up, when the core has told everything.
    fn count_up(&mut self) {
        if std::mem::take(&mut self.is_told_wrong) {
            self.counters.set_right(self.server.census());
        }
        if let Some(failures) = self.server.take_auth_failures() {
            self.counters.add_auth_failures(&failures);
        }
        if let Some(tally) = self.streams.take_tally() {
            self.counters.add_streams(&tally, self.streams.len());
        }
    }

    /// Whether an answer may be sent; what may not is counted.
    pub(super) fn is_affordable(&self, now: Now, path: &ClientPath, credit: Credit) -> bool {
        match self.shared.budgets.load().take(path, credit, now.mono) {
            Ok(()) => return true,
            Err(UsedUp::Answers) => self.counters.unaffordable(),
            Err(UsedUp::Guesses) => self.counters.guess(),
        }
        false
    }

    /// Where data for a peer goes, as far as it goes anywhere.
    pub(super) fn resolve(&self, to: SocketAddr, own: OwnPeer) -> Option<SocketAddr> {
        self.shared.relays.destination(to, own)
    }

    /// What a peer is called, as far as it may be one.
    pub(super) fn name_peer(&self, from: SocketAddr, now: Now) -> Option<SocketAddr> {
        self.shared.relays.source(from, self.server.settings().policy.own_peer(from.ip()), now.mono)
    }
}
