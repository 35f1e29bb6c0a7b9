//! Peers that are this host: what holds a relay, what does not, and what each is called.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use crate::wire::{Client, Launch, Received, Server, free_ports};

/// Ports of the relay range: some for relays, some for programs beside the server.
const PORTS: u16 = 8;
/// The longest wait for a datagram that must come.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A server whose relay range begins at a known port.
fn start(args: &[&str]) -> (Server, u16) {
    let first = free_ports(PORTS);
    let range = [format!("--min-port={first}"), format!("--max-port={}", first + PORTS - 1)];
    let launch = Launch::new(&["-a", "--realm=r", "--user=alice:secret", &range[0], &range[1]]);
    (launch.and(args).start(), first)
}

fn alice(server: &Server) -> Client {
    Client::udp(server.addr).with_user("alice", "secret")
}

/// A program beside the server on a port of its relay range.
fn neighbour(port: u16) -> UdpSocket {
    let socket = UdpSocket::bind((LOOPBACK, port)).expect("no relay has the port yet");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    socket
}

fn addr_of(socket: &UdpSocket) -> SocketAddr {
    socket.local_addr().expect("a bound socket")
}

/// An SFU on the same host is reached by the private address, and called by it.
#[test]
fn a_program_on_a_port_of_the_relay_range_keeps_its_name_behind_a_nat() {
    let (server, first) = start(&["--allow-loopback-peers", "--external-ip=203.0.113.5/127.0.0.1"]);
    let sfu = neighbour(first);
    let mut client = alice(&server);
    let relayed = client.relayed();
    assert_eq!(relayed.ip(), IpAddr::from([203, 0, 113, 5]));
    let local = SocketAddr::new(LOOPBACK, relayed.port());
    assert_eq!(client.permit(LOOPBACK).code(), 0);

    sfu.send_to(b"to the client", local).expect("loopback has a route");
    assert_eq!(client.receive(), Received::Indication(addr_of(&sfu), b"to the client".to_vec()));
    client.send(addr_of(&sfu), b"to the sfu");
    let mut heard = [0; 64];
    let (len, from) = sfu.recv_from(&mut heard).expect("data came in time");
    assert_eq!((&heard[..len], from), (&b"to the sfu"[..], local));
}

#[test]
fn a_live_relay_is_called_by_its_external_address() {
    let (server, first) = start(&["--allow-loopback-peers", "--external-ip=130.89.1.1/127.0.0.1"]);
    let beside = neighbour(first);
    let (mut a, mut b) = (alice(&server), alice(&server));
    let (a_relayed, b_relayed) = (a.relayed(), b.relayed());
    for client in [&mut a, &mut b] {
        assert_eq!((client.permit(a_relayed.ip()).code(), client.permit(LOOPBACK).code()), (0, 0));
    }
    a.send(b_relayed, b"from a relay");
    assert_eq!(b.receive(), Received::Indication(a_relayed, b"from a relay".to_vec()));
    beside.send_to(b"from beside", (LOOPBACK, b_relayed.port())).expect("loopback has a route");
    assert_eq!(b.receive(), Received::Indication(addr_of(&beside), b"from beside".to_vec()));
}

#[test]
fn in_the_default_profile_only_live_relays_of_this_host_are_heard_and_reached() {
    let (mut server, first) = start(&["--profile=default"]);
    let inside = neighbour(first);
    let outside = UdpSocket::bind((LOOPBACK, 0)).expect("a free port");
    let (mut client, mut other) = (alice(&server), alice(&server));
    let (relayed, other_relayed) = (client.relayed(), other.relayed());
    assert_eq!((client.permit(LOOPBACK).code(), other.permit(LOOPBACK).code()), (0, 0));
    for socket in [&inside, &outside] {
        socket.send_to(b"from no relay", relayed).expect("loopback has a route");
    }
    client.settle();
    assert_eq!(client.pending(), []);

    client.send(addr_of(&inside), b"to no relay");
    client.send(other_relayed, b"to a relay");
    assert_eq!(other.receive(), Received::Indication(relayed, b"to a relay".to_vec()));
    inside.set_nonblocking(true).expect("a socket");
    assert!(inside.recv(&mut [0; 64]).is_err(), "what was sent first would have come first");
    assert_eq!(client.bind(0x4000, addr_of(&outside)).code(), 403, "no relay can be there");
    assert!(server.terminate().success());
    assert!(server.log.find(&["dropped", "reason=\"forbidden\"", "count=3"]).is_some(), "{}", server.log.text());
}

#[test]
fn an_own_address_without_relays_is_forbidden_in_the_default_profile() {
    let launch = Launch::new(&["-a", "--realm=r", "--user=alice:secret", "--profile=default", "--relay-ip=127.0.0.1"]);
    let server = launch.listening_on(&["127.0.0.1", "127.0.0.2"]).start();
    let mut client = alice(&server);
    client.relayed();
    let listener_only = IpAddr::from([127, 0, 0, 2]);
    assert_eq!((client.permit(listener_only).code(), client.permit(LOOPBACK).code()), (403, 0));
    assert_eq!(client.bind(0x4000, SocketAddr::new(listener_only, 50_000)).code(), 403);
}
