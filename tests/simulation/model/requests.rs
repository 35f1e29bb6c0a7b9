//! From bytes to a method: what is no message, who asks, and in which order that is judged.

use turnserver::config::AuthMode;
use turnserver::turn::DropReason;

use super::names::{bare, timed};
use super::told::Tell;
use super::{Caller, Clock, Expect, Held, Merit, Model, Reply, SECOND, Waiting, Who};
use crate::plan::{REALM, SECRET};
use crate::wire::{self, Junk, Key, View};

/// RFC 8489: USERNAME, REALM and NONCE have less than this many bytes.
const NAME_LEN_END: usize = 764;
/// A waiting request is kept whole up to this length.
const KEPT_LEN_MAX: usize = 4096;
/// Requests that may wait for a user with one worker, and that may wait at all: room for others is left.
const LOOK_UPS_MAX: usize = 4096;
const WAITING_MAX: usize = 5120;
const WAITING_SECS: u64 = 5;

/// How old a nonce is.
#[derive(PartialEq, Eq)]
enum Age {
    Fresh,
    Stale,
    Foreign,
}

/// How many requests wait with a worker.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Busy {
    look_ups: usize,
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
            (wire::REQUEST, wire::BINDING) => self.binding(who, &view),
            (wire::REQUEST, method) if is_turn.contains(&method) => {
                if self.rules.mode == AuthMode::StunOnly {
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
            let nobody = Caller { user: Vec::new(), key: None, quota: None };
            return self.serve(clock, who, view, nobody, busy);
        }
        let (user, age) = match self.claims(clock, who, view) {
            Ok(claims) => claims,
            Err(code) => return self.refuse(who, view, code, None),
        };
        let live = self.held.get(&who).filter(|held| held.is_live(clock.mono) && held.user == user);
        if let Some((held, key)) = live.and_then(|held| Some((held, held.key?))) {
            let caller = Caller { user: held.user.clone(), key: Some(key), quota: held.quota.clone() };
            if self.is_signed(view, &key) {
                return match age {
                    Age::Fresh => self.serve(clock, who, view, caller, busy),
                    _ => self.error(who, view, 438, None),
                };
            }
            let held = self.held.get_mut(&who).expect("it is there");
            if clock.mono < held.reread_at {
                return self.refuse_guess(who, view, user);
            }
            held.reread_at = clock.mono + SECOND;
        }
        if view.bytes.len() > KEPT_LEN_MAX {
            return silence(DropReason::TooLarge);
        }
        let until = clock.mono + WAITING_SECS * SECOND;
        let waiting = Waiting::User { who, id: view.id, bytes: view.bytes.to_vec(), until };
        self.wait(waiting, who, view.id, busy)
    }

    /// How many requests wait with a worker, which only matters when they are many.
    pub(crate) fn busy(&self, is_of: impl Fn(Who) -> bool) -> Busy {
        let mut busy = Busy::default();
        if self.waiting.len() >= LOOK_UPS_MAX {
            for waiting in self.waiting.values().filter(|waiting| is_of(waiting.key().0)) {
                busy.all += 1;
                busy.look_ups += usize::from(matches!(waiting, Waiting::User { .. }));
            }
        }
        busy
    }

    /// Has a request wait, unless it does already or too many do.
    fn wait(&mut self, waiting: Waiting, who: Who, id: [u8; 12], busy: Busy) -> Expect {
        let is_look_up = matches!(waiting, Waiting::User { .. });
        if busy.all >= WAITING_MAX || is_look_up && busy.look_ups >= LOOK_UPS_MAX {
            return silence(DropReason::Busy);
        }
        if !self.wait_keys.insert((who, id)) {
            return silence(DropReason::Parked);
        }
        self.tickets += 1;
        self.waiting.insert(self.tickets, waiting);
        Expect::Ask(self.tickets)
    }

    /// Who a request says it is from, and how old its nonce is.
    fn claims(&self, clock: Clock, who: Who, view: &View<'_>) -> Result<(Vec<u8>, Age), u16> {
        if !view.has(wire::INTEGRITY) {
            return Err(401);
        }
        let short = |kind: u16| view.value(kind).filter(|value| value.len() < NAME_LEN_END);
        let (Some(realm), Some(nonce)) = (short(wire::REALM), short(wire::NONCE)) else { return Err(400) };
        let (has_name, has_hash) = (view.has(wire::USERNAME), view.has(wire::USERHASH));
        if has_name == has_hash || has_name && short(wire::USERNAME).is_none() {
            return Err(400);
        }
        let age = self.age(nonce, clock, who);
        match short(wire::USERNAME) {
            _ if age == Age::Foreign => Err(438),
            Some(user) if has_name && bare(realm) == REALM.as_bytes() => Ok((self.name_of(user), age)),
            _ => Err(401),
        }
    }

    fn age(&self, nonce: &[u8], clock: Clock, who: Who) -> Age {
        let Some(issued) = self.nonces.get(nonce) else { return Age::Foreign };
        // Over UDP the port counts, as an address alone can be forged; a client's streams share their nonces. Where
        // clients are sent elsewhere they take them along, to any port.
        let is_alone = self.rules.alternates.iter().all(Vec::is_empty);
        let key = |who: Who| (who.1.ip(), (is_alone && who.0 == 0).then(|| who.1.port()));
        if key(issued.who) != key(who) || issued.wall > clock.wall + 5 {
            return Age::Foreign;
        }
        let age = clock.wall.saturating_sub(issued.wall);
        if self.rules.nonce_secs != 0 && age > self.rules.nonce_secs { Age::Stale } else { Age::Fresh }
    }

    fn is_signed(&self, view: &View<'_>, key: &[u8; 16]) -> bool {
        let Some((covered, value)) = view.seal() else { return false };
        self.signed.get(&value).is_some_and(|(known, by)| *known == covered && by == key)
    }

    /// The look-up of a waiting request's user is answered. None: nothing waits under that number any more.
    pub(crate) fn user_found(&mut self, clock: Clock, ticket: u64, is_of: impl Fn(Who) -> bool) -> Option<Expect> {
        let Waiting::User { who, bytes, .. } = self.unwait(ticket)? else {
            panic!("ticket {ticket} waits for no user");
        };
        let busy = self.busy(is_of);
        let view = View::parse(&bytes).expect("it was a message before");
        let (user, age) = match self.claims(clock, who, &view) {
            Ok(claims) => claims,
            Err(code) => return Some(self.refuse(who, &view, code, None)),
        };
        let Some((key, quota)) = self.credentials(&user, clock).filter(|(key, _)| self.is_signed(&view, &key.raw))
        else {
            self.must_tell(Tell::Refused(who, view.method, 401, Some(user.clone())));
            return Some(self.refuse_guess(who, &view, user));
        };
        if age == Age::Stale {
            return Some(self.refuse(who, &view, 438, Some(user)));
        }
        if let Some(held) = self.held.get_mut(&who).filter(|held| held.user == user) {
            held.key = Some(key.raw);
        }
        let caller = Caller { user, key: Some(key.raw), quota: Some(quota) };
        Some(self.serve(clock, who, &view, caller, busy))
    }

    /// The user database is down: nobody can tell who asks, which is no fault of the client's.
    pub(crate) fn look_up_failed(&mut self, ticket: u64) -> Option<Expect> {
        let Waiting::User { who, bytes, .. } = self.unwait(ticket)? else {
            panic!("ticket {ticket} waits for no user");
        };
        let view = View::parse(&bytes).expect("it was a message before");
        let name = view.value(wire::USERNAME).map(<[u8]>::to_vec);
        Some(self.refuse(who, &view, 500, name))
    }

    /// The key of a user who may be let in now, and whose quota it is.
    fn credentials(&mut self, name: &[u8], clock: Clock) -> Option<(Key, Vec<u8>)> {
        if self.rules.mode == AuthMode::LongTerm {
            let password = self.passwords.get(name)?.clone();
            return Some((self.key_of(name, &password), name.to_vec()));
        }
        let (ends, quota) = timed(name)?;
        if ends < clock.wall || self.rules.ahead_secs_max.is_some_and(|max| ends > clock.wall + max) {
            return None;
        }
        let key = Key::timed(name, REALM, SECRET);
        self.known_keys.entry(key.raw).or_insert_with(|| key.clone());
        Some((key, quota))
    }

    /// The last checks that all methods share, then the method.
    fn serve(&mut self, clock: Clock, who: Who, view: &View<'_>, caller: Caller, busy: Busy) -> Expect {
        let live = self.held.get(&who).filter(|held| held.is_live(clock.mono));
        if live.is_some_and(|held| held.user != caller.user) {
            self.must_tell(Tell::Refused(who, view.method, 441, Some(caller.user)));
            return self.error(who, view, 441, caller.key);
        }
        if !view.unknown().is_empty() {
            return self.error(who, view, 420, caller.key);
        }
        let outcome = match view.method {
            wire::ALLOCATE => self.allocate(clock, who, view, &caller),
            wire::REFRESH => self.refresh(clock, who, view, &caller),
            wire::CREATE_PERMISSION => self.create_permission(clock, who, view),
            _ => self.channel_bind(clock, who, view),
        };
        match outcome {
            Ok(Done::Says(attributes)) => self.reply(who, view, 200, attributes, caller.key),
            Ok(Done::Again(answer)) => Expect::Again(answer),
            Ok(Done::Wants(wish, lifetime)) => {
                let until = clock.mono + WAITING_SECS * SECOND;
                let (id, fingerprint) = (view.id, view.has_fingerprint());
                let waiting = Waiting::Relay { who, id, caller, lifetime, fingerprint, wish, until };
                self.wait(waiting, who, view.id, busy)
            }
            Ok(Done::Elsewhere(servers)) => {
                self.must_tell(Tell::Refused(who, view.method, 300, Some(caller.user)));
                self.reply(who, view, 300, servers, caller.key)
            }
            Err(code) => {
                self.must_tell(Tell::Refused(who, view.method, code, Some(caller.user)));
                self.error(who, view, code, caller.key)
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

    pub(super) fn error(&self, who: Who, view: &View<'_>, code: u16, key: Option<[u8; 16]>) -> Expect {
        let unknown = || view.unknown().iter().flat_map(|kind| kind.to_be_bytes()).collect();
        let attributes = if code == 420 { vec![(wire::UNKNOWN_ATTRIBUTES, unknown())] } else { Vec::new() };
        self.reply(who, view, code, attributes, key)
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
        key: Option<[u8; 16]>,
    ) -> Expect {
        let (method, id, fingerprint) = (view.method, view.id, view.has_fingerprint());
        let merit = if key.is_some() { Merit::Earned } else { Merit::Unearned };
        Expect::Reply(Reply { who, method, id, code, attributes, key, fingerprint, merit })
    }
}

impl Held {
    /// The answer that made the allocation, when this is the request that made it.
    pub(super) fn answered(&self, view: &View<'_>, clock: Clock) -> Option<Vec<u8>> {
        let (id, answer, until) = self.replay.as_ref()?;
        (*id == view.id && clock.mono < *until).then(|| answer.clone())
    }
}
