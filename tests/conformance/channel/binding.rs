//! ChannelBind: what it takes and what it refuses.

use std::net::{Ipv4Addr, SocketAddr};

use turnserver::stun::{AttributeType, Method};

use crate::draft::Draft;
use crate::peer::Peer;
use crate::probe::Probe;
use crate::row::not_asked;
use crate::scene::{Scene, peer_v6};
use crate::target::Target;

/// RFC 8656 section 12: so many numbers there are.
const NUMBERS: u16 = 4096;
/// What one allocation may bind here.
const CHANNELS_MAX: u16 = 256;

fn channel_bind() -> Draft {
    Draft::request(Method::CHANNEL_BIND)
}

pub(super) fn chan_001_number_and_peer_must_be_there() {
    let mut scene = Scene::new();
    let peer = scene.peer.addr();
    assert_eq!(scene.probe.code(&channel_bind().peer(peer)), 400, "without CHANNEL-NUMBER");
    assert_eq!(scene.probe.code(&channel_bind().channel(0x4001)), 400, "without XOR-PEER-ADDRESS");
    // Section 18.1: what stands behind the number is ignored.
    let reserved = channel_bind().with(AttributeType::CHANNEL_NUMBER, &[0x40, 0x01, 0xFF, 0xFF]).peer(peer);
    assert_eq!(scene.probe.code(&reserved), 0);
    scene.probe.send_channel(0x4001, b"bound");
    scene.peer_gets(b"bound");
}

pub(super) fn chan_002_numbers_have_a_range() {
    let mut scene = Scene::new();
    let (peer, other) = (scene.peer.addr(), Peer::new());
    for number in [0x0000, 0x3FFF, 0x5000, 0x7FFF, 0x8000, 0xFFFF] {
        assert_eq!(scene.probe.bind(number, peer), 400, "{number:#06x}");
    }
    assert_eq!(scene.probe.bind(0x4000, peer), 0);
    assert_eq!(scene.probe.bind(0x4FFF, other.addr()), 0);
    scene.probe.send_channel(0x4FFF, b"the last one");
    assert_eq!(other.receive(), (b"the last one".to_vec(), scene.relayed));
}

pub(super) fn chan_003_a_bound_number_takes_no_other_peer() {
    let mut scene = Scene::new();
    let (first, second) = (scene.peer.addr(), Peer::new());
    assert_eq!(scene.probe.bind(0x4001, first), 0);
    assert_eq!(scene.probe.bind(0x4001, second.addr()), 400);
    scene.probe.send_channel(0x4001, b"still the first");
    scene.peer_gets(b"still the first");
    second.receives_nothing(&mut scene.probe);
}

pub(super) fn chan_004_a_bound_peer_takes_no_other_number() {
    let mut scene = Scene::new();
    let peer = scene.peer.addr();
    assert_eq!(scene.probe.bind(0x4001, peer), 0);
    assert_eq!(scene.probe.bind(0x4002, peer), 400);
    scene.probe.send_channel(0x4002, b"not bound");
    scene.nothing_moves();
}

pub(super) fn chan_006_another_port_is_another_peer() {
    let mut scene = Scene::new();
    let second = Peer::new();
    assert_eq!(second.addr().ip(), scene.peer.addr().ip());
    assert_eq!(scene.probe.bind(0x4001, scene.peer.addr()), 0);
    assert_eq!(scene.probe.bind(0x4002, second.addr()), 0);
    scene.probe.send_channel(0x4001, b"first");
    scene.probe.send_channel(0x4002, b"second");
    scene.peer_gets(b"first");
    assert_eq!(second.receive(), (b"second".to_vec(), scene.relayed));
    second.send(scene.relayed, b"back");
    assert_eq!(scene.probe.receive_bytes(), b"\x40\x02\x00\x04back");
}

pub(super) fn chan_007_a_peer_of_another_family_is_refused() {
    let mut scene = Scene::new();
    let other = peer_v6();
    assert_eq!(scene.probe.bind(0x4001, other.addr()), 443);
    scene.probe.send_channel(0x4001, b"over IPv6");
    other.receives_nothing(&mut scene.probe);
}

pub(super) fn chan_008_a_forbidden_peer_is_refused() {
    if !Target::get().is_ours() && Target::get().peer_ip.is_loopback() {
        not_asked("it was told to allow loopback peers");
    }
    let mut scene = Scene::new();
    let forbidden = Peer::at(Ipv4Addr::new(127, 0, 0, 9).into());
    assert_eq!(scene.probe.bind(0x4001, forbidden.addr()), 403);
    scene.probe.send_channel(0x4001, b"there");
    scene.probe.tell(&Draft::send(forbidden.addr(), b"there"));
    forbidden.send(scene.relayed, b"and back");
    forbidden.receives_nothing(&mut scene.probe);
    scene.probe.receives_nothing();
}

/// The whole table may be given to one allocation; behind it, or behind a bound of the server, there is 508.
pub(super) fn chan_009_a_full_table_is_said() {
    let mut scene = Scene::new();
    let ip = scene.peer.addr().ip();
    let peer = |number: u16| SocketAddr::new(ip, 10_000 + number);
    let bound = (0..NUMBERS).find(|number| match scene.probe.bind(0x4000 + number, peer(*number)) {
        0 => false,
        code => {
            assert_eq!(code, 508, "the channel {number}");
            true
        }
    });
    let bound = bound.unwrap_or_else(|| not_asked("one allocation may bind all numbers there are"));
    if Target::get().is_ours() {
        assert_eq!(bound, CHANNELS_MAX);
    }
    assert_eq!(scene.probe.bind(0x4000, peer(0)), 0, "what is bound can be bound again");
}

pub(super) fn chan_010_a_channel_brings_a_permission() {
    let (mut probe, peer) = (Probe::udp(), Peer::new());
    let relayed = probe.allocate();
    peer.send(relayed, b"too early");
    probe.receives_nothing();
    assert_eq!(probe.bind(0x4000, peer.addr()), 0);
    let other_port = Peer::new();
    for sender in [&peer, &other_port] {
        sender.send(relayed, b"permitted");
        let bytes = probe.receive_bytes();
        assert!(bytes.windows(9).any(|window| window == b"permitted"), "{bytes:02x?}");
    }
}

pub(super) fn chan_024_a_failed_binding_alters_nothing() {
    let mut scene = Scene::new();
    let (peer, other) = (scene.peer.addr(), Peer::new());
    assert_eq!(scene.probe.bind(0x4001, peer), 0);
    for (number, peer, code) in [
        (0x4001, other.addr(), 400),
        (0x4002, peer, 400),
        (0x3FFF, peer, 400),
        (0x4001, peer_v6().addr(), 443),
        (0x4003, SocketAddr::new(peer.ip(), 0), 400),
    ] {
        assert_eq!(scene.probe.bind(number, peer), code, "{number:#06x} to {peer}");
    }
    scene.probe.send_channel(0x4001, b"as before");
    scene.peer_gets(b"as before");
    scene.peer_sends(b"back");
    assert_eq!(scene.probe.receive_bytes(), b"\x40\x01\x00\x04back");
    assert_eq!(scene.probe.bind(0x4001, peer), 0, "and it can be renewed");
    assert_eq!(scene.probe.bind(0x4002, other.addr()), 0, "what failed left nothing behind");
}
