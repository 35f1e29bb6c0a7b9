//! What answers to authenticated requests carry.

use turnserver::stun::{AttributeType, Method};

use super::errors;
use crate::draft::Draft;
use crate::peer::Peer;
use crate::probe::Probe;
use crate::target::Target;

/// Their integrity is judged with the client's key wherever one is asked; see `probe.rs`.
pub(super) fn auth_012_errors_are_signed() {
    let replies = errors::signed();
    let mut codes: Vec<u16> = replies.iter().map(|(code, _)| *code).collect();
    codes.sort_unstable();
    codes.dedup();
    if Target::get().is_ours() {
        assert_eq!(codes, [400, 403, 420, 437, 440, 441, 442, 443, 486, 508]);
    }
    for (code, reply) in replies {
        assert!(reply.has(AttributeType::MESSAGE_INTEGRITY), "{code}");
        assert!(!reply.has(AttributeType::MESSAGE_INTEGRITY_SHA256), "{code}: the kind of the request");
    }
}

pub(super) fn auth_013_signed_answers_repeat_no_credentials() {
    let (mut probe, peer) = (Probe::udp(), Peer::new());
    let drafts = [
        Draft::allocate(),
        Draft::request(Method::CREATE_PERMISSION).peer(peer.addr()),
        Draft::request(Method::CHANNEL_BIND).channel(0x4000).peer(peer.addr()),
        Draft::request(Method::REFRESH),
        Draft::request(Method::REFRESH).lifetime(0),
    ];
    let successes = drafts.map(|draft| (0, probe.ask(&draft)));
    for (code, reply) in errors::signed().into_iter().chain(successes) {
        assert_eq!(reply.code(), code);
        let repeated = [AttributeType::REALM, AttributeType::NONCE, AttributeType::USERNAME, AttributeType::USERHASH];
        for kind in repeated {
            assert!(!reply.has(kind), "{kind:?} in an answer {code}");
        }
        assert!(!reply.has(AttributeType::PASSWORD_ALGORITHMS));
    }
}
