//! Which peers may be reached: one judgement on canonical integer addresses, for every path data can take.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;

use super::io::OwnPeer;
use crate::config::{External, IpRange, OwnAddresses, Peers};

/// Never reachable, whatever the lists say: IANA's special-purpose ranges, tunnels that hide another address, and the
/// addresses clouds answer metadata on.
const DENIED: &[(&str, u8)] = &[
    ("0.0.0.0", 8),
    ("100.100.100.200", 32),
    ("168.63.129.16", 32),
    ("169.254.0.0", 16),
    ("192.0.0.0", 24),
    ("192.0.2.0", 24),
    ("192.31.196.0", 24),
    ("192.52.193.0", 24),
    ("192.88.99.0", 24),
    ("192.175.48.0", 24),
    ("198.18.0.0", 15),
    ("198.51.100.0", 24),
    ("203.0.113.0", 24),
    ("240.0.0.0", 4),
    ("::", 128),
    ("::", 96),
    ("::ffff:0:0", 96),
    ("::ffff:0:0:0", 96),
    ("64:ff9b::", 96),
    ("64:ff9b:1::", 48),
    ("100::", 64),
    ("100:0:0:1::", 64),
    ("2001::", 23),
    ("2001:db8::", 32),
    ("2002::", 16),
    ("2620:4f:8000::", 48),
    ("3fff::", 20),
    ("5f00::", 16),
    ("fc00::", 7),
    ("fe80::", 10),
    ("fec0::", 10),
];
const LOOPBACK: &[(&str, u8)] = &[("127.0.0.0", 8), ("::1", 128)];
const MULTICAST: &[(&str, u8)] = &[("224.0.0.0", 4), ("ff00::", 8)];
const PRIVATE: &[(&str, u8)] = &[("10.0.0.0", 8), ("100.64.0.0", 10), ("172.16.0.0", 12), ("192.168.0.0", 16)];

/// The addresses of this server and what must not be reached on them.
#[derive(Clone, Debug)]
pub struct OwnNet {
    /// Every address of this host, and what the world calls them; sorted.
    addresses: Vec<IpAddr>,
    /// Those of them that relayed addresses are on.
    relays: Vec<IpAddr>,
    /// Ports of services on them: listeners, and what the operator configured beside.
    service_ports: Vec<u16>,
    /// The ports of relayed addresses.
    relay_ports: RangeInclusive<u16>,
}

impl OwnNet {
    /// A server that has no address yet.
    pub fn new(service_ports: Vec<u16>, relay_ports: RangeInclusive<u16>) -> OwnNet {
        OwnNet { addresses: Vec::new(), relays: Vec::new(), service_ports, relay_ports }
    }

    /// Adds addresses of this host.
    pub fn add(&mut self, addresses: impl IntoIterator<Item = IpAddr>) {
        self.addresses.extend(addresses);
        self.addresses.sort_unstable();
        self.addresses.dedup();
    }

    /// Adds the local address of a relay and what the world calls it.
    pub fn add_relay(&mut self, local: IpAddr, external: &External) {
        let names = [local, external.public_of(local)];
        self.relays.extend(names);
        self.add(names);
    }
}

/// The operator's lists and the profile's rules, compiled.
#[derive(Clone, Debug)]
pub struct PeerPolicy {
    denied_always: RangeSet,
    private: RangeSet,
    allow_listed: RangeSet,
    deny_listed: RangeSet,
    deny_wins: bool,
    private_open: bool,
    own_rule: OwnAddresses,
    own: OwnNet,
}

impl PeerPolicy {
    /// Compiles the configuration for a server that has the addresses of `own`.
    pub fn new(peers: &Peers, own: OwnNet) -> PeerPolicy {
        let mut denied_always = RangeSet::of_prefixes(DENIED);
        if !peers.loopback {
            denied_always.extend(RangeSet::of_prefixes(LOOPBACK));
        }
        if !peers.multicast {
            denied_always.extend(RangeSet::of_prefixes(MULTICAST));
        }
        if peers.loopback {
            // ::1 lies in ::/96, which is denied for the IPv4 addresses it could hide.
            denied_always.remove_one(u128::from(Ipv6Addr::LOCALHOST));
        }
        PeerPolicy {
            denied_always,
            private: RangeSet::of_prefixes(PRIVATE),
            allow_listed: RangeSet::of_ranges(&peers.allowed),
            deny_listed: RangeSet::of_ranges(&peers.denied),
            deny_wins: peers.deny_wins,
            private_open: peers.private,
            own_rule: peers.own,
            own,
        }
    }

    /// The same server under other rules.
    pub fn with_lists(&self, peers: &Peers) -> PeerPolicy {
        PeerPolicy::new(peers, self.own.clone())
    }

    /// Whether a permission for `peer` may be installed; its port is not known then.
    pub fn permits(&self, peer: IpAddr) -> bool {
        match self.own_rule {
            OwnAddresses::LiveOnly | OwnAddresses::LiveOrAllowed if self.is_own(peer) => {
                self.own.relays.contains(&peer) || self.is_open(peer)
            }
            _ => self.ranges_allow(peer),
        }
    }

    /// Whether data may be sent to `peer`, and whether the engine must look for a live allocation there; none: it may
    /// not.
    pub fn reach(&self, peer: SocketAddr) -> Option<OwnPeer> {
        let own = self.own_peer(peer.ip());
        let is_service = self.own.service_ports.contains(&peer.port());
        let is_relay_port = self.own.relay_ports.contains(&peer.port());
        let may_hold_relay =
            self.own_rule != OwnAddresses::AsRanges && is_relay_port && self.own.relays.contains(&peer.ip());
        let is_reachable = match own {
            OwnPeer::No => self.ranges_allow(peer.ip()),
            OwnPeer::LiveFirst => !is_service,
            OwnPeer::LiveOnly => may_hold_relay,
        };
        (is_reachable && peer.port() != 0).then_some(own)
    }

    /// Whether `peer` is an address of this server, and then whether only live allocations count there.
    pub fn own_peer(&self, peer: IpAddr) -> OwnPeer {
        match self.is_own(peer) {
            false => OwnPeer::No,
            true if self.is_open(peer) => OwnPeer::LiveFirst,
            true => OwnPeer::LiveOnly,
        }
    }

    /// Whether an address of this server may be reached beside its live allocations.
    fn is_open(&self, own: IpAddr) -> bool {
        match self.own_rule {
            OwnAddresses::LiveOnly => false,
            OwnAddresses::LiveOrAllowed => self.allow_listed.contains(own),
            OwnAddresses::AsRanges => self.ranges_allow(own),
        }
    }

    fn is_own(&self, ip: IpAddr) -> bool {
        self.own.addresses.binary_search(&ip).is_ok()
    }

    fn ranges_allow(&self, ip: IpAddr) -> bool {
        if self.denied_always.contains(ip) || is_isatap(ip) {
            return false;
        }
        let (allowed, denied) = (self.allow_listed.contains(ip), self.deny_listed.contains(ip));
        match (allowed, denied) {
            (true, true) => !self.deny_wins,
            (true, false) => true,
            (false, true) => false,
            (false, false) => self.private_open || !self.private.contains(ip),
        }
    }
}

/// The IPv4 address inside an IPv6 one that only wraps it (mapped, compatible, 6to4, NAT64), or the address itself. Lists
/// are matched on this form, so that no spelling slips by.
pub fn canonical(ip: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = ip else { return ip };
    let bits = u128::from(v6);
    let low = Ipv4Addr::from(bits as u32);
    let is_compatible = bits >> 32 == 0 && bits > 1;
    if bits >> 32 == 0xFFFF || is_compatible || bits >> 32 == 0x0064_FF9B_u128 << 64 {
        return low.into();
    }
    if bits >> 112 == 0x2002 {
        return Ipv4Addr::from((bits >> 80) as u32).into();
    }
    ip
}

/// Whether an address says in its interface identifier that what is sent to it goes to an IPv4 address (RFC 5214 section
/// 6.1). The prefix may be anybody's, so no range holds them.
fn is_isatap(ip: IpAddr) -> bool {
    const UNIVERSAL: u32 = 0x0200_0000;
    matches!(ip, IpAddr::V6(ip) if (u128::from(ip) >> 32) as u32 & !UNIVERSAL == 0x5EFE)
}

/// Sorted, merged ranges of integer addresses, each family apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct RangeSet {
    v4: Vec<(u128, u128)>,
    v6: Vec<(u128, u128)>,
}

impl RangeSet {
    fn of_prefixes(prefixes: &[(&str, u8)]) -> RangeSet {
        let mut set = RangeSet::default();
        for (text, len) in prefixes {
            let ip: IpAddr = text.parse().expect("the tables above hold addresses");
            let (bits, width) = integer(ip);
            let host = if *len == 0 { u128::MAX } else { (1 << (width - len)) - 1 };
            set.of_family(ip).push((bits, bits | host));
        }
        set.merge();
        set
    }

    fn of_ranges(ranges: &[IpRange]) -> RangeSet {
        let mut set = RangeSet::default();
        for range in ranges {
            set.of_family(range.first).push((integer(range.first).0, integer(range.last).0));
            let (first, last) = (canonical(range.first), canonical(range.last));
            if first.is_ipv4() && last.is_ipv4() {
                set.v4.push((integer(first).0, integer(last).0));
            }
        }
        set.merge();
        set
    }

    fn contains(&self, ip: IpAddr) -> bool {
        let holds = |ip: IpAddr| {
            let ranges = if ip.is_ipv4() { &self.v4 } else { &self.v6 };
            let bits = integer(ip).0;
            let behind = ranges.partition_point(|(first, _)| *first <= bits);
            behind > 0 && bits <= ranges[behind - 1].1
        };
        holds(ip) || holds(canonical(ip))
    }

    fn extend(&mut self, other: RangeSet) {
        self.v4.extend(other.v4);
        self.v6.extend(other.v6);
        self.merge();
    }

    /// Cuts a single IPv6 address out.
    fn remove_one(&mut self, bits: u128) {
        let cut = |(first, last): (u128, u128)| {
            if !(first..=last).contains(&bits) {
                return [Some((first, last)), None];
            }
            [(first < bits).then(|| (first, bits - 1)), (bits < last).then(|| (bits + 1, last))]
        };
        self.v6 = self.v6.drain(..).flat_map(cut).flatten().collect();
    }

    fn of_family(&mut self, ip: IpAddr) -> &mut Vec<(u128, u128)> {
        if ip.is_ipv4() { &mut self.v4 } else { &mut self.v6 }
    }

    fn merge(&mut self) {
        for ranges in [&mut self.v4, &mut self.v6] {
            ranges.sort_unstable();
            let mut merged: Vec<(u128, u128)> = Vec::with_capacity(ranges.len());
            for &(first, last) in ranges.iter() {
                match merged.last_mut() {
                    Some((_, end)) if first <= end.saturating_add(1) => *end = (*end).max(last),
                    _ => merged.push((first, last)),
                }
            }
            *ranges = merged;
        }
    }
}

/// An address as a number, and how many bits it has.
fn integer(ip: IpAddr) -> (u128, u8) {
    match ip {
        IpAddr::V4(ip) => (u128::from(u32::from(ip)), 32),
        IpAddr::V6(ip) => (u128::from(ip), 128),
    }
}
