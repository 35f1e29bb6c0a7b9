//! Password algorithms: what is offered, taken, and answered with; and that nobody is brought back to MD5 (RFC 8489
//! sections 9.2.4 and 16.1.3).

use crate::world::{Reply, Request, Setup, TestClient, World};
use turnserver::auth::{LongTermKey, Scheme};
use turnserver::config::{Profile, RawKeys};
use turnserver::stun::{AttributeType, Method, PasswordAlgorithm};

const SHA256: PasswordAlgorithm = PasswordAlgorithm::Sha256;
const MD5: PasswordAlgorithm = PasswordAlgorithm::Md5;
const LIST: AttributeType = AttributeType::PASSWORD_ALGORITHMS;
const CHOSEN: AttributeType = AttributeType::PASSWORD_ALGORITHM;

fn world() -> World {
    World::of(Profile::Default)
}

/// An Allocate that names nothing and is signed as nothing is named.
fn allocate(client: &TestClient) -> Request<'_> {
    client.request(Method::ALLOCATE).transport(17)
}

fn refresh(client: &TestClient) -> Request<'_> {
    client.request(Method::REFRESH)
}

/// A client that allocated naming an algorithm.
fn allocated(world: &World, algorithm: PasswordAlgorithm) -> TestClient {
    let client = world.client();
    let reply = allocate(&client).naming(algorithm).send().expect("an answer");
    assert_eq!(reply.code(), 200);
    client.learn(&reply);
    client
}

fn value(reply: &Reply, kind: AttributeType) -> Option<Vec<u8>> {
    reply.message().value(kind).map(<[u8]>::to_vec)
}

// BID-001, BID-002, BID-003, BID-004, BID-005, BID-006.
#[test]
fn every_challenge_lists_algorithms_and_its_nonce_says_so() {
    let world = world();
    let client = world.client();
    let stale = client.nonce();
    let bare = allocate(&client).bare().once().expect("an answer");
    let wrong = allocate(&client).key(LongTermKey::from_raw([1; 16])).once().expect("an answer");
    let foreign = allocate(&client).nonce(b"forged").once().expect("an answer");
    world.advance(601);
    let stale = allocate(&client).nonce(&stale).once().expect("an answer");
    for (code, reply) in [(401, bare), (401, wrong), (438, foreign), (438, stale)] {
        assert_eq!(reply.code(), code);
        let nonce = reply.nonce().expect("a challenge has one");
        assert!(nonce.starts_with(b"obMatJos2gAAA"), "{}", String::from_utf8_lossy(&nonce));
        assert_eq!(nonce.len(), 13 + 28);
        assert_eq!(value(&reply, LIST).as_deref(), Some(&[0, 2, 0, 0, 0, 1, 0, 0][..]));
        assert!(reply.bytes().len() <= 112 + 12, "the bound of our rules, and {} bytes", reply.bytes().len());
    }
}

// What carries no nonce lists nothing.
#[test]
fn nothing_else_lists_algorithms() {
    let world = world();
    let client = allocated(&world, SHA256);
    let no_realm = refresh(&client).naming(SHA256).without(AttributeType::REALM);
    let replies = [
        (400, no_realm.once()),
        (200, refresh(&client).naming(SHA256).send()),
        (437, allocate(&client).naming(SHA256).send()),
    ];
    for (code, reply) in replies {
        let reply = reply.expect("an answer");
        assert_eq!((reply.code(), value(&reply, LIST), reply.nonce()), (code, None, None));
    }
}

// BID-003 the other way round, and our rules for the coturn profile.
#[test]
fn not_offered_nothing_is_said_of_it() {
    for world in [World::of(Profile::Coturn), Setup::with(Profile::Default, "sha256 = false").build()] {
        let client = world.client();
        let bare = allocate(&client).bare().once().expect("an answer");
        assert_eq!((value(&bare, LIST), bare.nonce().map(|nonce| nonce.len())), (None, Some(28)));
        assert_eq!(allocate(&client).naming(SHA256).send().map(|reply| reply.code()), Some(401), "MD5 is in force");
        client.allocate().expect("an allocation");
    }
}

// BID-007, BID-010, BID-011, BID-012, BID-013: each kind of request and its answers, errors among them.
#[test]
fn answers_are_signed_as_their_requests_ask() {
    for scheme in [Scheme::Unnamed, Scheme::Named(MD5), Scheme::Named(SHA256)] {
        let world = world();
        let client = world.client();
        let key = client.key();
        let ask = |method| match scheme {
            Scheme::Unnamed => client.request(method),
            Scheme::Named(algorithm) => client.request(method).naming(algorithm),
        };
        let peer = world.peer("8.8.4.4:5000").addr();
        let private = "10.0.0.1:5000".parse().expect("an address");
        let requests = [
            (200, ask(Method::ALLOCATE).transport(17)),
            (437, ask(Method::ALLOCATE).transport(17)),
            (200, ask(Method::CREATE_PERMISSION).peer(peer)),
            (403, ask(Method::CREATE_PERMISSION).peer(private)),
            (400, ask(Method::CHANNEL_BIND).peer(peer)),
            (420, ask(Method::REFRESH).attribute(AttributeType(0x7F00), b"")),
            (200, ask(Method::REFRESH).lifetime(0)),
            (437, ask(Method::REFRESH)),
        ];
        for (code, request) in requests {
            let reply = request.send().expect("an answer");
            assert_eq!(reply.code(), code, "{scheme:?}");
            assert!(reply.is_sealed(&key, scheme), "{scheme:?}: {reply:?}");
        }
    }
}

// BID-014, BID-016; libjuice sends both, under one key.
#[test]
fn the_stronger_integrity_attribute_counts() {
    let world = world();
    let client = world.client();
    let named = |order: &[Scheme]| allocate(&client).naming(SHA256).signed_as(order);
    let both = [Scheme::Unnamed, Scheme::Named(SHA256)];
    let reply = named(&both).send().expect("an answer");
    assert_eq!(reply.code(), 200, "MESSAGE-INTEGRITY is of the MD5 key, and so wrong: it is not looked at");
    assert!(reply.is_sealed(&client.key(), Scheme::Named(SHA256)));
    let other = world.client();
    let wrong = allocate(&other).signed_as(&[Scheme::Unnamed, Scheme::Named(SHA256)]);
    assert_eq!(wrong.code(), 401, "nothing is named, so that the key of MESSAGE-INTEGRITY-SHA256 is MD5");
}

// Nobody who signs by MESSAGE-INTEGRITY alone is answered with the other attribute.
#[test]
fn who_names_an_algorithm_signs_by_sha256() {
    let world = world();
    let client = world.client();
    for algorithm in [MD5, SHA256] {
        let reply = allocate(&client).naming(algorithm).signed_as(&[Scheme::Unnamed]).once().expect("an answer");
        assert_eq!((reply.code(), reply.is_signed(), reply.nonce()), (400, false, None));
    }
}

// BID-025: decided as RFC 8489 section 9.2.4 has it.
#[test]
fn naming_nothing_is_naming_md5_whatever_attribute_signs() {
    let world = world();
    let client = world.client();
    let reply = allocate(&client).signed_as(&[Scheme::Named(MD5)]).send().expect("an answer");
    assert_eq!(reply.code(), 200);
    assert!(reply.is_sealed(&client.key(), Scheme::Unnamed), "{reply:?}");
}

// BID-008, BID-009: somebody between shortened the list.
#[test]
fn a_list_that_is_not_ours_is_refused() {
    let world = world();
    let client = world.client();
    let (sha256, md5) = (SHA256.encode(), MD5.encode());
    let offered = [sha256, md5].concat();
    let lists: [(&[u8], &[u8]); 10] = [
        (&md5, &md5),
        (&sha256, &sha256),
        (&[md5, sha256].concat(), &sha256),
        (&[sha256, md5, [0, 3, 0, 0]].concat(), &sha256),
        (&[0, 2, 0, 4, 1, 2, 3, 4, 0, 1, 0, 0], &sha256),
        (&[], &md5),
        (&offered, &[0, 3, 0, 0]),
        (&offered, &[0, 0, 0, 0]),
        (&offered, &[0, 2]),
        (&offered, &[]),
    ];
    let requests = lists.map(|(list, chosen)| allocate(&client).attribute(LIST, list).attribute(CHOSEN, chosen));
    let alone = [allocate(&client).attribute(LIST, &offered), allocate(&client).attribute(CHOSEN, &sha256)];
    for request in requests.into_iter().chain(alone) {
        for scheme in [Scheme::Unnamed, Scheme::Named(MD5), Scheme::Named(SHA256)] {
            let reply = request.clone().signed_as(&[scheme]).once().expect("an answer");
            assert_eq!((reply.code(), reply.nonce(), reply.realm()), (400, None, None));
            assert!(!reply.is_signed() && !reply.has(AttributeType::MESSAGE_INTEGRITY_SHA256));
        }
    }
    assert_eq!(allocate(&client).naming(SHA256).code(), 200);
}

// BID-022: a nonce keeps its word, and nobody takes it away.
#[test]
fn a_nonce_without_its_promise_is_not_ours() {
    let world = world();
    let client = world.client();
    let nonce = client.nonce();
    let own = &nonce[13..];
    for altered in [own.to_vec(), [b"obMatJos2AAAA", own].concat(), [b"obMatJos2wAAA", own].concat()] {
        assert_eq!(allocate(&client).nonce(&altered).code(), 438, "{}", String::from_utf8_lossy(&altered));
    }
    assert_eq!(allocate(&client).nonce(&nonce).code(), 200);
}

// BID-015.
#[test]
fn a_shortened_integrity_is_wrong() {
    let world = world();
    let client = world.client();
    for len in [0, 4, 12, 15, 16, 20, 28, 31, 33, 36] {
        let request = allocate(&client).naming(SHA256);
        let signed = request.clone().signed_as(&[]);
        let mut right = [0; 36];
        let whole = request.bytes();
        right[..32].copy_from_slice(&whole[whole.len() - 32..]);
        let reply = signed.behind(AttributeType::MESSAGE_INTEGRITY_SHA256, &right[..len]).once();
        assert_eq!(reply.expect("an answer").code(), 401, "{len} bytes");
    }
}

// BID-024: with SHA-256 made, by SHA-256 kept.
#[test]
fn an_allocation_made_with_sha256_takes_no_md5() {
    let world = world();
    let client = allocated(&world, SHA256);
    assert_eq!(refresh(&client).lifetime(0).code(), 441);
    assert_eq!(refresh(&client).naming(MD5).lifetime(0).code(), 441);
    assert_eq!(refresh(&client).naming(SHA256).code(), 200, "nothing ended");
    let early = allocated(&world, MD5);
    assert_eq!((refresh(&early).naming(SHA256).code(), refresh(&early).code()), (200, 200), "nothing was promised");
}

// The same after the process was replaced.
#[test]
fn another_process_asks_for_the_same() {
    let world = world();
    let client = allocated(&world, SHA256);
    world.replace(0, world.export(0));
    assert_eq!(refresh(&client).code(), 441);
    let reply = refresh(&client).naming(SHA256).send().expect("an answer");
    assert!(reply.code() == 200 && reply.is_sealed(&client.key(), Scheme::Named(SHA256)));
}

// Retransmissions get the same bytes, and a changed password is found.
#[test]
fn replays_and_changed_passwords_work_under_sha256() {
    let world = world();
    let client = world.client();
    let request = allocate(&client).nonce(&client.nonce()).naming(SHA256);
    let first = request.once().expect("an answer");
    assert_eq!((first.code(), request.once().map(|reply| reply.bytes().to_vec())), (200, Some(first.bytes().to_vec())));
    world.set_password("alice", "a-new-one");
    let renamed = LongTermKey::derive(b"alice", b"example.org", b"a-new-one");
    assert_eq!(refresh(&client).naming(SHA256).key(renamed.clone()).code(), 200);
    assert!(
        refresh(&client)
            .naming(SHA256)
            .key(renamed.clone())
            .send()
            .expect("an answer")
            .is_sealed(&renamed, Scheme::Named(SHA256))
    );
}

// Of whom only an MD5 key is known, SHA-256 proves nothing; no key of zeros lets anybody in.
#[test]
fn an_md5_key_alone_vouches_for_md5_only() {
    let whole = LongTermKey::derive(b"alice", b"example.org", b"pass");
    let known = LongTermKey::from_raw(*whole.raw());
    let zeros = LongTermKey::from_raws(RawKeys { md5: [0; 16], sha256: Some([0; 32]) });
    let world = world();
    let client = world.client();
    let mut verdicts = Vec::new();
    for (signer, scheme) in [
        (&whole, Scheme::Named(SHA256)),
        (&zeros, Scheme::Named(SHA256)),
        (&whole, Scheme::Named(MD5)),
        (&whole, Scheme::Unnamed),
    ] {
        let bytes = allocate(&client).key(signer.clone()).signed_as(&[scheme]).bytes();
        let message = turnserver::stun::Message::parse(&bytes).expect("a message");
        verdicts.push((known.verifies(&message, scheme), whole.verifies(&message, scheme)));
    }
    assert_eq!(verdicts, [(false, true), (false, false), (true, true), (true, true)]);
}
