//! A panic is our bug, and must not take other sessions down: it is contained where the core was called.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::RngCore;
use tracing::error;

use super::build::Lasting;
use super::connections::Acceptor;
use super::worker::Worker;
use crate::stream::StreamId;
use crate::turn::fault::Concern;
use crate::turn::io::Direction;
use crate::turn::time::{Mono, Now};
use crate::turn::{Census, Output, Path, Server};

/// A second panic within this time, and the worker begins anew with an empty core.
const TWICE: Duration = Duration::from_secs(60);

/// The core panicked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fault;

/// Calls the core. After a fault its state may be half changed: [`Worker::contain`] sees to that before it is called
/// again, which is what makes it safe to go on.
pub(super) fn guarded<R>(server: &mut Server, call: impl FnOnce(&mut Server) -> R) -> Result<R, Fault> {
    catch_unwind(AssertUnwindSafe(|| call(server))).map_err(|_| Fault)
}

/// What a call of the core that panicked was about.
#[derive(Debug)]
pub(super) enum Concerned {
    /// A datagram or message.
    Datagram(Path),
    /// An answer to what the core asked.
    Answer(Concern),
    /// What could not be sent.
    Unsent(Direction),
    /// Whatever had its turn, of many.
    InTurn,
    /// Nobody in particular.
    Nobody,
}

impl Concerned {
    /// The connection of the client that made the core panic.
    fn stream(&self) -> Option<StreamId> {
        let (tuple, link) = match self {
            Concerned::Datagram(Path::Client(path)) => (&path.tuple, path.link),
            Concerned::Answer(Concern { tuple, link: Some(link) }) => (tuple, *link),
            _ => return None,
        };
        tuple.transport.is_stream().then(|| link.into())
    }
}

impl Worker {
    /// Ends what a panic concerned. Where that is not known, where it fails as well, or after a second panic within a
    /// minute, the worker's core begins anew.
    pub(super) fn contain(&mut self, now: Now, concerned: &Concerned) {
        let is_second = self.fault_at.is_some_and(|before: Mono| now.mono.since(before) < TWICE);
        self.fault_at = Some(now.mono);
        self.counters.fault();
        self.is_told_wrong = true;
        self.journal.write_fault(now, concerned);
        let mended = !is_second
            && guarded(&mut self.server, |server| match concerned {
                Concerned::Datagram(path) => {
                    server.handle_fault(now, path);
                    true
                }
                Concerned::Answer(concern) => {
                    server.handle_answer_fault(now, concern);
                    true
                }
                Concerned::Unsent(direction) => {
                    server.handle_unsent_fault(now, direction);
                    true
                }
                Concerned::InTurn => server.handle_turn_fault(now),
                Concerned::Nobody => false,
            }) == Ok(true)
            && self.give_strays_back(now).is_ok();
        if !mended {
            self.restart_core(now);
        }
        if let Some(stream) = concerned.stream() {
            self.streams.close(now.mono, stream);
        }
    }

    /// Gives back what the core lost sight of when it broke off: between two of its steps a relay socket or a reservation
    /// can be nobody's.
    fn give_strays_back(&mut self, now: Now) -> Result<(), Fault> {
        let (relays, tokens) = (self.relays.ids(), self.shared.reserved_by(self.id));
        let (relays, tokens) = guarded(&mut self.server, |server| {
            let relays = relays.into_iter().filter(|relay| !server.accounts_for_relay(*relay));
            let tokens = tokens.into_iter().filter(|token| !server.accounts_for_reservation(*token));
            (relays.collect::<Vec<_>>(), tokens.collect::<Vec<_>>())
        })?;
        for relay in relays {
            self.relays.close(relay, &self.shared, now.mono);
        }
        tokens.into_iter().for_each(|token| self.shared.release(token, now.mono));
        Ok(())
    }

    /// Ends every session of this worker, and of no other.
    fn restart_core(&mut self, now: Now) {
        if self.shared.rations.faults.take(now.mono).is_some() {
            error!(worker = self.id.0, "the worker begins anew without its allocations");
        }
        self.streams.close_all(now.mono);
        while self.streams.poll_closed().is_some() {}
        self.give_all_back(now);
        self.server = self.server.anew(seed(&mut self.rng), now);
    }

    /// Another worker in the place of this one, which broke off: its sessions end, its sockets for clients stay open.
    pub(super) fn begin_anew(mut self, now: Now) -> io::Result<Worker> {
        self.give_all_back(now);
        self.counters.set_right(Census::default());
        let server = self.server.anew(seed(&mut self.rng), now);
        let lasting = self.into_lasting();
        // It may have broken off with letters that it was woken for.
        lasting.wake.wake();
        lasting.into_worker(server, now)
    }

    /// Everything else is dropped: whatever of it was half changed, nothing knows of it any more.
    fn into_lasting(self) -> Lasting {
        let Worker { id, shared, listeners, acceptors, wake, inbox, stop, rng, counters, .. } = self;
        let acceptors = acceptors.into_iter().map(Acceptor::anew).collect();
        Lasting { id, shared, listeners, acceptors, wake, inbox, stop, rng, counters }
    }

    /// Tells of every allocation that ends with the core, as far as it still knows them.
    fn tell_ended(&mut self, now: Now) {
        // Once more for those behind one that makes it panic again.
        for _ in 0..3 {
            if guarded(&mut self.server, |server| server.handle_break_off(now)).is_ok() {
                break;
            }
        }
        while let Ok(Some(output)) = guarded(&mut self.server, Server::poll_output) {
            if let Output::Event(event) = output {
                self.count_event(&event);
                self.journal.write(now, &event, &self.server.settings().config.auth.realm);
            }
        }
    }

    /// Gives back what this worker has of what all share: ports, descriptors, places in the quotas, reservations.
    fn give_all_back(&mut self, now: Now) {
        self.tell_ended(now);
        self.places.give_back_all(&self.shared.descriptors);
        self.relays.close_all(&self.shared, now.mono);
        self.shared.reserved_by(self.id).into_iter().for_each(|token| self.shared.release(token, now.mono));
    }
}

fn seed(rng: &mut ChaCha12Rng) -> [u8; 32] {
    let mut seed = [0; 32];
    rng.fill_bytes(&mut seed);
    seed
}
