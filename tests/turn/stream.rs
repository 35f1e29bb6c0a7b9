//! Clients on streams, and requests that wait while the world changes (RFC 8656 section 5, RFC 8489 section 6.2.2).

use crate::world::{Pace, Reply, Setup, World};
use turnserver::config::Profile;
use turnserver::stun::{AttributeType, Method};
use turnserver::turn::address::Transport;
use turnserver::turn::event::EndReason;
use turnserver::turn::{DropReason, Event};

const TRANSPORTS: [Transport; 3] = [Transport::Udp, Transport::Tcp, Transport::Tls];

// TRN-014: a connection that ends frees its allocation at once.
#[test]
fn a_disconnect_frees_everything_at_once() {
    for transport in [Transport::Tcp, Transport::Tls] {
        let world = World::of(Profile::Default);
        let (client, peer) = (world.client().over(transport), world.peer("8.8.4.4:5000"));
        let relayed = client.allocate().expect("an allocation");
        assert_eq!(client.bind(0x4000, peer.addr()), 200);
        world.events();
        client.disconnect();
        assert_eq!((world.allocations(), world.relay_sockets(), world.census().0), (0, 0, 0));
        assert!(!peer.send_to(relayed, b"x"));
        let told = world.events();
        assert!(
            matches!(told.last(), Some(Event::AllocationEnded { reason: EndReason::Disconnected, .. })),
            "{told:?}"
        );
        assert_eq!(client.refresh(None), Err(437), "a new connection from the same port is new");
        assert!(client.allocate().is_ok());
    }
}

#[test]
fn a_disconnect_frees_the_place_of_its_user() {
    let world = Setup::with(Profile::Default, "user-quota = 1").build();
    let client = world.client().over(Transport::Tcp);
    client.allocate().expect("an allocation");
    assert_eq!(world.client().allocate(), Err(486));
    client.disconnect();
    assert!(world.client().allocate().is_ok());
}

#[test]
fn a_disconnect_without_allocation_is_nothing() {
    let world = World::of(Profile::Default);
    let client = world.client().over(Transport::Tls);
    client.disconnect();
    client.nonce();
    client.disconnect();
    assert_eq!((world.events().len(), world.allocations()), (0, 0));
}

// TRN-014: nothing begins for a connection that is gone, wherever its request waited.
#[test]
fn a_request_that_waits_dies_with_its_connection() {
    for (lookups, openings) in [(Pace::Held, Pace::Prompt), (Pace::Prompt, Pace::Held)] {
        for even in [false, true] {
            let world = World::of(Profile::Default);
            world.look_ups(lookups);
            world.openings(openings);
            let client = world.client().over(Transport::Tcp);
            let bystander = world.client().over(Transport::Tcp);
            client.nonce();
            bystander.nonce();
            let request = client.request(Method::ALLOCATE).transport(17);
            let request = if even { request.even(true) } else { request };
            let other = bystander.request(Method::ALLOCATE).transport(17);
            assert_eq!((request.once(), other.once()), (None, None));
            client.disconnect();
            assert_eq!(world.parked(), 1);
            world.answer_held();
            world.answer_held();
            assert_eq!((world.allocations(), world.relay_sockets()), (1, 1), "the bystander's");
            assert_eq!(client.frames(), Vec::<Vec<u8>>::new());
            assert_eq!(other_code(bystander.replies(other.transaction())), Some(200));
            world.advance(60);
            assert_eq!((world.reservations(), world.census().0), (0, 1));
            assert_eq!(request.once(), None, "the same bytes on a new connection are a new request");
            world.answer_held();
            assert_eq!(other_code(client.replies(request.transaction())), Some(200));
        }
    }
}

fn other_code(replies: Vec<Reply>) -> Option<u16> {
    replies.first().map(Reply::code)
}

// TURN-005, ALLOC-004, T10; our rules: the same answer for 40 s, on every transport.
#[test]
fn a_retransmitted_allocate_gets_the_same_answer_for_forty_seconds() {
    for profile in Profile::ALL {
        for transport in TRANSPORTS {
            let world = World::of(profile);
            let client = world.client().over(transport);
            client.nonce();
            let request = client.request(Method::ALLOCATE).transport(17).even(true).lifetime(900);
            let first = request.once().expect("an answer");
            assert_eq!(first.code(), 200);
            for _ in 0..4 {
                assert_eq!(request.once().as_ref(), Some(&first));
                world.advance(9);
            }
            world.advance(3);
            assert_eq!(request.once().as_ref(), Some(&first), "at 39 s");
            world.advance(1);
            assert_eq!(request.once().map(|reply| reply.code()), Some(437), "at 40 s");
            assert_eq!((world.allocations(), world.relay_sockets()), (1, 1));
            assert_eq!(client.refresh(None), Ok(600));
        }
    }
}

// TURN-005: one state, one answer, whatever is repeated.
#[test]
fn repeated_requests_leave_one_state() {
    for transport in TRANSPORTS {
        let world = World::of(Profile::Default);
        let (client, peer) = (world.client().over(transport), world.peer("8.8.4.4:5000"));
        client.allocate().expect("an allocation");
        let permit = client.request(Method::CREATE_PERMISSION).peer(peer.addr());
        let bind = client.request(Method::CHANNEL_BIND).channel(0x4000).peer(peer.addr());
        let refresh = client.request(Method::REFRESH).lifetime(700);
        for request in [permit, bind, refresh] {
            let first = request.once().expect("an answer");
            assert_eq!(first.code(), 200);
            let state = world.export(0);
            assert_eq!(request.once(), Some(first));
            assert!(world.export(0) == state);
        }
        peer.send_to(client.relayed(), b"x");
        assert_eq!(client.received().len(), 1);
    }
}

// TURN-005: a retransmission of a request that waits already is not asked a second time.
#[test]
fn a_retransmission_of_a_waiting_request_waits_with_it() {
    for transport in TRANSPORTS {
        let world = World::of(Profile::Default);
        world.look_ups(Pace::Held);
        world.openings(Pace::Held);
        let client = world.client().over(transport);
        client.nonce();
        let request = client.request(Method::ALLOCATE).transport(17);
        for _ in 0..3 {
            assert_eq!(request.once(), None);
        }
        assert_eq!((world.held(), world.parked()), (1, 1));
        world.answer_held();
        assert_eq!((request.once(), world.held(), world.parked()), (None, 1, 1), "now it waits for a port");
        world.answer_held();
        assert_eq!(client.replies(request.transaction()).len(), 1, "one answer to all of them");
        assert_eq!((world.allocations(), world.parked()), (1, 0));
    }
}

// Our rules: parked 5 s, then silence; what is answered later begins nothing.
#[test]
fn a_request_waits_for_five_seconds_at_most() {
    for (lookups, openings) in [(Pace::Held, Pace::Prompt), (Pace::Prompt, Pace::Held)] {
        let world = World::of(Profile::Default);
        world.look_ups(lookups);
        world.openings(openings);
        let client = world.client();
        client.nonce();
        let request = client.request(Method::ALLOCATE).transport(17);
        assert_eq!(request.once(), None);
        world.advance(4);
        assert_eq!(world.parked(), 1);
        world.advance(2);
        assert_eq!(world.parked(), 0);
        world.answer_held();
        assert_eq!((world.allocations(), world.relay_sockets(), world.census().0), (0, 0, 0));
        assert_eq!(client.frames(), Vec::<Vec<u8>>::new());
        assert_eq!(request.once(), None, "asked anew");
        world.answer_held();
        assert_eq!(client.replies(request.transaction())[0].code(), 200);
    }
}

// Our rules: 64 requests of a source may wait, of 4 KiB at most.
#[test]
fn what_waits_is_bounded() {
    let world = World::of(Profile::Default);
    world.look_ups(Pace::Held);
    let nonce = world.client().over(Transport::Tcp).at("203.0.113.7:1").nonce();
    let request = |number: u16| {
        let client = world.client().at(&format!("203.0.113.7:{}", 1024 + number)).over(Transport::Tcp);
        let client = client.with_nonce(nonce.clone());
        client.request(Method::ALLOCATE).transport(17).dispatch();
    };
    world.drops();
    (0..64).for_each(&request);
    assert_eq!((world.parked(), world.drops()), (64, vec![DropReason::Parked; 64]));
    request(5000);
    assert_eq!((world.parked(), world.drops()), (64, vec![DropReason::Busy]));
    world.advance(6);
    assert_eq!(world.parked(), 0);
    request(5001);
    assert_eq!(world.parked(), 1);
    let client = world.client();
    client.request(Method::ALLOCATE).transport(17).attribute(AttributeType(0xC000), &[0; 4000]).dispatch();
    assert_eq!((world.parked(), world.drops()), (1, vec![DropReason::Parked, DropReason::TooLarge]));
}

// Two Allocates at once from one 5-tuple: one allocation, one mismatch, nothing lost.
#[test]
fn of_two_allocates_that_wait_together_one_wins() {
    for (lookups, openings) in [(Pace::Held, Pace::Prompt), (Pace::Held, Pace::Held), (Pace::Prompt, Pace::Held)] {
        let world = World::of(Profile::Default);
        world.look_ups(lookups);
        world.openings(openings);
        let client = world.client();
        client.nonce();
        let requests = [(); 3].map(|()| client.request(Method::ALLOCATE).transport(17));
        requests.iter().for_each(|request| assert_eq!(request.once(), None));
        world.answer_held();
        world.answer_held();
        let codes: Vec<u16> = requests
            .iter()
            .flat_map(|request| client.replies(request.transaction()))
            .map(|reply| reply.code())
            .collect();
        assert_eq!(codes, [200, 437, 437]);
        assert_eq!((world.allocations(), world.relay_sockets(), world.parked(), world.census().0), (1, 1, 0, 1));
    }
}
