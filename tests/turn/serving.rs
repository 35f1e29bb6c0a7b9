//! What is served at all: Binding, to everybody, to users or to nobody; allocations or none.

use turnserver::auth::Scheme;
use turnserver::config::Profile;
use turnserver::stun::{AttributeType, ErrorCode, Method, PasswordAlgorithm};
use turnserver::turn::{DropReason, Event};

use crate::world::{BOB, Pace, Setup, World};

const SHA256: PasswordAlgorithm = PasswordAlgorithm::Sha256;

fn secured(profile: Profile) -> World {
    Setup::with(profile, "secure-stun = true").build()
}

// RFC 8489 section 9.2.4 for Binding: the checks and answers of every other request, the success signed like them.
#[test]
fn binding_may_need_a_password() {
    for profile in Profile::ALL {
        let world = secured(profile);
        let client = world.client();
        let binding = || client.request(Method::BINDING);
        let bare = binding().bare().once().expect("an answer");
        assert_eq!((bare.code(), bare.nonce().is_some(), bare.mapped()), (401, true, None), "{profile}");
        let reply = binding().send().expect("an answer");
        assert_eq!((reply.code(), reply.mapped()), (200, Some(client.tuple().client)), "{profile}");
        assert!(reply.is_signed_by(&client.key()), "{profile}");
        assert_eq!(binding().nonce(b"made up").code(), 438, "{profile}");
        assert_eq!(binding().without(AttributeType::USERNAME).code(), 400, "{profile}");
        assert_eq!(world.client().login(b"alice", b"wrong").request(Method::BINDING).code(), 401, "{profile}");
        let unknown = binding().attribute(AttributeType(0x7F00), b"").send().expect("an answer");
        assert_eq!((unknown.code(), unknown.is_signed_by(&client.key())), (420, true), "{profile}");
        assert_eq!((world.allocations(), world.parked()), (0, 0), "{profile}");
    }
}

#[test]
fn a_secured_binding_is_signed_as_it_asks() {
    let world = secured(Profile::Default);
    let client = world.client();
    let reply = client.request(Method::BINDING).naming(SHA256).send().expect("an answer");
    assert_eq!(reply.code(), 200);
    assert!(reply.is_sealed(&client.key(), Scheme::Named(SHA256)));
}

#[test]
fn a_secured_binding_waits_for_its_user() {
    let world = secured(Profile::Default);
    let client = world.client();
    client.nonce();
    world.look_ups(Pace::Held);
    let request = client.request(Method::BINDING);
    assert_eq!((request.once(), world.parked()), (None, 1));
    world.answer_held();
    let [reply] = client.replies(request.transaction()).try_into().expect("one answer");
    assert_eq!((reply.code(), reply.mapped()), (200, Some(client.tuple().client)));
}

// It is about no allocation, so that it does not matter whose there is.
#[test]
fn a_secured_binding_on_anothers_allocation_is_answered() {
    let world = secured(Profile::Default);
    let client = world.client();
    client.allocate().expect("an allocation");
    world.lookups();
    assert_eq!((client.request(Method::BINDING).code(), world.lookups()), (200, 0), "the allocation's key is enough");
    let other = world.client().named(BOB).at(&client.tuple().client.to_string()).with_nonce(client.nonce());
    assert_eq!((other.request(Method::BINDING).code(), other.refresh(None)), (200, Err(441)));
}

// Earned, and so not held up by the budget of strangers.
#[test]
fn a_secured_binding_is_earned() {
    let world = Setup::with(Profile::Default, "secure-stun = true\nunauthorized-ratelimit-rps = 1").build();
    let client = world.client();
    client.nonce();
    assert!((0..100).all(|_| client.request(Method::BINDING).code() == 200));
}

#[test]
fn binding_may_be_left_unanswered() {
    for profile in Profile::ALL {
        let world = Setup::with(profile, "no-stun = true").build();
        let client = world.client();
        assert_eq!(client.request(Method::BINDING).bare().once(), None, "{profile}");
        assert_eq!(world.drops(), [DropReason::NoStun], "{profile}");
        assert!(client.allocate().is_ok(), "{profile}");
        assert_eq!(client.request(Method::BINDING).once(), None, "{profile}: nor whoever has an allocation");
    }
}

#[test]
fn allocations_may_be_left_unserved() {
    for lines in ["stun-only = true", "stun-only = true\nsecure-stun = true"] {
        for profile in Profile::ALL {
            let world = Setup::with(profile, lines).build();
            let client = world.client();
            let is_secured = lines.contains("secure");
            let binding = client.request(Method::BINDING).bare().code();
            assert_eq!(binding, if is_secured { 401 } else { 200 }, "{profile}: {lines}");
            let methods = [Method::ALLOCATE, Method::REFRESH, Method::CREATE_PERMISSION, Method::CHANNEL_BIND];
            for method in methods {
                assert_eq!(client.request(method).transport(17).bare().once(), None, "{profile}: {lines}");
            }
            assert_eq!(world.drops(), [DropReason::StunOnly; 4], "{profile}: {lines}");
        }
    }
}

// Our rules: never below 600, unless the operator says so; who asks for none, or for 0, gets 600 (ALLOC-026, REFR-001).
#[test]
fn a_lifetime_is_as_short_as_the_operator_allows() {
    let cases = [
        ("", [(1, 600), (599, 600), (601, 601)]),
        ("min-allocate-lifetime = 60", [(1, 60), (61, 61), (9999, 3600)]),
        ("min-allocate-lifetime = 1", [(1, 1), (2, 2), (599, 599)]),
        ("min-allocate-lifetime = 20\nmax-allocate-lifetime = 30", [(1, 20), (25, 25), (600, 30)]),
    ];
    for (lines, lifetimes) in cases {
        let most = if lines.contains("max") { 30 } else { 600 };
        for (asked, granted) in lifetimes {
            let world = Setup::with(Profile::Default, lines).build();
            let client = world.client();
            let allocate = |secs: u32| client.request(Method::ALLOCATE).transport(17).lifetime(secs).send();
            assert_eq!(allocate(asked).and_then(|reply| reply.lifetime()), Some(granted), "{lines}: {asked}");
            assert_eq!(client.refresh(Some(asked)), Ok(granted), "{lines}: {asked}");
            assert_eq!(client.refresh(None), Ok(most), "{lines}: none");
            assert_eq!(client.refresh(Some(0)), Ok(0), "{lines}");
            assert_eq!(allocate(0).and_then(|reply| reply.lifetime()), Some(most), "{lines}: 0 is no wish of Allocate");
        }
    }
}

#[test]
fn a_short_lifetime_ends() {
    let world = Setup::with(Profile::Default, "min-allocate-lifetime = 5").build();
    let client = world.client();
    let reply = client.request(Method::ALLOCATE).transport(17).lifetime(5).send().expect("an answer");
    assert_eq!((reply.code(), world.allocations()), (200, 1));
    world.advance(4);
    assert_eq!(world.allocations(), 1);
    world.advance(2);
    assert_eq!((world.allocations(), world.relay_sockets()), (0, 0));
}

// What an operator hears of a Binding that failed is what is heard of every request.
#[test]
fn a_secured_binding_that_fails_is_told() {
    let world = secured(Profile::Default);
    let client = world.client().login(b"nobody", b"x");
    client.nonce();
    world.events();
    assert_eq!(client.request(Method::BINDING).code(), 401);
    let told = world.events();
    let [Event::Refused { method, code, .. }] = &told[..] else { panic!("{told:?}") };
    assert_eq!((*method, *code), (Method::BINDING, ErrorCode::UNAUTHENTICATED));
}
