//! Section 12: Send and Data.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use turnserver::stun::{AttributeType, Class, Method};

use crate::draft::Draft;
use crate::ip_header::capture::Capture;
use crate::peer::Peer;
use crate::probe::{Probe, reparse};
use crate::row::{Section, rows};
use crate::scene::{Scene, client_of, is_data_indication, launch, peer_v6};
use crate::target::Target;
use crate::wire::Received;

pub(crate) const SECTION: Section = Section {
    rows: rows![
        wire data_001_send_without_peer_or_data_is_discarded,
        wire data_002_empty_data_is_an_empty_datagram,
        wire data_003_no_permission_no_data,
        wire data_004_source_destination_and_payload_are_exact,
        wire data_005_what_policy_refuses_is_discarded_silently,
        wire data_006_dont_fragment_sets_df,
        wire data_007_send_stays_usable_beside_a_channel,
        wire data_008_peer_data_comes_in_a_data_indication,
        wire data_009_empty_datagrams_of_peers_are_relayed,
        wire data_010_data_goes_to_the_client_over_its_transport,
        wire data_011_the_largest_datagram_breaks_nothing,
        wire data_012_fingerprint_in_indications,
        wire data_013_a_peer_of_another_family_is_discarded,
    ],
    partly: &[("DATA-010", "DTLS")],
    later: &[],
    left_out: &[],
};

fn send_indication() -> Draft {
    Draft::of(Method::SEND, Class::Indication)
}

fn data_001_send_without_peer_or_data_is_discarded() {
    for (_, probe) in Probe::over_each() {
        let mut scene = Scene::over(probe);
        let peer = scene.peer.addr();
        scene.probe.tell(&send_indication().with(AttributeType::DATA, b"for nobody"));
        scene.probe.tell(&send_indication().peer(peer));
        // The keep-alive of pjnath.
        scene.probe.tell(&send_indication().with(AttributeType::DATA, b""));
        scene.nothing_moves();
        scene.send(b"whole");
        scene.peer_gets(b"whole");
    }
}

fn data_002_empty_data_is_an_empty_datagram() {
    for (_, probe) in Probe::over_each() {
        let mut scene = Scene::over(probe);
        scene.send(b"");
        scene.peer_gets(b"");
    }
}

fn data_003_no_permission_no_data() {
    let (mut probe, peer) = (Probe::udp(), Peer::new());
    probe.allocate();
    probe.tell(&Draft::send(peer.addr(), b"to a stranger"));
    peer.receives_nothing(&mut probe);
    probe.receives_nothing();
}

fn data_004_source_destination_and_payload_are_exact() {
    for (over, probe) in Probe::over_each() {
        let mut scene = Scene::over(probe);
        let neighbour = Peer::new();
        for len in [1, 2, 3, 4, 1200] {
            let data: Vec<u8> = (0..len).map(|place| place as u8 | 0x80).collect();
            scene.send(&data);
            assert_eq!(scene.peer.receive(), (data, scene.relayed), "{len} bytes over {over}");
        }
        neighbour.receives_nothing(&mut scene.probe);
    }
}

/// Where the port is one of the server itself, whatever it answered would come back as data.
fn data_005_what_policy_refuses_is_discarded_silently() {
    // One thread does one thing after the other.
    let ours = Target::get()
        .is_ours()
        .then(|| launch("default", "allowed-peer-ip = [\"127.0.0.1\"]").and(&["--relay-threads=1"]).start());
    let mut scene = ours.as_ref().map_or_else(Scene::new, |server| Scene::over(client_of(server)));
    let server = ours.as_ref().map_or(Target::get().addr, |server| server.addr);
    assert_eq!(scene.probe.permit(server), 0, "the server's address is the peer's in the usual set-up");
    let question = Draft::request(Method::BINDING).bytes(None);
    scene.probe.tell(&Draft::send(server, &question));
    // The way of an answer would be longer by one: listener, relay, client.
    scene.probe.settle();
    scene.probe.receives_nothing();

    if Target::get().is_ours() {
        let denied = Peer::at(Ipv4Addr::new(127, 0, 0, 9).into());
        assert_eq!(scene.probe.permit(denied.addr()), 403);
        scene.probe.tell(&Draft::send(denied.addr(), b"to a denied range"));
        denied.receives_nothing(&mut scene.probe);
    }
    scene.send(b"the allowed peer is still reached");
    scene.peer_gets(b"the allowed peer is still reached");
}

fn data_006_dont_fragment_sets_df() {
    let mut scene = Scene::new();
    let peer = scene.peer.addr();
    let capture = Capture::to(peer);
    scene.probe.tell(&Draft::send(peer, b"whole or not at all").with(AttributeType::DONT_FRAGMENT, b""));
    scene.peer_gets(b"whole or not at all");
    scene.send(b"in pieces, if need be");
    scene.peer_gets(b"in pieces, if need be");
    if let Some(mut capture) = capture {
        assert!(capture.header_of(b"whole or not at all").dont_fragment);
        assert!(!capture.header_of(b"in pieces, if need be").dont_fragment, "only where it was asked for");
    }
}

fn data_007_send_stays_usable_beside_a_channel() {
    let mut scene = Scene::new().with_channel();
    for round in 0..3 {
        let (sent, channelled) = (format!("sent {round}"), format!("on the channel {round}"));
        scene.send(sent.as_bytes());
        scene.probe.send_channel(0x4000, channelled.as_bytes());
        scene.peer_gets(sent.as_bytes());
        scene.peer_gets(channelled.as_bytes());
    }
}

fn data_008_peer_data_comes_in_a_data_indication() {
    for (over, probe) in Probe::over_each() {
        let mut scene = Scene::over(probe);
        scene.peer_sends(b"hello");
        let bytes = scene.probe.receive_bytes();
        assert!(is_data_indication(&bytes), "over {over}: {bytes:02x?}");
        let message = reparse(&bytes);
        let peer = message.xor_address(AttributeType::XOR_PEER_ADDRESS).expect("XOR-PEER-ADDRESS");
        assert_eq!(peer, Ok(scene.peer.addr()));
        assert_eq!(message.value(AttributeType::DATA), Some(&b"hello"[..]));
        assert!(!message.has(AttributeType::MESSAGE_INTEGRITY), "indications are not signed");
    }
}

fn data_009_empty_datagrams_of_peers_are_relayed() {
    for (_, probe) in Probe::over_each() {
        let mut scene = Scene::over(probe);
        scene.peer_sends(b"");
        assert_eq!(scene.probe.receive(), Received::Indication(scene.peer.addr(), Vec::new()));
        let mut scene = scene.with_channel();
        scene.peer_sends(b"");
        assert_eq!(scene.probe.receive_bytes(), [0x40, 0x00, 0, 0]);
    }
}

/// Beside clients of the same address, over every transport, that permit the same peer.
fn data_010_data_goes_to_the_client_over_its_transport() {
    let peer = Peer::new();
    let mut clients = Probe::over_each();
    clients.extend(Probe::over_each());
    let mut relayed = Vec::new();
    for (_, probe) in &mut clients {
        relayed.push(probe.allocate());
        assert_eq!(probe.permit(peer.addr()), 0);
    }
    for place in 0..clients.len() {
        peer.send(relayed[place], b"for one of them");
        let (over, probe) = &mut clients[place];
        assert_eq!(probe.receive(), Received::Indication(peer.addr(), b"for one of them".to_vec()), "over {over}");
        clients.iter_mut().for_each(|(_, probe)| probe.receives_nothing());
    }
}

/// The largest datagram of IPv4 does not fit into another one with anything before it; a stream has room.
fn data_011_the_largest_datagram_breaks_nothing() {
    let largest = vec![0x5A; 65_507];
    for (over, probe) in Probe::over_each() {
        let mut scene = Scene::over(probe);
        let from = scene.peer.addr();
        let indication = |data: &[u8]| Received::Indication(from, data.to_vec());
        let channel = |data: &[u8]| Received::Channel(0x4000, data.to_vec());
        meets_the_largest(&mut scene, over, &largest, &indication);
        meets_the_largest(&mut scene.with_channel(), over, &largest, &channel);
    }
}

fn meets_the_largest(scene: &mut Scene, over: &str, largest: &[u8], framed: &dyn Fn(&[u8]) -> Received) {
    scene.peer_sends(largest);
    match over {
        "UDP" => scene.probe.receives_nothing(),
        _ => assert_eq!(scene.probe.receive(), framed(largest), "over {over}"),
    }
    scene.peer_sends(b"the next one");
    assert_eq!(scene.probe.receive(), framed(b"the next one"), "over {over}");
}

fn data_012_fingerprint_in_indications() {
    let mut scene = Scene::new();
    let peer = scene.peer.addr();
    let mut wrong = Draft::send(peer, b"wrong").fingerprint().bytes(None);
    *wrong.last_mut().expect("FINGERPRINT is the end") ^= 1;
    scene.probe.send_bytes(&wrong);
    scene.nothing_moves();
    scene.probe.tell(&Draft::send(peer, b"right").fingerprint());
    scene.peer_gets(b"right");
}

fn data_013_a_peer_of_another_family_is_discarded() {
    let mut scene = Scene::new();
    let others = peer_v6();
    scene.probe.tell(&Draft::send(others.addr(), b"over IPv6"));
    // The same host, hidden in an address of the other family.
    let mapped = match scene.peer.addr().ip() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    };
    scene.probe.tell(&Draft::send(SocketAddr::new(mapped.into(), scene.peer.addr().port()), b"in disguise"));
    others.receives_nothing(&mut scene.probe);
    scene.nothing_moves();
}
