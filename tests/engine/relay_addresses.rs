//! Which address of several a client is relayed from.

use std::net::{IpAddr, SocketAddr};

use crate::wire::{Client, Launch, free_ports};

#[test]
fn a_server_out_of_ports_says_so_and_relays_from_no_other_address() {
    let first = free_ports(2);
    let range = [format!("--min-port={first}"), format!("--max-port={}", first + 1)];
    let launch = Launch::new(&["-a", "--realm=r", "--user=alice:secret", &range[0], &range[1]]);
    let server = launch.listening_on(&["127.0.0.1", "127.0.0.2"]).start();
    let reached: [SocketAddr; 2] =
        [[127, 0, 0, 1], [127, 0, 0, 2]].map(|ip| SocketAddr::new(IpAddr::from(ip), server.addr.port()));
    let client = |turn: usize| Client::udp(reached[turn % 2]).with_user("alice", "secret");

    let mut clients = [client(0), client(1)];
    let relayed = clients.each_mut().map(Client::relayed);
    assert_eq!(relayed[0].ip(), relayed[1].ip(), "both ports are of one address: {relayed:?}");
    for turn in 0..4 {
        assert_eq!(client(turn).allocate().code(), 508, "by {}", reached[turn % 2]);
    }
    assert_eq!(clients[0].refresh(0).code(), 0);
    assert_eq!(client(1).relayed(), relayed[0], "the port that was given back, on the same address");
}
