//! Looking users up: when, how often, and what a changed or deleted user means for a live allocation.

use std::time::Duration;

use crate::world::{BOB, NONCE_KEY, Pace, Setup, TestClient, WALL_START, World};
use turnserver::config::Profile;
use turnserver::stun::Method;
use turnserver::turn::time::{Mono, Now, UnixTime};

fn allocated(world: &World) -> TestClient {
    let client = world.client();
    client.allocate().expect("an allocation");
    world.lookups();
    client
}

// Our rules: no look-up before return routability.
#[test]
fn a_user_is_looked_up_once_the_nonce_came_back() {
    let world = World::of(Profile::Default);
    let client = world.client();
    assert_eq!(client.request(Method::ALLOCATE).transport(17).bare().code(), 401);
    assert_eq!(client.request(Method::ALLOCATE).transport(17).nonce(b"forged").code(), 438);
    assert_eq!(world.lookups(), 0);
    client.allocate().expect("an allocation");
    assert_eq!(world.lookups(), 1);
}

// The allocation's key is enough for what its owner asks: the database may be slow.
#[test]
fn a_live_allocation_needs_no_look_up() {
    let world = World::of(Profile::Default);
    let client = allocated(&world);
    world.look_ups(Pace::Held);
    let peer = world.peer("8.8.4.4:5000");
    assert_eq!(
        (client.refresh(None), client.permit(&[peer.addr()]), client.bind(0x4000, peer.addr())),
        (Ok(600), 200, 200)
    );
    assert_eq!(client.request(Method::ALLOCATE).transport(17).code(), 437);
    assert_eq!((world.lookups(), client.refresh(Some(0))), (0, Ok(0)));
}

// Our rules: a changed password works on a live allocation.
#[test]
fn a_changed_password_is_found_on_a_live_allocation() {
    let world = World::of(Profile::Default);
    let client = allocated(&world);
    world.set_password("alice", "a-new-one");
    let changed = world.client().at(&client.tuple().client.to_string()).login(b"alice", b"a-new-one");
    let changed = changed.with_nonce(client.nonce());
    let reply = changed.request(Method::REFRESH).once().expect("an answer");
    assert_eq!((reply.code(), reply.is_signed_by(&changed.key())), (200, true));
    assert_eq!((changed.refresh(None), world.lookups()), (Ok(600), 1), "and remembered");
    assert_eq!(client.refresh(None), Err(401), "the old one is good no more");
}

// Our rules: the database is asked at most once per user and second.
#[test]
fn wrong_passwords_on_a_live_allocation_ask_the_database_once_a_second() {
    let world = Setup::with(Profile::Default, "auth-failures-per-minute = 0").build();
    let client = allocated(&world);
    let wrong = world.client().at(&client.tuple().client.to_string()).login(b"alice", b"wrong");
    let wrong = wrong.with_nonce(client.nonce());
    for second in 1..=5 {
        for _ in 0..20 {
            assert_eq!(wrong.refresh(None), Err(401));
            world.advance_by(Duration::from_millis(50));
        }
        assert_eq!(world.lookups(), 1, "second {second}");
    }
    assert_eq!(client.refresh(None), Ok(600), "who is right is served meanwhile");
    world.set_password("alice", "a-new-one");
    let changed = world.client().at(&client.tuple().client.to_string()).login(b"alice", b"a-new-one");
    let changed = changed.with_nonce(client.nonce());
    assert_eq!(wrong.refresh(None), Err(401));
    assert_eq!(changed.refresh(None), Err(401), "within the second nobody asks");
    world.advance(1);
    assert_eq!(changed.refresh(None), Ok(600));
}

// A look-up whose user another one took the allocation of meanwhile: judged by what is there when it is answered.
#[test]
fn what_a_look_up_finds_is_judged_when_it_comes() {
    let world = World::of(Profile::Default);
    let (alice, bob) = (world.client(), world.client().named(BOB));
    let bob = bob.at(&alice.tuple().client.to_string());
    alice.nonce();
    let bob = bob.with_nonce(alice.nonce());
    world.look_ups(Pace::Held);
    let late = bob.request(Method::REFRESH);
    let allocate = alice.request(Method::ALLOCATE).transport(17);
    assert_eq!((allocate.once(), late.once()), (None, None));
    world.answer_held();
    assert_eq!(alice.replies(allocate.transaction())[0].code(), 200);
    assert_eq!(bob.replies(late.transaction())[0].code(), 441);
}

// A nonce that ends while its request waits is stale when the user is found.
#[test]
fn a_nonce_that_ends_in_the_waiting_is_stale() {
    let world = World::of(Profile::Default);
    let client = world.client();
    client.nonce();
    world.advance(598);
    world.look_ups(Pace::Held);
    let request = client.request(Method::ALLOCATE).transport(17);
    assert_eq!(request.once(), None);
    world.advance(4);
    world.answer_held();
    assert_eq!(client.replies(request.transaction())[0].code(), 438);
}

// TURN-006; our rules: allocations per user 100, unlimited, 10.
#[test]
fn a_user_has_as_many_allocations_as_the_profile_says() {
    for (profile, max) in [(Profile::Default, 100), (Profile::Hardened, 10)] {
        let world = World::of(profile);
        let clients: Vec<TestClient> = (0..max).map(|_| world.client()).collect();
        assert!(clients.iter().all(|client| client.allocate().is_ok()));
        let refused = world.client();
        let reply = refused.request(Method::ALLOCATE).transport(17).send().expect("an answer");
        assert_eq!((reply.code(), reply.is_signed_by(&refused.key())), (486, true));
        assert!(world.client().named(BOB).allocate().is_ok(), "others are not concerned");
        assert_eq!(clients[0].refresh(Some(0)), Ok(0));
        assert!(refused.allocate().is_ok(), "a place is free as soon as its allocation ends");
        assert_eq!(world.client().allocate(), Err(486));
        world.advance(601);
        assert!(world.client().allocate().is_ok());
    }
    let world = World::of(Profile::Coturn);
    assert!((0..300).all(|_| world.client().allocate().is_ok()));
}

#[test]
fn the_server_has_as_many_allocations_as_configured() {
    let world = Setup::with(Profile::Default, "total-quota = 3").build();
    let clients = [world.client(), world.client().named(BOB), world.client()];
    assert!(clients.iter().all(|client| client.allocate().is_ok()));
    assert_eq!((world.client().allocate(), world.client().named(BOB).allocate()), (Err(486), Err(486)));
    assert_eq!(clients[1].refresh(Some(0)), Ok(0));
    assert!(world.client().allocate().is_ok());
}

// RFC 8656 section 5: what ended is over at once, also for another user, whether its timer has fired or not.
#[test]
fn the_5_tuple_of_an_allocation_that_ended_is_free_for_anybody() {
    let start = Now { mono: Mono(1_000_500_000_000), wall: UnixTime(WALL_START) };
    let world = Setup::with(Profile::Default, "stale-nonce = 0").now(start).build();
    let alice = world.client();
    alice.allocate().expect("an allocation");
    let bob = world.client().named(BOB).at(&alice.tuple().client.to_string()).with_nonce(alice.nonce());
    assert_eq!(bob.refresh(None), Err(441));
    world.advance_by(Duration::from_millis(600_200));
    assert_eq!((world.allocations(), bob.refresh(None), alice.refresh(None)), (1, Err(437), Err(437)));
    assert!(bob.allocate().is_ok());
    assert_eq!((world.allocations(), world.relay_sockets(), alice.refresh(None)), (1, 1, Err(441)));
}

// AUTH-022, INT-008; our rules: nonces survive restarts, allocations do not.
#[test]
fn after_a_restart_a_nonce_is_good_and_the_allocation_is_gone() {
    let before = World::of(Profile::Default);
    let client = before.client();
    client.allocate().expect("an allocation");
    let after = Setup::of(Profile::Default).seed(99).nonce_keys(NONCE_KEY, None).build();
    let same = after.client().at(&client.tuple().client.to_string()).with_nonce(client.nonce());
    assert_eq!(same.request(Method::REFRESH).once().map(|reply| reply.code()), Some(437));
    assert!(same.allocate().is_ok());
    let rekeyed = Setup::of(Profile::Default).nonce_keys([9; 32], Some(NONCE_KEY)).build();
    let same = rekeyed.client().at(&client.tuple().client.to_string()).with_nonce(client.nonce());
    assert_eq!(same.request(Method::ALLOCATE).transport(17).once().map(|reply| reply.code()), Some(200));
}

// SEC-014; our rules: 100 a second, burst 500, over UDP, for what nobody earned.
#[test]
fn answers_that_nobody_earned_have_a_budget() {
    let world = World::of(Profile::Default);
    let flooder = world.client();
    let codes: Vec<u16> = (0..600).map(|_| flooder.request(Method::ALLOCATE).transport(17).bare().code()).collect();
    assert!(codes[..500].iter().all(|code| *code == 401) && codes[500..].iter().all(|code| *code == 0));
    assert_eq!(flooder.request(Method::BINDING).bare().code(), 0);
    let neighbour = world.client().at("203.0.113.99:5");
    assert_eq!(neighbour.request(Method::BINDING).bare().code(), 200);
    world.advance(1);
    assert_eq!((0..200).filter(|_| flooder.request(Method::BINDING).bare().code() == 200).count(), 100);
}

// The same for a retransmission, which the coturn profile answers before it looks at credentials.
#[test]
fn a_retransmission_is_answered_when_the_budget_is_used_up() {
    let world = Setup::with(Profile::Coturn, "unauthorized-ratelimit-rps = 5").build();
    let client = world.client();
    client.nonce();
    let request = client.request(Method::ALLOCATE).transport(17);
    let answer = request.once().expect("an answer");
    while client.request(Method::BINDING).bare().code() == 200 {}
    assert_eq!(client.request(Method::ALLOCATE).transport(17).code(), 0, "a mismatch is not earned there");
    assert_eq!((answer.code(), request.once()), (200, Some(answer)));
}

// Our rules: what is earned is not budgeted, nor are streams, whose source cannot be forged.
#[test]
fn who_is_authenticated_or_on_a_stream_is_not_held_up() {
    let world = World::of(Profile::Default);
    let client = allocated(&world);
    while client.request(Method::BINDING).bare().code() == 200 {}
    assert!((0..1000).all(|_| client.refresh(None) == Ok(600)));
    let stream = world.client().over(turnserver::turn::address::Transport::Tcp).at("203.0.113.88:5");
    assert!((0..1000).all(|_| stream.request(Method::BINDING).bare().code() == 200));
}
