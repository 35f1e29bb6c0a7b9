//! All stream clients of one worker.

use std::collections::VecDeque;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use bytes::Bytes;
use tracing::debug;

use super::buffers::Buffers;
use super::close::{CloseReason, Tally};
use super::connection::{Connection, Stage};
use super::deadlines::Deadlines;
use super::handshake::Waker;
use super::offload::Offload;
use super::shared::StreamShared;
use super::slots::{Slots, StreamId};
use crate::poll::Poller;
use crate::turn::address::{FiveTuple, Transport};
use crate::turn::io::ClientPath;
use crate::turn::time::Mono;
use crate::turn::timers::Wheel;

/// One worker's stream clients.
///
/// In each wake-up the worker calls [`Streams::read`] and [`Streams::write_ready`] for what the poller reports,
/// [`Streams::handle_handshakes`] when it was woken, [`Streams::handle_timeout`], then [`Streams::read`] for all of
/// [`Streams::poll_readable`], and before it waits again [`Streams::flush`] and [`Streams::poll_closed`].
#[derive(Debug)]
pub struct Streams {
    pub(super) shared: Arc<StreamShared>,
    pub(super) slots: Slots<Connection>,
    pub(super) offload: Offload,
    pub(super) buffers: Buffers,
    pub(super) tally: Tally,
    wheel: Wheel<StreamId>,
    /// To be flushed.
    dirty: Vec<StreamId>,
    /// To be read, whatever their sockets say.
    pub(super) readable: VecDeque<StreamId>,
    closed: VecDeque<FiveTuple>,
}

/// What a message to a client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An answer of the server, never dropped.
    Answer,
    /// Data of a peer, of no use when it is late.
    Relayed,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Sent {
    /// It will be written with the next flush.
    Queued,
    /// It was relayed data, and the client reads too slowly.
    Dropped,
    /// There is no such connection, or no longer.
    Closed,
}

/// What reading from a connection gave, beside messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadOutcome {
    /// The way back for the messages; none until the first bytes told the transport.
    pub path: Option<ClientPath>,
    /// The connection is over. Messages that came with its end still count.
    pub closed: bool,
}

impl Streams {
    /// A worker without clients. `waker` has it wake up and call [`Streams::handle_handshakes`].
    pub fn new(shared: Arc<StreamShared>, waker: Waker, now: Mono) -> Streams {
        Streams {
            shared,
            slots: Slots::new(),
            offload: Offload::new(waker),
            buffers: Buffers::new(),
            tally: Tally::default(),
            wheel: Wheel::new(now),
            dirty: Vec::new(),
            readable: VecDeque::new(),
            closed: VecDeque::new(),
        }
    }

    /// Takes over an accepted connection and has `poller` report it as [`crate::poll::Source::Stream`]. None: it is
    /// closed, as its source or all together have too many without an allocation, or as it broke already.
    pub fn open(
        &mut self,
        now: Mono,
        socket: TcpStream,
        client: SocketAddr,
        server: SocketAddr,
        poller: &Poller,
    ) -> Option<StreamId> {
        let Some(pass) = self.shared.gate.enter(client.ip()) else {
            self.tally.refused += 1;
            return None;
        };
        let deadlines = Deadlines::new(now, self.shared.settings().idle);
        let make = |id| Connection::new(deadlines, id, socket, (client, server), pass, poller).ok();
        let id = self.slots.insert(make)?;
        self.tally.opened += 1;
        self.settle(now, id, poller);
        Some(id)
    }

    /// Reads once from a connection and appends the messages that are whole: STUN, or ChannelData with its padding.
    pub fn read(&mut self, now: Mono, id: StreamId, poller: &Poller, messages: &mut Vec<Bytes>) -> ReadOutcome {
        let Some(connection) = self.slots.get_mut(id) else { return ReadOutcome { path: None, closed: true } };
        let result = connection.receive(now, &self.shared, &mut self.buffers, messages);
        let path = connection.path();
        match result {
            Ok(()) => {
                self.begin_handshake(now, id);
                self.mark_dirty(id);
                self.settle(now, id, poller);
            }
            Err(reason) => self.end(now, id, reason),
        }
        ReadOutcome { path, closed: self.slots.get(id).is_none() }
    }

    /// The socket of a connection has room again.
    pub fn write_ready(&mut self, now: Mono, id: StreamId, poller: &Poller) {
        if let Some(connection) = self.slots.get_mut(id) {
            connection.blocked = false;
            self.transmit(now, id, poller);
        }
    }

    /// Queues one whole message, given in pieces. An answer takes down the client that lets too many of them lie.
    pub fn send(&mut self, now: Mono, id: StreamId, pieces: [&[u8]; 3], kind: Kind) -> Sent {
        let Some(connection) = self.slots.get_mut(id) else { return Sent::Closed };
        match connection.enqueue(now, pieces, kind) {
            Ok(Sent::Dropped) => {
                self.tally.relayed_dropped += 1;
                Sent::Dropped
            }
            Ok(sent) => {
                self.mark_dirty(id);
                sent
            }
            Err(reason) => {
                self.end(now, id, reason);
                Sent::Closed
            }
        }
    }

    /// Writes what was queued in this wake-up: one write, one batch of TLS records per connection.
    pub fn flush(&mut self, now: Mono, poller: &Poller) {
        let mut dirty = std::mem::take(&mut self.dirty);
        for id in dirty.drain(..) {
            if let Some(connection) = self.slots.get_mut(id) {
                connection.dirty = false;
                self.transmit(now, id, poller);
            }
        }
        // Nothing became dirty meanwhile; the list keeps its memory.
        self.dirty = dirty;
    }

    /// The client has an allocation, or has none any more: its bounds are lifted or back.
    pub fn set_allocated(&mut self, now: Mono, id: StreamId, allocated: bool) {
        let Some(connection) = self.slots.get_mut(id) else { return };
        if allocated {
            connection.pass = None;
        } else if connection.allocated() {
            connection.pass = Some(self.shared.gate.return_to(connection.client.ip()));
            connection.deadlines.heard = connection.deadlines.heard.map(|_| now);
        }
        self.schedule(id);
    }

    /// Closes connections whose time is over, and begins handshakes that had to wait.
    pub fn handle_timeout(&mut self, now: Mono, poller: &Poller) {
        while let Some(id) = self.wheel.poll(now) {
            let Some(connection) = self.slots.get_mut(id) else { continue };
            if let Some(reason) = connection.overdue(now) {
                self.end(now, id, reason);
            } else if connection.timer <= now {
                connection.timer = Mono(u64::MAX);
                self.schedule(id);
            }
        }
        self.start_handshakes(now, poller);
    }

    /// When [`Streams::handle_timeout`] has something to do.
    pub fn poll_timeout(&self) -> Option<Mono> {
        [self.wheel.next(), self.offload.next_start()].into_iter().flatten().min()
    }

    /// Connections to call [`Streams::read`] for, as they have something although their sockets may be silent.
    pub fn poll_readable(&mut self) -> Option<StreamId> {
        self.readable.pop_front()
    }

    /// 5-tuples whose connection ended, of clients that sent at least one message.
    pub fn poll_closed(&mut self) -> Option<FiveTuple> {
        self.closed.pop_front()
    }

    /// Closes a connection.
    pub fn close(&mut self, now: Mono, id: StreamId) {
        self.end(now, id, CloseReason::Server);
    }

    /// Closes the connection of a client that tries one password after the other.
    pub fn close_guesser(&mut self, now: Mono, id: StreamId) {
        self.end(now, id, CloseReason::Guessing);
    }

    /// Closes every connection.
    pub fn close_all(&mut self, now: Mono) {
        for id in self.slots.ids() {
            self.end(now, id, CloseReason::Server);
        }
    }

    /// How many connections there are.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What happened since it was taken last, if anything did.
    pub fn take_tally(&mut self) -> Option<Tally> {
        (self.tally != Tally::default()).then(|| std::mem::take(&mut self.tally))
    }

    /// What happened so far.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Writes what a connection has, and closes it if that was all.
    pub(super) fn transmit(&mut self, now: Mono, id: StreamId, poller: &Poller) {
        let Some(connection) = self.slots.get_mut(id) else { return };
        match connection.transmit(now, &mut self.buffers) {
            Ok(()) if connection.is_finished() => self.end(now, id, CloseReason::ClientEnded),
            Ok(()) => self.settle(now, id, poller),
            Err(reason) => self.end(now, id, reason),
        }
    }

    /// After anything happened to a connection: poller and timer are told what it waits for now.
    pub(super) fn settle(&mut self, now: Mono, id: StreamId, poller: &Poller) {
        let Some(connection) = self.slots.get_mut(id) else { return };
        if connection.update_interest(poller).is_err() {
            return self.end(now, id, CloseReason::Io);
        }
        self.schedule(id);
    }

    pub(super) fn end(&mut self, now: Mono, id: StreamId, reason: CloseReason) {
        let Some(mut connection) = self.slots.remove(id) else { return };
        let slots = &self.slots;
        self.wheel.prune(|id| slots.get(*id).is_some());
        connection.take_leave(now, reason, &mut self.buffers);
        if let Stage::Handshake(handshake) = &connection.stage {
            self.offload.forget(handshake);
        }
        if let (Some(path), Some(_)) = (connection.path(), connection.deadlines.heard) {
            self.closed.push_back(path.tuple);
        }
        self.tally.count_closed(reason);
        if tracing::enabled!(tracing::Level::DEBUG)
            && let Some(suppressed) = self.shared.endings.take(now)
        {
            let transport = connection.transport().map_or("unknown", Transport::name);
            debug!(client = %connection.client, server = %connection.server, transport, reason = %reason.name(), suppressed, "connection closed");
        }
    }

    fn schedule(&mut self, id: StreamId) {
        if let Some(deadline) = self.slots.get_mut(id).and_then(Connection::next_timer) {
            self.wheel.schedule(deadline, id);
        }
    }

    fn mark_dirty(&mut self, id: StreamId) {
        let Some(connection) = self.slots.get_mut(id) else { return };
        if connection.has_output() && !connection.dirty {
            connection.dirty = true;
            self.dirty.push(id);
        }
    }
}

#[cfg(test)]
#[path = "streams_tests.rs"]
mod tests;
