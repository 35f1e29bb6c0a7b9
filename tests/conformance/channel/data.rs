//! ChannelData in both directions.

use crate::peer::Peer;
use crate::probe::Probe;
use crate::scene::{Scene, is_data_indication};
use crate::wire::Received;

fn scene() -> Scene {
    Scene::new().with_channel()
}

pub(super) fn chan_014_data_on_an_unbound_number_is_discarded() {
    for (_, probe) in Probe::over_each() {
        let mut scene = Scene::over(probe).with_channel();
        scene.probe.send_channel(0x4001, b"unbound");
        scene.probe.send_channel(0x4FFF, b"unbound");
        scene.nothing_moves();
        scene.probe.send_channel(0x4000, b"bound");
        scene.peer_gets(b"bound");
    }
}

pub(super) fn chan_015_a_datagram_shorter_than_it_says_is_discarded() {
    let mut scene = scene();
    scene.probe.send_bytes(&[&[0x40, 0x00, 0, 100], &[7; 50][..]].concat());
    scene.probe.send_bytes(&[0x40, 0x00, 0]);
    scene.probe.send_bytes(&[0x40, 0x00, 0, 1]);
    scene.nothing_moves();
}

pub(super) fn chan_016_of_a_longer_datagram_only_the_length_counts() {
    let mut scene = scene();
    scene.probe.send_bytes(b"\x40\x00\x00\x05fivexxxx");
    scene.peer_gets(b"fivex");
}

pub(super) fn chan_017_an_empty_message_is_an_empty_datagram() {
    for (_, probe) in Probe::over_each() {
        let mut scene = Scene::over(probe).with_channel();
        scene.probe.send_channel(0x4000, b"");
        scene.peer_gets(b"");
    }
}

pub(super) fn chan_018_first_words_beyond_the_channels_are_discarded() {
    let mut scene = scene();
    for number in [0x5000, 0x5001, 0x6FFF, 0x7FFF, 0x8000, 0xA0A0, 0xC000, 0xFFFF_u16] {
        let [high, low] = number.to_be_bytes();
        scene.probe.send_bytes(&[high, low, 0, 4, 1, 2, 3, 4]);
    }
    scene.nothing_moves();
}

pub(super) fn chan_019_with_a_channel_there_are_no_indications() {
    for (over, probe) in Probe::over_each() {
        let mut scene = Scene::over(probe);
        assert_eq!(scene.probe.bind(0x4001, scene.peer.addr()), 0);
        for _ in 0..3 {
            scene.peer_sends(b"four");
            assert_eq!(scene.probe.receive_bytes(), b"\x40\x01\x00\x04four", "over {over}");
        }
        scene.probe.receives_nothing();
    }
}

/// The padding's content is the server's; nothing else may stand between two messages.
pub(super) fn chan_020_on_streams_messages_are_padded() {
    for (over, probe) in Probe::over_each().into_iter().skip(1) {
        let mut scene = Scene::over(probe).with_channel();
        scene.peer_sends(b"fiveb");
        scene.peer_sends(b"next");
        let bytes = scene.probe.receive_bytes();
        assert_eq!((bytes.len(), &bytes[..9]), (12, &b"\x40\x00\x00\x05fiveb"[..]), "over {over}");
        assert_eq!(scene.probe.receive_bytes(), b"\x40\x00\x00\x04next", "over {over}");
    }
}

pub(super) fn chan_021_on_udp_messages_are_not_padded() {
    let mut scene = scene();
    scene.peer_sends(b"fiveb");
    assert_eq!(scene.probe.receive_bytes(), b"\x40\x00\x00\x05fiveb");
}

pub(super) fn chan_022_only_the_bound_port_uses_the_channel() {
    let mut scene = scene();
    let other_port = Peer::new();
    other_port.send(scene.relayed, b"from another port");
    let bytes = scene.probe.receive_bytes();
    assert!(is_data_indication(&bytes), "{bytes:02x?}");
    assert_eq!(Received::parse(&bytes), Received::Indication(other_port.addr(), b"from another port".to_vec()),);
    scene.peer_sends(b"four");
    assert_eq!(scene.probe.receive_bytes(), b"\x40\x00\x00\x04four");
}

pub(super) fn chan_023_data_before_the_channel_breaks_nothing() {
    for (_, probe) in Probe::over_each() {
        let mut scene = Scene::over(probe);
        scene.probe.send_channel(0x4000, b"early");
        let mut scene = scene.with_channel();
        scene.probe.send_channel(0x4000, b"in time");
        // The early one may have been dropped.
        match scene.peer.receive().0 {
            early if early == b"early" => scene.peer_gets(b"in time"),
            in_time => assert_eq!(in_time, b"in time"),
        }
        scene.nothing_moves();
    }
}
