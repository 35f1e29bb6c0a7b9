//! Which peers may be reached, as the project's decisions put it: a table, and a line for each rule.

use std::net::{IpAddr, SocketAddr};

use turnserver::config::Profile;

use super::Model;

/// No list and no profile opens these.
const NEVER: &str = "0.0.0.0/8 100.100.100.200/32 168.63.129.16/32 169.254.0.0/16 192.0.0.0/24 192.0.2.0/24 \
    192.31.196.0/24 192.52.193.0/24 192.88.99.0/24 192.175.48.0/24 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 \
    240.0.0.0/4 127.0.0.0/8 224.0.0.0/4 ::/96 ::ffff:0:0/96 64:ff9b::/96 64:ff9b:1::/48 100::/64 100:0:0:1::/64 \
    2001::/23 2001:db8::/32 2002::/16 2620:4f:8000::/48 3fff::/20 5f00::/16 fc00::/7 fe80::/10 fec0::/10 ff00::/8";
const PRIVATE: &str = "10.0.0.0/8 100.64.0.0/10 172.16.0.0/12 192.168.0.0/16";

/// How a peer is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// It is not ours.
    Outside,
    /// It is ours: only a live allocation.
    LiveOnly,
    /// It is ours: a live allocation, or whatever else listens there.
    LiveFirst,
}

/// The ranges, read once.
pub(crate) struct Ranges {
    never: Vec<(IpAddr, u8)>,
    private: Vec<(IpAddr, u8)>,
    allowed: Vec<(IpAddr, u8)>,
    denied: Vec<(IpAddr, u8)>,
}

impl Ranges {
    pub(crate) fn read((allowed, denied): (&str, &str)) -> Ranges {
        Ranges { never: read(NEVER), private: read(PRIVATE), allowed: read(allowed), denied: read(denied) }
    }

    pub(super) fn change(&mut self, allowed: &str, denied: &str) {
        (self.allowed, self.denied) = (read(allowed), read(denied));
    }
}

fn read(text: &str) -> Vec<(IpAddr, u8)> {
    let prefix = |text: &str| {
        let (ip, len) = text.split_once('/').expect("a prefix");
        (ip.parse().expect("an address"), len.parse().expect("a length"))
    };
    text.split_whitespace().map(prefix).collect()
}

/// RFC 5214 section 6.1: an IPv6 address that says by its last half that it is an IPv4 one, global or not.
fn is_isatap(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(ip) if matches!(ip.segments(), [_, _, _, _, 0 | 0x200, 0x5EFE, _, _]))
}

fn within(ranges: &[(IpAddr, u8)], ip: IpAddr) -> bool {
    ranges.iter().any(|(prefix, len)| match (prefix, ip) {
        (IpAddr::V4(prefix), IpAddr::V4(ip)) => (u32::from(*prefix) ^ u32::from(ip)).leading_zeros() >= u32::from(*len),
        (IpAddr::V6(prefix), IpAddr::V6(ip)) => {
            (u128::from(*prefix) ^ u128::from(ip)).leading_zeros() >= u32::from(*len)
        }
        _ => false,
    })
}

impl Model {
    fn is_open(&self, ip: IpAddr) -> bool {
        let ranges = &self.ranges;
        let (is_allowed, is_denied) = (within(&ranges.allowed, ip), within(&ranges.denied, ip));
        let is_private = within(&ranges.private, ip);
        match self.rules.profile {
            _ if within(&ranges.never, ip) || is_isatap(ip) => false,
            Profile::Hardened if is_denied => false,
            _ if is_allowed => true,
            _ if is_denied => false,
            Profile::Coturn => true,
            _ => !is_private,
        }
    }

    fn is_own(&self, ip: IpAddr) -> bool {
        self.rules.own.contains(&ip)
    }

    fn is_relay_address(&self, ip: IpAddr) -> bool {
        self.rules.relays.iter().any(|(local, external)| *local == ip || *external == ip)
    }

    /// Whether a permission for the address may be had.
    pub(super) fn permits(&self, ip: IpAddr) -> bool {
        match self.rules.profile {
            Profile::Coturn => self.is_open(ip),
            _ if self.is_own(ip) => self.is_relay_address(ip) || self.is_own_open(ip),
            _ => self.is_open(ip),
        }
    }

    /// Whether an own address may be reached beside its live allocations.
    fn is_own_open(&self, ip: IpAddr) -> bool {
        match self.rules.profile {
            Profile::Hardened => false,
            Profile::Default => within(&self.ranges.allowed, ip),
            Profile::Coturn => self.is_open(ip),
        }
    }

    /// Whether data may go to the address, and how.
    pub(super) fn reach(&self, peer: SocketAddr) -> Option<Reach> {
        let how = self.own_reach(peer.ip());
        let may = match how {
            Reach::Outside => self.is_open(peer.ip()),
            Reach::LiveFirst => peer.port() != 3478 && peer.port() != 5349,
            Reach::LiveOnly => {
                self.rules.profile != Profile::Coturn
                    && self.is_relay_address(peer.ip())
                    && self.rules.ports.contains(&peer.port())
            }
        };
        (may && peer.port() != 0).then_some(how)
    }

    /// What an address is to us.
    pub(super) fn own_reach(&self, ip: IpAddr) -> Reach {
        match self.is_own(ip) {
            false => Reach::Outside,
            true if self.is_own_open(ip) => Reach::LiveFirst,
            true => Reach::LiveOnly,
        }
    }
}
