//! Rules for peers that change while the server runs.

use std::net::UdpSocket;

use turnserver::config::{IpRange, Peers};
use turnserver::turn::settings::Hooks;

use crate::inside;
use crate::wire::{Client, Received, poll_until};

#[test]
fn a_peer_denied_at_run_time_gets_nothing_more_on_any_path() {
    let (config, server) = inside::config("profile = \"coturn\"\nallow-loopback-peers = true");
    let allowed = config.peers.clone();
    let mut engine = inside::start(config, None, Hooks::default());
    let peer = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let peer_addr = peer.local_addr().expect("bound");
    let mut client = Client::udp(server).with_user("alice", "secret");
    let relayed = client.relayed();
    assert_eq!(client.bind(0x4000, peer_addr).code(), 0);
    client.send_channel(0x4000, b"before");
    let mut data = [0; 16];
    assert_eq!(peer.recv(&mut data).expect("loopback"), 6);

    let denied = IpRange { first: peer_addr.ip(), last: peer_addr.ip() };
    engine.change_peers(Peers { allowed: Vec::new(), denied: vec![denied], ..allowed.clone() });
    // The worker reads what it is told when it wakes; what comes after that is judged by the new rules.
    poll_until("the new rules hold", || (client.permit(peer_addr.ip()).code() == 403).then_some(()));
    client.send_channel(0x4000, b"after");
    client.send(peer_addr, b"after");
    peer.send_to(b"after", relayed).expect("loopback");
    client.settle();
    peer.set_nonblocking(true).expect("a socket");
    assert!(peer.recv(&mut data).is_err(), "nothing reaches the peer");
    assert_eq!(client.pending(), [], "nothing comes from it");

    engine.change_peers(allowed);
    poll_until("the old rules hold", || (client.permit(peer_addr.ip()).code() == 0).then_some(()));
    peer.send_to(b"again", relayed).expect("loopback");
    assert_eq!(client.receive(), Received::Indication(peer_addr, b"again".to_vec()));
    engine.stop().expect("no worker broke off");
}
