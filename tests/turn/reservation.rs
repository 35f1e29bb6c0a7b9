//! EVEN-PORT and RESERVATION-TOKEN (RFC 8656 sections 7.2, 18.7 and 18.10).

use std::collections::BTreeSet;
use std::net::SocketAddr;

use crate::world::{BOB, Pace, Setup, TestClient, World};
use turnserver::config::Profile;
use turnserver::stun::{AttributeType, Method};
use turnserver::turn::address::Transport;

/// Allocates an even port with the next one reserved: its relayed address and the token.
fn reserve(client: &TestClient) -> (SocketAddr, [u8; 8]) {
    let reply = client.request(Method::ALLOCATE).transport(17).even(true).send().expect("an answer");
    assert_eq!(reply.code(), 200);
    client.learn(&reply);
    (reply.relayed()[0], reply.token().expect("a token"))
}

/// Allocates what a token stands for; gives the relayed address or the code.
fn claim(client: &TestClient, token: &[u8]) -> Result<SocketAddr, u16> {
    let reply = client.request(Method::ALLOCATE).transport(17).token(token).send().expect("an answer");
    client.learn(&reply);
    match reply.code() {
        200 => Ok(reply.relayed()[0]),
        code => Err(code),
    }
}

fn next_to(relayed: SocketAddr) -> SocketAddr {
    SocketAddr::new(relayed.ip(), relayed.port() + 1)
}

// ALLOC-017
#[test]
fn an_even_port_is_even_and_reserves_nothing() {
    let world = World::of(Profile::Default);
    for _ in 0..50 {
        let client = world.client();
        let reply = client.request(Method::ALLOCATE).transport(17).even(false).send().expect("an answer");
        assert_eq!((reply.code(), reply.relayed()[0].port() % 2, reply.token()), (200, 0, None));
    }
    assert_eq!((world.reservations(), world.census().0), (0, 50));
}

// ALLOC-001, ALLOC-018: another socket, another transport, another user, another worker.
#[test]
fn a_token_gives_the_next_port_to_whoever_shows_it() {
    for profile in Profile::ALL {
        let world = Setup::of(profile).workers(2).build();
        let claimants: [fn(TestClient) -> TestClient; 4] = [
            |client| client,
            |client| client.over(Transport::Tls),
            |client| client.named(BOB),
            |client| client.on_worker(1).at("203.0.113.222:5"),
        ];
        for (index, claimant) in claimants.into_iter().enumerate() {
            let (relayed, token) = reserve(&world.client());
            assert_eq!(relayed.port() % 2, 0);
            assert_eq!(claim(&claimant(world.client()), &token), Ok(next_to(relayed)), "claimant {index}");
        }
        assert_eq!((world.reservations(), world.allocations(), world.census().0), (0, 8, 8));
    }
}

// ALLOC-018: nobody else gets the reserved port meanwhile.
#[test]
fn a_reserved_port_is_given_to_nobody_else() {
    let world = Setup::of(Profile::Default).ports(50_000..=50_009).build();
    let (relayed, token) = reserve(&world.client());
    for _ in 0..8 {
        assert_ne!(world.client().allocate().expect("eight are left").port(), relayed.port() + 1);
    }
    assert_eq!(world.client().allocate(), Err(508));
    assert_eq!(claim(&world.client(), &token), Ok(next_to(relayed)));
}

// The reserved port has no allocation: data for it goes nowhere (RFC 8656 section 7.2).
#[test]
fn data_for_a_reserved_port_goes_nowhere() {
    let world = World::of(Profile::Default);
    let (owner, peer) = (world.client(), world.peer("8.8.4.4:5000"));
    let (relayed, token) = reserve(&owner);
    assert_eq!(owner.permit(&[peer.addr()]), 200);
    assert!(!peer.send_to(next_to(relayed), b"early"));
    let second = world.client();
    claim(&second, &token).expect("the reserved port");
    assert!(peer.send_to(next_to(relayed), b"still without permission"));
    assert_eq!(second.received(), []);
}

// ALLOC-010
#[test]
fn an_unknown_or_used_token_is_refused() {
    let world = Setup::of(Profile::Default).workers(2).build();
    let (_, token) = reserve(&world.client());
    assert_eq!(claim(&world.client(), &[7; 8]), Err(508));
    let mut altered = token;
    altered[7] ^= 1;
    assert_eq!(claim(&world.client(), &altered), Err(508));
    let holder = world.client().on_worker(1);
    assert!(claim(&holder, &token).is_ok());
    assert_eq!(claim(&world.client(), &token), Err(508));
    assert_eq!(claim(&world.client().on_worker(1), &token), Err(508));
    assert_eq!(holder.refresh(Some(0)), Ok(0));
    assert_eq!(claim(&world.client(), &token), Err(508), "a token is good for once");
}

// ALLOC-019; our rules: 30 s, coturn profile 300 s.
#[test]
fn a_token_ends_at_the_second() {
    for (profile, held_secs) in [(Profile::Default, 30), (Profile::Hardened, 30), (Profile::Coturn, 300)] {
        let world = Setup::of(profile).ports(50_000..=50_003).build();
        let (relayed, token) = reserve(&world.client());
        world.advance(held_secs - 1);
        assert_eq!(world.reservations(), 1);
        assert_eq!(claim(&world.client(), &token), Ok(next_to(relayed)));

        let (_, late) = reserve(&world.client());
        world.advance(held_secs);
        assert_eq!(world.reservations(), 0);
        assert_eq!(claim(&world.client(), &late), Err(508));
        assert!(world.client().allocate().is_ok(), "the port is free again");
        assert_eq!(world.client().allocate(), Err(508));
    }
}

// ALLOC-019: what was claimed is not taken away when the reservation's time is over.
#[test]
fn a_claimed_port_outlives_the_reservation() {
    let world = Setup::of(Profile::Default).workers(2).build();
    let peer = world.peer("8.8.4.4:5000");
    let (relayed, token) = reserve(&world.client());
    let holder = world.client().on_worker(1);
    claim(&holder, &token).expect("the reserved port");
    world.advance(60);
    assert_eq!(holder.permit(&[peer.addr()]), 200);
    assert!(peer.send_to(next_to(relayed), b"x"));
    assert_eq!(holder.received().len(), 1);
}

// RFC 8656 section 7.2: the reservation does not end with the allocation it was made by.
#[test]
fn a_reservation_outlives_its_allocation() {
    let world = World::of(Profile::Default);
    let client = world.client();
    let (relayed, token) = reserve(&client);
    assert_eq!(client.refresh(Some(0)), Ok(0));
    assert_eq!(claim(&client, &token), Ok(next_to(relayed)));
}

// ALLOC-009, ALLOC-016; RFC 8656 section 7.2 steps 5 and 8.
#[test]
fn contradictory_wishes_are_bad_requests() {
    for profile in Profile::ALL {
        let world = World::of(profile);
        let (_, token) = reserve(&world.client());
        let client = world.client();
        let allocate = || client.request(Method::ALLOCATE).transport(17);
        assert_eq!(allocate().token(&token).even(false).code(), 400);
        assert_eq!(allocate().token(&token).even(true).code(), 400);
        assert_eq!(allocate().token(&token).family(1).code(), 400);
        assert_eq!(allocate().token(&token).additional(2).code(), 400);
        assert_eq!(allocate().additional(2).even(true).code(), 400);
        assert_eq!(allocate().token(&token).code(), 200, "the token is still good");
        let other = world.client();
        let reply = other.request(Method::ALLOCATE).transport(17).additional(2).even(false).send().expect("an answer");
        assert_eq!(reply.code(), 200);
        assert!(reply.relayed().iter().all(|relayed| relayed.port() % 2 == 0));
    }
}

// ALLOC-020
#[test]
fn without_a_pair_of_ports_the_answer_is_508() {
    for ports in [50_000..=50_000, 50_001..=50_001, 50_001..=50_002] {
        let world = Setup::of(Profile::Default).ports(ports.clone()).build();
        let client = world.client();
        assert_eq!(client.request(Method::ALLOCATE).transport(17).even(true).code(), 508, "{ports:?}");
        assert_eq!((world.census().0, world.reservations()), (0, 0));
        assert!(client.allocate().is_ok(), "{ports:?}: one port is there");
    }
}

// ALLOC-018
#[test]
fn tokens_cannot_be_guessed_from_each_other() {
    let world = Setup::with(Profile::Default, "user-quota = 0").build();
    let tokens: BTreeSet<[u8; 8]> = (0..100).map(|_| reserve(&world.client()).1).collect();
    assert_eq!(tokens.len(), 100);
    for place in 1..8 {
        let bytes: BTreeSet<u8> = tokens.iter().map(|token| token[place]).collect();
        assert!(bytes.len() > 50, "byte {place} takes {} values", bytes.len());
    }
}

// Our rules: an unknown token is said before the quota, and a full quota does not use it up.
#[test]
fn a_full_quota_leaves_the_reservation_as_it_is() {
    let world = Setup::with(Profile::Default, "user-quota = 2").build();
    let (relayed, token) = reserve(&world.client());
    let bobs = [world.client().named(BOB), world.client().named(BOB)];
    assert!(bobs.iter().all(|bob| bob.allocate().is_ok()));
    assert_eq!(claim(&world.client().named(BOB), &[1; 8]), Err(508));
    assert_eq!(claim(&world.client().named(BOB), &token), Err(486));
    assert_eq!(world.reservations(), 1);
    assert_eq!(bobs[0].refresh(Some(0)), Ok(0));
    assert_eq!(claim(&world.client().named(BOB), &token), Ok(next_to(relayed)));
    assert!(world.client().allocate().is_ok(), "the place the reservation took is Alice's again");
}

// TURN-006: a reserved port is a port taken. Else one user could have all of them, a few at a time.
#[test]
fn a_reservation_takes_a_place_of_the_quota() {
    let world = Setup::with(Profile::Default, "user-quota = 2").build();
    let client = world.client();
    let (relayed, token) = reserve(&client);
    assert_eq!(world.client().allocate(), Err(486));
    assert_eq!(claim(&world.client(), &token), Ok(next_to(relayed)), "its place goes on to who claims it");
    assert_eq!((world.client().allocate(), client.refresh(Some(0))), (Err(486), Ok(0)));
    let other = world.client();
    assert_eq!(other.request(Method::ALLOCATE).transport(17).even(true).code(), 486, "two places are needed");
    assert!(other.allocate().is_ok());
    world.advance(601);
    reserve(&client);
    assert_eq!(client.refresh(Some(0)), Ok(0));
    assert!(world.client().allocate().is_ok());
    assert_eq!(world.client().allocate(), Err(486));
    world.advance(30);
    assert!(world.client().allocate().is_ok(), "its time is over");
}

// RFC 8656 section 7.2: a pair that comes too late for its request is given back, the reserved half as well.
#[test]
fn a_pair_opened_too_late_is_given_back_whole() {
    let world = World::of(Profile::Default);
    world.openings(Pace::Held);
    let client = world.client();
    client.nonce();
    let request = client.request(Method::ALLOCATE).transport(17).even(true);
    assert_eq!(request.once(), None);
    world.advance(10);
    assert_eq!(world.parked(), 0);
    world.answer_held();
    world.advance(60);
    assert_eq!((world.reservations(), world.relay_sockets(), world.census().0), (0, 0, 0));
    assert_eq!(client.replies(request.transaction()), []);
}

// The same when another Allocate of the client was quicker.
#[test]
fn a_pair_for_a_client_that_has_an_allocation_is_given_back_whole() {
    let world = World::of(Profile::Default);
    world.openings(Pace::Held);
    let client = world.client();
    client.nonce();
    let first = client.request(Method::ALLOCATE).transport(17);
    let second = client.request(Method::ALLOCATE).transport(17).even(true);
    assert_eq!((first.once(), second.once()), (None, None));
    world.answer_held();
    assert_eq!(client.replies(first.transaction())[0].code(), 200);
    let refused = client.replies(second.transaction());
    assert_eq!((refused[0].code(), refused[0].token()), (437, None));
    assert_eq!((world.reservations(), world.relay_sockets(), world.census().0), (0, 1, 1));
    assert!(!refused[0].has(AttributeType::XOR_RELAYED_ADDRESS));
}
