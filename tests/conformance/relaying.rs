//! What the rows on allocations share beyond a probe: the attributes of Allocate, allocations of two families, pairs of
//! ports, and servers of our own with more lines in their files.

use std::net::{IpAddr, SocketAddr};

use turnserver::stun::address::decode_xor;
use turnserver::stun::{AttributeType, Method};

use crate::draft::Draft;
use crate::peer::Peer;
use crate::probe::Probe;
use crate::row::not_asked;
use crate::target::Target;
use crate::wire::{Launch, Link, Received, Reply, Server};

/// The family code of IPv4 (RFC 8656 section 18.6).
pub(crate) const V4: u8 = 1;
/// The family code of IPv6.
pub(crate) const V6: u8 = 2;

/// The profile as it comes, with the users that probes are.
pub(crate) const FILE: &str = r#"
profile = "default"
realm = "example.org"
user = ["alice:wonderland-7", "bob:the-builder-9"]
unauthorized-ratelimit = false
"#;

/// Starts a server of our own: where it listens, and further lines of its file.
pub(crate) fn own_server(ips: &[&'static str], lines: &str) -> Server {
    own_launch(ips, lines).start()
}

/// The same, to be started.
pub(crate) fn own_launch(ips: &[&'static str], lines: &str) -> Launch {
    Launch::new(&[]).with_file(&format!("{FILE}{lines}\n")).listening_on(ips)
}

/// A client of such a server.
pub(crate) fn probe_of(server: &Server) -> Probe {
    Probe::over(Link::udp(server.addr))
}

/// An IPv6 address of this machine that the target may relay to.
pub(crate) fn peer_ip_v6() -> IpAddr {
    Probe::udp_v6().local().ip()
}

/// A second user of the target.
pub(crate) fn as_other_user(probe: Probe) -> Probe {
    match &Target::get().other {
        Some(other) => probe.of_user(other),
        None => not_asked("USER2 is not set"),
    }
}

impl Draft {
    /// REQUESTED-ADDRESS-FAMILY.
    pub(crate) fn requested_family(self, code: u8) -> Draft {
        self.with(AttributeType::REQUESTED_ADDRESS_FAMILY, &[code, 0, 0, 0])
    }

    /// ADDITIONAL-ADDRESS-FAMILY.
    pub(crate) fn additional_family(self, code: u8) -> Draft {
        self.with(AttributeType::ADDITIONAL_ADDRESS_FAMILY, &[code, 0, 0, 0])
    }

    /// EVEN-PORT; only the first bit of the byte means anything.
    pub(crate) fn even_port(self, byte: u8) -> Draft {
        self.with(AttributeType::EVEN_PORT, &[byte])
    }

    /// RESERVATION-TOKEN.
    pub(crate) fn reservation(self, token: &[u8]) -> Draft {
        self.with(AttributeType::RESERVATION_TOKEN, token)
    }
}

/// EVEN-PORT that asks for the next port as well.
pub(crate) const RESERVE: u8 = 0x80;

/// Whether a reply carries MESSAGE-INTEGRITY; that it holds was judged when it came.
pub(crate) fn is_signed(reply: &Reply) -> bool {
    reply.has(AttributeType::MESSAGE_INTEGRITY)
}

/// Every XOR-RELAYED-ADDRESS of an answer in order.
pub(crate) fn relayed_of(reply: &Reply) -> Vec<SocketAddr> {
    let message = reply.message();
    let values = message.attributes().filter(|(kind, _)| *kind == AttributeType::XOR_RELAYED_ADDRESS);
    values.map(|(_, value)| decode_xor(value, &message.id()).expect("a well-formed address")).collect()
}

/// Allocates an address of each family; gives the IPv4 and the IPv6 one.
pub(crate) fn allocate_both(probe: &mut Probe) -> [SocketAddr; 2] {
    if Target::get().addr_v6.is_none() {
        not_asked("SERVER6 is not set");
    }
    let reply = probe.ask(&Draft::allocate().additional_family(V6));
    assert_eq!(reply.code(), 0, "an allocation of both families");
    let mut relayed = relayed_of(&reply);
    relayed.sort_by_key(SocketAddr::is_ipv6);
    match relayed[..] {
        [v4, v6] if v4.is_ipv4() && v6.is_ipv6() => [v4, v6],
        _ => panic!("one address of each family was expected: {relayed:?}"),
    }
}

/// Allocates an even port and has the next one reserved; gives the relayed address and the token.
pub(crate) fn allocate_pair(probe: &mut Probe) -> (SocketAddr, Vec<u8>) {
    let reply = probe.ask(&Draft::allocate().even_port(RESERVE));
    assert_eq!(reply.code(), 0, "a pair of ports");
    (reply.relayed(), reply.value(AttributeType::RESERVATION_TOKEN).expect("a token"))
}

/// Asks for the port that a token stands for.
pub(crate) fn claim(probe: &mut Probe, token: &[u8]) -> Reply {
    probe.ask(&Draft::allocate().reservation(token))
}

/// The address behind another one.
pub(crate) fn next_to(relayed: SocketAddr) -> SocketAddr {
    SocketAddr::new(relayed.ip(), relayed.port() + 1)
}

/// Refreshes one family; gives the code.
pub(crate) fn refresh_family(probe: &mut Probe, family: u8, secs: u32) -> u16 {
    probe.code(&Draft::request(Method::REFRESH).requested_family(family).lifetime(secs))
}

/// Asks for permissions for several addresses at once; gives the code.
pub(crate) fn permit_all(probe: &mut Probe, peers: impl IntoIterator<Item = SocketAddr>) -> u16 {
    let request = Draft::request(Method::CREATE_PERMISSION);
    probe.code(&peers.into_iter().fold(request, |request, peer| request.peer(peer)))
}

/// The client reaches its peer by Send indications, and the peer the client.
pub(crate) fn exchanges_data(probe: &mut Probe, relayed: SocketAddr, peer: &Peer) {
    probe.tell(&Draft::send(peer.addr(), b"to the peer"));
    assert_eq!(peer.receive(), (b"to the peer".to_vec(), relayed));
    assert_eq!(hears(probe, relayed, peer), peer.addr(), "the peer's address is shown");
}

/// The peer reaches the client; gives the address that the client is shown.
pub(crate) fn hears(probe: &mut Probe, relayed: SocketAddr, peer: &Peer) -> SocketAddr {
    peer.send(relayed, b"to the client");
    match probe.receive() {
        Received::Indication(from, data) if data == b"to the client" => from,
        other => panic!("a Data indication was expected: {other:?}"),
    }
}
