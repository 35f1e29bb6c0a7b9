//! Who asks: the order of checks and what each answer shows (RFC 8489 section 9.2.4, our rules).

use crate::world::{self, ALICE, BOB, REALM, Reply, Request, Setup, TestClient, World};
use turnserver::auth::LongTermKey;
use turnserver::config::{AuthMode, Profile, ReasonPhrases};
use turnserver::stun::{AttributeType, Class, Message, Method};
use turnserver::turn::Event;

const METHODS: [Method; 4] = [Method::ALLOCATE, Method::REFRESH, Method::CREATE_PERMISSION, Method::CHANNEL_BIND];
const CREDENTIALS: [AttributeType; 3] = [AttributeType::USERNAME, AttributeType::REALM, AttributeType::NONCE];

fn allocate(client: &TestClient) -> Request<'_> {
    client.request(Method::ALLOCATE).transport(17)
}

/// 401 or 438 as our rules has it: realm, a nonce, unsigned, nothing of the user.
fn assert_challenge(reply: &Reply, code: u16) {
    let mut kinds = vec![AttributeType::ERROR_CODE, AttributeType::NONCE, AttributeType::REALM];
    let lists_algorithms = reply.nonce().is_some_and(|nonce| nonce.starts_with(b"obMatJos2"));
    kinds.extend(lists_algorithms.then_some(AttributeType::PASSWORD_ALGORITHMS));
    assert_eq!((reply.code(), reply.kinds()), (code, kinds));
    assert_eq!(reply.realm().as_deref(), Some(REALM.as_bytes()));
    // Our rules: 72 bytes and the padded realm; 112 where algorithms are offered.
    let bound = if lists_algorithms { 112 } else { 72 };
    assert!(reply.bytes().len() <= bound + REALM.len().next_multiple_of(4), "{} bytes", reply.bytes().len());
}

// AUTH-001, AUTH-025, AUTH-026, STUN-018
#[test]
fn a_request_without_integrity_is_challenged_whatever_it_holds() {
    for profile in Profile::ALL {
        let world = World::of(profile);
        let client = world.client();
        for method in METHODS {
            let request = || client.request(method).bare();
            let cases = [
                request(),
                request().transport(6),
                request().attribute(AttributeType(0x7F00), &[1]),
                request().attribute(AttributeType::USERNAME, b"alice"),
                request().attribute(AttributeType::USERHASH, &[1; 32]),
                request().attribute(AttributeType::LIFETIME, &[1]),
            ];
            for case in cases {
                assert_challenge(&case.once().expect("an answer"), 401);
            }
        }
        assert_eq!((world.parked(), world.lookups(), world.events().len()), (0, 0, 0), "and leaves no trace");
    }
}

// AUTH-002, AUTH-003, AUTH-022
#[test]
fn every_challenge_has_a_nonce_of_its_own_and_all_of_them_are_good() {
    let world = World::of(Profile::Default);
    let client = world.client();
    let nonces: Vec<Vec<u8>> =
        (0..100).map(|_| allocate(&client).bare().once().and_then(|reply| reply.nonce()).expect("a nonce")).collect();
    let different: std::collections::BTreeSet<_> = nonces.iter().collect();
    assert_eq!(different.len(), 100);
    world.advance(60);
    for nonce in &nonces {
        assert_eq!(client.request(Method::REFRESH).nonce(nonce).code(), 437, "authenticated, no allocation");
    }
}

// AUTH-004
#[test]
fn integrity_without_the_rest_is_a_bad_request_that_says_nothing() {
    for profile in Profile::ALL {
        let world = World::of(profile);
        let client = world.client();
        for missing in CREDENTIALS {
            let reply = allocate(&client).without(missing).once().expect("an answer");
            assert_eq!((reply.code(), reply.kinds()), (400, vec![AttributeType::ERROR_CODE]), "{missing:?}");
        }
        let alone = allocate(&client).bare().attribute(AttributeType::MESSAGE_INTEGRITY_SHA256, &[1; 32]);
        assert_eq!(alone.code(), 400, "the other integrity attribute");
        assert_eq!(world.lookups(), 0);
    }
}

// BID-023, STUN-026, STUN-027: two names, or names longer than the RFC has them.
#[test]
fn names_have_a_length_and_there_is_one() {
    let world = World::of(Profile::Default);
    let client = world.client();
    let reply = allocate(&client).attribute(AttributeType::USERHASH, &[1; 32]).once().expect("an answer");
    assert_eq!((reply.code(), reply.kinds()), (400, vec![AttributeType::ERROR_CODE]));
    assert_challenge(&allocate(&client).username(&[b'a'; 763]).once().expect("an answer"), 401);
    assert_eq!(allocate(&client).username(&[b'a'; 764]).code(), 400);
    assert_challenge(&allocate(&client).nonce(&[b'a'; 763]).once().expect("an answer"), 438);
    assert_eq!(allocate(&client).nonce(&[b'a'; 764]).code(), 400);
    assert_challenge(&allocate(&client).realm(&[b'a'; 763]).once().expect("an answer"), 401);
    assert_eq!(allocate(&client).realm(&[b'a'; 764]).code(), 400);
    assert_challenge(&allocate(&client).username(b"").once().expect("an answer"), 401);
    assert_challenge(&allocate(&client).nonce(b"").once().expect("an answer"), 438);
}

// AUTH-011, BID-020; rows 5 and 6 of the order: whose the nonce is comes before who the user is.
#[test]
fn a_foreign_nonce_is_said_before_anybody_is_looked_up() {
    let world = World::of(Profile::Default);
    let (client, stranger) = (world.client(), world.client());
    let foreign = stranger.nonce();
    for nonce in [&foreign[..], b"never issued", b"\xFF\xFE"] {
        assert_challenge(&allocate(&client).nonce(nonce).once().expect("an answer"), 438);
        assert_challenge(&allocate(&client).username(b"nobody").nonce(nonce).once().expect("an answer"), 438);
        assert_challenge(&allocate(&client).realm(b"elsewhere").nonce(nonce).once().expect("an answer"), 438);
        let hashed = allocate(&client).without(AttributeType::USERNAME).attribute(AttributeType::USERHASH, &[1; 32]);
        assert_challenge(&hashed.nonce(nonce).once().expect("an answer"), 438);
    }
    assert_eq!(world.lookups(), 0);
    let hashed = allocate(&client).without(AttributeType::USERNAME).attribute(AttributeType::USERHASH, &[1; 32]);
    assert_challenge(&hashed.once().expect("an answer"), 401);
    assert_eq!(world.lookups(), 0, "names are not offered hashed");
}

// AUTH-009, AUTH-023
#[test]
fn the_nonce_of_a_438_is_new_and_good() {
    let world = World::of(Profile::Default);
    let client = world.client();
    let reply = allocate(&client).nonce(b"never issued").once().expect("an answer");
    let nonce = reply.nonce().expect("a nonce");
    assert_eq!(allocate(&client).nonce(&nonce).code(), 200);
}

// AUTH-008, AUTH-010, AUTH-021, SEC-002, T4
#[test]
fn a_stale_nonce_is_said_to_who_knows_the_password_only() {
    for with_allocation in [false, true] {
        let world = World::of(Profile::Default);
        let client = world.client();
        let nonce = client.nonce();
        if with_allocation {
            client.allocate().expect("an allocation");
            assert_eq!(client.refresh(Some(3600)), Ok(3600));
        }
        let wrong = LongTermKey::derive(b"alice", REALM.as_bytes(), b"wrong");
        let refresh = || client.request(Method::REFRESH).nonce(&nonce);
        let good = if with_allocation { 200 } else { 437 };
        world.advance(600);
        assert_eq!(refresh().code(), good, "600 s are not over 600 s");
        world.advance(1);
        assert_challenge(&refresh().once().expect("an answer"), 438);
        assert_challenge(&refresh().key(wrong).once().expect("an answer"), 401);
        assert_challenge(&refresh().username(b"nobody").once().expect("an answer"), 401);
        let fresh = refresh().once().and_then(|reply| reply.nonce()).expect("a nonce");
        assert_ne!(fresh, nonce);
        assert_eq!(client.request(Method::REFRESH).nonce(&fresh).code(), good);
    }
}

// AUTH-006, AUTH-007, AUTH-018, AUTH-029, AUTH-031
#[test]
fn who_is_unknown_and_who_is_wrong_gets_the_same_bytes() {
    for profile in Profile::ALL {
        let world = World::of(profile);
        let client = world.client();
        let id = client.fresh_id();
        let wrong = LongTermKey::derive(b"alice", REALM.as_bytes(), b"wrong");
        let mut answers = Vec::new();
        for request in [
            allocate(&client).key(wrong),
            allocate(&client).username(b"nobody"),
            allocate(&client).username(b"\xFF\xFE"),
            allocate(&client).username(b"alice\0"),
            allocate(&client).username(b"ALICE"),
            allocate(&client).key(BOB.key()),
            allocate(&client)
                .without(AttributeType::MESSAGE_INTEGRITY)
                .behind(AttributeType::MESSAGE_INTEGRITY, &[0; 20]),
        ] {
            let reply = request.id(id).once().expect("an answer");
            assert_challenge(&reply, 401);
            let nonce = reply.nonce().expect("a nonce");
            let place = reply.bytes().windows(nonce.len()).position(|window| window == nonce).expect("it is there");
            let mut bytes = reply.bytes().to_vec();
            bytes[place..place + nonce.len()].fill(0);
            answers.push(bytes);
        }
        assert!(answers.windows(2).all(|pair| pair[0] == pair[1]));
        assert_eq!(world.allocations(), 0);
    }
}

trait Keyed {
    fn key(&self) -> LongTermKey;
}

impl Keyed for world::Person {
    fn key(&self) -> LongTermKey {
        LongTermKey::derive(self.name.as_bytes(), REALM.as_bytes(), self.password.as_bytes())
    }
}

// AUTH-007: one bit of anything that is covered.
#[test]
fn whatever_is_altered_is_not_accepted() {
    let world = World::of(Profile::Default);
    let client = world.client();
    let bytes = allocate(&client).lifetime(900).bytes();
    for bit in 0..bytes.len() * 8 {
        let mut altered = bytes.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        client.datagram(&altered);
        for frame in client.frames() {
            let kind = Message::parse(&frame).expect("a message").kind();
            // One bit makes a Binding of it, which needs no credentials.
            assert!(kind.class == Class::Error || kind.method == Method::BINDING, "bit {bit} altered");
        }
        assert_eq!(world.allocations(), 0, "bit {bit} altered");
    }
    client.datagram(&bytes);
    assert_eq!(world.allocations(), 1);
}

// AUTH-029
#[test]
fn integrity_of_another_length_is_not_valid() {
    let world = World::of(Profile::Default);
    let client = world.client();
    let good = allocate(&client).bytes();
    let mac = good[good.len() - 20..].to_vec();
    for len in [0, 4, 16, 19, 21, 24, 32] {
        let mut value = mac.clone();
        value.resize(len, 0);
        let request = allocate(&client)
            .without(AttributeType::MESSAGE_INTEGRITY)
            .behind(AttributeType::MESSAGE_INTEGRITY, &value);
        assert_challenge(&request.once().expect("an answer"), 401);
    }
    assert_eq!(world.allocations(), 0);
}

// AUTH-019
#[test]
fn another_realm_is_answered_with_ours() {
    let world = World::of(Profile::Default);
    let client = world.client();
    let key = LongTermKey::derive(b"alice", b"elsewhere", ALICE.password.as_bytes());
    assert_challenge(&allocate(&client).realm(b"elsewhere").key(key).once().expect("an answer"), 401);
    assert_challenge(&allocate(&client).realm(b"elsewhere").once().expect("an answer"), 401);
    assert_challenge(&allocate(&client).realm(b"EXAMPLE.ORG").once().expect("an answer"), 401);
}

// AUTH-012, AUTH-013; section 25.12 of the conformance list: what is signed and who sees a nonce.
#[test]
fn after_authentication_everything_is_signed_and_nothing_shows_a_nonce() {
    for profile in Profile::ALL {
        let world = Setup::with(profile, "user-quota = 1").build();
        let holder = world.client();
        holder.allocate().expect("an allocation");
        let other = world.client();
        let intruder = world.client().at(&holder.tuple().client.to_string()).named(BOB).with_nonce(holder.nonce());
        let unknown = AttributeType(0x7F00);
        let forbidden = world::sock("127.0.0.1:80");
        let v6 = world::sock("[2606:4700::1]:80");
        let refused = [
            (400, allocate(&other).lifetime(0).attribute(AttributeType::DONT_FRAGMENT, &[1])),
            (403, holder.request(Method::CREATE_PERMISSION).peer(forbidden)),
            (420, holder.request(Method::REFRESH).attribute(unknown, &[])),
            (437, other.request(Method::REFRESH)),
            (440, allocate(&other).family(9)),
            (441, intruder.request(Method::REFRESH)),
            (443, holder.request(Method::CREATE_PERMISSION).peer(v6)),
            (486, allocate(&other)),
            (508, allocate(&other).token(&[1; 8])),
            (200, holder.request(Method::REFRESH)),
        ];
        for (code, request) in refused {
            let reply = request.once().expect("an answer");
            assert_eq!((reply.code(), reply.is_signed()), (code, true), "{profile}");
            let key = if code == 441 { intruder.key() } else { holder.key() };
            assert!(reply.is_signed_by(&key), "{code}");
            for kind in [AttributeType::NONCE, AttributeType::REALM, AttributeType::USERNAME, AttributeType::USERHASH] {
                assert!(!reply.has(kind), "{code} shows {kind:?}");
            }
            assert!(!reply.has(AttributeType::MESSAGE_INTEGRITY_SHA256), "never to who used MESSAGE-INTEGRITY");
        }
    }
}

// Rows 7 and 8 of the order: 441, then 420, then what the method says.
#[test]
fn another_users_request_is_refused_before_it_is_read() {
    for profile in [Profile::Default, Profile::Hardened] {
        let world = World::of(profile);
        let holder = world.client();
        holder.allocate().expect("an allocation");
        let intruder = world.client().at(&holder.tuple().client.to_string()).named(BOB).with_nonce(holder.nonce());
        for method in METHODS {
            let request = intruder.request(method).attribute(AttributeType(0x7F00), &[]);
            assert_eq!(request.code(), 441, "{method:?}");
        }
        assert_eq!(holder.request(Method::CREATE_PERMISSION).attribute(AttributeType(0x7F00), &[]).code(), 420);
    }
}

// STUN-031; our rules: reason phrases in signed errors only, in all, in none; SOFTWARE by its switch.
#[test]
fn phrases_and_software_follow_their_switches() {
    for (profile, lines, unsigned, signed) in [
        (Profile::Default, "", "", "Allocation Mismatch"),
        (Profile::Coturn, "", "", ""),
        (Profile::Hardened, "", "", ""),
        (Profile::Coturn, "include-reason-string = true", "Unauthorized", "Allocation Mismatch"),
        (Profile::Default, "include-reason-string = false", "", ""),
    ] {
        let world = Setup::with(profile, lines).build();
        let client = world.client();
        assert_eq!(allocate(&client).bare().once().expect("an answer").phrase(), unsigned, "{profile} {lines}");
        assert_eq!(client.request(Method::REFRESH).once().expect("an answer").phrase(), signed, "{profile} {lines}");
        assert_eq!(
            Setup::of(profile)
                .build()
                .client()
                .request(Method::BINDING)
                .bare()
                .once()
                .map(|reply| reply.has(AttributeType::SOFTWARE)),
            Some(false)
        );
    }
    let world = Setup::with(Profile::Default, "software-attribute = true").build();
    let client = world.client();
    for request in [
        allocate(&client).bare(),
        allocate(&client),
        client.request(Method::REFRESH).lifetime(0),
        client.request(Method::REFRESH),
    ] {
        let software =
            request.once().and_then(|reply| reply.value(AttributeType::SOFTWARE)).expect("it is switched on");
        assert!(software.starts_with(b"turnserver-"));
    }
}

// STUN-028, STUN-034: with the longest realm and every phrase an answer still fits any path.
#[test]
fn answers_stay_small_with_the_longest_realm() {
    let realm = "r".repeat(127);
    let world = Setup::of(Profile::Default)
        .tune(|config| {
            config.auth.realm = realm.clone();
            config.protocol.reason_phrases = ReasonPhrases::Always;
            config.protocol.software = true;
            config.protocol.fingerprint = true;
        })
        .build();
    let client = world.client();
    let reply = allocate(&client).bare().once().expect("an answer");
    assert_eq!(reply.realm(), Some(realm.into_bytes()));
    assert!(reply.bytes().len() < 548, "{} bytes", reply.bytes().len());
    assert!(reply.message().fingerprint_holds());
}

// Our rules: 401 takes 72 bytes and the padded realm, FINGERPRINT counted.
#[test]
fn a_401_is_as_short_as_it_can_be() {
    // A nonce that announces algorithms is longer by 16, their list takes 12.
    for (profile, len) in [(Profile::Coturn, 64), (Profile::Default, 64 + 16 + 12)] {
        let client = World::of(profile).client();
        let bare = allocate(&client).bare().once().expect("an answer");
        assert_eq!(bare.bytes().len(), len + REALM.len().next_multiple_of(4));
        let with_fingerprint = allocate(&client).bare().fingerprint().once().expect("an answer");
        assert_eq!(with_fingerprint.bytes().len(), len + 8 + REALM.len().next_multiple_of(4));
    }
}

// AUTH-030: nobody is asked for credentials where the operator said so.
#[test]
fn without_authentication_nothing_is_asked_and_nothing_signed() {
    let world = Setup::of(Profile::Coturn).tune(|config| config.auth.mode = AuthMode::Anonymous).build();
    let client = world.client();
    let reply = allocate(&client).bare().once().expect("an answer");
    assert_eq!((reply.code(), reply.is_signed()), (200, false));
    let peer = world.peer("8.8.4.4:5000");
    assert_eq!(client.request(Method::CREATE_PERMISSION).peer(peer.addr()).bare().code(), 200);
    client.send_to(peer.addr(), b"x");
    assert_eq!(peer.received(), [b"x"]);
    assert_eq!(client.request(Method::REFRESH).nonce(b"anything").username(b"anybody").code(), 200);
    assert_eq!(client.request(Method::REFRESH).lifetime(0).bare().code(), 200);
    assert_eq!((world.lookups(), world.allocations()), (0, 0));
}

// What an operator hears: a failed log-in with its name, not the first bare request of every client.
#[test]
fn a_failed_log_in_is_told() {
    let world = World::of(Profile::Default);
    let client = world.client().login(b"alice", b"wrong");
    client.nonce();
    assert_eq!(world.events(), []);
    assert_eq!(client.allocate(), Err(401));
    let told = world.events();
    let [Event::Refused { user, code, method, .. }] = &told[..] else { panic!("{told:?}") };
    assert_eq!((user.as_deref(), code.code(), *method), (Some(&b"alice"[..]), 401, Method::ALLOCATE));
}
