//! What is a message at all: header, length, method and class.

use turnserver::stun::{AttributeType, Class, Method};

use super::vectors;
use crate::draft::{Draft, fresh_id};
use crate::peer::Peer;
use crate::probe::Probe;
use crate::target::Target;
use crate::wire::{Link, Received};

/// A message of these 16 bits of type and this length field, with this body.
fn raw(kind: u16, length: u16, body: &[u8]) -> Vec<u8> {
    let mut bytes = kind.to_be_bytes().to_vec();
    bytes.extend(length.to_be_bytes());
    bytes.extend([0x21, 0x12, 0xA4, 0x42]);
    bytes.extend(fresh_id().0);
    bytes.extend(body);
    bytes
}

/// A Binding request.
fn binding() -> Draft {
    Draft::request(Method::BINDING)
}

/// Sends bytes and gives the next message that comes, whatever its transaction id.
fn next_answer(probe: &mut Probe, bytes: &[u8]) -> Vec<u8> {
    probe.send_bytes(bytes);
    probe.receive_bytes()
}

pub(super) fn stun_001_the_top_bits_are_zero() {
    let mut probe = Probe::udp();
    for first in [0x80, 0xC0] {
        let mut bytes = probe.bytes(&binding());
        bytes[0] = first;
        probe.is_mute(&bytes);
    }
}

pub(super) fn stun_002_every_answer_has_the_magic_cookie() {
    for (over, mut probe) in Probe::over_each() {
        let replies = [
            probe.ask(&binding()),
            probe.ask(&Draft::allocate().bare()),
            probe.ask(&Draft::allocate()),
            probe.ask(&Draft::allocate()),
            probe.ask(&Draft::request(Method::REFRESH).lifetime(0)),
        ];
        for reply in replies {
            assert_eq!(reply.message().bytes()[4..8], [0x21, 0x12, 0xA4, 0x42], "over {over}");
        }
    }
}

pub(super) fn stun_003_answers_have_the_transaction_id_of_the_request() {
    for (over, mut probe) in Probe::over_each() {
        let unknown = binding().with(AttributeType(0x7777), b"four");
        for draft in [binding(), Draft::allocate().bare(), unknown] {
            let bytes = probe.bytes(&draft);
            let answer = next_answer(&mut probe, &bytes);
            assert_eq!(answer[8..20], draft.id.0, "over {over}");
        }
    }
}

pub(super) fn stun_004_an_unaligned_length_is_discarded() {
    let mut probe = Probe::udp();
    for length in 1..=3_u16 {
        probe.is_mute(&raw(0x0001, length, &[0; 3][..usize::from(length)]));
        // An attribute that is whole but for its padding.
        let attribute = [0x80, 0x22, 0, length as u8, b'x', b'y', b'z'];
        probe.is_mute(&raw(0x0001, 4 + length, &attribute[..usize::from(4 + length)]));
    }
}

pub(super) fn stun_005_a_length_beyond_the_datagram_is_discarded() {
    let mut probe = Probe::udp();
    probe.is_mute(&raw(0x0001, 8, &[]));
    probe.is_mute(&raw(0x0001, 8, &[0x80, 0x22, 0, 0]));
    let printed = vectors::named("rfc8489-B.1-as-printed").message().expect("it is a message in print");
    assert_eq!((printed.len() - 20, u16::from_be_bytes([printed[2], printed[3]])), (0x88, 0x9C));
    probe.is_mute(&printed);
}

/// Ours discards; another server may answer, as long as the tail is no attribute.
pub(super) fn stun_006_bytes_behind_the_message_are_never_read() {
    let mut probe = Probe::udp();
    // As an attribute the tail would be an unknown one that must be understood.
    for tail in [[0x7F, 0, 0, 0], [0; 4], [0xFF; 4]] {
        let mut bytes = probe.bytes(&binding());
        bytes.extend(tail);
        if Target::get().is_ours() {
            probe.is_mute(&bytes);
        } else {
            probe.send_bytes(&bytes);
            probe.settle();
            assert!(probe.pending().iter().all(|answer| answer[..2] == [0x01, 0x01]), "silence or success");
        }
    }
}

pub(super) fn stun_007_less_than_a_header_is_discarded() {
    let mut probe = Probe::udp();
    for first in 0..=3 {
        for len in [0, 1, 19] {
            let mut bytes = probe.bytes(&binding());
            bytes[0] = first;
            probe.is_mute(&bytes[..len]);
        }
    }
}

pub(super) fn stun_008_method_and_class_are_interleaved() {
    let mut probe = Probe::udp();
    let answer = next_answer(&mut probe, &raw(0x0001, 0, &[]));
    assert_eq!(answer[..2], [0x01, 0x01], "a Binding success response");
    // An indication and a response of Binding, and two methods whose low bits are those of known ones.
    for kind in [0x0011, 0x0101, 0x0200, 0x3E0F] {
        probe.is_mute(&raw(kind, 0, &[]));
    }
}

pub(super) fn stun_009_an_unknown_method_is_discarded() {
    let mut probe = Probe::udp();
    for (kind, method) in [(0x0002, 0x002), (0x0005, 0x005), (0x000D, 0x00D), (0x0200, 0x080)] {
        let signed = probe.bytes(&Draft::request(Method(method)));
        assert_eq!(signed[..2], u16::to_be_bytes(kind));
        probe.is_mute(&signed);
        let bare = probe.bytes(&Draft::request(Method(method)).bare());
        probe.is_mute(&bare);
    }
}

pub(super) fn stun_010_a_class_that_the_method_has_not_is_discarded() {
    let (mut probe, peer) = (Probe::udp(), Peer::new());
    probe.allocate();
    assert_eq!(probe.permit(peer.addr()), 0);
    let of = |method, class| {
        let mut draft = Draft::of(method, class);
        draft.is_signed = true;
        draft
    };
    let sends = |method, class| of(method, class).peer(peer.addr()).with(AttributeType::DATA, b"data");
    let drafts = [
        (0x0013, of(Method::ALLOCATE, Class::Indication).transport(17)),
        (0x0014, of(Method::REFRESH, Class::Indication).lifetime(0)),
        (0x0019, of(Method::CHANNEL_BIND, Class::Indication).channel(0x4000).peer(peer.addr())),
        (0x0006, sends(Method::SEND, Class::Request)),
        (0x0007, sends(Method::DATA, Class::Request)),
        (0x0017, sends(Method::DATA, Class::Indication)),
    ];
    for (kind, draft) in drafts {
        for draft in [draft.clone(), draft.bare()] {
            let bytes = probe.bytes(&draft);
            assert_eq!(bytes[..2], u16::to_be_bytes(kind));
            probe.is_mute(&bytes);
        }
    }
    probe.send_channel(0x4000, b"on a channel that nobody bound");
    peer.receives_nothing(&mut probe);
    assert_eq!(probe.refresh(600), 0, "the allocation lives");
}

pub(super) fn stun_011_responses_are_discarded() {
    let (mut probe, peer, stranger) = (Probe::udp(), Peer::new(), Peer::at(Target::get().peer_ip));
    let relayed = probe.allocate();
    for kind in [0x0101, 0x0111, 0x0103] {
        probe.is_mute(&raw(kind, 0, &[]));
    }
    // At the relayed address it is data like any other: from a peer with a permission it goes to the client.
    stranger.send(relayed, &raw(0x0101, 0, &[]));
    probe.receives_nothing();
    assert_eq!(probe.permit(peer.addr()), 0);
    for kind in [0x0101, 0x0111, 0x0103] {
        let bytes = raw(kind, 0, &[]);
        peer.send(relayed, &bytes);
        assert_eq!(probe.receive(), Received::Indication(peer.addr(), bytes));
    }
    peer.receives_nothing(&mut probe);
    // Over a stream as well, which goes on.
    let mut stream = Probe::over(Link::tcp(Target::get().addr));
    for kind in [0x0101, 0x0111, 0x0103] {
        stream.is_mute(&raw(kind, 0, &[]));
    }
}
