//! Whom a permission lets through, and whom not.

use std::net::SocketAddr;

use crate::draft::Draft;
use crate::peer::Peer;
use crate::probe::Probe;
use crate::relaying::{allocate_both, exchanges_data, hears, own_server, peer_ip_v6, probe_of};
use crate::target::Target;
use crate::wire::Received;

pub(super) fn perm_004_a_permission_has_no_port() {
    for port in [1, 65_535] {
        let mut probe = Probe::udp();
        let relayed = probe.allocate();
        let peers = [Peer::new(), Peer::new(), Peer::new()];
        assert_eq!(probe.permit(SocketAddr::new(peers[0].addr().ip(), port)), 0);
        for peer in &peers {
            exchanges_data(&mut probe, relayed, peer);
        }
    }
}

pub(super) fn perm_006_each_family_has_its_relay() {
    let mut probe = Probe::udp();
    let relayed = allocate_both(&mut probe);
    let peers = [Peer::new(), Peer::at(peer_ip_v6())];
    for (permitted, other) in [(0, 1), (1, 0)] {
        assert_eq!(probe.permit(peers[permitted].addr()), 0);
        exchanges_data(&mut probe, relayed[permitted], &peers[permitted]);
        if permitted == 0 {
            peers[other].send(relayed[other], b"not permitted");
            probe.receives_nothing();
            probe.tell(&Draft::send(peers[other].addr(), b"not permitted"));
            peers[other].receives_nothing(&mut probe);
        }
    }
    let mut only_v4 = Probe::udp();
    only_v4.allocate();
    assert_eq!(only_v4.permit(peers[1].addr()), 443);
    only_v4.tell(&Draft::send(peers[1].addr(), b"by the IPv4 relay"));
    peers[1].receives_nothing(&mut only_v4);
}

pub(super) fn perm_012_without_a_permission_there_is_silence() {
    let mut probe = Probe::udp();
    let (relayed, peer) = (probe.allocate(), Peer::new());
    // A connected socket is told of every ICMP error.
    peer.socket().connect(relayed).expect("the relayed address has a route");
    for _ in 0..3 {
        peer.socket().send(b"not permitted").expect("no ICMP error came back");
        probe.receives_nothing();
    }
    assert!(peer.socket().take_error().expect("a socket of ours").is_none(), "no ICMP error came back");
    peer.receives_nothing(&mut probe);
    assert_eq!(probe.permit(peer.addr()), 0);
    peer.socket().send(b"permitted").expect("no ICMP error came back");
    assert_eq!(probe.receive(), Received::Indication(peer.addr(), b"permitted".to_vec()));
}

pub(super) fn perm_013_allocations_share_nothing() {
    let (mut one, mut two) = (Probe::udp(), Probe::udp());
    let relayed = [one.allocate(), two.allocate()];
    let peers = [Peer::new(), Peer::new()];
    assert_eq!(one.permit(peers[0].addr()), 0);
    hears(&mut one, relayed[0], &peers[0]);
    peers[0].send(relayed[1], b"not permitted there");
    two.receives_nothing();
    two.tell(&Draft::send(peers[0].addr(), b"not permitted there"));
    two.send_channel(0x4000, b"not bound there");
    peers[0].receives_nothing(&mut two);

    assert_eq!((one.bind(0x4000, peers[0].addr()), two.bind(0x4000, peers[1].addr())), (0, 0));
    for (place, probe) in [&mut one, &mut two].into_iter().enumerate() {
        probe.send_channel(0x4000, b"by its own channel");
        assert_eq!(peers[place].receive(), (b"by its own channel".to_vec(), relayed[place]));
        peers[place].send(relayed[place], b"and back");
        assert_eq!(probe.receive(), Received::Channel(0x4000, b"and back".to_vec()));
    }
    assert_eq!(one.refresh(0), 0);
    two.send_channel(0x4000, b"the other one goes on");
    assert_eq!(peers[1].receive(), (b"the other one goes on".to_vec(), relayed[1]));
}

pub(super) fn perm_015_two_relays_of_one_server() {
    talk_through_both_relays(&mut Probe::udp(), &mut Probe::tcp());
    if Target::get().is_ours() {
        // A server that allows no peer of this host but its own relays.
        let server = own_server(&["127.0.0.1"], "");
        let (mut one, mut two) = (probe_of(&server), probe_of(&server));
        talk_through_both_relays(&mut one, &mut two);
        let beside = Peer::at(server.addr.ip());
        one.tell(&Draft::send(beside.addr(), b"no relay is here"));
        one.tell(&Draft::send(server.addr, b"nor here"));
        beside.receives_nothing(&mut one);
    }
}

fn talk_through_both_relays(one: &mut Probe, two: &mut Probe) {
    let relayed = [one.allocate(), two.allocate()];
    assert_eq!((one.permit(relayed[1]), two.permit(relayed[0])), (0, 0));
    one.tell(&Draft::send(relayed[1], b"there"));
    assert_eq!(two.receive(), Received::Indication(relayed[0], b"there".to_vec()));
    two.tell(&Draft::send(relayed[0], b"and back"));
    assert_eq!(one.receive(), Received::Indication(relayed[1], b"and back".to_vec()));
    assert_eq!((one.bind(0x4000, relayed[1]), two.bind(0x4001, relayed[0])), (0, 0));
    one.send_channel(0x4000, b"there");
    assert_eq!(two.receive(), Received::Channel(0x4001, b"there".to_vec()));
    two.send_channel(0x4001, b"and back");
    assert_eq!(one.receive(), Received::Channel(0x4000, b"and back".to_vec()));
}
