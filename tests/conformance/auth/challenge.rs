//! Who is challenged, and what a challenge says.

use turnserver::stun::{AttributeType, Method};

use crate::draft::Draft;
use crate::probe::{Probe, judge};
use crate::target::Target;
use crate::wire::Reply;

/// What a challenge has, and what it must not have.
pub(super) fn is_challenge(reply: &Reply, code: u16) {
    assert_eq!(reply.code(), code);
    assert_eq!(reply.text(AttributeType::REALM), Target::get().realm);
    assert!(reply.value(AttributeType::NONCE).is_some_and(|nonce| !nonce.is_empty()));
    // PASSWORD-ALGORITHMS stands where a nonce says so (RFC 8489 section 9.2), and nowhere else.
    let nonce = reply.text(AttributeType::NONCE);
    let offers = nonce.strip_prefix("obMatJos2").is_some_and(|features| !features.starts_with('A'));
    assert_eq!(reply.has(AttributeType::PASSWORD_ALGORITHMS), offers);
    assert_bare(reply);
}

/// Without user names and integrity.
pub(super) fn assert_bare(reply: &Reply) {
    let unwanted = [
        AttributeType::USERNAME,
        AttributeType::USERHASH,
        AttributeType::MESSAGE_INTEGRITY,
        AttributeType::MESSAGE_INTEGRITY_SHA256,
    ];
    for kind in unwanted {
        assert!(!reply.has(kind), "{kind:?} in an answer {}", reply.code());
    }
}

pub(super) fn auth_001_a_bare_allocate_is_challenged() {
    for (_, mut probe) in Probe::over_each() {
        is_challenge(&probe.ask(&Draft::allocate().bare()), 401);
    }
}

pub(super) fn auth_004_incomplete_credentials_are_a_bad_request() {
    let mut probe = Probe::udp();
    for kind in [AttributeType::USERNAME, AttributeType::REALM, AttributeType::NONCE] {
        let reply = probe.ask(&Draft::allocate().without(kind));
        assert_eq!(reply.code(), 400, "without {kind:?}");
        assert_bare(&reply);
        assert!(!reply.has(AttributeType::NONCE) && !reply.has(AttributeType::REALM), "without {kind:?}");
    }
}

pub(super) fn auth_005_a_user_name_without_integrity_is_challenged() {
    let mut probe = Probe::udp();
    is_challenge(&probe.ask(&Draft::allocate().without(AttributeType::MESSAGE_INTEGRITY)), 401);
    let name = Target::get().user.name.as_bytes();
    is_challenge(&probe.ask(&Draft::allocate().bare().with(AttributeType::USERNAME, name)), 401);
}

/// PASSWORD-ALGORITHMS is decided to stand only where it is offered, which [`is_challenge`] judges by the nonce.
pub(super) fn auth_006_an_unknown_user_is_challenged() {
    for (_, mut probe) in Probe::over_each() {
        is_challenge(&probe.ask(&Draft::allocate().instead(AttributeType::USERNAME, b"nobody-at-all")), 401);
    }
}

pub(super) fn auth_007_a_wrong_integrity_is_challenged() {
    let mut probe = Probe::udp();
    for bit in 0..160 {
        let mut bytes = probe.bytes(&Draft::allocate());
        let at = bytes.len() - 20 + bit / 8;
        bytes[at] ^= 1 << (bit % 8);
        let reply = probe.ask_bytes(&bytes).expect("an answer");
        judge(&reply, &Draft::allocate(), None);
        is_challenge(&reply, 401);
    }
    wrong_sha256(&mut probe);
    // REQUESTED-TRANSPORT is the first attribute; its last byte has no meaning but is covered.
    let mut bytes = probe.bytes(&Draft::allocate());
    bytes[27] ^= 1;
    is_challenge(&probe.ask_bytes(&bytes).expect("an answer"), 401);
    wrong_lengths(&mut probe);
    let mut sealed = probe.bytes(&Draft::allocate().fingerprint());
    let at = sealed.len() - 8 - 1;
    sealed[at] ^= 1;
    probe.is_mute(&sealed);
    assert_eq!(probe.code(&Draft::allocate()), 0, "and the right one is taken");
}

/// The same for MESSAGE-INTEGRITY-SHA256, where it is offered.
fn wrong_sha256(probe: &mut Probe) {
    if !probe.ask(&Draft::allocate().bare()).has(AttributeType::PASSWORD_ALGORITHMS) {
        return;
    }
    for bit in 0..256 {
        let mut bytes = probe.bytes(&Draft::allocate().by_sha256());
        let at = bytes.len() - 32 + bit / 8;
        bytes[at] ^= 1 << (bit % 8);
        is_challenge(&probe.ask_bytes(&bytes).expect("an answer"), 401);
    }
    let mut bytes = probe.bytes(&Draft::allocate().by_sha256());
    bytes[27] ^= 1;
    is_challenge(&probe.ask_bytes(&bytes).expect("an answer"), 401);
}

/// A wrong length in the header is no message at all, or one that is challenged.
fn wrong_lengths(probe: &mut Probe) {
    for bit in 0..16 {
        for draft in [Draft::allocate(), Draft::allocate().fingerprint()] {
            let mut bytes = probe.bytes(&draft);
            bytes[2 + bit / 8] ^= 1 << (bit % 8);
            probe.send_bytes(&bytes);
            probe.settle();
            let answers = probe.pending();
            assert!(answers.is_empty() || !Target::get().is_ours(), "a length of another message is none");
            answers.into_iter().for_each(|answer| assert_ne!(Reply::new(answer).code(), 0));
        }
    }
}

pub(super) fn auth_018_a_user_name_that_is_no_text() {
    for name in [&[0xFF, 0xFE][..], &[0xC3], &[0xED, 0xA0, 0x80], &[0], b"\xFFalice"] {
        let code = Probe::udp().code(&Draft::allocate().instead(AttributeType::USERNAME, name));
        assert!(matches!(code, 400 | 401), "{name:02x?}: {code}");
    }
}

pub(super) fn auth_019_another_realm_is_told_ours() {
    for realm in [&b"elsewhere.example"[..], b"", b"\"", b"EXAMPLE.ORG."] {
        is_challenge(&Probe::udp().ask(&Draft::allocate().instead(AttributeType::REALM, realm)), 401);
    }
}

/// Connect and ConnectionBind belong to relays over TCP, which do not exist yet: silence, as for any method that is unknown.
pub(super) fn auth_025_every_request_needs_credentials() {
    for allocated in [false, true] {
        let mut probe = Probe::udp();
        if allocated {
            probe.allocate();
        }
        for method in [Method::REFRESH, Method::CREATE_PERMISSION, Method::CHANNEL_BIND] {
            is_challenge(&probe.ask(&Draft::request(method).bare()), 401);
        }
        for method in [Method(0x00A), Method(0x00B)] {
            let draft = Draft::request(method).bare();
            probe.tell(&draft);
            probe.settle();
            let answers = probe.pending();
            assert!(answers.is_empty() || !Target::get().is_ours(), "{method:?} is not served");
            answers.into_iter().for_each(|answer| assert_ne!(Reply::new(answer).code(), 0));
        }
    }
}

pub(super) fn auth_026_credentials_come_before_the_allocation() {
    let mut probe = Probe::udp();
    is_challenge(&probe.ask(&Draft::request(Method::REFRESH).bare()), 401);
    let reply = probe.ask(&Draft::request(Method::REFRESH));
    assert_eq!((reply.code(), reply.has(AttributeType::MESSAGE_INTEGRITY)), (437, true));
}
