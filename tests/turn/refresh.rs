//! Refresh, and the end of an allocation (RFC 8656 sections 5 and 8).

use crate::world::{BOB, Received, Setup, World};
use turnserver::config::Profile;
use turnserver::stun::{AttributeType, Method};
use turnserver::turn::Event;
use turnserver::turn::address::Transport;
use turnserver::turn::event::EndReason;

// REFR-001
#[test]
fn a_refresh_grants_what_an_allocate_grants() {
    let table = [
        (None, 600),
        (Some(1), 600),
        (Some(599), 600),
        (Some(600), 600),
        (Some(601), 601),
        (Some(3600), 3600),
        (Some(3601), 3600),
        (Some(u32::MAX), 3600),
    ];
    for profile in Profile::ALL {
        let client = World::of(profile).client();
        client.allocate().expect("an allocation");
        for (asked, granted) in table {
            assert_eq!(client.refresh(asked), Ok(granted), "asked {asked:?}");
        }
    }
}

// ALLOC-022, STUN-037
#[test]
fn a_lifetime_of_another_size_is_a_bad_request() {
    let world = World::of(Profile::Default);
    let client = world.client();
    client.allocate().expect("an allocation");
    for len in [0, 1, 3, 5, 8] {
        assert_eq!(client.request(Method::REFRESH).attribute(AttributeType::LIFETIME, &vec![0; len]).code(), 400);
    }
    assert_eq!(world.allocations(), 1);
}

// STUN-020, STUN-023
#[test]
fn of_two_lifetimes_the_first_counts_and_strange_attributes_are_ignored() {
    let world = World::of(Profile::Default);
    let client = world.client();
    client.allocate().expect("an allocation");
    let reply = client.request(Method::REFRESH).lifetime(700).lifetime(0).even(true).channel(1).send();
    assert_eq!(reply.and_then(|reply| reply.lifetime()), Some(700));
    let reply = client.request(Method::REFRESH).lifetime(0).lifetime(600).send();
    assert_eq!(reply.and_then(|reply| reply.lifetime()), Some(0));
    assert_eq!(world.allocations(), 0);
}

// REFR-008, TURN-010
#[test]
fn an_allocation_lives_for_its_lifetime_and_not_a_second_more() {
    for (asked, secs) in [(None, 600), (Some(900), 900), (Some(3600), 3600)] {
        let world = World::of(Profile::Default);
        let client = world.client();
        let request = client.request(Method::ALLOCATE).transport(17);
        let request = asked.into_iter().fold(request, |request, asked| request.lifetime(asked));
        assert_eq!(request.code(), 200);
        world.advance(secs - 1);
        assert_eq!((world.allocations(), world.relay_sockets()), (1, 1));
        world.advance(2);
        assert_eq!((world.allocations(), world.relay_sockets()), (0, 0));
        assert_eq!(client.refresh(None), Err(437));
    }
}

// REFR-008
#[test]
fn a_refresh_counts_from_when_it_comes() {
    let world = World::of(Profile::Default);
    let client = world.client();
    client.allocate().expect("an allocation");
    for _ in 0..5 {
        world.advance(599);
        assert_eq!(client.refresh(None), Ok(600));
    }
    assert_eq!(client.refresh(Some(1800)), Ok(1800));
    assert_eq!(client.refresh(Some(600)), Ok(600), "a shorter lifetime counts as well");
    world.advance(601);
    assert_eq!(world.allocations(), 0);
}

// REFR-002, TURN-010
#[test]
fn a_lifetime_of_zero_ends_everything_at_once() {
    for profile in Profile::ALL {
        let world = World::of(profile);
        let (client, peer) = (world.client(), world.peer("8.8.4.4:5000"));
        let relayed = client.allocate().expect("an allocation");
        assert_eq!(client.bind(0x4000, peer.addr()), 200);
        let reply = client.request(Method::REFRESH).lifetime(0).send().expect("an answer");
        assert_eq!((reply.code(), reply.lifetime()), (200, Some(0)));
        assert!(reply.is_signed_by(&client.key()));
        assert_eq!((world.allocations(), world.relay_sockets()), (0, 0));
        assert!(!peer.send_to(relayed, b"x"));
        client.channel_send(0x4000, b"x");
        client.send_to(peer.addr(), b"x");
        assert_eq!(peer.received(), Vec::<Vec<u8>>::new());
        assert_eq!(client.refresh(None), Err(437));
        assert!(client.allocate().is_ok(), "the 5-tuple is free");
        client.send_to(peer.addr(), b"x");
        client.channel_send(0x4000, b"x");
        assert_eq!(peer.received(), Vec::<Vec<u8>>::new(), "and what comes after it starts empty");
    }
}

// REFR-003; our rules.
#[test]
fn a_repeated_delete_finds_nothing() {
    for transport in [Transport::Udp, Transport::Tcp, Transport::Tls] {
        let world = World::of(Profile::Default);
        let client = world.client().over(transport);
        client.allocate().expect("an allocation");
        let request = client.request(Method::REFRESH).lifetime(0);
        assert_eq!(request.once().map(|reply| reply.code()), Some(200));
        let again = request.once().expect("an answer");
        assert_eq!((again.code(), again.is_signed_by(&client.key())), (437, true));
    }
}

// TURN-001, AUTH-026, INT-008; coturn too says 437 to Refresh.
#[test]
fn a_refresh_without_allocation_is_a_mismatch_once_authenticated() {
    for profile in Profile::ALL {
        let client = World::of(profile).client();
        assert_eq!(client.request(Method::REFRESH).bare().code(), 401);
        let reply = client.request(Method::REFRESH).send().expect("an answer");
        assert_eq!((reply.code(), reply.is_signed_by(&client.key())), (437, true));
        assert_eq!(client.refresh(Some(0)), Err(437));
    }
}

// TURN-009: traffic is no Refresh.
#[test]
fn data_does_not_keep_an_allocation_alive() {
    let world = World::of(Profile::Default);
    let (client, peer) = (world.client(), world.peer("8.8.4.4:5000"));
    let relayed = client.allocate().expect("an allocation");
    assert_eq!(client.bind(0x4000, peer.addr()), 200);
    for second in 0..600 {
        if second % 200 == 0 {
            assert_eq!(client.permit(&[peer.addr()]), 200);
        }
        client.send_to(peer.addr(), b"a");
        client.channel_send(0x4000, b"b");
        assert!(peer.send_to(relayed, b"c"));
        world.advance(1);
    }
    world.advance(1);
    assert_eq!((world.allocations(), peer.send_to(relayed, b"c")), (0, false));
    assert_eq!((peer.received().len(), client.received().len()), (1200, 600));
}

// REFR-007
#[test]
fn a_refresh_does_not_keep_permissions_or_channels_alive() {
    let world = World::of(Profile::Default);
    let (client, peer) = (world.client(), world.peer("8.8.4.4:5000"));
    let relayed = client.allocate().expect("an allocation");
    assert_eq!(client.permit(&[peer.addr()]), 200);
    world.advance(295);
    assert_eq!(client.refresh(Some(3600)), Ok(3600));
    world.advance(4);
    assert!(peer.send_to(relayed, b"x"));
    assert_eq!(client.received(), [Received::Data { peer: peer.addr(), data: b"x".to_vec() }]);
    world.advance(2);
    assert!(peer.send_to(relayed, b"x"));
    assert_eq!(client.received(), []);
    assert_eq!(client.bind(0x4000, peer.addr()), 200);
    world.advance(590);
    assert_eq!(client.refresh(Some(3600)), Ok(3600));
    world.advance(11);
    client.channel_send(0x4000, b"x");
    assert_eq!(peer.received(), Vec::<Vec<u8>>::new());
}

// AUTH-024, SEC-001
#[test]
fn another_user_cannot_refresh_or_delete() {
    for profile in Profile::ALL {
        let world = World::of(profile);
        let client = world.client();
        client.allocate().expect("an allocation");
        let intruder = world.client().at(&client.tuple().client.to_string()).named(BOB);
        for lifetime in [0, 3600] {
            let reply = intruder.request(Method::REFRESH).nonce(&client.nonce()).lifetime(lifetime).send();
            let reply = reply.expect("an answer");
            assert_eq!((reply.code(), reply.is_signed_by(&intruder.key())), (441, true));
        }
        assert_eq!(world.allocations(), 1);
        world.advance(601);
        assert_eq!(world.allocations(), 0, "its end has not moved");
    }
}

// A server that was idle for hours before its first client: the allocation still ends.
#[test]
fn an_allocation_after_hours_of_silence_ends_in_time() {
    for pause in [4_000, 5_000, 50_000, 1_000_000] {
        let world = World::of(Profile::Default);
        world.advance(pause);
        let client = world.client();
        client.allocate().expect("an allocation");
        world.advance(599);
        assert_eq!(world.allocations(), 1, "after {pause} s of silence");
        world.advance(2);
        assert_eq!((world.allocations(), world.relay_sockets(), world.census().0), (0, 0, 0));
    }
}

// The configured maximum may lie beyond one turn of the timer wheel.
#[test]
fn an_allocation_of_a_day_ends_after_a_day() {
    let world = Setup::of(Profile::Default).tune(|config| config.limits.allocate_lifetime_secs_max = 200_000).build();
    let client = world.client();
    assert_eq!(client.request(Method::ALLOCATE).transport(17).lifetime(86_400).code(), 200);
    world.advance(86_399);
    assert_eq!(world.allocations(), 1);
    world.advance(2);
    assert_eq!((world.allocations(), world.relay_sockets()), (0, 0));
}

#[test]
fn the_end_of_an_allocation_is_told_once_with_its_traffic() {
    let world = World::of(Profile::Default);
    let (client, peer) = (world.client(), world.peer("8.8.4.4:5000"));
    let relayed = client.allocate().expect("an allocation");
    assert_eq!(client.bind(0x4000, peer.addr()), 200);
    client.send_to(peer.addr(), b"12345");
    client.channel_send(0x4000, b"123");
    peer.send_to(relayed, b"1234567");
    world.events();
    assert_eq!(client.refresh(Some(0)), Ok(0));
    let told = world.events();
    assert!(matches!(told[0], Event::ChannelUnbound { .. }), "{told:?}");
    assert!(matches!(told[1], Event::PermissionExpired { .. }), "{told:?}");
    let Event::AllocationEnded { reason, relayed: ended, traffic, .. } = &told[2] else { panic!("{told:?}") };
    assert_eq!((*reason, *ended, told.len()), (EndReason::Deleted, relayed, 3));
    assert_eq!((traffic.to_peer_packets, traffic.to_peer_bytes), (2, 8));
    assert_eq!((traffic.to_client_packets, traffic.to_client_bytes), (1, 7));
    world.advance(1000);
    assert_eq!(world.events(), []);
}
