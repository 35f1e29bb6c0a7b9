//! What the clients know they have, written down from answers and events: the core is held to it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use turnserver::config::{Config, Limits, Profile};
use turnserver::stun::{AttributeType, ChannelData, Message, Method};
use turnserver::turn::Event;
use turnserver::turn::address::FiveTuple;
use turnserver::turn::allocation::AllocationId;
use turnserver::turn::event::Traffic;
use turnserver::turn::time::Mono;

/// An allocation as its client knows it. Ends are the latest there can be.
#[derive(Default)]
pub(super) struct Held {
    /// None after a hand-over, which gives new handles.
    id: Option<AllocationId>,
    pub(super) relays: BTreeSet<u32>,
    permissions: BTreeMap<IpAddr, Mono>,
    channels: BTreeMap<u16, (SocketAddr, Mono)>,
    told_permissions: BTreeSet<IpAddr>,
    told_channels: BTreeSet<u16>,
    pub(super) traffic: Traffic,
    ends_by: Mono,
}

/// Every allocation.
#[derive(Default)]
pub(super) struct Book {
    held: Vec<(FiveTuple, Held)>,
}

impl Book {
    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    /// The relay sockets of all allocations, in order.
    pub(super) fn relays(&self) -> Vec<u32> {
        let mut relays: Vec<u32> = self.held.iter().flat_map(|(_, held)| held.relays.iter().copied()).collect();
        relays.sort_unstable();
        relays
    }

    pub(super) fn of_tuple(&mut self, tuple: &FiveTuple) -> Option<&mut Held> {
        self.held.iter_mut().find(|(known, _)| known == tuple).map(|(_, held)| held)
    }

    pub(super) fn of_relay(&mut self, relay: u32) -> Option<(FiveTuple, &mut Held)> {
        self.held.iter_mut().find(|(_, held)| held.relays.contains(&relay)).map(|(tuple, held)| (*tuple, held))
    }

    /// The core was replaced: handles are void.
    pub(super) fn forget_handles(&mut self) {
        self.held.iter_mut().for_each(|(_, held)| held.id = None);
    }

    /// Other rules hold: what they forbid is over, also where nobody knows whose handle the core's word of it names.
    pub(super) fn forget_peers(&mut self, is_denied: impl Fn(IpAddr) -> bool) {
        for (_, held) in &mut self.held {
            held.permissions.retain(|ip, _| !is_denied(*ip));
            held.channels.retain(|_, (peer, _)| !is_denied(peer.ip()));
        }
    }

    /// When something ends next: a permission, a channel or an allocation.
    pub(super) fn next_end(&self, now: Mono) -> Option<Mono> {
        let ends = self.held.iter().flat_map(|(_, held)| {
            let channels = held.channels.values().map(|(_, ends)| *ends);
            held.permissions.values().copied().chain(channels).chain([held.ends_by])
        });
        ends.filter(|end| *end > now).min()
    }

    /// No table is longer than its bound.
    pub(super) fn assert_bounds(&self, limits: &Limits) {
        for (tuple, held) in &self.held {
            let sizes = (held.told_permissions.len(), held.told_channels.len());
            let bounds = (usize::from(limits.permissions_max), usize::from(limits.channels_max));
            assert!(sizes.0 <= bounds.0 && sizes.1 <= bounds.1, "{tuple:?} has {sizes:?} of {bounds:?}");
        }
    }

    /// Everything that ended by now was told to have ended; the wheel turns once a second.
    pub(super) fn assert_nothing_is_overdue(&self, now: Mono) {
        for (tuple, held) in &self.held {
            assert!(now < held.ends_by.plus_secs(1), "{tuple:?} outlived its lifetime");
        }
    }

    /// Takes down an event and holds it against what is known.
    pub(super) fn note(&mut self, event: Event, now: Mono) {
        match event {
            Event::AllocationCreated { allocation, path, relays, lifetime_secs, .. } => {
                assert!(self.of_tuple(&path.tuple).is_none(), "one allocation a 5-tuple");
                let relays: BTreeSet<u32> = relays.iter().flatten().map(|grant| grant.relay.0).collect();
                assert!(self.relays().iter().all(|relay| !relays.contains(relay)), "a relay has one allocation");
                let ends_by = now.plus_secs(lifetime_secs);
                self.held.push((path.tuple, Held { id: Some(allocation), relays, ends_by, ..Held::default() }));
            }
            Event::AllocationEnded { path, traffic, .. } => {
                let place = self.held.iter().position(|(tuple, _)| *tuple == path.tuple).expect("what began can end");
                let (_, held) = self.held.remove(place);
                assert_eq!(traffic, held.traffic, "what was relayed was counted");
                if held.id.is_some() {
                    assert!(held.told_permissions.is_empty() && held.told_channels.is_empty(), "each end was told");
                }
            }
            Event::AllocationRefreshed { allocation, lifetime_secs } => {
                let ends_by = now.plus_secs(lifetime_secs);
                // After a hand-over nobody knows whose handle it is; then all may live longer.
                for (_, held) in &mut self.held {
                    if held.id.is_none_or(|id| id == allocation) {
                        held.ends_by = held.ends_by.max(ends_by);
                    }
                }
            }
            Event::RelayEnded { relay, .. } => {
                let (_, held) = self.of_relay(relay.0).expect("what began can end");
                held.relays.remove(&relay.0);
            }
            Event::PermissionInstalled { allocation, peer } => {
                self.told(allocation, |held| assert!(held.told_permissions.insert(peer), "new only once"));
            }
            Event::PermissionExpired { allocation, peer } => {
                self.told(allocation, |held| assert!(held.told_permissions.remove(&peer), "what began can end"));
            }
            Event::ChannelBound { allocation, number, .. } => {
                self.told(allocation, |held| {
                    held.told_channels.insert(number.0);
                });
            }
            Event::ChannelUnbound { allocation, number, .. } => {
                self.told(allocation, |held| assert!(held.told_channels.remove(&number.0), "what began can end"));
            }
            Event::Refused { .. } | Event::NewPeersLimited { .. } => {}
        }
    }

    fn told(&mut self, id: AllocationId, note: impl FnOnce(&mut Held)) {
        if let Some((_, held)) = self.held.iter_mut().find(|(_, held)| held.id == Some(id)) {
            note(held);
        }
    }

    /// A request succeeded: takes down what it installed.
    pub(super) fn succeeded(&mut self, tuple: &FiveTuple, request: &Message<'_>, now: Mono, config: &Config) {
        let Some(held) = self.of_tuple(tuple) else { return };
        let limits = &config.limits;
        let mut permitted_until = now.plus_secs(limits.permission_lifetime_secs);
        let peers = request.attributes().filter(|(kind, _)| *kind == AttributeType::XOR_PEER_ADDRESS);
        let mut peers = peers.map(|(_, value)| {
            turnserver::stun::address::decode_xor(value, &request.id()).expect("only addresses can be permitted")
        });
        match request.kind().method {
            Method::CREATE_PERMISSION => peers.for_each(|peer| held.permit(peer.ip(), permitted_until)),
            Method::CHANNEL_BIND => {
                let until = now.plus_secs(limits.channel_lifetime_secs);
                if config.protocol.channel_extends_permission {
                    permitted_until = until;
                }
                let peer = peers.next().expect("a channel has a peer");
                let number = request.value(AttributeType::CHANNEL_NUMBER).and_then(|value| value.first_chunk());
                let number = u16::from_be_bytes(*number.expect("a channel has a number"));
                assert!((0x4000..=config.protocol.channel_number_max).contains(&number));
                for (other, (bound, ends)) in &held.channels {
                    let is_same = (*other == number) == (*bound == peer);
                    assert!(is_same || *ends <= now, "one number a peer, one peer a number");
                }
                held.permit(peer.ip(), permitted_until);
                held.channels.retain(|_, (bound, _)| *bound != peer);
                held.channels.insert(number, (peer, until));
            }
            _ => {}
        }
    }
}

impl Held {
    fn permit(&mut self, peer: IpAddr, until: Mono) {
        let ends = self.permissions.entry(peer).or_insert(until);
        *ends = until.max(*ends);
    }

    /// Whether data may pass between this allocation and a host.
    pub(super) fn permits(&self, peer: IpAddr, now: Mono) -> bool {
        self.permissions.get(&peer).is_some_and(|ends| now < *ends)
    }

    /// The peer of a channel.
    pub(super) fn channel(&self, number: u16, now: Mono) -> Option<SocketAddr> {
        self.channels.get(&number).filter(|(_, ends)| now < *ends).map(|(peer, _)| *peer)
    }

    /// Whether a datagram of the client may be sent on to `to`, and what of it.
    pub(super) fn payload<'a>(&self, datagram: &'a [u8], to: SocketAddr, now: Mono) -> &'a [u8] {
        if datagram[0] >= 0x40 {
            let ChannelData { number, data } = ChannelData::parse(datagram).expect("whole ChannelData");
            assert_eq!(self.channel(number.0, now), Some(to), "ChannelData goes where its channel leads");
            return data;
        }
        let message = Message::parse(datagram).expect("only messages are sent on");
        assert_eq!(message.kind().method, Method::SEND);
        assert_eq!(message.xor_address(AttributeType::XOR_PEER_ADDRESS), Some(Ok(to)));
        assert!(self.permits(to.ip(), now), "{to} has no permission");
        message.value(AttributeType::DATA).expect("there is data to send")
    }
}

/// Peers that no client may reach, whatever the lists say; not all of them, but those that hurt.
pub(super) fn is_forbidden(peer: SocketAddr, profile: Profile) -> bool {
    let is_listener = super::kit::listeners().contains(&peer);
    let is_special = match peer.ip() {
        IpAddr::V4(ip) => {
            let is_private = ip.is_private() && profile != Profile::Coturn;
            ip.octets()[0] == 0 || ip.is_loopback() || ip.is_link_local() || ip.is_multicast() || is_private
        }
        IpAddr::V6(ip) => {
            let is_mapped = ip.to_ipv4_mapped().is_some();
            ip.is_loopback() || ip.is_multicast() || ip.is_unicast_link_local() || ip.is_unspecified() || is_mapped
        }
    };
    is_listener || is_special || peer.port() == 0
}
