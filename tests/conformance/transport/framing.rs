//! Messages on a stream.

use turnserver::stun::{AttributeType, Method};

use crate::draft::{Draft, is_of};
use crate::peer::Peer;
use crate::probe::Probe;
use crate::target::Target;

fn binding() -> Draft {
    Draft::request(Method::BINDING)
}

/// A client over TCP, and over TLS where that is served.
pub(super) fn streams() -> Vec<Probe> {
    let mut streams = vec![Probe::tcp()];
    streams.extend(Target::get().tls.is_some().then(Probe::tls));
    streams
}

pub(super) fn trn_005_messages_follow_each_other_without_framing() {
    for mut probe in streams() {
        let drafts = [binding(), binding().fingerprint()];
        probe.send_bytes(&[drafts[0].bytes(None), drafts[1].bytes(None)].concat());
        for draft in drafts {
            assert!(is_of(&probe.receive_bytes(), draft.id));
        }
        let draft = binding();
        draft.bytes(None).iter().for_each(|byte| probe.send_bytes(&[*byte]));
        assert!(is_of(&probe.receive_bytes(), draft.id));
        probe.receives_nothing();
    }
}

pub(super) fn trn_006_channel_data_is_padded_on_a_stream() {
    for mut probe in streams() {
        let peer = Peer::new();
        probe.allocate();
        assert_eq!(probe.bind(0x4000, peer.addr()), 0);
        let draft = binding();
        let data = [&[0x40, 0, 0, 5][..], b"hello", &[0; 3]].concat();
        probe.send_bytes(&[data.clone(), draft.bytes(None), data].concat());
        assert!(is_of(&probe.receive_bytes(), draft.id));
        for _ in 0..2 {
            assert_eq!(peer.receive().0, b"hello");
        }
    }
}

pub(super) fn trn_013_the_longest_messages_are_framed() {
    for mut probe in streams() {
        let peer = Peer::new();
        probe.allocate();
        assert_eq!(probe.permit(peer.addr()), 0);
        let data: Vec<u8> = (0..60_000_u32).map(|place| place as u8).collect();
        probe.tell(&Draft::send(peer.addr(), &data));
        // The most there is: 65,532 bytes of body. No datagram holds the data.
        let longest = Draft::send(peer.addr(), &vec![7; 65_532 - 12 - 4]).bytes(None);
        assert_eq!(longest.len(), 20 + 65_532);
        probe.send_bytes(&longest);
        let other = Draft::send(peer.addr(), &[8; 100]).with(AttributeType(0x8022), &[b'x'; 60_000]);
        probe.tell(&other);
        assert_eq!(probe.code(&binding()), 0, "the next message is found");
        let first = peer.receive().0;
        if first.len() == 100 {
            assert!(!Target::get().is_ours(), "ours sends what a datagram holds");
        } else {
            assert_eq!(first, data);
            assert_eq!(peer.receive().0, [8; 100]);
        }
        peer.receives_nothing(&mut probe);
    }
}
