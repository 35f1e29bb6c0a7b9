//! Data of clients over each transport, and datagrams of theirs.

use turnserver::stun::Method;

use crate::draft::Draft;
use crate::peer::Peer;
use crate::probe::Probe;
use crate::scene::Scene;
use crate::target::Target;
use crate::wire::Received;

pub(super) fn trn_001_udp_is_relayed_both_ways() {
    let (mut probe, peer) = (Probe::udp(), Peer::new());
    let relayed = probe.allocate();
    assert_eq!(probe.permit(peer.addr()), 0);
    probe.tell(&Draft::send(peer.addr(), b"there"));
    assert_eq!(peer.receive(), (b"there".to_vec(), relayed));
    peer.send(relayed, b"and back");
    assert_eq!(probe.receive(), Received::Indication(peer.addr(), b"and back".to_vec()));
}

pub(super) fn trn_002_every_transport_relays_both_ways() {
    for (over, probe) in Probe::over_each() {
        let mut scene = Scene::over(probe);
        let (peer, relayed) = (scene.peer.addr(), scene.relayed);
        assert!(relayed.port() != 0 && relayed != Target::get().addr, "over {over}");
        scene.send(b"there");
        scene.peer_gets(b"there");
        scene.peer_sends(b"and back");
        assert_eq!(scene.probe.receive(), Received::Indication(peer, b"and back".to_vec()), "over {over}");
    }
}

pub(super) fn trn_007_channel_data_may_be_padded_in_a_datagram() {
    let (mut probe, peer) = (Probe::udp(), Peer::new());
    let relayed = probe.allocate();
    assert_eq!(probe.bind(0x4000, peer.addr()), 0);
    for padding in [&[][..], &[0; 3]] {
        let bytes = [&[0x40, 0, 0, 5][..], b"hello", padding].concat();
        assert!(matches!(bytes.len(), 9 | 12));
        probe.send_bytes(&bytes);
        assert_eq!(peer.receive(), (b"hello".to_vec(), relayed));
    }
}

/// QUIC, DTLS, RTP and what is reserved: none of it is served on this port.
pub(super) fn trn_012_the_first_byte_tells_protocols_apart() {
    let (mut probe, peer) = (Probe::udp(), Peer::new());
    probe.allocate();
    assert_eq!(probe.bind(0x4000, peer.addr()), 0);
    for first in [4, 15, 16, 19, 80, 127, 128, 191, 192, 255] {
        let mut request = probe.bytes(&Draft::request(Method::BINDING));
        request[0] = first;
        probe.is_mute(&request);
        probe.is_mute(&[&[first, 0, 0, 4][..], b"data"].concat());
        probe.is_mute(&[first]);
    }
    peer.receives_nothing(&mut probe);
    // 0 to 3 is STUN, 64 to 79 ChannelData, as before.
    assert_eq!(probe.code(&Draft::request(Method::BINDING)), 0);
    probe.send_channel(0x4000, b"data");
    assert_eq!(peer.receive().0, b"data");
}
