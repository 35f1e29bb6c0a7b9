//! Address families of relayed addresses, one or both (RFC 8656 sections 7.2 and 8).

use std::net::SocketAddr;

use crate::world::{RELAY_V4, RELAY_V6, Received, Reply, Setup, TestClient, World, ip};
use turnserver::config::Profile;
use turnserver::stun::{AttributeType, Method};
use turnserver::turn::Event;

const V4: u8 = 1;
const V6: u8 = 2;

fn dual(client: &TestClient) -> Reply {
    let reply = client.request(Method::ALLOCATE).transport(17).additional(V6).send().expect("an answer");
    client.learn(&reply);
    reply
}

/// Refreshes one family; gives the lifetime granted or the code.
fn refresh_family(client: &TestClient, family: u8, lifetime: u32) -> Result<u32, u16> {
    let reply = client.request(Method::REFRESH).family(family).lifetime(lifetime).send().expect("an answer");
    match reply.code() {
        200 => Ok(reply.lifetime().expect("LIFETIME")),
        code => Err(code),
    }
}

/// What ADDRESS-ERROR-CODE says: family, reserved bits, class, number.
fn missing(reply: &Reply) -> Option<Vec<u8>> {
    reply.value(AttributeType::ADDRESS_ERROR_CODE)
}

fn data(peer: SocketAddr, data: &[u8]) -> Received {
    Received::Data { peer, data: data.to_vec() }
}

// ALLOC-013, ALLOC-014
#[test]
fn the_family_is_the_one_asked_for_and_else_ipv4() {
    for profile in Profile::ALL {
        let world = World::of(profile);
        for addr in ["203.0.113.5:4000", "[2a00:9::5]:4000"] {
            for (asked, relay) in [(None, RELAY_V4), (Some(V4), RELAY_V4), (Some(V6), RELAY_V6)] {
                let client = world.client().at(addr);
                let request = client.request(Method::ALLOCATE).transport(17);
                let request = match asked {
                    Some(family) => request.family(family),
                    None => request,
                };
                let reply = request.send().expect("an answer");
                assert_eq!((reply.code(), reply.relayed()[0].ip()), (200, ip(relay)), "{addr} asks for {asked:?}");
                assert_eq!(reply.relayed().len(), 1);
                assert_eq!(client.refresh(Some(0)), Ok(0));
            }
            let client = world.client().at(addr);
            for family in [0, 3, 0xFF] {
                assert_eq!(client.request(Method::ALLOCATE).transport(17).family(family).code(), 440);
            }
        }
    }
}

// ALLOC-013, ALLOC-015
#[test]
fn a_family_without_relay_address_is_not_supported() {
    let ipv4_only = Setup::of(Profile::Default).relays(&[RELAY_V4]).build();
    assert_eq!(ipv4_only.client().request(Method::ALLOCATE).transport(17).family(V6).code(), 440);
    let ipv6_only = Setup::of(Profile::Default).relays(&[RELAY_V6]).build();
    assert_eq!(ipv6_only.client().allocate(), Err(440));
    assert_eq!(ipv6_only.client().request(Method::ALLOCATE).transport(17).family(V6).code(), 200);
}

// Our rules: 440 before 486.
#[test]
fn a_missing_family_is_said_before_a_full_quota() {
    let world = Setup::with(Profile::Default, "user-quota = 1").relays(&[RELAY_V4]).build();
    world.client().allocate().expect("the only one");
    assert_eq!(world.client().request(Method::ALLOCATE).transport(17).family(V6).code(), 440);
    assert_eq!(world.client().allocate(), Err(486));
}

// ALLOC-012, ALLOC-023
#[test]
fn the_additional_family_is_ipv6_beside_none() {
    for profile in Profile::ALL {
        let world = World::of(profile);
        let client = world.client();
        let allocate = || client.request(Method::ALLOCATE).transport(17);
        for requested in [V4, V6] {
            assert_eq!(allocate().family(requested).additional(V6).code(), 400);
        }
        for additional in [0, V4, 3, 0xFF] {
            assert_eq!(allocate().additional(additional).code(), 400);
        }
        assert_eq!(world.allocations(), 0);
    }
}

// ALLOC-024
#[test]
fn both_families_come_in_one_answer_ipv4_first() {
    for addr in ["203.0.113.5:4000", "[2a00:9::5]:4000"] {
        let world = World::of(Profile::Default);
        let reply = dual(&world.client().at(addr));
        let relayed: Vec<_> = reply.relayed().iter().map(SocketAddr::ip).collect();
        assert_eq!((reply.code(), relayed), (200, vec![ip(RELAY_V4), ip(RELAY_V6)]));
        assert_eq!((missing(&reply), reply.lifetime()), (None, Some(600)));
        assert_eq!((world.allocations(), world.relay_sockets()), (1, 2));
    }
}

// TURN-006: one allocation counts once, whatever its families.
#[test]
fn both_families_take_one_place_of_the_quota() {
    let world = Setup::with(Profile::Default, "user-quota = 2").build();
    let first = world.client();
    assert_eq!(dual(&first).code(), 200);
    assert_eq!(dual(&world.client()).code(), 200);
    assert_eq!(world.client().allocate(), Err(486));
    assert_eq!(refresh_family(&first, V4, 0), Ok(0));
    assert_eq!(world.client().allocate(), Err(486), "its IPv6 address lives on");
    assert_eq!(refresh_family(&first, V6, 0), Ok(0));
    assert!(world.client().allocate().is_ok());
}

// ALLOC-025
#[test]
fn one_family_of_two_is_a_success_that_says_what_is_missing() {
    let world = Setup::of(Profile::Default).relays(&[RELAY_V4]).build();
    let reply = dual(&world.client());
    assert_eq!((reply.code(), reply.relayed().len()), (200, 1));
    assert_eq!(missing(&reply), Some(vec![V6, 0, 4, 40]));

    let world = Setup::of(Profile::Default).relays(&[RELAY_V6]).build();
    let reply = dual(&world.client());
    assert_eq!((reply.code(), reply.relayed()[0].ip()), (200, ip(RELAY_V6)));
    assert_eq!(missing(&reply), Some(vec![V4, 0, 4, 40]));

    let world = Setup::of(Profile::Default).ports(50_000..=50_000).build();
    let one = world.client();
    assert_eq!(one.request(Method::ALLOCATE).transport(17).family(V6).code(), 200);
    let reply = dual(&world.client());
    assert_eq!((reply.code(), reply.relayed()[0].ip()), (200, ip(RELAY_V4)));
    assert_eq!(missing(&reply), Some(vec![V6, 0, 5, 8]));
    let full = dual(&world.client());
    assert_eq!((full.code(), missing(&full)), (508, None));
}

// REFR-004
#[test]
fn a_refresh_of_another_family_is_refused_and_changes_nothing() {
    let world = World::of(Profile::Default);
    let client = world.client();
    client.allocate().expect("an IPv4 allocation");
    world.advance(500);
    for family in [V6, 0, 3, 0xFF] {
        assert_eq!(refresh_family(&client, family, 1200), Err(443));
        assert_eq!(refresh_family(&client, family, 0), Err(443));
    }
    assert_eq!(client.request(Method::REFRESH).attribute(AttributeType::REQUESTED_ADDRESS_FAMILY, &[1]).code(), 400);
    world.advance(101);
    assert_eq!(world.allocations(), 0, "its end has not moved");
}

// REFR-005, REFR-006, PERM-006
#[test]
fn a_family_can_be_deleted_alone() {
    for (gone, kept) in [(V4, V6), (V6, V4)] {
        let world = World::of(Profile::Default);
        let client = world.client();
        let relayed = dual(&client).relayed();
        let peers = [world.peer("8.8.4.4:5000"), world.peer("[2606:4700::1]:5000")];
        let addrs: Vec<SocketAddr> = peers.iter().map(|peer| peer.addr()).collect();
        assert_eq!(client.permit(&addrs), 200);
        assert_eq!((client.bind(0x4001, addrs[0]), client.bind(0x4002, addrs[1])), (200, 200));
        let (dead, live) = (usize::from(gone) - 1, usize::from(kept) - 1);
        world.events();
        assert_eq!(refresh_family(&client, gone, 0), Ok(0));
        assert_eq!((world.allocations(), world.relay_sockets(), world.census().0), (1, 1, 1));
        let told = world.events();
        assert!(matches!(told[0], Event::RelayEnded { .. }), "{told:?}");
        assert!(matches!(told[1], Event::ChannelUnbound { peer, .. } if peer == addrs[dead]), "{told:?}");
        assert!(matches!(told[2], Event::PermissionExpired { peer, .. } if peer == addrs[dead].ip()), "{told:?}");
        assert_eq!(told.len(), 3);
        assert!(!peers[dead].send_to(relayed[dead], b"x"), "its port is closed");
        client.channel_send(0x4001 + dead as u16, b"x");
        client.send_to(addrs[dead], b"x");
        assert_eq!(peers[dead].received(), Vec::<Vec<u8>>::new());
        assert_eq!((client.permit(&[addrs[dead]]), client.bind(0x4003, addrs[dead])), (443, 443));

        client.channel_send(0x4001 + live as u16, b"y");
        client.send_to(addrs[live], b"z");
        assert_eq!(peers[live].received(), [b"y", b"z"]);
        assert!(peers[live].send_to(relayed[live], b"w"));
        assert_eq!(client.received(), [Received::Channel { number: 0x4001 + live as u16, data: b"w".to_vec() }]);

        assert_eq!((refresh_family(&client, gone, 0), refresh_family(&client, gone, 900)), (Err(443), Err(443)));
        assert_eq!((refresh_family(&client, kept, 900), client.refresh(None)), (Ok(900), Ok(600)));
        assert_eq!(refresh_family(&client, kept, 0), Ok(0));
        assert_eq!((world.allocations(), world.relay_sockets(), client.refresh(None)), (0, 0, Err(437)));
        assert!(client.allocate().is_ok(), "the 5-tuple is free");
    }
}

// REFR-005: an address that is not refreshed ends, the other lives on, each with what belongs to it.
#[test]
fn a_family_that_is_not_refreshed_ends_alone() {
    let world = World::of(Profile::Default);
    let client = world.client();
    let relayed = dual(&client).relayed();
    let peers = [world.peer("8.8.4.4:5000"), world.peer("[2606:4700::1]:5000")];
    world.advance(400);
    assert_eq!(refresh_family(&client, V6, 600), Ok(600));
    assert_eq!((client.permit(&[peers[0].addr()]), client.permit(&[peers[1].addr()])), (200, 200));
    world.advance(199);
    assert!(peers[0].send_to(relayed[0], b"x"));
    assert_eq!(client.received(), [data(peers[0].addr(), b"x")]);
    world.events();
    world.advance(2);
    assert!(!peers[0].send_to(relayed[0], b"x"));
    assert!(peers[1].send_to(relayed[1], b"y"));
    assert_eq!(client.received(), [data(peers[1].addr(), b"y")]);
    let told = world.events();
    assert!(matches!(told[0], Event::RelayEnded { .. }), "{told:?}");
    assert!(matches!(told[1], Event::PermissionExpired { peer, .. } if peer == peers[0].addr().ip()), "{told:?}");
    assert_eq!((told.len(), world.allocations()), (2, 1));
    world.advance(400);
    assert_eq!((world.allocations(), world.relay_sockets()), (0, 0));
}

// REFR-006: without a family both are meant.
#[test]
fn a_refresh_without_family_means_both() {
    let world = World::of(Profile::Default);
    let client = world.client();
    dual(&client);
    assert_eq!(client.refresh(Some(1200)), Ok(1200));
    world.advance(1199);
    assert_eq!(world.relay_sockets(), 2);
    world.advance(2);
    assert_eq!((world.relay_sockets(), world.allocations()), (0, 0));
}

// PERM-006: a peer of one family cannot use the relayed address of the other.
#[test]
fn each_family_has_its_own_relayed_address() {
    let world = World::of(Profile::Default);
    let client = world.client();
    let relayed = dual(&client).relayed();
    let peers = [world.peer("8.8.4.4:5000"), world.peer("[2606:4700::1]:5000")];
    assert_eq!(client.permit(&[peers[0].addr(), peers[1].addr()]), 200);
    for (peer, relayed) in peers.iter().zip(relayed) {
        client.send_to(peer.addr(), b"x");
        let packets = peer.packets();
        assert_eq!((packets.len(), packets[0].from), (1, relayed));
    }
}

// T6: pion puts these behind MESSAGE-INTEGRITY, where RFC 8489 section 9 has them ignored.
#[test]
fn what_pion_asks_behind_message_integrity_is_not_heard() {
    let world = World::of(Profile::Default);
    let client = world.client();
    let request = client
        .request(Method::ALLOCATE)
        .transport(17)
        .behind(AttributeType::REQUESTED_ADDRESS_FAMILY, &[V6, 0, 0, 0])
        .behind(AttributeType::EVEN_PORT, &[0x80])
        .behind(AttributeType::RESERVATION_TOKEN, &[1; 8])
        .fingerprint();
    let reply = request.once().expect("an answer");
    assert_eq!((reply.code(), reply.relayed()[0].ip(), reply.token()), (200, ip(RELAY_V4), None));
}
