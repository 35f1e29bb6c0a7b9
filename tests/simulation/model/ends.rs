//! What must end, by when, and what may not end before.

use std::net::SocketAddr;

use turnserver::turn::address::RelayId;
use turnserver::turn::event::{EndReason, Traffic};

use super::{Clock, Expect, Held, Model, SECOND, Waiting, Who};

/// What is told of an allocation's end.
pub(crate) struct Ended<'a> {
    pub(crate) user: &'a [u8],
    pub(crate) relayed: SocketAddr,
    pub(crate) reason: EndReason,
    pub(crate) secs: u64,
    pub(crate) traffic: &'a Traffic,
}

impl Held {
    pub(super) fn end(&mut self, reason: EndReason) {
        self.doom = Some(reason);
        self.relays.iter_mut().for_each(|relay| relay.is_doomed = true);
    }
}

impl Model {
    /// A worker does what is due: requests of its clients that waited too long are forgotten, except those of owners of
    /// allocations, which are answered.
    pub(crate) fn timeout(&mut self, clock: Clock, is_of: impl Fn(Who) -> bool) -> Vec<Expect> {
        let is_over = |waiting: &Waiting| waiting.until() <= clock.mono && is_of(waiting.key().0);
        let over: Vec<u64> =
            self.waiting.iter().filter(|(_, waiting)| is_over(waiting)).map(|(ticket, _)| *ticket).collect();
        let mut answers = Vec::new();
        for ticket in over {
            if let Some(Waiting::User { who, bytes, .. }) = self.waiting.get(&ticket).cloned() {
                self.unwait(ticket);
                let busy = self.busy(&is_of);
                answers.extend(self.unanswered(clock, who, &bytes, busy));
            } else {
                self.forget(clock, ticket);
            }
        }
        answers
    }

    /// Should a pair of ports still be opened for a request that is forgotten, then its token ends in time.
    fn forget(&mut self, clock: Clock, ticket: u64) {
        self.unwait(ticket);
        if let Some(token) = self.asked_tokens.get(&ticket).copied() {
            self.start_token(clock, token);
        }
    }

    /// A client's stream ended.
    pub(crate) fn disconnect(&mut self, clock: Clock, who: Who) {
        let of_client = self.waiting.iter().filter(|(_, waiting)| waiting.key().0 == who);
        let tickets: Vec<u64> = of_client.map(|(ticket, _)| *ticket).collect();
        tickets.into_iter().for_each(|ticket| self.forget(clock, ticket));
        self.end(who, EndReason::Disconnected);
    }

    pub(crate) fn end(&mut self, who: Who, reason: EndReason) {
        if let Some(held) = self.held.get_mut(&who) {
            held.end(reason);
        }
    }

    /// The core goes on in another process: what waited is lost, and how often passwords were asked for is
    /// forgotten, and what users were given; allocations have all their bytes.
    pub(crate) fn hand_over(&mut self, from: usize, is_of: impl Fn(Who) -> bool) {
        self.user_peers.retain(|(worker, ..), _| *worker != from);
        self.sent.retain(|(worker, ..), _| *worker != from);
        let lost = self.waiting.iter().filter(|(_, waiting)| is_of(waiting.key().0));
        let lost: Vec<u64> = lost.map(|(ticket, _)| *ticket).collect();
        lost.into_iter().for_each(|ticket| drop(self.unwait(ticket)));
        for (_, held) in self.held.iter_mut().filter(|(who, _)| is_of(**who)) {
            (held.reread_at, held.bytes) = (0, Default::default());
        }
    }

    /// The core closes a relay socket.
    pub(crate) fn relay_closed(&mut self, clock: Clock, id: RelayId, local: SocketAddr) -> Result<(), String> {
        self.rest(clock, local);
        self.note_gone(clock, local);
        if self.orphans.remove(&local) {
            return Ok(());
        }
        let relays =
            self.held.iter_mut().flat_map(|(who, held)| held.relays.iter_mut().map(move |relay| (*who, relay)));
        let mut open = relays.filter(|(_, relay)| relay.local == local && !relay.is_closed);
        let (who, relay) = open.next().ok_or(format!("{local} is closed and was not open"))?;
        if !relay.is_doomed && clock.mono < relay.ends {
            let early = (relay.ends - clock.mono) as f64 / SECOND as f64;
            return Err(format!("{local} is closed {early} s before its end"));
        }
        relay.is_closed = true;
        let external = relay.external;
        self.note_closed(who, id, external);
        Ok(())
    }

    /// The core says that an allocation ended.
    pub(crate) fn ended(&mut self, clock: Clock, who: Who, ended: &Ended<'_>) -> Result<(), String> {
        let Ended { user, relayed, reason, secs, traffic } = *ended;
        let held = self.held.remove(&who).ok_or("an allocation ends that nobody had")?;
        self.told_end(who, relayed)?;
        if user != held.user {
            return Err("an allocation of another user ends".to_owned());
        }
        let told = [traffic.to_peer_packets, traffic.to_peer_bytes, traffic.to_client_packets, traffic.to_client_bytes];
        let expected = held.doom.unwrap_or(EndReason::Expired);
        if held.relays.iter().any(|relay| !relay.is_closed) {
            return Err("an allocation ended before its relay sockets".to_owned());
        }
        if reason != expected {
            return Err(format!("an allocation ended by {reason:?}, foretold was {expected:?}"));
        }
        if secs != (clock.mono - held.created) / SECOND {
            return Err(format!("an allocation says it lived {secs} s"));
        }
        if told != held.traffic {
            return Err(format!("an allocation says it relayed {told:?}, foretold was {:?}", held.traffic));
        }
        Ok(())
    }

    /// A reservation's time is over.
    pub(crate) fn released(&mut self, clock: Clock, token: [u8; 8]) -> Result<(), String> {
        let is_doomed = self.doomed_tokens.remove(&token);
        if !is_doomed && self.tokens.get(&token).is_none_or(|ends| clock.mono < *ends) {
            return Err("a reservation is released before its end".to_owned());
        }
        if let Some(reserved) = self.reserved.remove(&token) {
            self.rest(clock, reserved.local);
        }
        Ok(())
    }

    /// What should have ended by now and did not; asked when all timers that are due have fired.
    pub(crate) fn check_ends(&self, clock: Clock) -> Result<(), String> {
        let is_over = |ends: u64| clock.mono / SECOND >= ends.div_ceil(SECOND);
        for (who, held) in &self.held {
            if held.doom.is_some() {
                return Err(format!("the allocation of {} should be gone", who.1));
            }
            let late = |relay: &&super::Relay| !relay.is_closed && (relay.is_doomed || is_over(relay.ends));
            if let Some(relay) = held.relays.iter().find(late) {
                return Err(format!("{} lives on past its end", relay.external));
            }
        }
        if self.waiting.values().any(|waiting| waiting.until() <= clock.mono) {
            return Err("a request waits for ever".to_owned());
        }
        if !self.orphans.is_empty() {
            return Err(format!("sockets that nobody wants stay open: {:?}", self.orphans));
        }
        let is_late = |token: &[u8; 8]| self.tokens.get(token).is_some_and(|ends| is_over(*ends));
        if self.reserved.keys().any(|token| is_late(token) || self.doomed_tokens.contains(token)) {
            return Err("a reserved port is not given back".to_owned());
        }
        Ok(())
    }
}
