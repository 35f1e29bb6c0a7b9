//! What the core asks for, done and answered.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::datagrams::send_to;
use super::fault::{Concerned, guarded};
use super::inbox::{self, Letter};
use super::open::Opener;
use super::worker::Worker;
use crate::stream::{Kind, Sent, StreamId};
use crate::turn::io::{ClientPath, LookUpUser, Transmit};
use crate::turn::time::Now;
use crate::turn::{Answer, Event, Output};
use crate::userdb::UserStore;

impl Worker {
    /// Does what the core asks until it asks nothing more.
    pub(super) fn drain_outputs(&mut self, now: Now) {
        while let Some(output) = self.server.poll_output() {
            let answer = match output {
                Output::LookUpUser(look_up) => self.look_up(now, look_up),
                Output::OpenRelay(open) => Some(self.opener(now).open(open)),
                Output::Claim(claim) => Some(self.opener(now).claim(claim)),
                told => {
                    self.obey(now, told);
                    None
                }
            };
            if let Some(answer) = answer {
                self.answer_core(now, answer);
            }
        }
    }

    /// What the user store knows at once; what it has to fetch comes through the inbox. A source that used up what it is
    /// answered keeps nobody busy, however many names it makes up.
    fn look_up(&self, now: Now, look_up: LookUpUser) -> Option<Answer> {
        let LookUpUser { request, name, again, stranger } = look_up;
        let users = &self.shared.users;
        let ask = AssertUnwindSafe(|| {
            let known = if again { users.find_again(&name, now.wall) } else { users.find(&name, now.wall) };
            if let Some(found) = known {
                return Some(inbox::answer(request, found));
            }
            if stranger.is_some_and(|path| !self.shared.budgets.load().answers(&path, now.mono)) {
                self.counters.unaffordable();
                return Some(Answer::Unheard { request });
            }
            let Some(reply) = self.inbox.reply(request) else { return Some(Answer::LookUpFailed { request }) };
            users.fetch(name, now.wall, reply);
            None
        });
        // A store's panic is its own: the reply it dropped says that nothing was found out.
        catch_unwind(ask).unwrap_or(Some(Answer::LookUpFailed { request }))
    }

    /// Does what other threads put into the inbox.
    pub(super) fn read_inbox(&mut self, now: Now) {
        while let Some(letter) = self.inbox.take() {
            match letter {
                Letter::Answer(answer) => self.answer_core(now, answer),
                Letter::Settings(settings) => {
                    // Once more for those whose turn did not come; a second panic begins anew, under these settings.
                    for _ in 0..3 {
                        let settings = Arc::clone(&settings);
                        if guarded(&mut self.server, |server| server.handle_settings(now, settings)).is_ok() {
                            break;
                        }
                        self.contain(now, &Concerned::InTurn);
                    }
                }
            }
        }
    }

    pub(super) fn answer_core(&mut self, now: Now, answer: Answer) {
        let concern = self.server.concern_of(&answer);
        if guarded(&mut self.server, |server| server.handle_answer(now, answer)).is_err() {
            self.contain(now, &concern.map_or(Concerned::Nobody, Concerned::Answer));
        }
    }

    /// Outputs that want no answer.
    fn obey(&mut self, now: Now, output: Output) {
        match output {
            Output::Transmit(transmit) => self.transmit(now, &transmit),
            Output::CloseRelay(relay) => {
                let overflows = self.relays.close(relay, &self.shared, now.mono);
                self.counters.relay_overflowed(overflows);
            }
            Output::Release(token) => self.shared.release(token, now.mono),
            Output::Event(event) => {
                self.count_event(&event);
                self.note_allocation(now, &event);
                self.journal.write(now, &event, &self.server.settings().config.auth.realm);
            }
            Output::LookUpUser(_) | Output::OpenRelay(_) | Output::Claim(_) => {}
        }
    }

    fn opener(&mut self, now: Now) -> Opener<'_> {
        let Worker { shared, relays, poller, rng, .. } = self;
        Opener { shared, relays, poller, rng, now: now.mono }
    }

    fn transmit(&mut self, now: Now, transmit: &Transmit) {
        let Transmit { to, bytes, credit } = transmit;
        let is_affordable = self.is_affordable(now, to, *credit);
        if to.tuple.transport.is_stream() && !is_affordable {
            self.streams.close_guesser(now.mono, StreamId::from(to.link));
        } else if to.tuple.transport.is_stream() {
            let pieces = [&bytes[..], &[], &[]];
            // A connection that is gone tells so through its end.
            if self.streams.send(now.mono, StreamId::from(to.link), pieces, Kind::Answer) == Sent::Queued {
                self.counters.messages.answered(bytes);
            }
        } else if is_affordable {
            match send_to(&self.listeners, to, bytes) {
                Ok(()) => self.counters.messages.answered(bytes),
                Err(error) => self.counters.unsent(&error),
            }
        }
    }

    pub(super) fn count_event(&self, event: &Event) {
        match event {
            Event::AllocationCreated { path, .. } => self.counters.allocation_created(path.tuple.transport),
            Event::AllocationEnded { path, reason, .. } => {
                self.counters.allocation_ended(path.tuple.transport, *reason);
            }
            Event::PermissionInstalled { .. } => self.counters.permission_installed(),
            Event::PermissionExpired { .. } => self.counters.permission_ended(),
            Event::ChannelBound { is_new: true, .. } => self.counters.channel_bound(),
            Event::ChannelUnbound { .. } => self.counters.channel_ended(),
            Event::NewPeersLimited { .. } => self.counters.new_peers_limited(),
            _ => {}
        }
    }

    /// A stream has other bounds while its client has an allocation.
    fn note_allocation(&mut self, now: Now, event: &Event) {
        let (path, is_allocated): (&ClientPath, bool) = match event {
            Event::AllocationCreated { path, .. } => (path, true),
            Event::AllocationEnded { path, .. } => (path, false),
            _ => return,
        };
        if path.tuple.transport.is_stream() {
            match is_allocated {
                true => self.places.take(path.tuple, &self.shared.descriptors),
                false => self.places.give_back(&path.tuple, &self.shared.descriptors),
            }
            self.streams.set_allocated(now.mono, StreamId::from(path.link), is_allocated);
        }
    }
}
