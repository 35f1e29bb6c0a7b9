//! A network of a test's own, in which every address of 10.0.0.0/8 and fd00::/8 is at hand, and packets whose source is
//! a lie.

use std::net::{IpAddr, SocketAddr, SocketAddrV4};

use socket2::{Domain, Protocol, Socket, Type};

use crate::netns::{Host, can_make_hosts};

/// Runs a test on a host of its own, if hosts can be made.
pub(crate) fn in_network(test: &str, body: impl FnOnce() + Send) {
    if !can_make_hosts(test) {
        return;
    }
    let host = Host::new();
    // Addresses are local without being given to an interface.
    host.ip("route add local 10.0.0.0/8 dev lo\n-6 route add local fd00::/8 dev lo");
    host.sysctl("ipv6/ip_nonlocal_bind=1");
    host.call(body);
}

/// Sends datagrams from whatever address one likes.
pub(crate) struct Forger {
    raw: Socket,
}

impl Forger {
    pub(crate) fn new() -> Forger {
        // IPPROTO_RAW: what is sent begins with an IP header.
        let raw = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(255))).expect("root may forge");
        Forger { raw }
    }

    pub(crate) fn send(&self, from: SocketAddrV4, to: SocketAddr, payload: &[u8]) {
        let IpAddr::V4(ip) = to.ip() else { panic!("forged packets are IPv4") };
        let udp_len = (8 + payload.len()) as u16;
        let mut packet = vec![0x45, 0];
        packet.extend((20 + udp_len).to_be_bytes());
        packet.extend([0, 0, 0, 0, 64, 17, 0, 0]);
        packet.extend(from.ip().octets());
        packet.extend(ip.octets());
        packet.extend(from.port().to_be_bytes());
        packet.extend(to.port().to_be_bytes());
        packet.extend(udp_len.to_be_bytes());
        // No checksum.
        packet.extend([0, 0]);
        packet.extend(payload);
        self.raw.send_to(&packet, &SocketAddr::new(to.ip(), 0).into()).expect("loopback takes it");
    }
}
