//! A wrong password by what is remembered of a user has the database asked again: once, and at most once per name and
//! second.

use std::time::Duration;

use turnserver::config::Profile;
use turnserver::stun::Method;
use turnserver::turn::AuthFailure;

use crate::world::{ALICE, Pace, Setup, TestClient, World};

const STRANGER: &str = "mallory";

/// A world that remembers its users, and answers however many fail.
fn remembering() -> World {
    Setup::with(Profile::Default, "auth-failures-per-minute = 0\nunauthorized-ratelimit = false").remembering().build()
}

/// How an Allocate with a password ends, from an address of its own.
fn tries(world: &World, name: &str, password: &str) -> u16 {
    let client = world.client().login(name.as_bytes(), password.as_bytes());
    client.allocate().err().unwrap_or(200)
}

/// The same client with another password.
fn relogged(world: &World, client: &TestClient, password: &str) -> TestClient {
    let same = world.client().at(&client.tuple().client.to_string()).login(b"alice", password.as_bytes());
    same.with_nonce(client.nonce())
}

fn changed_a_second_ago(world: &World) {
    world.set_password("alice", "a-new-one");
    world.advance(1);
    world.lookups();
}

// Our rules, section 2: the database is asked again, at most once per user and second.
#[test]
fn a_new_password_is_good_at_once() {
    let world = remembering();
    assert_eq!(tries(&world, "alice", ALICE.password), 200);
    world.set_password("alice", "a-new-one");
    assert_eq!((tries(&world, "alice", "a-new-one"), world.lookups()), (401, 1), "within the second nobody asks");
    world.advance(1);
    assert_eq!((tries(&world, "alice", "a-new-one"), world.lookups()), (200, 1));
    assert_eq!((tries(&world, "alice", "a-new-one"), world.lookups()), (200, 0), "it is remembered");
    world.advance(1);
    assert_eq!((tries(&world, "alice", ALICE.password), world.lookups()), (401, 1), "the old one is good no more");
}

#[test]
fn a_name_that_nobody_had_is_somebodys_at_once() {
    let world = remembering();
    assert_eq!(tries(&world, STRANGER, "a-first-one"), 401);
    world.set_password(STRANGER, "a-first-one");
    world.advance(1);
    assert_eq!((tries(&world, STRANGER, "a-first-one"), world.lookups()), (200, 2));
}

// Whoever is named: what a failing request costs must not tell who exists.
#[test]
fn wrong_passwords_ask_the_database_once_per_name_and_second() {
    for name in ["alice", STRANGER] {
        let world = remembering();
        assert_eq!((tries(&world, name, "guess"), world.lookups()), (401, 1), "{name}");
        world.advance(1);
        for second in 1..=10 {
            for _ in 0..20 {
                assert_eq!(tries(&world, name, "guess"), 401, "{name}");
                world.advance_by(Duration::from_millis(50));
            }
            assert_eq!(world.lookups(), 1, "{name}, second {second}");
        }
        assert_eq!(world.parked(), 0, "{name}");
    }
}

#[test]
fn two_names_are_asked_for_in_one_second() {
    let world = remembering();
    let both = || (tries(&world, "alice", "guess"), tries(&world, "bob", "guess"), world.lookups());
    assert_eq!(both(), (401, 401, 2));
    world.advance(1);
    assert_eq!((both(), both()), ((401, 401, 2), (401, 401, 0)));
}

#[test]
fn who_is_right_is_never_asked_about_again() {
    let world = remembering();
    assert_eq!((tries(&world, "alice", ALICE.password), world.lookups()), (200, 1));
    for _ in 0..59 {
        world.advance(1);
        assert_eq!((tries(&world, "alice", ALICE.password), world.lookups()), (200, 0));
    }
}

// What is known stays known: neither a 500, which would tell names apart, nor a question for each guess.
#[test]
fn a_database_that_fails_makes_a_wrong_password_no_other() {
    let world = remembering();
    assert_eq!((tries(&world, "alice", "guess"), tries(&world, STRANGER, "guess"), world.lookups()), (401, 401, 2));
    world.look_ups(Pace::Failing);
    for second in 1..=4 {
        world.advance(1);
        for name in ["alice", STRANGER] {
            assert!((0..20).all(|_| tries(&world, name, "guess") == 401), "{name}");
            assert_eq!(world.lookups(), 1, "{name}, second {second}");
        }
    }
    assert_eq!(tries(&world, "alice", ALICE.password), 200);
    world.advance(1);
    assert_eq!(tries(&world, STRANGER, "guess"), 500, "what was known of nobody is over");
}

// The allocation's key, the memory, the database: the last is asked once.
#[test]
fn a_live_allocation_asks_once_for_a_wrong_password() {
    let world = remembering();
    let client = world.client();
    client.allocate().expect("an allocation");
    let wrong = relogged(&world, &client, "wrong");
    world.advance(1);
    world.lookups();
    for second in 1..=5 {
        for _ in 0..20 {
            assert_eq!(wrong.refresh(None), Err(401));
            world.advance_by(Duration::from_millis(50));
        }
        assert_eq!(world.lookups(), 1, "second {second}");
    }
    changed_a_second_ago(&world);
    let changed = relogged(&world, &client, "a-new-one");
    let reply = changed.request(Method::REFRESH).once().expect("an answer");
    assert_eq!((reply.code(), reply.is_signed_by(&changed.key()), world.lookups()), (200, true, 1));
    assert_eq!((changed.refresh(None), client.refresh(None), world.lookups()), (Ok(600), Err(401), 0));
}

// An allocation's key is the older one: it vouches for nobody whom something newer refused.
#[test]
fn an_older_key_vouches_for_nobody_whom_the_database_refused() {
    for pace in [Pace::Prompt, Pace::Failing, Pace::Full, Pace::Held] {
        let world = remembering();
        let client = world.client();
        client.allocate().expect("an allocation");
        world.advance(58);
        changed_a_second_ago(&world);
        assert_eq!((tries(&world, "alice", "a-new-one"), world.lookups()), (200, 1));
        assert_eq!(client.refresh(None), Ok(600), "the key still vouches");
        world.advance(1);
        world.look_ups(pace);
        let request = client.request(Method::REFRESH);
        let heard = request.once().map(|reply| reply.code());
        assert_eq!((heard, world.lookups()), ((pace != Pace::Held).then_some(401), 1), "{pace:?}");
        world.advance(5);
        assert_eq!((client.replies(request.transaction()), world.parked()), (vec![], 0), "{pace:?}");
    }
}

// The question takes as long as it takes: the request waits once more, and is judged once.
#[test]
fn a_request_that_waits_once_more_is_answered_once() {
    let world = remembering();
    assert_eq!(tries(&world, "alice", ALICE.password), 200);
    changed_a_second_ago(&world);
    let (changed, wrong) = (world.client().login(b"alice", b"a-new-one"), world.client().login(b"alice", b"guess"));
    [&changed, &wrong].iter().for_each(|client| drop(client.nonce()));
    world.auth_failures();
    world.look_ups(Pace::Held);
    let requests = [&changed, &wrong].map(|client| client.request(Method::ALLOCATE).transport(17));
    let unheard = |request: &crate::world::Request<'_>| request.once().is_none() && request.once().is_none();
    assert!(requests.iter().all(unheard), "its retransmission waits with it");
    assert_eq!((world.parked(), world.held(), world.auth_failures()), (2, 2, vec![]));
    world.advance(3);
    world.answer_held();
    let codes = [(&changed, &requests[0]), (&wrong, &requests[1])].map(|(client, request)| {
        let replies = client.replies(request.transaction());
        replies.iter().map(|reply| reply.code()).collect::<Vec<_>>()
    });
    assert_eq!(codes, [vec![200], vec![401]]);
    assert_eq!((world.parked(), world.auth_failures()), (0, vec![(AuthFailure::WrongPassword, 1)]));
}

// RFC 8489 section 6.2.1: the client sends again after 500 ms; that is no further guess.
#[test]
fn a_retransmission_on_a_live_allocation_waits_with_its_request() {
    let world = remembering();
    let client = world.client();
    client.allocate().expect("an allocation");
    changed_a_second_ago(&world);
    world.look_ups(Pace::Held);
    let changed = relogged(&world, &client, "a-new-one");
    let request = changed.request(Method::REFRESH);
    for _ in 0..2 {
        assert_eq!((request.once(), changed.replies(request.transaction())), (None, vec![]));
        world.advance_by(Duration::from_millis(500));
    }
    assert_eq!((world.parked(), world.lookups()), (1, 1));
    world.answer_held();
    let [reply] = changed.replies(request.transaction()).try_into().expect("one answer");
    assert_eq!((reply.code(), reply.is_signed_by(&changed.key())), (200, true));
}
