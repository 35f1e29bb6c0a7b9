//! One function a method: Allocate, Refresh, CreatePermission, ChannelBind (RFC 8656 sections 7, 8, 10, 12).

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use turnserver::turn::event::EndReason;

use super::requests::{Done, Outcome};
use super::told::Tell;
use super::{Caller, Clock, Held, Model, SECOND, Who, Wish};
use crate::wire::{self, View};

const LIFETIME_DEFAULT: u32 = 600;
const PEERS_IN_ONE_MAX: usize = 64;

impl Model {
    pub(super) fn allocate(&mut self, clock: Clock, who: Who, view: &View<'_>, caller: &Caller) -> Outcome {
        if let Some(held) = self.held.get(&who).filter(|held| held.is_live(clock.mono)) {
            return held.answered(view, clock).map(Done::Again).ok_or(437);
        }
        // RFC 8656 section 21.4: no tunnels to ourselves.
        if let IpAddr::V6(ip) = who.1.ip()
            && matches!(ip.segments(), [0x2001, 0, ..] | [0x2002, ..])
        {
            return Err(403);
        }
        let wish = self.wish(view)?;
        let lifetime = self.lifetime(clock, view, caller)?;
        // A token's port is here.
        let elsewhere = if matches!(wish, Wish::Claim(_)) { None } else { self.alternates(who) };
        Ok(elsewhere.map_or(Done::Wants(wish, lifetime), Done::Elsewhere))
    }

    fn wish(&self, view: &View<'_>) -> Result<Wish, u16> {
        match view.value(wire::TRANSPORT) {
            Some([17, _, _, _]) => {}
            Some([_, _, _, _]) if !self.rules.is_coturn => return Err(442),
            _ => return Err(400),
        }
        if view.value(wire::DONT_FRAGMENT).is_some_and(|value| !value.is_empty()) {
            return Err(400);
        }
        let (asked, beside) = (family(view, wire::FAMILY)?, family(view, wire::ADDITIONAL_FAMILY)?);
        let even = view.value(wire::EVEN_PORT);
        if even.is_some_and(<[u8]>::is_empty) {
            return Err(400);
        }
        if let Some(token) = view.value(wire::TOKEN) {
            let is_alone = even.is_none() && asked.is_none() && beside.is_none();
            return token.try_into().ok().filter(|_| is_alone).map(Wish::Claim).ok_or(400);
        }
        let reserve = even.is_some_and(|value| value[0] & 0x80 != 0);
        let families = match (asked, beside) {
            (None, None) => 1,
            (Some(code @ (1 | 2)), None) => code,
            (Some(_), None) => return Err(440),
            (None, Some(2)) if !reserve => 3,
            _ => return Err(400),
        };
        Ok(Wish::Open { families, even: even.is_some(), reserve })
    }

    /// At least 600 seconds, or what the operator says, and not above the maximum, nor beyond a credential that ends the allocation.
    fn lifetime(&self, clock: Clock, view: &View<'_>, caller: &Caller) -> Result<u32, u16> {
        let asked = match view.value(wire::LIFETIME) {
            None => 0,
            Some(value) => u32::from_be_bytes(value.try_into().map_err(|_| 400_u16)?),
        };
        let granted = if asked == 0 { LIFETIME_DEFAULT } else { asked.max(self.rules.lifetime_min) };
        let granted = granted.min(self.rules.lifetime_max);
        Ok(self.secs_left(clock, &caller.user).map_or(granted, |left| left.max(1).min(granted.into()) as u32))
    }

    pub(super) fn refresh(&mut self, clock: Clock, who: Who, view: &View<'_>, caller: &Caller) -> Outcome {
        self.live(clock, who, 437)?;
        let is_end = view.value(wire::LIFETIME) == Some(&[0; 4]);
        let lifetime = self.lifetime(clock, view, caller)?;
        // Behind the end of its credential nothing makes it last longer.
        let latest = if self.secs_left(clock, &caller.user) == Some(0) { 0 } else { u64::MAX };
        let asked = family(view, wire::FAMILY)?;
        if asked.is_some_and(|code| code != 1 && code != 2) {
            return Err(443);
        }
        let held = self.live(clock, who, 437)?;
        let is_meant = |relay: &super::Relay| asked.is_none_or(|code| relay.local.is_ipv4() == (code == 1));
        let live = held.relays.iter_mut().filter(|relay| relay.is_live(clock.mono));
        let (meant, others): (Vec<_>, Vec<_>) = live.partition(|relay| is_meant(relay));
        if meant.is_empty() {
            return Err(443);
        }
        if is_end && others.is_empty() {
            held.end(EndReason::Deleted);
        } else {
            for relay in meant {
                relay.is_doomed = is_end;
                if !is_end {
                    relay.ends = (clock.mono + u64::from(lifetime) * SECOND).min(latest.max(relay.ends));
                }
            }
        }
        let granted = if is_end { 0 } else { lifetime };
        if !is_end {
            self.must_tell(Tell::Refreshed(who, lifetime));
        }
        Ok(Done::Says(vec![(wire::LIFETIME, granted.to_be_bytes().to_vec())]))
    }

    pub(super) fn create_permission(&mut self, clock: Clock, who: Who, view: &View<'_>) -> Outcome {
        let missing = self.missing();
        self.live(clock, who, missing)?;
        let mut peers: Vec<IpAddr> = Vec::new();
        for (_, value) in view.all().filter(|(kind, _)| *kind == wire::PEER_ADDRESS) {
            let peer = wire::unxored(value, &view.id).ok_or(400_u16)?;
            if peers.len() >= PEERS_IN_ONE_MAX {
                return Err(508);
            }
            peers.push(peer.ip());
        }
        let held = &self.held[&who];
        match peers.as_slice() {
            [] => return Err(400),
            peers if peers.iter().any(|peer| held.relay_of(*peer, clock.mono).is_none()) => return Err(443),
            peers if peers.iter().any(|peer| !self.permits(*peer)) => return Err(403),
            _ => {}
        }
        self.install(clock, who, &peers, self.rules.permission_secs)?;
        Ok(Done::Says(Vec::new()))
    }

    /// All of them or, where the table cannot hold them, none.
    fn install(&mut self, clock: Clock, who: Who, peers: &[IpAddr], secs: u64) -> Result<(), u16> {
        let max = self.rules.permissions_max;
        let held = self.held.get_mut(&who).expect("it is live");
        held.forget_ended(clock.mono);
        let is_new = |peer: &IpAddr| !held.permissions.contains_key(peer);
        let new: BTreeSet<IpAddr> = peers.iter().copied().filter(is_new).collect();
        if held.permissions.len() + new.len() > max {
            return Err(508);
        }
        let count = new.len() as u64;
        if count > 0 && !self.pay_new_peers(who, count, clock) {
            let user = self.held[&who].user.clone();
            self.must_tell(Tell::TooManyNewPeers(who, user));
            return Err(508);
        }
        let held = self.held.get_mut(&who).expect("it is live");
        for peer in peers {
            let ends = held.permissions.entry(*peer).or_default();
            *ends = (*ends).max(clock.mono + secs * SECOND);
        }
        new.into_iter().for_each(|peer| self.must_tell(Tell::Installed(who, peer)));
        Ok(())
    }

    pub(super) fn channel_bind(&mut self, clock: Clock, who: Who, view: &View<'_>) -> Outcome {
        let missing = self.missing();
        self.live(clock, who, missing)?;
        let Some(&[high, low, _, _]) = view.value(wire::CHANNEL_NUMBER) else { return Err(400) };
        let number = u16::from_be_bytes([high, low]);
        let peer = view.value(wire::PEER_ADDRESS).and_then(|value| wire::unxored(value, &view.id)).ok_or(400_u16)?;
        if !(0x4000..=self.rules.channel_number_max).contains(&number) || peer.port() == 0 {
            return Err(400);
        }
        let (channel_secs, permission_secs) = (self.rules.channel_secs, self.rules.permission_secs);
        let max = self.rules.channels_max;
        let may = self.reach(peer).is_some();
        let held = self.held.get_mut(&who).expect("it is live");
        if held.relay_of(peer.ip(), clock.mono).is_none() {
            return Err(443);
        }
        if !may {
            return Err(403);
        }
        held.forget_ended(clock.mono);
        let is_otherwise = |(bound, (to, _)): (&u16, &(SocketAddr, u64))| (*bound == number) != (*to == peer);
        if held.channels.iter().any(is_otherwise) {
            return Err(400);
        }
        if !held.channels.contains_key(&number) && held.channels.len() >= max {
            return Err(508);
        }
        self.install(clock, who, &[peer.ip()], if self.rules.is_coturn { channel_secs } else { permission_secs })?;
        let held = self.held.get_mut(&who).expect("it is live");
        held.channels.insert(number, (peer, clock.mono + channel_secs * SECOND));
        self.must_tell(Tell::Bound(who, number, peer));
        Ok(Done::Says(Vec::new()))
    }

    fn missing(&self) -> u16 {
        if self.rules.is_coturn { 400 } else { 437 }
    }

    fn live(&mut self, clock: Clock, who: Who, missing: u16) -> Result<&mut Held, u16> {
        self.held.get_mut(&who).filter(|held| held.is_live(clock.mono)).ok_or(missing)
    }
}

/// The code in a family attribute; anything but four bytes is malformed.
fn family(view: &View<'_>, kind: u16) -> Result<Option<u8>, u16> {
    match view.value(kind) {
        None => Ok(None),
        Some(&[code, _, _, _]) => Ok(Some(code)),
        Some(_) => Err(400),
    }
}
