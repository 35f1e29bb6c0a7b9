//! The worker's side of handshakes: which of them begin, go out to the handshake threads, and come back.

use std::collections::VecDeque;
use std::sync::Arc;

use super::close::CloseReason;
use super::connection::{Handshake, Stage, Turn};
use super::handshake::{Inbox, Step, Stepped, Waker};
use super::limits::{
    CIPHERTEXT_LEN_MAX, HANDSHAKE_STEPS_MAX, HANDSHAKES_MAX, HANDSHAKES_PER_SEC, HANDSHAKES_WAITING_MAX,
};
use super::receive::whole_records_len;
use super::session::Progress;
use super::slots::StreamId;
use super::streams::Streams;
use crate::poll::Poller;
use crate::turn::time::Mono;

/// What a worker knows of its handshakes.
#[derive(Debug)]
pub(super) struct Offload {
    inbox: Arc<Inbox>,
    /// Begun, and not waiting for their client.
    in_flight: usize,
    /// Begun in the second `second`.
    begun: u32,
    second: u64,
    /// To begin later. Connections that ended meanwhile are skipped.
    waiting: VecDeque<StreamId>,
}

impl Offload {
    pub(super) fn new(waker: Waker) -> Offload {
        Offload { inbox: Arc::new(Inbox::new(waker)), in_flight: 0, begun: 0, second: 0, waiting: VecDeque::new() }
    }

    /// When the next of those that wait may begin, if that does not depend on others being over.
    pub(super) fn next_start(&self) -> Option<Mono> {
        (!self.waiting.is_empty()).then_some(Mono((self.second + 1) * 1_000_000_000))
    }

    /// The connection of a handshake ended.
    pub(super) fn forget(&mut self, handshake: &Handshake) {
        self.in_flight -= usize::from(handshake.in_flight);
    }

    fn may_begin(&mut self, now: Mono) -> bool {
        if now.secs() != self.second {
            (self.second, self.begun) = (now.secs(), 0);
        }
        self.in_flight < HANDSHAKES_MAX && self.begun < HANDSHAKES_PER_SEC
    }
}

impl Streams {
    /// Takes back what the handshake threads are done with. What then has something to read is given out by
    /// [`Streams::poll_readable`].
    pub fn handle_handshakes(&mut self, now: Mono, poller: &Poller) {
        for stepped in self.offload.inbox.take() {
            let id = stepped.id;
            match self.take_back(now, stepped) {
                Ok(()) => {
                    self.begin_handshake(now, id);
                    self.transmit(now, id, poller);
                }
                Err(reason) => self.end(now, id, reason),
            }
        }
        self.start_handshakes(now, poller);
    }

    /// Begins handshakes that wait, as far as the bounds allow.
    pub(super) fn start_handshakes(&mut self, now: Mono, poller: &Poller) {
        while !self.offload.waiting.is_empty() && self.offload.may_begin(now) {
            let Some(id) = self.offload.waiting.pop_front() else { return };
            if self.handshake_of(id).is_some_and(|handshake| handshake.turn == Turn::Waiting) {
                self.submit(now, id);
                self.settle(now, id, poller);
            }
        }
    }

    /// If it is our turn in a handshake, has it worked on: now when it has begun before, else when it may begin.
    pub(super) fn begin_handshake(&mut self, now: Mono, id: StreamId) {
        let Some(handshake) = self.handshake_of(id).filter(|handshake| handshake.turn == Turn::Ours) else { return };
        handshake.turn = Turn::Waiting;
        let is_begun = handshake.steps > 0;
        if is_begun || self.offload.waiting.is_empty() && self.offload.may_begin(now) {
            self.submit(now, id);
        } else if self.offload.waiting.len() < HANDSHAKES_WAITING_MAX {
            self.offload.waiting.push_back(id);
        } else {
            self.end(now, id, CloseReason::Busy);
        }
    }

    fn submit(&mut self, now: Mono, id: StreamId) {
        let Some(connection) = self.slots.get_mut(id) else { return };
        let Stage::Handshake(handshake) = &mut connection.stage else { return };
        handshake.in_flight = true;
        self.offload.in_flight += 1;
        self.offload.begun += u32::from(handshake.steps == 0);
        if handshake.steps == HANDSHAKE_STEPS_MAX {
            return self.end(now, id, CloseReason::BadHandshake);
        }
        handshake.steps += 1;
        handshake.turn = Turn::Away;
        let step = Step {
            id,
            session: handshake.session.take(),
            configs: Arc::clone(&handshake.configs),
            received: std::mem::take(&mut connection.received),
            inbox: Arc::clone(&self.offload.inbox),
        };
        if self.shared.handshakes.submit(step).is_err() {
            self.end(now, id, CloseReason::Busy);
        }
    }

    /// Gives a connection back what the handshake threads had.
    fn take_back(&mut self, now: Mono, stepped: Stepped) -> Result<(), CloseReason> {
        let Stepped { id, session, mut received, out, result } = stepped;
        let Some(connection) = self.slots.get_mut(id) else { return Ok(()) };
        let Stage::Handshake(handshake) = &mut connection.stage else { return Ok(()) };
        connection.sealed.bytes.extend_from_slice(&out);
        let kept = received.len();
        received.append(&mut connection.received);
        connection.received = received;
        match (result, session) {
            (Ok(Progress::Handshaking), session) => {
                // Who waits for its client takes nobody's place: half-open handshakes must not keep others out.
                self.offload.forget(handshake);
                handshake.in_flight = false;
                handshake.session = session;
                handshake.turn = Turn::Client;
                handshake.worked_on = whole_records_len(&connection.received[..kept], CIPHERTEXT_LEN_MAX)?;
                connection.take_turn()
            }
            (Ok(Progress::Established), Some(session)) => {
                self.offload.forget(handshake);
                self.tally.handshakes += 1;
                connection.stage = Stage::Tls(session);
                connection.deadlines.handshaking = false;
                connection.deadlines.began = now;
                self.readable.push_back(id);
                Ok(())
            }
            _ => Err(CloseReason::BadHandshake),
        }
    }

    fn handshake_of(&mut self, id: StreamId) -> Option<&mut Handshake> {
        match &mut self.slots.get_mut(id)?.stage {
            Stage::Handshake(handshake) => Some(handshake),
            _ => None,
        }
    }
}
