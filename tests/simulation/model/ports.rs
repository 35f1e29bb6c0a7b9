//! What the engine may give: places in the quotas, ports, descriptors; and what an Allocate comes to then.

use std::net::{IpAddr, SocketAddr};

use super::requests::{KEY_SECS, WAITING_SECS};
use super::told::Tell;
use super::{Caller, Clock, Expect, Held, Merit, Model, Relay, Reply, Reserved, SECOND, Waiting, Wish};
use crate::wire;

const PORT_REST_SECS: u64 = 30;
const REPLAY_SECS: u64 = 40;

/// What the engine answers to a wish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Opened {
    /// Relayed addresses of these families, and why one is missing.
    Families(Vec<u8>, Option<(u8, u16)>),
    Quota,
    NoCapacity,
    NotServed,
}

impl Model {
    /// Places taken in a user's quota, and in all.
    pub(crate) fn places(&self, user: Option<&[u8]>) -> (usize, usize) {
        let held = self.held.values().filter(|held| held.relays.iter().any(|relay| !relay.is_closed));
        let all = held.map(|held| &held.quota).chain(self.reserved.values().map(|reserved| &reserved.quota));
        let (mut of_user, mut total) = (0, 0);
        for quota in all {
            total += 1;
            of_user += usize::from(user.is_some() && quota.as_deref() == user);
        }
        (of_user, total)
    }

    /// Whether so many more places are free.
    fn has_place(&self, user: Option<&[u8]>, more: usize) -> bool {
        let (of_user, total) = self.places(user);
        let within = |taken: usize, max: usize| max == 0 || taken + more <= max;
        within(total, self.rules.total_quota) && (user.is_none() || within(of_user, self.rules.user_quota))
    }

    pub(crate) fn taken(&self, local: SocketAddr) -> bool {
        let relays = self.held.values().flat_map(|held| &held.relays);
        relays.clone().any(|relay| !relay.is_closed && relay.local == local)
            || self.reserved.values().any(|reserved| reserved.local == local)
            || self.orphans.contains(&local)
    }

    /// Open sockets, and streams of clients with an allocation.
    pub(crate) fn descriptors(&self) -> usize {
        let streams = self.held.keys().filter(|who| who.0 != 0).count();
        streams + self.sockets() + self.reserved.len()
    }

    /// Open relay sockets, reserved ones not counted.
    pub(crate) fn sockets(&self) -> usize {
        self.held.values().flat_map(|held| &held.relays).filter(|relay| !relay.is_closed).count()
    }

    fn is_served(&self, family: u8) -> bool {
        self.rules.relays.iter().any(|(local, _)| local.is_ipv4() == (family == 1))
    }

    /// Whether a port of the address is there for the asking; `is_free` says which.
    fn has_port(&self, ip: IpAddr, even: bool, pair: bool, is_free: impl Fn(SocketAddr) -> bool) -> bool {
        let ports = self.rules.ports.clone();
        let free = |port: u16| self.rules.ports.contains(&port) && is_free(SocketAddr::new(ip, port));
        ports.into_iter().any(|port| (!even || port % 2 == 0) && free(port) && (!pair || free(port + 1)))
    }

    /// What must come of a wish for relayed addresses now.
    pub(crate) fn foretell(&self, caller: &Caller, wish: &Wish) -> Opened {
        let user = caller.quota.as_deref();
        let Wish::Open { families, even, reserve } = *wish else { return self.foretell_claim(caller, wish) };
        if families != 3 && !self.is_served(families) {
            return Opened::NotServed;
        }
        if !self.has_place(user, 1) {
            return Opened::Quota;
        }
        let has_socket = |family: u8, before: usize| {
            let needed = before + if reserve { 2 } else { 1 };
            let is_good = |local: SocketAddr| !self.taken(local) && !self.rules.squatted.contains(&local);
            let of_family = self.rules.relays.iter().filter(|(local, _)| local.is_ipv4() == (family == 1));
            !self.epoll_refuses
                && self.descriptors() + needed <= self.rules.descriptors_max
                && of_family.clone().any(|(local, _)| self.has_port(*local, even, reserve, is_good))
        };
        if families != 3 {
            return match has_socket(families, 0) {
                _ if reserve && !self.has_place(user, 2) => Opened::Quota,
                true => Opened::Families(vec![families], None),
                false => Opened::NoCapacity,
            };
        }
        let first = has_socket(1, 0);
        let second = has_socket(2, usize::from(first));
        let missing = |family: u8| Some((family, if self.is_served(family) { 508 } else { 440 }));
        match (first, second) {
            (true, true) => Opened::Families(vec![1, 2], None),
            (true, false) => Opened::Families(vec![1], missing(2)),
            (false, true) => Opened::Families(vec![2], missing(1)),
            (false, false) => Opened::NoCapacity,
        }
    }

    fn foretell_claim(&self, caller: &Caller, wish: &Wish) -> Opened {
        let Wish::Claim(token) = wish else { panic!("it is one or the other") };
        let Some(reserved) = self.reserved.get(token) else { return Opened::NoCapacity };
        if reserved.quota != caller.quota && !self.has_place(caller.quota.as_deref(), 1) {
            return Opened::Quota;
        }
        match self.epoll_refuses {
            true => Opened::NoCapacity,
            false => Opened::Families(vec![if reserved.local.is_ipv4() { 1 } else { 2 }], None),
        }
    }

    /// Whether the engine may give this port, and the next one where a pair is asked for.
    pub(crate) fn check_port(&self, clock: Clock, local: SocketAddr, even: bool, pair: bool) -> Result<(), String> {
        let ends = [Some(local), pair.then(|| SocketAddr::new(local.ip(), local.port() + 1))];
        for local in ends.into_iter().flatten() {
            if !self.rules.ports.contains(&local.port()) || self.taken(local) {
                return Err(format!("{local} was given, which is taken or out of range"));
            }
            let rests = |local: SocketAddr| self.resting.get(&local).is_some_and(|until| clock.mono < *until);
            let is_fresh = |local: SocketAddr| !self.taken(local) && !rests(local);
            let is_known = self.rules.squatted.is_empty() && clock.mono >= self.unknown_rest_until;
            if is_known && rests(local) && self.has_port(local.ip(), even, pair, is_fresh) {
                return Err(format!("{local} was given, which rests, while others are free"));
            }
        }
        if even && local.port() % 2 == 1 {
            return Err(format!("{local} is odd"));
        }
        Ok(())
    }

    /// The engine reserved the second half of a pair.
    pub(crate) fn note_reserved(&mut self, token: [u8; 8], local: SocketAddr, quota: Option<Vec<u8>>) {
        self.reserved.insert(token, Reserved { local, quota });
    }

    /// The engine answered a claim: whatever came of it, but for want of a place, the reservation is used up.
    pub(crate) fn note_claimed(&mut self, clock: Clock, token: [u8; 8], opened: &Opened) {
        if *opened == Opened::Quota {
            return;
        }
        if let Some(reserved) = self.reserved.remove(&token).filter(|_| *opened == Opened::NoCapacity) {
            self.rest(clock, reserved.local);
        }
    }

    pub(super) fn rest(&mut self, clock: Clock, local: SocketAddr) {
        self.resting.insert(local, clock.mono + PORT_REST_SECS * SECOND);
    }

    /// The engine's answer reaches the core. None: nothing waits for it any more.
    pub(crate) fn opened(
        &mut self,
        clock: Clock,
        ticket: u64,
        opened: &Opened,
        grants: &[(SocketAddr, SocketAddr)],
        token: Option<[u8; 8]>,
    ) -> Option<Expect> {
        let waiting = self.unwait(ticket);
        if matches!(opened, Opened::NoCapacity | Opened::Families(_, Some(_))) {
            self.unknown_rest_until = clock.mono + PORT_REST_SECS * SECOND;
        }
        let Some(Waiting::Relay { who, id, caller, lifetime, fingerprint, until, .. }) = waiting else {
            self.orphans.extend(grants.iter().map(|(local, _)| *local));
            return None;
        };
        let reply = |code: u16, attributes: Vec<(u16, Vec<u8>)>| {
            let signer = caller.signer;
            let method = wire::ALLOCATE;
            Some(Expect::Reply(Reply { who, method, id, code, attributes, signer, fingerprint, merit: Merit::Earned }))
        };
        let (refused, missing) = match opened {
            Opened::Quota => (Some(486), None),
            Opened::NoCapacity => (Some(508), None),
            Opened::NotServed => (Some(440), None),
            Opened::Families(_, missing) => (None, *missing),
        };
        if let Some(code) = refused {
            self.must_tell(Tell::Refused(who, wire::ALLOCATE, code, Some(caller.user.clone())));
            return reply(code, Vec::new());
        }
        if self.held.contains_key(&who) {
            // Another Allocate of this client was quicker.
            self.orphans.extend(grants.iter().map(|(local, _)| *local));
            self.doomed_tokens.extend(token);
            return reply(437, Vec::new());
        }
        let mut attributes =
            vec![(wire::MAPPED_ADDRESS, wire::xored(who.1, &id)), (wire::LIFETIME, lifetime.to_be_bytes().to_vec())];
        attributes.extend(grants.iter().map(|(_, external)| (wire::RELAYED_ADDRESS, wire::xored(*external, &id))));
        attributes.extend(token.map(|token| (wire::TOKEN, token.to_vec())));
        let problem = |(family, code): (u8, u16)| vec![family, 0, (code / 100) as u8, (code % 100) as u8];
        attributes.extend(missing.map(|missing| (wire::ADDRESS_ERROR, problem(missing))));
        let ends = clock.mono + u64::from(lifetime) * SECOND;
        let relay = |(local, external): &(SocketAddr, SocketAddr)| Relay {
            local: *local,
            external: *external,
            ends,
            is_doomed: false,
            is_closed: false,
        };
        let held = Held {
            user: caller.user.clone(),
            signer: caller.signer,
            quota: caller.quota.clone(),
            relays: grants.iter().map(relay).collect(),
            permissions: Default::default(),
            channels: Default::default(),
            replay: Some((id, Vec::new(), clock.mono + REPLAY_SECS * SECOND)),
            new_peers: Default::default(),
            bytes: Default::default(),
            created: clock.mono,
            reread_at: 0,
            // From when the key was looked up: the relay may have taken its time.
            vouched_until: until + (KEY_SECS - WAITING_SECS) * SECOND,
            traffic: [0; 4],
            doom: None,
        };
        self.held.insert(who, held);
        if let Some(token) = token {
            self.start_token(clock, token);
        }
        reply(200, attributes)
    }

    pub(super) fn start_token(&mut self, clock: Clock, token: [u8; 8]) {
        self.tokens.insert(token, clock.mono + self.rules.reservation_secs * SECOND);
    }
}
