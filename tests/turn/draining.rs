//! A server that drains gives no new allocations, and keeps what it gave.

use turnserver::config::{AuthMode, Profile};
use turnserver::stun::{ErrorCode, Method};
use turnserver::turn::Event;
use turnserver::turn::address::Transport;

use crate::world::{BOB, Pace, Reply, Setup, TestClient, World};

/// A server with a client of old, which begins to drain.
fn drained(profile: Profile) -> (World, TestClient) {
    let world = World::of(profile);
    let client = world.client();
    client.allocate().expect("an allocation");
    world.reload(&Setup::of(profile).draining());
    (world, client)
}

fn allocate(client: &TestClient) -> Reply {
    client.request(Method::ALLOCATE).transport(17).send().expect("Allocate is answered")
}

// Our rules: 508, as coturn 403; signed, and nobody without a password hears of it.
#[test]
fn whoever_comes_anew_is_refused() {
    for (profile, code) in [(Profile::Default, 508), (Profile::Coturn, 403), (Profile::Hardened, 508)] {
        let (world, _) = drained(profile);
        for client in [world.client(), world.client().over(Transport::Tcp), world.client().named(BOB)] {
            assert_eq!(client.request(Method::ALLOCATE).transport(17).bare().code(), 401, "{profile}");
            let reply = allocate(&client);
            assert_eq!((reply.code(), reply.is_signed_by(&client.key())), (code, true), "{profile}");
        }
        assert_eq!(world.client().login(b"alice", b"wrong").allocate(), Err(401), "{profile}");
        assert_eq!((world.allocations(), world.parked(), world.quota_total()), (1, 0, 1), "{profile}");
        assert_eq!(world.client().request(Method::BINDING).bare().code(), 200, "{profile}");
    }
}

#[test]
fn whoever_has_an_allocation_is_served() {
    for profile in Profile::ALL {
        let (world, client) = drained(profile);
        let peer = world.peer("8.8.8.8:53");
        assert_eq!((client.permit(&[peer.addr()]), client.bind(0x4000, peer.addr())), (200, 200), "{profile}");
        client.channel_send(0x4000, b"still here");
        assert_eq!(peer.received(), [b"still here"], "{profile}");
        for _ in 0..10 {
            world.advance(500);
            assert_eq!(client.refresh(None), Ok(600), "{profile}: as long as it likes");
        }
        assert_eq!((client.allocate(), client.refresh(Some(0))), (Err(437), Ok(0)), "{profile}");
        assert!(matches!(client.allocate(), Err(508 | 403)), "{profile}: once it is gone, its client is new as well");
    }
}

#[test]
fn an_answer_that_was_lost_is_given_again() {
    for profile in Profile::ALL {
        let world = World::of(profile);
        let client = world.client();
        client.nonce();
        let request = client.request(Method::ALLOCATE).transport(17);
        let before = request.once().expect("an answer");
        world.reload(&Setup::of(profile).draining());
        let again = request.once().expect("an answer");
        assert_eq!((before.code(), again.bytes()), (200, before.bytes()), "{profile}");
    }
}

// What was asked before is answered as before, unless nobody had looked at it yet.
#[test]
fn a_request_that_waits_is_served_once_its_port_is_asked_for() {
    let world = World::of(Profile::Default);
    let (early, late) = (world.client(), world.client());
    early.nonce();
    late.nonce();
    world.openings(Pace::Held);
    let opening = early.request(Method::ALLOCATE).transport(17);
    assert_eq!(opening.once(), None);
    world.look_ups(Pace::Held);
    let unknown = late.request(Method::ALLOCATE).transport(17);
    assert_eq!(unknown.once(), None);
    world.reload(&Setup::of(Profile::Default).draining());
    world.answer_held();
    let code = |client: &TestClient, id| client.replies(id).iter().map(Reply::code).collect::<Vec<_>>();
    assert_eq!(code(&early, opening.transaction()), [200]);
    assert_eq!(code(&late, unknown.transaction()), [508]);
}

// The other half of a pair of ports belongs to what began before; a token that is unknown is refused as ever.
#[test]
fn a_token_of_before_is_good() {
    for profile in Profile::ALL {
        let world = World::of(profile);
        let reply = world.client().request(Method::ALLOCATE).transport(17).even(true).send().expect("an answer");
        let token = reply.token().expect("a token");
        world.reload(&Setup::of(profile).draining());
        let claim = |token: &[u8]| world.client().request(Method::ALLOCATE).transport(17).token(token).code();
        assert_eq!((claim(&[7; 8]), claim(&token), claim(&token)), (508, 200, 508), "{profile}");
    }
}

// Whoever can be sent elsewhere is sent there; the others of another family are refused.
#[test]
fn where_there_is_another_server_clients_are_sent_there() {
    for profile in Profile::ALL {
        let setup = || Setup::with(profile, "alternate-server = [\"198.51.100.1\"]");
        let world = setup().draining().build();
        let client = world.client();
        let request = client.request(Method::ALLOCATE).transport(17);
        let request = if profile == Profile::Coturn { request.bare() } else { request };
        assert_eq!(request.code(), 300, "{profile}");
        let six = world.client().at("[2a00:1450:9::1]:40000");
        assert!(matches!(six.allocate(), Err(508 | 403)), "{profile}");
    }
}

// What is wrong with a request comes first, so that a client does not try elsewhere what is wrong everywhere.
#[test]
fn what_is_wrong_with_a_request_comes_first() {
    let (world, _) = drained(Profile::Default);
    let client = world.client();
    assert_eq!(client.request(Method::ALLOCATE).code(), 400, "without REQUESTED-TRANSPORT");
    assert_eq!(client.request(Method::ALLOCATE).transport(6).code(), 442);
}

// Nor that one user has too much: other servers may have room for that user, and this one has for nobody.
#[test]
fn a_full_quota_comes_behind() {
    for (profile, code) in [(Profile::Default, 508), (Profile::Coturn, 403), (Profile::Hardened, 508)] {
        let setup = || Setup::with(profile, "user-quota = 1");
        let world = setup().build();
        world.client().allocate().expect("an allocation");
        assert_eq!(world.client().allocate(), Err(486), "{profile}");
        world.reload(&setup().draining());
        assert_eq!(world.client().allocate(), Err(code), "{profile}");
    }
}

#[test]
fn the_nameless_are_refused_as_well() {
    let anonymous = |setup: Setup| setup.tune(|config| config.auth.mode = AuthMode::Anonymous);
    let world = anonymous(Setup::of(Profile::Default)).draining().build();
    assert_eq!(world.client().request(Method::ALLOCATE).transport(17).bare().code(), 508);
}

#[test]
fn a_drain_can_be_called_off() {
    let (world, _) = drained(Profile::Default);
    assert_eq!(world.client().allocate(), Err(508));
    world.reload(&Setup::of(Profile::Default));
    assert!(world.client().allocate().is_ok());
}

#[test]
fn it_is_told() {
    let (world, _) = drained(Profile::Default);
    let client = world.client();
    client.nonce();
    world.events();
    assert_eq!(client.allocate(), Err(508));
    let told = world.events();
    let [Event::Refused { tuple, method, code, user, .. }] = &told[..] else { panic!("{told:?}") };
    assert_eq!((*tuple, *method, *code), (client.tuple(), Method::ALLOCATE, ErrorCode::INSUFFICIENT_CAPACITY));
    assert_eq!(user.as_deref(), Some(&b"alice"[..]));
}
