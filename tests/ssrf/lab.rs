//! The server's host and the world around it, which answers for every address.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::ops::RangeInclusive;

use socket2::{Domain, Socket, Type};
use turnserver::stun::{AttributeType, Method};

use crate::canaries::{Canaries, PORT};
use crate::netns::{Capture, Host, Packet};
use crate::wire::tls::Certificate;
use crate::wire::{Client, Launch, Server};

/// Where the server listens and relays.
pub(crate) const SERVER_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(130, 89, 1, 1));
pub(crate) const SERVER_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2a00, 0x1450, 1, 0, 0, 0, 0, 1));
/// Its second interface, on which it does neither.
pub(crate) const INSIDE_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 168, 50, 1));
pub(crate) const INSIDE_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfd00, 0x50, 0, 0, 0, 0, 0, 1));
/// Its link-local address.
pub(crate) const LINK_LOCAL: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0xa);
/// No other socket of its host has a port in this range, so whatever leaves from one was relayed.
pub(crate) const RELAY_PORTS: RangeInclusive<u16> = 50_000..=59_999;

/// Who may be asked for without a leak: the two hosts themselves.
const NEIGHBOURS: [&str; 10] = [
    "130.89.1.1",
    "130.89.1.2",
    "2a00:1450:1::1",
    "2a00:1450:1::2",
    "192.168.50.1",
    "192.168.50.2",
    "fd00:50::1",
    "fd00:50::2",
    "fe80::a",
    "fe80::b",
];

const SERVER_SYSCTLS: &str = "
    ipv6/conf/all/accept_dad=0
    ipv6/conf/default/accept_dad=0
    ipv6/conf/default/addr_gen_mode=1
    ipv4/conf/all/rp_filter=0
    ipv4/conf/default/rp_filter=0
    ipv4/conf/all/accept_local=1
    ipv4/ip_local_port_range=30000 40000
    ipv4/ip_unprivileged_port_start=0";
const WORLD_SYSCTLS: &str = "
    ipv6/conf/all/accept_dad=0
    ipv6/conf/default/accept_dad=0
    ipv6/conf/default/addr_gen_mode=1
    ipv4/conf/all/rp_filter=0
    ipv4/conf/default/rp_filter=0
    ipv4/ip_local_port_range=30000 40000";
/// Some denied ranges are on the link, so that a leak asks for the address by ARP or ND; the rest goes to the router.
const SERVER_ADDRESSES: &str = "
    address add 130.89.1.1/24 dev lan
    address add 2a00:1450:1::1/64 dev lan nodad
    address add fe80::a/64 dev lan nodad
    address add 192.168.50.1/24 dev inside
    address add fd00:50::1/64 dev inside nodad
    route add default via 130.89.1.2
    -6 route add default via 2a00:1450:1::2
    route add 169.254.0.0/16 dev lan
    route add 198.18.0.0/15 dev lan
    route add 224.0.0.0/4 dev lan
    -6 route add fe80::/10 dev lan
    -6 route add fec0::/10 dev lan
    -6 route add fc00::/7 dev inside";
/// Some addresses are its own, so that it can speak from them; and what comes in by the cable is for this host, whatever
/// its destination.
const WORLD_ADDRESSES: &str = "
    address add 130.89.1.2/24 dev lan
    address add 2a00:1450:1::2/64 dev lan nodad
    address add fe80::b/64 dev lan nodad
    address add 192.168.50.2/24 dev inside
    address add fd00:50::2/64 dev inside nodad
    address add 8.8.8.8/32 dev lan
    address add 10.0.0.1/32 dev lan
    address add 100.64.0.1/32 dev lan
    address add 169.254.169.254/32 dev lan
    address add 172.16.0.1/32 dev lan
    address add 192.0.2.1/32 dev lan
    address add 192.168.0.1/32 dev lan
    address add 198.18.0.1/32 dev lan
    address add 203.0.113.1/32 dev lan
    address add 2606:4700::1111/128 dev lan nodad
    route add local 0.0.0.0/0 dev lo table 100
    -6 route add local ::/0 dev lo table 100
    rule add iif lan lookup 100 pref 10
    rule add iif inside lookup 100 pref 11
    -6 rule add iif lan lookup 100 pref 10
    -6 rule add iif inside lookup 100 pref 11";

/// The two hosts.
pub(crate) struct Lab {
    pub(crate) server: Host,
    pub(crate) world: Host,
    /// What is on the server's interfaces.
    pub(crate) capture: Capture,
    /// Programs beside the server.
    pub(crate) inner: Canaries,
    /// Programs on every other address.
    pub(crate) outer: Canaries,
}

impl Lab {
    pub(crate) fn new() -> Lab {
        let (server, world) = (Host::new(), Host::new());
        server.sysctl(SERVER_SYSCTLS);
        world.sysctl(WORLD_SYSCTLS);
        server.cable("lan", &world, "lan");
        server.cable("inside", &world, "inside");
        server.ip(SERVER_ADDRESSES);
        world.ip(WORLD_ADDRESSES);
        let scope = server.call(|| std::fs::read_to_string("/proc/thread-self/net/if_inet6").expect("Linux has it"));
        let inner = Canaries::on(&server, &inner_addresses(link_local_scope(&scope)));
        // It hears IPv4 as well.
        let outer = Canaries::on(&world, &[(Ipv6Addr::UNSPECIFIED, PORT).into()]);
        let capture = Capture::on(&server);
        Lab { server, world, capture, inner, outer }
    }

    /// A server on its host, which listens and relays on the public addresses.
    pub(crate) fn start(&self, certificate: &Certificate, args: &[&str]) -> Server {
        self.server.call(|| self.launch(certificate, args).start())
    }

    fn launch(&self, certificate: &Certificate, args: &[&str]) -> Launch {
        let (first, last) = (RELAY_PORTS.start(), RELAY_PORTS.end());
        let ports = [format!("--min-port={first}"), format!("--max-port={last}")];
        let launch = Launch::new(&["-a", "--realm=r", "--user=alice:a-secret-88", &ports[0], &ports[1]]);
        let relays = ["--relay-ip=130.89.1.1", "--relay-ip=2a00:1450:1::1"];
        certificate.given_to(launch.listening_on(&["130.89.1.1", "2a00:1450:1::1"])).and(&relays).and(args)
    }

    /// Where relayed data went since the last call; asking for an address that is no neighbour fails.
    pub(crate) fn relayed(&mut self) -> BTreeSet<SocketAddr> {
        let mut destinations = BTreeSet::new();
        for packet in self.capture.take() {
            match packet {
                Packet::Udp { from, to } | Packet::Tcp { from, to }
                    if RELAY_PORTS.contains(&from.port()) && is_servers(from.ip()) =>
                {
                    destinations.insert(to);
                }
                Packet::WhoHas(ip) => {
                    let is_neighbour = NEIGHBOURS.iter().any(|neighbour| neighbour.parse() == Ok(ip));
                    assert!(is_neighbour, "the server's host asked who has {ip}");
                }
                Packet::Udp { .. } | Packet::Tcp { .. } => {}
            }
        }
        destinations
    }

    /// A datagram of the world from any address, its own or not.
    pub(crate) fn send_from(&self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        self.world.call(|| {
            let socket = Socket::new(Domain::for_address(from), Type::DGRAM, None).expect("a socket");
            let forge = if from.is_ipv4() { Socket::set_ip_transparent_v4 } else { Socket::set_ip_transparent_v6 };
            forge(&socket, true).expect("root may forge a source");
            // The socket before may live a moment longer, in a process another test is about to start.
            socket.set_reuse_address(true).expect("a socket");
            socket.bind(&from.into()).unwrap_or_else(|error| panic!("{from}: {error}"));
            socket.send_to(bytes, &to.into()).unwrap_or_else(|error| panic!("{from} to {to}: {error}"));
        });
    }
}

fn is_servers(ip: IpAddr) -> bool {
    [SERVER_V4, SERVER_V6, INSIDE_V4, INSIDE_V6].contains(&ip)
}

fn inner_addresses(scope: u32) -> Vec<SocketAddr> {
    let plain = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into(), SERVER_V4, SERVER_V6, INSIDE_V4, INSIDE_V6];
    let link_local = SocketAddrV6::new(LINK_LOCAL, PORT, 0, scope);
    plain.into_iter().map(|ip| SocketAddr::new(ip, PORT)).chain([link_local.into()]).collect()
}

/// The number of the interface that has the link-local address.
fn link_local_scope(if_inet6: &str) -> u32 {
    let line = if_inet6.lines().find(|line| line.starts_with("fe80")).expect("a link-local address");
    u32::from_str_radix(line.split_whitespace().nth(1).expect("a column"), 16).expect("hexadecimal")
}

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Over {
    Udp,
    Tcp,
    Tls,
}

/// A client of the world, with an allocation of the peer's family at that address.
pub(crate) fn client(
    lab: &Lab,
    server: &Server,
    certificate: &Certificate,
    over: Over,
    peer: IpAddr,
) -> (Client, SocketAddr) {
    client_of(lab, [server.addr, server.tls_addr], certificate, over, peer)
}

/// The same, of any server that listens there, without and with TLS.
pub(crate) fn client_of(
    lab: &Lab,
    [plain, tls]: [SocketAddr; 2],
    certificate: &Certificate,
    over: Over,
    peer: IpAddr,
) -> (Client, SocketAddr) {
    let client = lab.world.call(|| match over {
        Over::Udp => Client::udp(plain),
        Over::Tcp => Client::tcp(plain),
        Over::Tls => Client::tls(tls, certificate),
    });
    let mut client = client.with_user("alice", "a-secret-88");
    let family = if peer.is_ipv4() { 1 } else { 2 };
    let reply = client.ask(Method::ALLOCATE, |writer| {
        writer.attribute(AttributeType::REQUESTED_TRANSPORT, &[17, 0, 0, 0]);
        writer.attribute(AttributeType::REQUESTED_ADDRESS_FAMILY, &[family, 0, 0, 0]);
    });
    assert_eq!(reply.code(), 0, "an allocation over {over:?} for {peer}");
    (client, reply.relayed())
}

/// Returns when the server has dealt with what was sent before: two questions that every profile answers, as whatever was
/// ready together with the first one is done before the second one.
pub(crate) fn settle(client: &mut Client) {
    assert_eq!((client.refresh(600).code(), client.refresh(600).code()), (0, 0));
}

/// Asks for permissions for several peers at once.
pub(crate) fn permit_all(client: &mut Client, peers: &[IpAddr]) -> u16 {
    let reply = client.ask(Method::CREATE_PERMISSION, |writer| {
        peers.iter().for_each(|ip| writer.xor_address(AttributeType::XOR_PEER_ADDRESS, SocketAddr::new(*ip, 0)));
    });
    reply.code()
}
