//! From bytes to a method: what is no message, who waits for what, and in which order that is judged.

use turnserver::config::{AuthMode, BindingRule};
use turnserver::turn::DropReason;

use super::budgets::source;
use super::claims::{Age, Claims};
use super::told::Tell;
use super::{Caller, Clock, Expect, Held, Merit, Model, Reply, SECOND, Signer, Waiting, Who};
use crate::proof::Scheme;
use crate::wire::{self, Junk, View};

/// A waiting request is kept whole up to this length.
const KEPT_LEN_MAX: usize = 4096;
/// Requests that may wait for a user with one worker, and that may wait at all: room for others is left.
const LOOK_UPS_MAX: usize = 4096;
/// Of these, an address, or an IPv6 /64, may have so many.
const LOOK_UPS_OF_SOURCE_MAX: usize = 64;
const WAITING_MAX: usize = 5120;
pub(super) const WAITING_SECS: u64 = 5;
/// How long a user who was found may be gone before that is found out on a live allocation.
pub(super) const KEY_SECS: u64 = 60;

/// How many requests wait with a worker, and where each look-up comes from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Busy {
    look_ups: Vec<u128>,
    all: usize,
}

/// A method's answer: a success with what it says, or a code.
pub(super) type Outcome = Result<Done, u16>;

pub(super) enum Done {
    Says(Vec<(u16, Vec<u8>)>),
    Again(Vec<u8>),
    Wants(super::Wish, u32),
    /// The servers to ask instead.
    Elsewhere(Vec<(u16, Vec<u8>)>),
}

pub(super) fn silence(reason: DropReason) -> Expect {
    Expect::Silence(vec![reason])
}

impl Model {
    /// A datagram or stream message of a client.
    pub(crate) fn client(&mut self, clock: Clock, who: Who, bytes: &[u8], busy: Busy) -> Expect {
        match bytes.first() {
            Some(0x40..=0x7F) => return self.channel_data(clock, who, bytes),
            Some(0..=3) => {}
            _ => return silence(DropReason::NotStun),
        }
        let view = match View::parse(bytes) {
            Ok(view) => view,
            Err(Junk::NotStun) => return silence(DropReason::NotStun),
            Err(Junk::Malformed) => return silence(DropReason::Malformed),
        };
        if !view.fingerprint_holds() {
            return silence(DropReason::Fingerprint);
        }
        if self.rules.listeners.contains(&who.1) {
            return silence(DropReason::OwnListener);
        }
        let is_turn = [wire::ALLOCATE, wire::REFRESH, wire::CREATE_PERMISSION, wire::CHANNEL_BIND];
        match (view.class, view.method) {
            (wire::INDICATION, wire::SEND) => self.send(clock, who, &view),
            (wire::REQUEST, wire::BINDING) => match self.rules.binding {
                BindingRule::Open => self.binding(who, &view),
                BindingRule::Authenticated => self.turn_request(clock, who, &view, busy),
                BindingRule::Ignored => silence(DropReason::NoStun),
            },
            (wire::REQUEST, method) if is_turn.contains(&method) => {
                if self.rules.mode == AuthMode::StunOnly || !self.rules.turn {
                    return silence(DropReason::StunOnly);
                }
                self.turn_request(clock, who, &view, busy)
            }
            (wire::REQUEST, _) if self.rules.is_coturn => self.refuse(who, &view, 400, None),
            _ => silence(DropReason::Unexpected),
        }
    }

    fn binding(&self, who: Who, view: &View<'_>) -> Expect {
        match view.unknown().is_empty() {
            true => self.reply(who, view, 200, vec![(wire::MAPPED_ADDRESS, wire::xored(who.1, &view.id))], None),
            false => self.error(who, view, 420, None),
        }
    }

    fn turn_request(&mut self, clock: Clock, who: Who, view: &View<'_>, busy: Busy) -> Expect {
        let live = self.held.get(&who).filter(|held| held.is_live(clock.mono));
        if let Some(held) = live.filter(|_| self.rules.is_coturn && view.method == wire::ALLOCATE) {
            return match held.answered(view, clock) {
                Some(answer) => Expect::Again(answer),
                None => self.error(who, view, 437, None),
            };
        }
        if self.rules.is_coturn
            && view.method == wire::ALLOCATE
            && let Some(servers) = self.alternates(who)
        {
            self.must_tell(Tell::Refused(who, view.method, 300, None));
            return self.reply(who, view, 300, servers, None);
        }
        if self.rules.mode == AuthMode::Anonymous {
            let nobody = Caller { user: Vec::new(), signer: None, quota: None };
            return self.serve(clock, who, view, nobody, busy);
        }
        let Claims { user, scheme, age } = match self.claims(clock, who, view) {
            Ok(claims) => claims,
            Err(code) => return self.refuse(who, view, code, None),
        };
        let live = self.held.get(&who).filter(|held| held.is_live(clock.mono) && held.user == user);
        if let Some((held, maker)) = live.and_then(|held| Some((held, held.signer?))) {
            let signer = Signer { scheme, ..maker };
            let caller = Caller { user: held.user.clone(), signer: Some(signer), quota: held.quota.clone() };
            if self.is_signed(view, &signer) {
                if self.rules.mode == AuthMode::LongTerm && clock.mono >= held.vouched_until {
                    return match self.wait_for_user(clock, who, view, busy.clone()) {
                        Expect::Silence(why) if why == [DropReason::Busy] => {
                            self.serve_owner(clock, who, view, age, caller, busy)
                        }
                        expect => expect,
                    };
                }
                return self.serve_owner(clock, who, view, age, caller, busy);
            }
            let held = self.held.get_mut(&who).expect("it is there");
            if clock.mono >= held.reread_at {
                held.reread_at = clock.mono + SECOND;
            } else if !self.wait_keys.contains(&(who, view.id)) {
                return self.refuse_guess(who, view, user);
            }
        }
        self.wait_for_user(clock, who, view, busy)
    }

    fn wait_for_user(&mut self, clock: Clock, who: Who, view: &View<'_>, busy: Busy) -> Expect {
        if view.bytes.len() > KEPT_LEN_MAX {
            return silence(DropReason::TooLarge);
        }
        let until = clock.mono + WAITING_SECS * SECOND;
        let waiting = Waiting::User { who, id: view.id, bytes: view.bytes.to_vec(), until };
        self.wait(waiting, who, view.id, busy)
    }

    fn serve_owner(&mut self, clock: Clock, who: Who, view: &View<'_>, age: Age, caller: Caller, busy: Busy) -> Expect {
        match age {
            Age::Fresh => self.serve(clock, who, view, caller, busy),
            _ => self.error(who, view, 438, None),
        }
    }

    /// Nobody says whether the user is still one: whoever was one when the allocation was made, or later, is served, and
    /// nobody is asked for a while. None: it is somebody else.
    fn unconfirmed(&mut self, clock: Clock, who: Who, view: &View<'_>, busy: Busy) -> Option<Expect> {
        let Claims { user, scheme, age } = self.claims(clock, who, view).ok()?;
        let held = self.held.get(&who).filter(|held| held.is_live(clock.mono) && held.user == user)?;
        let signer = Signer { scheme, ..held.signer? };
        let caller = Caller { user, signer: Some(signer), quota: held.quota.clone() };
        if !self.is_signed(view, &signer) {
            return None;
        }
        self.held.get_mut(&who)?.vouched_until = clock.mono + KEY_SECS * SECOND;
        Some(self.serve_owner(clock, who, view, age, caller, busy))
    }

    /// Nobody said anything in the time that a request waits.
    pub(super) fn unanswered(&mut self, clock: Clock, who: Who, bytes: &[u8], busy: Busy) -> Option<Expect> {
        let view = View::parse(bytes).expect("it was a message before");
        self.unconfirmed(clock, who, &view, busy)
    }

    /// How many requests wait with a worker, which only matters when they are many.
    pub(crate) fn busy(&self, is_of: impl Fn(Who) -> bool) -> Busy {
        let mut busy = Busy::default();
        if self.waiting.len() >= LOOK_UPS_OF_SOURCE_MAX {
            for waiting in self.waiting.values().filter(|waiting| is_of(waiting.key().0)) {
                busy.all += 1;
                busy.look_ups.extend(matches!(waiting, Waiting::User { .. }).then(|| source(waiting.key().0)));
            }
        }
        busy
    }

    /// Has a request wait, unless it does already or too many do.
    fn wait(&mut self, waiting: Waiting, who: Who, id: [u8; 12], busy: Busy) -> Expect {
        let is_look_up = matches!(waiting, Waiting::User { .. });
        let of_source = busy.look_ups.iter().filter(|from| **from == source(who)).count();
        let is_crowded = busy.look_ups.len() >= LOOK_UPS_MAX || of_source >= LOOK_UPS_OF_SOURCE_MAX;
        if busy.all >= WAITING_MAX || is_look_up && is_crowded {
            return silence(DropReason::Busy);
        }
        if !self.wait_keys.insert((who, id)) {
            return silence(DropReason::Parked);
        }
        self.tickets += 1;
        self.waiting.insert(self.tickets, waiting);
        Expect::Ask(self.tickets)
    }

    /// The look-up of a waiting request's user is answered. None: nothing waits under that number any more.
    pub(crate) fn user_found(&mut self, clock: Clock, ticket: u64, is_of: impl Fn(Who) -> bool) -> Option<Expect> {
        let Waiting::User { who, bytes, .. } = self.unwait(ticket)? else {
            panic!("ticket {ticket} waits for no user");
        };
        let busy = self.busy(is_of);
        let view = View::parse(&bytes).expect("it was a message before");
        let Claims { user, scheme, age } = match self.claims(clock, who, &view) {
            Ok(claims) => claims,
            Err(code) => return Some(self.refuse(who, &view, code, None)),
        };
        let known = self.credentials(&user, clock).map(|(key, quota)| (Signer { key: key.raw, scheme }, quota));
        let Some((signer, quota)) = known.filter(|(signer, _)| self.is_signed(&view, signer)) else {
            self.must_tell(Tell::Refused(who, view.method, 401, Some(user.clone())));
            return Some(self.refuse_guess(who, &view, user));
        };
        if age == Age::Stale {
            return Some(self.refuse(who, &view, 438, Some(user)));
        }
        if let Some(held) = self.held.get_mut(&who).filter(|held| held.user == user) {
            held.vouched_until = clock.mono + KEY_SECS * SECOND;
            if let Some(maker) = &mut held.signer {
                maker.key = signer.key;
            }
        }
        let caller = Caller { user, signer: Some(signer), quota: Some(quota) };
        Some(self.serve(clock, who, &view, caller, busy))
    }

    /// The user database is down: nobody can tell who asks, which is no fault of the client's.
    pub(crate) fn look_up_failed(&mut self, clock: Clock, ticket: u64, is_of: impl Fn(Who) -> bool) -> Option<Expect> {
        let Waiting::User { who, bytes, .. } = self.unwait(ticket)? else {
            panic!("ticket {ticket} waits for no user");
        };
        let view = View::parse(&bytes).expect("it was a message before");
        let busy = self.busy(is_of);
        if let Some(expect) = self.unconfirmed(clock, who, &view, busy) {
            return Some(expect);
        }
        let name = view.value(wire::USERNAME).map(<[u8]>::to_vec);
        Some(self.refuse(who, &view, 500, name))
    }

    /// The last checks that all methods share, then the method.
    fn serve(&mut self, clock: Clock, who: Who, view: &View<'_>, caller: Caller, busy: Busy) -> Expect {
        let live = self.held.get(&who).filter(|held| held.is_live(clock.mono));
        // RFC 8489 section 16.1.3: who made it with SHA-256 is not to be brought back to MD5.
        let is_sha256 = |signer: Option<Signer>| signer.is_some_and(|signer| signer.scheme == Scheme::Sha256);
        let is_other = |held: &Held| held.user != caller.user || is_sha256(held.signer) && !is_sha256(caller.signer);
        if view.method != wire::BINDING && live.is_some_and(is_other) {
            self.must_tell(Tell::Refused(who, view.method, 441, Some(caller.user)));
            return self.error(who, view, 441, caller.signer);
        }
        if !view.unknown().is_empty() {
            return self.error(who, view, 420, caller.signer);
        }
        let outcome = match view.method {
            wire::BINDING => Ok(Done::Says(vec![(wire::MAPPED_ADDRESS, wire::xored(who.1, &view.id))])),
            wire::ALLOCATE => self.allocate(clock, who, view, &caller),
            wire::REFRESH => self.refresh(clock, who, view, &caller),
            wire::CREATE_PERMISSION => self.create_permission(clock, who, view),
            _ => self.channel_bind(clock, who, view),
        };
        match outcome {
            Ok(Done::Says(attributes)) => self.reply(who, view, 200, attributes, caller.signer),
            Ok(Done::Again(answer)) => Expect::Again(answer),
            Ok(Done::Wants(wish, lifetime)) => {
                let until = clock.mono + WAITING_SECS * SECOND;
                let (id, fingerprint) = (view.id, view.has_fingerprint());
                let waiting = Waiting::Relay { who, id, caller, lifetime, fingerprint, wish, until };
                self.wait(waiting, who, view.id, busy)
            }
            Ok(Done::Elsewhere(servers)) => {
                self.must_tell(Tell::Refused(who, view.method, 300, Some(caller.user)));
                self.reply(who, view, 300, servers, caller.signer)
            }
            Err(code) => {
                self.must_tell(Tell::Refused(who, view.method, code, Some(caller.user)));
                self.error(who, view, code, caller.signer)
            }
        }
    }

    /// Refused before anybody proved who they are, which is told of those who tried: they named a user who was looked
    /// up, or sent what makes no sense.
    fn refuse(&mut self, who: Who, view: &View<'_>, code: u16, user: Option<Vec<u8>>) -> Expect {
        if user.is_some() || code == 400 {
            self.must_tell(Tell::Refused(who, view.method, code, user));
        }
        self.error(who, view, code, None)
    }

    pub(super) fn error(&self, who: Who, view: &View<'_>, code: u16, signer: Option<Signer>) -> Expect {
        let unknown = || view.unknown().iter().flat_map(|kind| kind.to_be_bytes()).collect();
        let attributes = if code == 420 { vec![(wire::UNKNOWN_ATTRIBUTES, unknown())] } else { Vec::new() };
        self.reply(who, view, code, attributes, signer)
    }

    /// A password that is not this name's, or a name that is nobody's.
    fn refuse_guess(&self, who: Who, view: &View<'_>, name: Vec<u8>) -> Expect {
        match self.error(who, view, 401, None) {
            Expect::Reply(reply) => Expect::Reply(Reply { merit: Merit::Guess(name), ..reply }),
            other => other,
        }
    }

    fn reply(
        &self,
        who: Who,
        view: &View<'_>,
        code: u16,
        attributes: Vec<(u16, Vec<u8>)>,
        signer: Option<Signer>,
    ) -> Expect {
        let (method, id, fingerprint) = (view.method, view.id, view.has_fingerprint());
        let merit = if signer.is_some() { Merit::Earned } else { Merit::Unearned };
        Expect::Reply(Reply { who, method, id, code, attributes, signer, fingerprint, merit })
    }
}

impl Held {
    /// The answer that made the allocation, when this is the request that made it.
    pub(super) fn answered(&self, view: &View<'_>, clock: Clock) -> Option<Vec<u8>> {
        let (id, answer, until) = self.replay.as_ref()?;
        (*id == view.id && clock.mono < *until).then(|| answer.clone())
    }
}
