//! Relaying (RFC 8656 sections 11 and 12): which datagram goes where, and which goes nowhere.

use std::net::SocketAddr;

use turnserver::turn::DropReason;

use super::bandwidth::Way;
use super::requests::silence;
use super::{Clock, Expect, Held, Model, Reach, SECOND, Who};
use crate::wire::{self, View};

/// The largest payload of a datagram over IPv4.
const DATAGRAM_MAX: usize = 65_507;
/// For so long data is still known as that of a relayed address that ended.
const GONE_SECS: u64 = 2;

impl Model {
    /// What has no live allocation goes nowhere; why, depends on whether its remains were swept already.
    fn no_allocation(&self, who: Who, otherwise: DropReason) -> Expect {
        match self.held.contains_key(&who) {
            true => Expect::Silence(vec![DropReason::NoAllocation, otherwise]),
            false => silence(DropReason::NoAllocation),
        }
    }

    pub(super) fn channel_data(&mut self, clock: Clock, who: Who, bytes: &[u8]) -> Expect {
        if bytes.len() < 4 {
            return silence(DropReason::Malformed);
        }
        let number = u16::from_be_bytes([bytes[0], bytes[1]]);
        let len = usize::from(u16::from_be_bytes([bytes[2], bytes[3]]));
        if bytes.len() < 4 + len {
            return silence(DropReason::Malformed);
        }
        let Some(held) = self.held.get(&who).filter(|held| held.is_live(clock.mono)) else {
            return self.no_allocation(who, DropReason::NoChannel);
        };
        let Some((peer, _)) = held.channels.get(&number).filter(|(_, ends)| clock.mono < *ends).copied() else {
            return silence(DropReason::NoChannel);
        };
        let Some(relay) = held.relay_of(peer.ip(), clock.mono) else {
            return Expect::Silence(vec![DropReason::NoAllocation, DropReason::NoChannel]);
        };
        let how = self.reach(peer).expect("a channel is bound to who may be reached");
        if !self.pay_bytes(who, Way::ToPeer, len, clock) {
            return silence(DropReason::Bandwidth);
        }
        Expect::ToPeer { from: relay.local, to: peer, how, start: 4, len, dont_fragment: false }
    }

    pub(super) fn send(&mut self, clock: Clock, who: Who, view: &View<'_>) -> Expect {
        if !view.unknown().is_empty() {
            return silence(DropReason::UnknownAttribute);
        }
        let Some(held) = self.held.get(&who) else { return silence(DropReason::NoAllocation) };
        let peer = view.value(wire::PEER_ADDRESS).and_then(|value| wire::unxored(value, &view.id));
        let (Some(data), Some(peer)) = (view.value(wire::DATA), peer) else {
            return match held.is_live(clock.mono) {
                true => silence(DropReason::Incomplete),
                false => self.no_allocation(who, DropReason::Incomplete),
            };
        };
        let Some(relay) = held.relay_of(peer.ip(), clock.mono) else {
            return match held.is_live(clock.mono) {
                true => silence(DropReason::Family),
                false => self.no_allocation(who, DropReason::Family),
            };
        };
        if !held.permits(peer.ip(), clock.mono) {
            return silence(DropReason::NoPermission);
        }
        let Some(how) = self.reach(peer) else { return silence(DropReason::Forbidden) };
        if !self.pay_bytes(who, Way::ToPeer, data.len(), clock) {
            return silence(DropReason::Bandwidth);
        }
        let start = data.as_ptr() as usize - view.bytes.as_ptr() as usize;
        // RFC 8656 section 13: only between IPv4 hosts is there a bit to set.
        let is_ipv4 = relay.local.is_ipv4() && (who.0 != 0 || who.1.is_ipv4());
        let dont_fragment = is_ipv4 && view.has(wire::DONT_FRAGMENT);
        Expect::ToPeer { from: relay.local, to: peer, how, start, len: data.len(), dont_fragment }
    }

    /// What the world calls the sender of something that came to a relay socket; none: it is of ours and no relay.
    pub(crate) fn name_peer(&self, clock: Clock, from: SocketAddr) -> Option<SocketAddr> {
        let how = self.own_reach(from.ip());
        if how == Reach::Outside {
            return Some(from);
        }
        let is_live = |held: &Held| held.relays.iter().any(|relay| !relay.is_closed && relay.local == from);
        let is_known = self.held.values().any(is_live)
            || self.gone.iter().any(|(local, until)| *local == from && clock.mono < *until);
        let external = self.rules.relays.iter().find(|(local, _)| *local == from.ip());
        match external.filter(|_| is_known) {
            Some((_, external)) => Some(SocketAddr::new(*external, from.port())),
            None => (how == Reach::LiveFirst).then_some(from),
        }
    }

    /// Where data for an own address really goes: the local address of the live allocation it names.
    pub(crate) fn resolve(&self, to: SocketAddr, how: Reach) -> Option<SocketAddr> {
        let relays = self.held.values().flat_map(|held| &held.relays);
        let found = || relays.clone().find(|relay| !relay.is_closed && (relay.local == to || relay.external == to));
        match how {
            Reach::Outside => Some(to),
            Reach::LiveOnly => found().map(|relay| relay.local),
            Reach::LiveFirst => Some(found().map_or(to, |relay| relay.local)),
        }
    }

    /// Data that came to a relay socket, from a peer by its name.
    pub(crate) fn peer(&mut self, clock: Clock, local: SocketAddr, from: SocketAddr, len: usize) -> Expect {
        let holds = |held: &Held| held.relays.iter().any(|relay| !relay.is_closed && relay.local == local);
        let Some((who, held)) = self.held.iter().find(|(_, held)| holds(held)) else {
            return silence(DropReason::NoAllocation);
        };
        if !held.relays.iter().any(|relay| relay.local == local && relay.is_live(clock.mono)) {
            return silence(DropReason::NoAllocation);
        }
        if !held.permits(from.ip(), clock.mono) {
            return silence(DropReason::NoPermission);
        }
        let channel = held.channels.iter().find(|(_, (peer, ends))| *peer == from && clock.mono < *ends);
        let head = match channel {
            Some(_) => 4,
            None => 20 + if from.is_ipv4() { 12 } else { 24 } + 4,
        };
        let tail = if self.rules.fingerprint { 8 } else { 0 };
        let whole = match channel {
            Some(_) => head + len,
            None => head + len.next_multiple_of(4) + tail,
        };
        // A STUN message counts its length without its header, ChannelData without its own.
        let counted = if channel.is_some() { len } else { whole - 20 };
        if who.0 == 0 && whole > DATAGRAM_MAX || counted > usize::from(u16::MAX) {
            return silence(DropReason::TooLarge);
        }
        let (who, channel) = (*who, channel.map(|(number, _)| *number));
        if !self.pay_bytes(who, Way::ToClient, len, clock) {
            return silence(DropReason::Bandwidth);
        }
        Expect::ToClient { who, channel, peer: from }
    }

    /// Whether bytes are what data of a peer looks like to its client.
    pub(crate) fn check_relayed(
        &self,
        who: Who,
        channel: Option<u16>,
        peer: SocketAddr,
        data: &[u8],
        bytes: &[u8],
    ) -> Result<(), String> {
        if let Some(number) = channel {
            let mut expected = [number.to_be_bytes(), (data.len() as u16).to_be_bytes()].concat();
            expected.extend_from_slice(data);
            if who.0 != 0 {
                expected.resize(expected.len().next_multiple_of(4), 0);
            }
            return if expected == bytes { Ok(()) } else { Err("the ChannelData is another".to_owned()) };
        }
        let view = View::parse(bytes).map_err(|junk| format!("a Data indication is {junk:?}"))?;
        let said = view.value(wire::PEER_ADDRESS).and_then(|value| wire::unxored(value, &view.id));
        let is_data = (view.class, view.method) == (wire::INDICATION, wire::DATA_METHOD) && view.all().count() == 2;
        if !is_data || said != Some(peer) || view.value(wire::DATA) != Some(data) {
            return Err(format!("the Data indication is another: from {said:?}"));
        }
        if view.has_fingerprint() != self.rules.fingerprint || !view.fingerprint_holds() {
            return Err("FINGERPRINT on a Data indication".to_owned());
        }
        Ok(())
    }

    /// The relayed port is closed: for a moment its last data is still known.
    pub(super) fn note_gone(&mut self, clock: Clock, local: SocketAddr) {
        self.gone.retain(|(_, until)| clock.mono < *until);
        self.gone.push((local, clock.mono + GONE_SECS * SECOND));
    }
}
