//! The ways to write an IPv4 address in an attribute.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// One of the spellings, the plain one for most numbers.
pub(crate) fn spelling(number: usize, ip: Ipv4Addr) -> IpAddr {
    let [a, b, c, d] = ip.octets();
    let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    match number {
        0 => ip.to_ipv6_mapped().into(),
        // 6to4, NAT64, IPv4-compatible.
        1 => Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1).into(),
        2 => Ipv6Addr::new(0x64, 0xFF9B, 0, 0, 0, 0, high, low).into(),
        3 => Ipv6Addr::new(0, 0, 0, 0, 0, 0, high, low).into(),
        // Its namesake in IPv6, and an address that hides none.
        4 if ip.is_loopback() => Ipv6Addr::LOCALHOST.into(),
        4 => Ipv6Addr::new(0x2001, 0xDB8, high, low, 0, 0, 0, 1).into(),
        _ => ip.into(),
    }
}
