//! DF, DONT-FRAGMENT and fragments.

use std::net::SocketAddr;

use rustix::net::sockopt::{Ipv4PathMtuDiscovery, set_ip_mtu_discover};
use turnserver::stun::AttributeType;

use super::capture::Capture;
use super::forge::Forge;
use super::marks::{is_own_or_copied, socket_of};
use crate::draft::Draft;
use crate::probe::Probe;
use crate::row::not_asked;
use crate::scene::{Scene, peer_v6};
use crate::target::Target;
use crate::wire::Received;

fn undivided(peer: SocketAddr, data: &[u8]) -> Draft {
    Draft::send(peer, data).with(AttributeType::DONT_FRAGMENT, b"")
}

/// DF on what a client or peer sends itself: Linux's sockets set it unless told otherwise.
fn send_with_df(scene: &mut Scene, dont_fragment: bool) {
    let mode = if dont_fragment { Ipv4PathMtuDiscovery::DO } else { Ipv4PathMtuDiscovery::DONT };
    set_ip_mtu_discover(socket_of(&mut scene.probe), mode).expect("DF can be chosen");
    set_ip_mtu_discover(scene.peer.socket(), mode).expect("DF can be chosen");
}

pub(super) fn iph_003_df_is_copied_or_clear_unless_asked_for() {
    let mut scene = Scene::new();
    let peer = scene.peer.addr();
    let captures = (Capture::to(Target::get().addr), Capture::to(peer), Capture::to(scene.probe.local()));
    for (incoming, data) in [(true, b"DF set  "), (false, b"DF clear")] {
        send_with_df(&mut scene, incoming);
        scene.send(data);
        scene.peer_gets(data);
        scene.peer_sends(data);
        assert_eq!(scene.probe.receive(), Received::Indication(peer, data.to_vec()));
    }
    scene.probe.tell(&undivided(peer, b"asked for"));
    scene.peer_gets(b"asked for");
    scene.send(b"not asked for any more");
    scene.peer_gets(b"not asked for any more");
    if let (Some(mut to_server), Some(mut to_peer), Some(mut to_client)) = captures {
        for (incoming, data) in [(true, b"DF set  "), (false, b"DF clear")] {
            assert_eq!(to_server.header_of(data).dont_fragment, incoming, "the client's own DF");
            is_own_or_copied(to_peer.header_of(data).dont_fragment, false, incoming, "DF to the peer");
            is_own_or_copied(to_client.header_of(data).dont_fragment, false, incoming, "DF to the client");
        }
        assert!(to_peer.header_of(b"asked for").dont_fragment, "DONT-FRAGMENT");
        assert!(!to_peer.header_of(b"not asked for any more").dont_fragment, "one datagram has it, not the socket");
    }
}

pub(super) fn iph_004_stream_clients_send_without_marks() {
    for (over, probe) in Probe::over_each().into_iter().skip(1) {
        let mut scene = Scene::over(probe);
        let peer = scene.peer.addr();
        let capture = Capture::to(peer);
        scene.send(b"in pieces, if need be");
        scene.peer_gets(b"in pieces, if need be");
        scene.probe.tell(&undivided(peer, b"whole or not at all"));
        scene.peer_gets(b"whole or not at all");
        if let Some(mut capture) = capture {
            let divided = capture.header_of(b"in pieces, if need be");
            assert_eq!((divided.ecn(), divided.dont_fragment), (0, false), "over {over}");
            let whole = capture.header_of(b"whole or not at all");
            assert_eq!((whole.ecn(), whole.dont_fragment), (0, true), "over {over}");
        }
    }
}

/// Over UDP between families, and over IPv6, the attribute has no meaning; from a stream to IPv4 it has one.
pub(super) fn iph_005_dont_fragment_between_families_is_ignored() {
    let same_v6 = Probe::udp_v6();
    let ways = [("IPv4 to IPv6", Scene::over_v6(Probe::udp())), ("IPv6 to IPv6", Scene::over_v6(same_v6))];
    let back = ("IPv6 to IPv4", Scene::over(Probe::udp_v6()));
    for (way, mut scene) in ways.into_iter().chain([back]) {
        let peer = scene.peer.addr();
        let capture = Capture::to(peer);
        // More than any link but loopback carries in one packet.
        let data = [way.as_bytes(), &[7; 3000]].concat();
        scene.probe.tell(&undivided(peer, &data));
        scene.peer_gets(&data);
        if let Some(mut capture) = capture {
            assert!(!capture.header_of(way.as_bytes()).dont_fragment, "{way}");
        }
    }
    for (over, probe) in Probe::over_each().into_iter().skip(1) {
        let mut scene = Scene::over(probe);
        let peer = scene.peer.addr();
        let capture = Capture::to(peer);
        scene.probe.tell(&undivided(peer, b"from a stream"));
        scene.peer_gets(b"from a stream");
        if let Some(mut capture) = capture {
            assert!(capture.header_of(b"from a stream").dont_fragment, "over {over}");
        }
    }
}

/// A server that translates DF between families and cannot read it must refuse. Ours does not translate: it takes DF for
/// clear there, as the alternate behaviour of section 13.1 says, and the README says so. So there is nothing to refuse.
pub(super) fn iph_006_allocate_with_dont_fragment_for_ipv6() {
    let asks = |family: u8| {
        let draft = Draft::allocate().with(AttributeType::DONT_FRAGMENT, b"");
        draft.with(AttributeType::REQUESTED_ADDRESS_FAMILY, &[family, 0, 0, 0])
    };
    assert_eq!(Probe::udp().code(&asks(1)), 0, "IPv4 to IPv4");
    let mut probe = Probe::udp();
    match probe.code(&asks(2)) {
        0 => {}
        440 => not_asked("it relays no IPv6"),
        code => return assert!(code == 420 && !Target::get().is_ours(), "{code}"),
    }
    let peer = peer_v6();
    assert_eq!(probe.permit(peer.addr()), 0);
    for mode in [Ipv4PathMtuDiscovery::DO, Ipv4PathMtuDiscovery::DONT] {
        set_ip_mtu_discover(socket_of(&mut probe), mode).expect("DF can be chosen");
        probe.tell(&Draft::send(peer.addr(), &[3; 2000]));
        assert_eq!(peer.receive().0, [3; 2000], "DF of the client decides nothing here");
    }
    if Target::get().is_ours() {
        let documented = include_str!("../../../README.md");
        assert!(documented.contains("DONT-FRAGMENT"), "the README says what is done with it");
    }
}

pub(super) fn iph_009_fragmented_datagrams_are_relayed_whole() {
    for (over, probe) in Probe::over_each() {
        let mut scene = Scene::over(probe);
        let peer = scene.peer.addr();
        let data: Vec<u8> = (0..3000).map(|place| place as u8).collect();
        let capture = (over == "UDP").then(|| Capture::to(scene.probe.local())).flatten();
        scene.peer_sends(&data);
        assert_eq!(scene.probe.receive(), Received::Indication(peer, data.clone()), "over {over}");
        if let Some(forge) = Forge::for_address(peer) {
            forge.send_in_fragments(peer, scene.relayed, &data);
            assert_eq!(scene.probe.receive(), Received::Indication(peer, data.clone()), "over {over}, in fragments");
        }
        if let Some(mut capture) = capture {
            assert!(!capture.header_of(&data).dont_fragment, "it may be fragmented on its way to the client");
        }
    }
}
