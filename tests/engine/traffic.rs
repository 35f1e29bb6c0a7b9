//! The figures of an allocation: what was delivered, and nothing else.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

use crate::wire::{Client, Launch, Received, Server, free_ports};

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// A payload of the usual size.
const PAYLOAD: [u8; 1200] = [7; 1200];
/// Datagrams that fit into a socket's buffer together.
const BURST: usize = 100;

fn start(args: &[&str]) -> Server {
    Launch::new(&["-a", "--realm=r", "--user=alice:secret"]).and(args).start()
}

fn with_alice(client: Client) -> Client {
    client.with_user("alice", "secret")
}

/// A figure of the line that tells the end of the client's allocation.
fn figure(server: &Server, client: &Client, name: &str) -> usize {
    let from = format!("client={} ", client.local());
    let line = server.log.find(&["allocation ended", &from]).expect("it ended");
    let value = line.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    value.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name} in {line}"))
}

/// More bytes than both ends of a connection ever hold.
fn more_than_a_connection_holds() -> usize {
    let max_of = |name: &str| -> usize {
        let text = std::fs::read_to_string(format!("/proc/sys/net/ipv4/{name}")).expect("Linux has it");
        text.split_whitespace().nth(2).and_then(|max| max.parse().ok()).expect("three numbers")
    };
    max_of("tcp_rmem") + max_of("tcp_wmem") + 1024 * 1024
}

#[test]
fn data_that_a_slow_reader_never_got_is_not_counted() {
    let server = start(&["--allow-loopback-peers"]);
    let (mut slow, mut witness) = (with_alice(Client::tcp(server.addr)), Client::udp(server.addr));
    let relayed = slow.relayed();
    assert_eq!(slow.permit(LOOPBACK).code(), 0);
    let peer = UdpSocket::bind((LOOPBACK, 0)).expect("a free port");
    let bursts = more_than_a_connection_holds() / (BURST * PAYLOAD.len());
    for _ in 0..bursts {
        (0..BURST).for_each(|_| assert_eq!(peer.send_to(&PAYLOAD, relayed).ok(), Some(PAYLOAD.len())));
        // The server took the burst, so that nothing is lost before it.
        witness.settle();
    }
    // In a stream everything that was relayed comes before the answer.
    assert_eq!(slow.binding().code(), 0);
    let received = slow.pending();
    let from = peer.local_addr().expect("a bound socket");
    assert!(received.iter().all(|data| *data == Received::Indication(from, PAYLOAD.to_vec())));
    assert!((1..bursts * BURST).contains(&received.len()), "{} of {}", received.len(), bursts * BURST);

    assert_eq!(slow.refresh(0).code(), 0);
    assert_eq!(figure(&server, &slow, "to_client_packets"), received.len());
    assert_eq!(figure(&server, &slow, "to_client_bytes"), received.len() * PAYLOAD.len());
}

#[test]
fn data_for_a_dead_port_of_this_host_is_not_counted() {
    let first = free_ports(4);
    let range = [format!("--min-port={first}"), format!("--max-port={}", first + 3)];
    let mut server = start(&["--profile=default", &range[0], &range[1]]);
    // It keeps the server from giving the port to a relay.
    let dead = UdpSocket::bind((LOOPBACK, first)).expect("a free port");
    let dead = dead.local_addr().expect("a bound socket");
    let mut live = with_alice(Client::udp(server.addr));
    let live_relayed: SocketAddr = live.relayed();
    for client in [Client::udp(server.addr), Client::tcp(server.addr)] {
        let mut client = with_alice(client);
        client.relayed();
        assert_eq!((client.permit(LOOPBACK).code(), client.bind(0x4000, dead).code()), (0, 0));
        client.send(dead, b"in an indication");
        client.send_channel(0x4000, b"on a channel");
        client.send(live_relayed, b"to a live one");
        client.settle();
        assert_eq!(client.refresh(0).code(), 0);
        assert_eq!(figure(&server, &client, "to_peer_packets"), 1);
        assert_eq!(figure(&server, &client, "to_peer_bytes"), b"to a live one".len());
    }
    assert!(server.terminate().success());
    assert!(server.log.find(&["dropped", "reason=\"forbidden\"", "count=4"]).is_some(), "{}", server.log.text());
}
