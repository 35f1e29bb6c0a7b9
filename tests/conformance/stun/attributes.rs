//! Which attributes count.

use turnserver::stun::{AttributeType, IntegrityKey, Message, Method};

use super::vectors;
use crate::draft::Draft;
use crate::peer::Peer;
use crate::probe::Probe;
use crate::row::not_asked;
use crate::target::Target;
use crate::wire::Reply;

fn binding() -> Draft {
    Draft::request(Method::BINDING)
}

/// The types that UNKNOWN-ATTRIBUTES names, in numerical order.
fn unknown_types(reply: &Reply) -> Vec<u16> {
    let value = reply.value(AttributeType::UNKNOWN_ATTRIBUTES).expect("a 420 names them");
    let mut types: Vec<u16> = value.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
    assert_eq!(types.len() * 2, value.len());
    types.sort_unstable();
    types
}

pub(super) fn stun_016_unknown_optional_attributes_are_ignored() {
    let mut probe = Probe::udp();
    for kind in [0xC057, 0xFF05, 0xFFFF] {
        for len in [0, 1, 4, 500] {
            let draft = binding().with(AttributeType(kind), &[0x55; 500][..len]);
            assert_eq!(probe.code(&draft), 0, "{kind:#06x} of {len} bytes");
        }
    }
}

pub(super) fn stun_017_unknown_required_attributes_are_named() {
    let mut probe = Probe::udp();
    let three = [0x7F00, 0x7F01, 0x7F02];
    let reply = probe.ask(&three.iter().fold(binding(), |draft, kind| draft.with(AttributeType(*kind), b"abcd")));
    assert_eq!((reply.code(), unknown_types(&reply)), (420, three.to_vec()));
    let message = reply.message();
    let at = message.offset(AttributeType::UNKNOWN_ATTRIBUTES).expect("just read");
    assert_eq!(message.bytes()[at - 2..at], [0, 6], "the length without padding");
    assert_eq!(message.bytes()[at + 6..at + 8], [0, 0], "two pad bytes");
    let reply = probe.ask(&binding().with(AttributeType(0x7F00), b""));
    assert_eq!((reply.code(), reply.value(AttributeType::UNKNOWN_ATTRIBUTES)), (420, Some(vec![0x7F, 0])));
    // In no other error.
    let others = [
        (401, Draft::allocate().bare()),
        (400, Draft::allocate().without(AttributeType::REALM)),
        (438, Draft::allocate().instead(AttributeType::NONCE, b"nobody's")),
        (437, Draft::request(Method::REFRESH)),
    ];
    for (code, draft) in others {
        let reply = probe.ask(&draft);
        assert_eq!((reply.code(), reply.has(AttributeType::UNKNOWN_ATTRIBUTES)), (code, false));
    }
}

pub(super) fn stun_018_credentials_come_before_unknown_attributes() {
    let mut probe = Probe::udp();
    let draft = Draft::allocate().with(AttributeType(0x7F00), b"");
    assert_eq!(probe.code(&draft.clone().bare()), 401);
    let reply = probe.ask(&draft.anew());
    assert_eq!((reply.code(), unknown_types(&reply)), (420, vec![0x7F00]));
    assert!(reply.has(AttributeType::MESSAGE_INTEGRITY), "signed, and judged to be right");
}

pub(super) fn stun_019_an_indication_with_an_unknown_required_attribute_is_discarded() {
    let (mut probe, peer) = (Probe::udp(), Peer::new());
    probe.allocate();
    assert_eq!(probe.permit(peer.addr()), 0);
    probe.tell(&Draft::send(peer.addr(), b"with it").with(AttributeType(0x7F00), b""));
    peer.receives_nothing(&mut probe);
    probe.tell(&Draft::send(peer.addr(), b"without it"));
    assert_eq!(peer.receive().0, b"without it");
}

pub(super) fn stun_020_known_attributes_without_a_meaning_are_ignored() {
    let mut probe = Probe::udp();
    assert_eq!(probe.code(&binding().channel(0x4000).lifetime(600)), 0);
    probe.allocate();
    assert_eq!(probe.code(&Draft::request(Method::REFRESH).with(AttributeType::EVEN_PORT, &[0x80])), 0);
}

pub(super) fn stun_021_an_attribute_beyond_the_end_makes_the_message_malformed() {
    let mut probe = Probe::udp();
    for kind in [0x8022_u16, 0x0006, 0x0008, 0x8028, 0x7F00] {
        let mut bytes = probe.bytes(&binding());
        bytes[3] = 8;
        bytes.extend(kind.to_be_bytes());
        bytes.extend([0xFF, 0xFF, 1, 2, 3, 4]);
        if Target::get().is_ours() {
            probe.is_mute(&bytes);
        } else {
            probe.send_bytes(&bytes);
            probe.settle();
            assert!(probe.pending().iter().all(|answer| Reply::new(answer.clone()).code() == 400));
        }
    }
}

pub(super) fn stun_022_padding_is_zero_and_ignored() {
    let row = vectors::named("rfc5769-2.1-request");
    let bytes = row.message().expect("a message");
    let message = Message::parse(&bytes).expect("padded with spaces");
    let key = IntegrityKey::new(&row.hmac_key().expect("a key"));
    assert!(message.verify_integrity(&key) && message.fingerprint_holds());
    // A server that is no ICE agent knows no PRIORITY (BIND-009); whatever it answers, it has read the message.
    let (mut probe, peer) = (Probe::udp(), Peer::new());
    let reply = probe.ask_bytes(&bytes).expect("an answer");
    assert!(matches!(reply.code(), 0 | 420), "{}", reply.code());
    // What the server pads: REALM, UNKNOWN-ATTRIBUTES, ERROR-CODE, DATA.
    let relayed = probe.allocate();
    assert_eq!(probe.permit(peer.addr()), 0);
    for len in 1..=8 {
        peer.send(relayed, &[0xFF; 8][..len]);
        let indication = probe.receive_bytes();
        let at = Message::parse(&indication).expect("a message").offset(AttributeType::DATA).expect("data");
        let padding = &indication[at + len..at + len.next_multiple_of(4)];
        assert!(padding.iter().all(|byte| *byte == 0), "{len} bytes are padded with zeros");
    }
    // `ask` looks at the padding of every answer.
    probe.ask(&Draft::allocate().bare());
    probe.ask(&binding().with(AttributeType(0x7F00), b""));
    probe.ask(&Draft::allocate());
}

pub(super) fn stun_023_of_repeated_attributes_the_first_counts() {
    let refresh = || Draft::request(Method::REFRESH);
    let mut probe = Probe::udp();
    probe.allocate();
    let reply = probe.ask(&refresh().lifetime(600).lifetime(0));
    assert_eq!((reply.code(), reply.lifetime()), (0, 600), "kept");
    assert_eq!(probe.refresh(600), 0);
    let reply = probe.ask(&refresh().lifetime(0).lifetime(600));
    assert_eq!((reply.code(), reply.lifetime()), (0, 0), "deleted");
    assert_eq!(probe.refresh(600), 437);
    // The draft's own USERNAME comes behind those that are added.
    let name = Target::get().user.name.as_bytes();
    assert_eq!(probe.code(&Draft::allocate().with(AttributeType::USERNAME, b"nobody-at-all")), 401);
    let first =
        Draft::allocate().with(AttributeType::USERNAME, name).instead(AttributeType::USERNAME, b"nobody-at-all");
    assert_eq!(probe.code(&first), 0);
}

/// Right and wrong: a value that is seen, and a seal that does not count.
pub(super) fn stun_025_attributes_behind_message_integrity_sha256_are_ignored() {
    let mut probe = Probe::udp();
    if !probe.ask(&Draft::allocate().bare()).has(AttributeType::PASSWORD_ALGORITHMS) {
        not_asked("it does not offer SHA-256");
    }
    let allocate = || Draft::allocate().by_sha256();
    let mut parities = [0; 2];
    for _ in 0..64 {
        let draft = allocate().behind(AttributeType::EVEN_PORT, &[0x80]);
        let mut probe = Probe::udp();
        let reply = probe.ask(&draft.behind(AttributeType::LIFETIME, &3000_u32.to_be_bytes()));
        assert_eq!((reply.code(), reply.lifetime()), (0, 600), "and the default lifetime");
        assert!(!reply.has(AttributeType::RESERVATION_TOKEN), "no reservation");
        parities[usize::from(reply.relayed().port() % 2)] += 1;
        assert_eq!(probe.code(&Draft::request(Method::REFRESH).by_sha256().lifetime(0)), 0);
    }
    assert!(parities[1] > 0, "of 64 ports some are odd: {parities:?}");
    let even = probe.ask(&allocate().with(AttributeType::EVEN_PORT, &[0x80]));
    assert!(
        even.has(AttributeType::RESERVATION_TOKEN) && even.relayed().port().is_multiple_of(2),
        "before it, it counts"
    );
    let refresh = || Draft::request(Method::REFRESH).by_sha256();
    let reply =
        probe.ask(&refresh().behind(AttributeType::MESSAGE_INTEGRITY, &[7; 20]).behind(AttributeType(0x7F00), b""));
    assert_eq!(reply.code(), 0, "a wrong MESSAGE-INTEGRITY behind it");
    let credentials = probe.challenged().clone();
    let mut wrong = refresh().bytes(Some(&credentials));
    let last = wrong.len() - 1;
    wrong[last] ^= 1;
    let reply = probe.ask_bytes(&wrong).expect("an answer");
    assert_eq!(reply.code(), 401, "its own value counts");
    let reply = probe.ask(&refresh().fingerprint());
    assert!(reply.code() == 0 && reply.has(AttributeType::FINGERPRINT), "but FINGERPRINT is seen there");
}

pub(super) fn stun_024_attributes_behind_message_integrity_are_ignored() {
    let mut probe = Probe::udp();
    let without_transport = Draft::request(Method::ALLOCATE);
    assert_eq!(probe.code(&without_transport.behind(AttributeType::REQUESTED_TRANSPORT, &[17, 0, 0, 0])), 400);
    let draft = Draft::allocate().behind(AttributeType(0x7F00), b"");
    let reply = probe.ask(&draft.behind(AttributeType::LIFETIME, &3000_u32.to_be_bytes()));
    assert_eq!((reply.code(), reply.lifetime()), (0, 600), "no 420, and the default lifetime");
}
