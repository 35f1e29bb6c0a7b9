//! DSCP, ECN, TTL and flow label: what a packet is marked with, and what of it is relayed.

use std::fs;
use std::net::UdpSocket;

use socket2::SockRef;

use super::capture::Capture;
use super::forge::Forge;
use crate::draft::Draft;
use crate::probe::Probe;
use crate::scene::Scene;
use crate::target::Target;
use crate::wire::Link;

/// Expedited forwarding.
const EF: u8 = 46;
const ECT_0: u8 = 2;
const CE: u8 = 3;
/// A TTL that no system begins with.
const TTL: u8 = 9;

/// The client's socket; UDP only.
pub(super) fn socket_of(probe: &mut Probe) -> &UdpSocket {
    match probe.link() {
        Link::Udp(socket) => socket,
        _ => panic!("a client over UDP"),
    }
}

fn mark(socket: &UdpSocket, tos: u8) {
    SockRef::from(socket).set_tos_v4(u32::from(tos)).expect("TOS can be set");
}

/// Asserts what we do, or that another server does that or copies.
pub(super) fn is_own_or_copied<T: PartialEq + std::fmt::Debug + Copy>(seen: T, own: T, incoming: T, what: &str) {
    let may_copy = !Target::get().is_ours();
    assert!(
        seen == own || may_copy && seen == incoming,
        "{what}: {seen:?}, expected {own:?}; it came with {incoming:?}"
    );
}

pub(super) fn iph_001_dscp_is_copied_or_best_effort() {
    let mut scene = Scene::new();
    let (to_peer, to_client) = (Capture::to(scene.peer.addr()), Capture::to(scene.probe.local()));
    for dscp in [EF, 0, 10] {
        let data = [b"with DSCP ".as_slice(), &[dscp]].concat();
        mark(socket_of(&mut scene.probe), dscp << 2);
        mark(scene.peer.socket(), dscp << 2);
        scene.send(&data);
        scene.peer_gets(&data);
    }
    relay_back(&mut scene, &[EF << 2]);
    if let (Some(mut to_peer), Some(mut to_client)) = (to_peer, to_client) {
        for dscp in [EF, 0, 10] {
            let seen = to_peer.header_of(&[b"with DSCP ".as_slice(), &[dscp]].concat());
            is_own_or_copied(seen.dscp(), 0, dscp, "DSCP to the peer");
        }
        is_own_or_copied(to_client.header_of(&back(EF << 2)).dscp(), 0, EF, "DSCP to the client");
    }
}

pub(super) fn iph_002_ecn_is_copied_or_not_ect() {
    let mut scene = Scene::new();
    let (to_peer, to_client) = (Capture::to(scene.peer.addr()), Capture::to(scene.probe.local()));
    mark(socket_of(&mut scene.probe), ECT_0);
    scene.send(b"ECN-capable");
    scene.peer_gets(b"ECN-capable");
    relay_back(&mut scene, &[ECT_0]);
    if let (Some(mut to_peer), Some(mut to_client)) = (to_peer, to_client) {
        for (seen, way) in [(to_peer.header_of(b"ECN-capable"), "peer"), (to_client.header_of(&back(ECT_0)), "client")]
        {
            is_own_or_copied(seen.ecn(), 0, ECT_0, &format!("ECN to the {way}"));
            assert_ne!(seen.ecn(), CE, "congestion is not made up");
        }
    }
}

/// What a peer sends under a mark.
fn back(tos: u8) -> Vec<u8> {
    format!("marked {tos:03}").into_bytes()
}

/// The peer sends one datagram under each mark, and the client gets it.
fn relay_back(scene: &mut Scene, marks: &[u8]) {
    for tos in marks {
        mark(scene.peer.socket(), *tos);
        scene.peer_sends(&back(*tos));
        let got = scene.probe.receive_bytes();
        assert!(got.windows(10).any(|window| window == back(*tos)), "{got:02x?}");
    }
}

pub(super) fn iph_007_flow_labels_are_not_copied() {
    const LABEL: u32 = 0xB_EEF5;
    let mut scene = Scene::over_v6(Probe::udp_v6());
    let (server, local) = (Target::get().addr_v6.expect("the client has it"), scene.probe.local());
    let capture = Capture::to(scene.peer.addr());
    let labelled = Draft::send(scene.peer.addr(), b"labelled").bytes(None);
    if let (Some(mut capture), Some(forge)) = (capture, Forge::for_address(local)) {
        let mut incoming = Capture::to(server).expect("there was one a line before");
        forge.send_labelled(local, server, LABEL, &labelled);
        scene.peer_gets(b"labelled");
        assert_eq!(incoming.header_of(b"labelled").flow_label, LABEL, "the client's label reached the server");
        assert_ne!(capture.header_of(b"labelled").flow_label, LABEL);
    } else {
        scene.probe.send_bytes(&labelled);
        scene.peer_gets(b"labelled");
    }
}

pub(super) fn iph_008_ttl_is_that_of_the_system() {
    let setting = |path: &str| -> u8 {
        let text = fs::read_to_string(format!("/proc/sys/net/{path}")).expect("Linux has it");
        text.trim().parse().expect("a number")
    };
    let mut scene = Scene::new();
    let (to_peer, to_client) = (Capture::to(scene.peer.addr()), Capture::to(scene.probe.local()));
    for socket in [socket_of(&mut scene.probe), scene.peer.socket()] {
        SockRef::from(socket).set_ttl_v4(u32::from(TTL)).expect("TTL can be set");
    }
    scene.send(b"few hops left");
    scene.peer_gets(b"few hops left");
    relay_back(&mut scene, &[0]);
    if let (Some(mut to_peer), Some(mut to_client)) = (to_peer, to_client) {
        for seen in [to_peer.header_of(b"few hops left"), to_client.header_of(&back(0))] {
            is_own_or_copied(seen.ttl, setting("ipv4/ip_default_ttl"), TTL - 1, "TTL");
        }
    }
    hop_limit_is_that_of_the_system(setting("ipv6/conf/lo/hop_limit"));
}

fn hop_limit_is_that_of_the_system(own: u8) {
    if Target::get().addr_v6.is_none() {
        return;
    }
    let mut scene = Scene::over_v6(Probe::udp_v6());
    let capture = Capture::to(scene.peer.addr());
    let socket = socket_of(&mut scene.probe);
    SockRef::from(socket).set_unicast_hops_v6(u32::from(TTL)).expect("the hop limit can be set");
    scene.send(b"few hops left");
    scene.peer_gets(b"few hops left");
    if let Some(mut capture) = capture {
        is_own_or_copied(capture.header_of(b"few hops left").ttl, own, TTL - 1, "hop limit");
    }
}

/// A connection has one DSCP whatever the peers' datagrams have.
pub(super) fn iph_010_one_dscp_for_a_connection() {
    let mut scene = Scene::over(Probe::tcp());
    let capture = Capture::segments_to(scene.probe.local());
    let marks = [0, EF << 2, 10 << 2 | ECT_0, CE];
    relay_back(&mut scene, &marks);
    if let Some(mut capture) = capture {
        let seen: Vec<u8> = marks.iter().map(|tos| capture.header_of(&back(*tos)).tos).collect();
        assert!(seen.iter().all(|tos| *tos == seen[0] && *tos != CE), "{seen:02x?}");
        if Target::get().is_ours() {
            assert_eq!(seen[0] >> 2, 0, "best effort");
        }
    }
}
