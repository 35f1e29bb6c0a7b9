//! Short-term credentials (RFC 8489 section 9.1), which nobody is offered.

use turnserver::stun::{AttributeType, Class, IntegrityKey, IntegrityKeySha256, MessageType, Method, Writer};

use super::challenge::{assert_bare, is_challenge};
use crate::draft::{Draft, fresh_id};
use crate::probe::{Probe, judge};
use crate::target::Target;
use crate::wire::Reply;

/// The requirement holds where short-term credentials are configured for a usage. Decided: they never are, as RFC 8656
/// section 5 has TURN use long-term ones and Binding none. So what is asserted is that alternative: to whom signs in that
/// way, with a name and a password that are right, it opens nothing, and no answer is signed with it.
pub(super) fn auth_033_short_term_credentials_are_not_offered() {
    for (over, mut probe) in Probe::over_each() {
        // A server that offers no SHA-256 may not know what that signs with, and takes such a request for a bare one.
        let offers = probe.ask(&Draft::allocate().bare()).has(AttributeType::PASSWORD_ALGORITHMS);
        assert!(offers || !Target::get().is_ours(), "ours does");
        let integrities = [AttributeType::MESSAGE_INTEGRITY, AttributeType::MESSAGE_INTEGRITY_SHA256];
        for integrity in
            integrities.into_iter().filter(|kind| offers || *kind != AttributeType::MESSAGE_INTEGRITY_SHA256)
        {
            let allocate = [(AttributeType::REQUESTED_TRANSPORT, vec![17, 0, 0, 0])];
            let reply = ask(&mut probe, Method::ALLOCATE, &allocate, integrity);
            assert_eq!(reply.code(), 400, "over {over}, by {integrity:?}: REALM and NONCE are missing");
            assert_bare(&reply);
            assert!(!reply.has(AttributeType::NONCE) && !reply.has(AttributeType::REALM), "over {over}");

            let credentials = probe.challenged().clone();
            let [transport] = allocate;
            let long =
                [transport, (AttributeType::REALM, credentials.realm), (AttributeType::NONCE, credentials.nonce)];
            is_challenge(&ask(&mut probe, Method::ALLOCATE, &long, integrity), 401);

            let bare = probe.ask(&Draft::request(Method::BINDING));
            let reply = ask(&mut probe, Method::BINDING, &[], integrity);
            assert_eq!((reply.code(), kinds(&reply)), (0, kinds(&bare)), "over {over}, by {integrity:?}");
            assert_eq!(reply.mapped(), bare.mapped());
            assert_bare(&reply);
        }
        assert_eq!(probe.code(&Draft::request(Method::REFRESH)), 437, "over {over}: nothing was allocated");
    }
}

/// The answer to a request with USERNAME, and integrity under the password itself.
fn ask(probe: &mut Probe, method: Method, attributes: &[(AttributeType, Vec<u8>)], integrity: AttributeType) -> Reply {
    let user = &Target::get().user;
    let mut bytes = vec![0; 1500];
    let mut writer = Writer::new(&mut bytes, MessageType { method, class: Class::Request }, fresh_id());
    writer.attribute(AttributeType::USERNAME, user.name.as_bytes());
    attributes.iter().for_each(|(kind, value)| writer.attribute(*kind, value));
    match integrity {
        AttributeType::MESSAGE_INTEGRITY => writer.integrity(&IntegrityKey::new(user.password.as_bytes())),
        _ => writer.integrity_sha256(&IntegrityKeySha256::new(user.password.as_bytes())),
    }
    let len = writer.finish().expect("it fits");
    let reply = probe.ask_bytes(&bytes[..len]).expect("an answer");
    judge(&reply, &Draft::request(method).bare(), None);
    reply
}

fn kinds(reply: &Reply) -> Vec<AttributeType> {
    reply.message().attributes().map(|(kind, _)| kind).collect()
}
