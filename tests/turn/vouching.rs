//! How long an allocation's key is enough: a user who is gone, or has another password, is found out within a minute; a
//! user database that fails ends no call.

use turnserver::auth::rest;
use turnserver::config::Profile;
use turnserver::stun::{AttributeType, Method};
use turnserver::turn::DropReason;

use crate::world::{BOB, Pace, Setup, TestClient, World};

/// Our rules: as long as the user cache keeps what it knows.
const KEY_SECS: u64 = 60;

fn allocated(world: &World) -> TestClient {
    let client = world.client();
    client.allocate().expect("an allocation");
    world.lookups();
    client
}

// REST-003 in spirit: whoever was let in stays in for a while; then the database is asked.
#[test]
fn a_deleted_user_is_found_out() {
    for profile in Profile::ALL {
        let world = World::of(profile);
        let client = allocated(&world);
        let peer = world.peer("8.8.4.4:5000");
        assert_eq!(client.permit(&[peer.addr()]), 200);
        world.remove_user("alice");
        world.advance(KEY_SECS - 1);
        assert_eq!((client.refresh(None), world.client().allocate()), (Ok(600), Err(401)), "{profile}");
        world.advance(1);
        world.lookups();
        assert_eq!(client.refresh(None), Err(401), "{profile}");
        assert_eq!((client.permit(&[peer.addr()]), client.bind(0x4000, peer.addr())), (401, 401), "{profile}");
        assert_eq!((client.refresh(Some(0)), world.lookups()), (Err(401), 4), "{profile}: nothing vouches any more");
        // What was granted lasts its time.
        client.send_to(peer.addr(), b"x");
        assert_eq!(peer.received(), [b"x"], "{profile}");
        world.advance(600);
        assert_eq!((world.allocations(), world.relay_sockets()), (0, 0), "{profile}");
    }
}

// The store may remember a user for a minute, and the key of an allocation vouches for a minute: not one after the other.
#[test]
fn a_deleted_user_whom_the_store_remembers_is_found_out_as_soon() {
    let world = Setup::with(Profile::Default, "").remembering().build();
    allocated(&world);
    world.remove_user("alice");
    world.advance(KEY_SECS - 1);
    let late = world.client();
    assert!(late.allocate().is_ok(), "she is remembered");
    assert_eq!((late.refresh(None), late.refresh(None)), (Ok(600), Ok(600)));
    world.advance(1);
    assert_eq!((late.refresh(None), world.client().allocate()), (Err(401), Err(401)));
}

#[test]
fn a_changed_password_is_found_out() {
    let world = World::of(Profile::Default);
    let client = allocated(&world);
    world.set_password("alice", "a-new-one");
    world.advance(KEY_SECS);
    assert_eq!(client.refresh(None), Err(401), "the old one is good no more");
    let changed = world.client().at(&client.tuple().client.to_string()).login(b"alice", b"a-new-one");
    let changed = changed.with_nonce(client.nonce());
    world.lookups();
    assert_eq!((changed.refresh(None), changed.refresh(None), world.lookups()), (Ok(600), Ok(600), 1));
}

#[test]
fn the_database_is_asked_once_a_minute() {
    let world = World::of(Profile::Default);
    let client = allocated(&world);
    for minute in 0..5 {
        world.advance(KEY_SECS);
        assert!((0..10).all(|_| client.refresh(None) == Ok(600)), "minute {minute}");
        assert_eq!(world.lookups(), 1, "minute {minute}");
    }
}

// Who was known a minute ago is served; the others hear that it is our fault.
#[test]
fn a_database_that_fails_ends_no_call() {
    let world = World::of(Profile::Default);
    let client = allocated(&world);
    world.look_ups(Pace::Failing);
    for minute in 0..30 {
        world.advance(KEY_SECS);
        let reply = client.request(Method::REFRESH).send().expect("an answer");
        assert_eq!((reply.code(), reply.is_signed_by(&client.key())), (200, true), "minute {minute}");
        assert_eq!((client.refresh(None), world.lookups()), (Ok(600), 1), "minute {minute}");
    }
    let guess = world.client().at(&client.tuple().client.to_string()).login(b"alice", b"guess");
    assert_eq!(guess.with_nonce(client.nonce()).refresh(None), Err(500));
    assert_eq!(world.client().allocate(), Err(500));
    world.look_ups(Pace::Prompt);
    world.remove_user("alice");
    world.advance(KEY_SECS);
    assert_eq!(client.refresh(None), Err(401), "as soon as somebody can be asked");
}

// It may answer nothing at all: five seconds are waited, once a minute.
#[test]
fn a_database_that_hangs_ends_no_call() {
    let world = World::of(Profile::Default);
    let (client, stranger) = (allocated(&world), world.client());
    stranger.nonce();
    world.advance(KEY_SECS);
    world.look_ups(Pace::Held);
    let (refresh, allocate) = (client.request(Method::REFRESH), stranger.request(Method::ALLOCATE).transport(17));
    assert_eq!((refresh.once(), refresh.once(), allocate.once()), (None, None, None));
    assert_eq!(world.parked(), 2, "a retransmission waits with its request");
    world.advance(5);
    let [reply] = client.replies(refresh.transaction()).try_into().expect("one answer");
    assert_eq!((reply.code(), reply.is_signed_by(&client.key())), (200, true));
    assert_eq!((stranger.replies(allocate.transaction()).len(), world.parked()), (0, 0));
    assert_eq!(client.refresh(None), Ok(600), "for a minute without a question");
    // What comes too late changes nothing.
    world.answer_held();
    assert_eq!(client.replies(refresh.transaction()), []);
}

#[test]
fn a_database_with_too_much_to_do_ends_no_call() {
    let world = World::of(Profile::Default);
    let client = allocated(&world);
    let crowd: Vec<_> = (0..64).map(|_| world.client().named(BOB)).collect();
    crowd.iter().for_each(|source| drop(source.nonce()));
    world.advance(KEY_SECS);
    world.look_ups(Pace::Held);
    for source in &crowd {
        (0..64).for_each(|_| source.request(Method::ALLOCATE).transport(17).dispatch());
    }
    assert_eq!((world.parked(), client.refresh(None)), (4096, Ok(600)));
    world.drops();
    assert_eq!(client.refresh(Some(0)), Ok(0));
}

// Nor may a request be made too long to be asked about.
#[test]
fn a_long_request_does_not_keep_a_deleted_user() {
    let world = World::of(Profile::Default);
    let client = allocated(&world);
    let long = || client.request(Method::REFRESH).attribute(AttributeType(0x8FFF), &[0; 5000]);
    assert_eq!(long().code(), 200);
    world.remove_user("alice");
    world.advance(KEY_SECS);
    world.drops();
    assert_eq!((long().once(), world.drops()), (None, vec![DropReason::TooLarge]));
}

// An allocation outlives its time-limited credential, and nobody is asked about that.
#[test]
fn time_limited_names_are_not_asked_about() {
    const SECRET: &str = "a-secret-of-the-operator";
    let world = Setup::of(Profile::Default).secrets(&[SECRET]).build();
    let name = format!("{}:fred", world.now().wall.0 + 100);
    let client = world.client().login(name.as_bytes(), rest::password(SECRET.as_bytes(), name.as_bytes()).as_bytes());
    client.allocate().expect("an allocation");
    world.lookups();
    for _ in 0..10 {
        world.advance(500);
        assert_eq!(client.refresh(None), Ok(600));
    }
    assert_eq!(world.lookups(), 0);
}

#[test]
fn whoever_takes_over_asks_when_the_one_before_would_have() {
    let world = World::of(Profile::Default);
    let client = allocated(&world);
    world.advance(KEY_SECS - 1);
    world.replace(0, world.export(0));
    assert_eq!((client.refresh(None), world.lookups()), (Ok(600), 0));
    world.advance(1);
    world.replace(0, world.export(0));
    assert_eq!((client.refresh(None), world.lookups()), (Ok(600), 1));
}

// The nonce is judged when it is known who asks; a database that fails does not make an old one good.
#[test]
fn a_nonce_that_is_too_old_is_told_to_the_owner() {
    let world = World::of(Profile::Default);
    let client = allocated(&world);
    world.advance(590);
    assert_eq!(client.refresh(None), Ok(600));
    world.advance(11);
    assert_eq!(client.request(Method::REFRESH).once().map(|reply| reply.code()), Some(438));
    world.look_ups(Pace::Failing);
    world.advance(KEY_SECS);
    assert_eq!(client.request(Method::REFRESH).once().map(|reply| reply.code()), Some(438));
}
