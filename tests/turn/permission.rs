//! Permissions and CreatePermission (RFC 8656 sections 9 and 10).

use std::net::{Ipv4Addr, SocketAddr};

use crate::world::{BOB, Received, Setup, TestClient, World, sock};
use turnserver::config::Profile;
use turnserver::stun::{AttributeType, Method};
use turnserver::turn::{DropReason, Event};

const NOTHING: [Received; 0] = [];

/// Public addresses, all different.
fn public(index: u32) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::from(0x0808_0000 + index), 5000))
}

fn allocated(world: &World) -> TestClient {
    let client = world.client();
    client.allocate().expect("an allocation");
    client
}

/// Whether data of `peer` reaches the client.
fn lets_in(world: &World, client: &TestClient, peer: SocketAddr) -> bool {
    world.peer(&peer.to_string()).send_to(client.relayed_for(peer), b"?");
    !client.received().is_empty()
}

// PERM-014
#[test]
fn success_says_nothing_but_is_signed() {
    for profile in Profile::ALL {
        let world = World::of(profile);
        let client = allocated(&world);
        let reply = client.request(Method::CREATE_PERMISSION).peer(public(1)).send().expect("an answer");
        assert_eq!((reply.code(), reply.kinds()), (200, vec![AttributeType::MESSAGE_INTEGRITY]));
        assert!(reply.is_signed_by(&client.key()));
    }
}

// TURN-001; our rules: coturn says 400.
#[test]
fn without_an_allocation_there_is_nothing_to_permit() {
    for (profile, code) in [(Profile::Default, 437), (Profile::Coturn, 400), (Profile::Hardened, 437)] {
        let world = World::of(profile);
        let client = world.client();
        assert_eq!(client.request(Method::CREATE_PERMISSION).peer(public(1)).bare().code(), 401);
        let reply = client.request(Method::CREATE_PERMISSION).peer(public(1)).send().expect("an answer");
        assert_eq!((reply.code(), reply.is_signed_by(&client.key())), (code, true), "{profile}");
        assert_eq!(client.request(Method::CREATE_PERMISSION).code(), code, "before anything in it is looked at");
    }
}

// PERM-001, PERM-002, STUN-030
#[test]
fn without_a_well_formed_peer_it_is_a_bad_request() {
    let world = World::of(Profile::Default);
    let client = allocated(&world);
    assert_eq!(client.permit(&[]), 400);
    let malformed: [&[u8]; 9] = [
        &[],
        &[0, 1, 0, 0],
        &[0, 1, 0, 0, 8, 8, 8],
        &[0, 1, 0, 0, 8, 8, 8, 8, 8],
        &[0, 0, 0, 0, 8, 8, 8, 8],
        &[0, 3, 0, 0, 8, 8, 8, 8],
        &[0, 5, 0, 0, 8, 8, 8, 8],
        &[0, 2, 0, 0, 8, 8, 8, 8],
        &[0, 1, 0, 0, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8],
    ];
    for value in malformed {
        let request = |first: bool| {
            let request = client.request(Method::CREATE_PERMISSION);
            let request = if first { request } else { request.peer(public(1)) };
            let request = request.attribute(AttributeType::XOR_PEER_ADDRESS, value);
            if first { request.peer(public(1)) } else { request }
        };
        assert_eq!((request(true).code(), request(false).code()), (400, 400), "{value:?}");
    }
    assert!(!lets_in(&world, &client, public(1)), "the good ones beside them have no effect");
}

// STUN-029: the first byte of an address attribute is ignored.
#[test]
fn the_reserved_byte_of_a_peer_is_ignored() {
    let world = World::of(Profile::Default);
    let client = allocated(&world);
    // 8.8.0.1:5000 XORed with the cookie.
    let value = [0xFF, 1, 0x32, 0x9A, 0x29, 0x1A, 0xA4, 0x43];
    let request = client.request(Method::CREATE_PERMISSION).attribute(AttributeType::XOR_PEER_ADDRESS, &value);
    assert_eq!(request.code(), 200);
    assert!(lets_in(&world, &client, public(1)));
}

// PERM-003
#[test]
fn many_peers_are_permitted_together() {
    let world = World::of(Profile::Default);
    let client = allocated(&world);
    let peers: Vec<SocketAddr> = (0..25).map(public).collect();
    assert_eq!(client.permit(&peers), 200);
    assert!(peers.iter().all(|peer| lets_in(&world, &client, *peer)));
    assert!(!lets_in(&world, &client, public(25)));
}

// PERM-004, DATA-004, SEC-011
#[test]
fn a_permission_is_for_an_address_whatever_the_port() {
    let world = World::of(Profile::Default);
    let client = allocated(&world);
    assert_eq!(client.permit(&[sock("8.8.4.4:0")]), 200);
    for port in [1, 5000, 65_535] {
        let addr = SocketAddr::new(sock("8.8.4.4:0").ip(), port);
        let peer = world.peer(&addr.to_string());
        assert!(peer.send_to(client.relayed(), b"x"));
        assert_eq!(client.received(), [Received::Data { peer: addr, data: b"x".to_vec() }], "the real port is shown");
        client.send_to(addr, b"y");
        assert_eq!(peer.received(), [b"y"]);
    }
    assert!(!lets_in(&world, &client, sock("8.8.4.5:5000")));
}

// PERM-005
#[test]
fn a_peer_of_another_family_is_a_mismatch() {
    let world = World::of(Profile::Default);
    let client = allocated(&world);
    let (v4, v6) = (public(1), sock("[2606:4700::1]:5000"));
    assert_eq!(client.permit(&[v6]), 443);
    assert_eq!((client.permit(&[v4, v6]), client.permit(&[v6, v4])), (443, 443));
    assert!(!lets_in(&world, &client, v4), "nothing of a refused list is installed");
    let six = world.client();
    let reply = six.request(Method::ALLOCATE).transport(17).family(2).send().expect("an answer");
    six.learn(&reply);
    assert_eq!((six.permit(&[v4]), six.permit(&[v6])), (443, 200));
    assert!(lets_in(&world, &six, v6));
}

// PERM-007; our rules: 403 for the whole request, nothing installed; 443 comes before it.
#[test]
fn one_forbidden_peer_refuses_the_whole_list() {
    for profile in Profile::ALL {
        let world = World::of(profile);
        let client = allocated(&world);
        let (good, bad) = (public(1), sock("127.0.0.1:80"));
        assert_eq!(client.permit(&[bad]), 403);
        for list in [[good, bad], [bad, good]] {
            let request = client.request(Method::CREATE_PERMISSION).peer(list[0]).peer(list[1]);
            let reply = request.send().expect("an answer");
            assert_eq!((reply.code(), reply.is_signed_by(&client.key())), (403, true));
        }
        assert!(!lets_in(&world, &client, good));
        assert_eq!(client.permit(&[bad, sock("[2606:4700::1]:5")]), 443);
        let told = world.events();
        assert!(!told.iter().any(|event| matches!(event, Event::PermissionInstalled { .. })), "{told:?}");
    }
}

// PERM-008; our rules: 256, coturn profile 1024.
#[test]
fn a_full_table_refuses_the_request_and_keeps_what_it_has() {
    for (profile, max) in [(Profile::Default, 256), (Profile::Hardened, 256), (Profile::Coturn, 1024)] {
        let world = Setup::of(profile).tune(|config| config.limits.new_peers_per_minute = 0).build();
        let client = allocated(&world);
        for first in (0..max - 16).step_by(60) {
            let peers: Vec<_> = (first..(first + 60).min(max - 16)).map(public).collect();
            assert_eq!(client.permit(&peers), 200);
        }
        let last: Vec<_> = (max - 16..max + 1).map(public).collect();
        assert_eq!(client.permit(&last), 508, "one more than there is room for");
        assert!(!lets_in(&world, &client, last[0]), "none of them");
        assert_eq!(client.permit(&last[..16]), 200);
        assert_eq!(client.permit(&[public(max)]), 508);
        assert_eq!(client.bind(0x4000, public(max)), 508, "ChannelBind needs a permission as well");
        assert_eq!(client.permit(&[public(0), public(max - 1)]), 200, "those that are there can be refreshed");
        assert!(lets_in(&world, &client, public(0)) && lets_in(&world, &client, public(max - 1)));
        world.advance(150);
        assert_eq!(client.permit(&[public(7)]), 200);
        world.advance(151);
        assert_eq!(client.permit(&[public(max)]), 200, "what ended makes room");
        assert!(lets_in(&world, &client, public(7)) && !lets_in(&world, &client, public(8)));
    }
}

// Our rules: 64 peers in one CreatePermission.
#[test]
fn a_request_names_64_peers_at_most() {
    let world = World::of(Profile::Coturn);
    let client = allocated(&world);
    let peers: Vec<_> = (0..65).map(public).collect();
    assert_eq!(client.permit(&peers), 508);
    assert!(!lets_in(&world, &client, peers[0]));
    assert_eq!(client.permit(&peers[..64]), 200);
    assert!(lets_in(&world, &client, peers[63]));
    // The same peer again and again takes one place of the table, but counts for the request.
    assert_eq!(client.permit(&[public(1); 64]), 200);
    assert_eq!(client.permit(&[public(1); 65]), 508);
}

// PERM-009
#[test]
fn permission_expires_after_five_minutes() {
    for profile in Profile::ALL {
        let world = World::of(profile);
        let client = allocated(&world);
        let peer = world.peer("8.8.4.4:5000");
        assert_eq!(client.permit(&[peer.addr()]), 200);
        world.advance(299);
        client.send_to(peer.addr(), b"x");
        assert_eq!(peer.received(), [b"x"]);
        assert!(lets_in(&world, &client, peer.addr()));
        world.events();
        world.advance(2);
        client.send_to(peer.addr(), b"x");
        assert_eq!(peer.received(), Vec::<Vec<u8>>::new());
        assert!(!lets_in(&world, &client, peer.addr()));
        let told = world.events();
        assert!(matches!(&told[..], [Event::PermissionExpired { peer: ended, .. }] if *ended == peer.addr().ip()));
    }
}

// PERM-010
#[test]
fn create_permission_and_channel_bind_refresh_each_other() {
    let world = World::of(Profile::Default);
    let client = allocated(&world);
    let peer = public(1);
    assert_eq!(client.permit(&[peer]), 200);
    world.advance(200);
    assert_eq!(client.bind(0x4000, peer), 200);
    world.advance(250);
    assert!(lets_in(&world, &client, peer));
    assert_eq!(client.permit(&[peer]), 200);
    world.advance(140);
    assert_eq!(client.refresh(None), Ok(600));
    world.advance(159);
    assert!(lets_in(&world, &client, peer));
    world.advance(2);
    assert!(!lets_in(&world, &client, peer));
}

// PERM-011, CHAN-012
#[test]
fn data_does_not_keep_a_permission_alive() {
    let world = World::of(Profile::Default);
    let client = allocated(&world);
    let peer = world.peer("8.8.4.4:5000");
    assert_eq!(client.bind(0x4000, peer.addr()), 200);
    for _ in 0..300 {
        client.send_to(peer.addr(), b"a");
        client.channel_send(0x4000, b"b");
        assert!(peer.send_to(client.relayed(), b"c"));
        world.advance(1);
    }
    world.advance(1);
    assert_eq!((peer.received().len(), client.received().len()), (600, 300));
    assert!(!lets_in(&world, &client, peer.addr()));
    client.send_to(peer.addr(), b"a");
    assert_eq!(peer.received(), Vec::<Vec<u8>>::new());
}

// PERM-012, SEC-015, SEC-016, ALLOC-031
#[test]
fn without_a_permission_a_peer_is_not_heard_and_gets_nothing() {
    let world = World::of(Profile::Default);
    let client = allocated(&world);
    let peer = world.peer("8.8.4.4:5000");
    world.drops();
    assert!(peer.send_to(client.relayed(), b"x"));
    assert_eq!(client.received(), NOTHING);
    assert_eq!(peer.received(), Vec::<Vec<u8>>::new());
    assert_eq!(world.drops(), [DropReason::NoPermission]);
}

// PERM-013
#[test]
fn a_permission_is_for_one_allocation() {
    let world = World::of(Profile::Default);
    let (first, second) = (allocated(&world), allocated(&world));
    assert_eq!(first.permit(&[public(1)]), 200);
    assert!(lets_in(&world, &first, public(1)) && !lets_in(&world, &second, public(1)));
    assert_eq!((first.bind(0x4000, public(2)), second.bind(0x4000, public(3))), (200, 200));
    let peers = [world.peer(&public(2).to_string()), world.peer(&public(3).to_string())];
    first.channel_send(0x4000, b"first");
    second.channel_send(0x4000, b"second");
    assert_eq!((peers[0].received(), peers[1].received()), (vec![b"first".to_vec()], vec![b"second".to_vec()]));
}

// AUTH-024, SEC-001
#[test]
fn another_user_cannot_permit() {
    let world = World::of(Profile::Default);
    let client = allocated(&world);
    let intruder = world.client().at(&client.tuple().client.to_string()).named(BOB).with_nonce(client.nonce());
    assert_eq!(intruder.permit(&[public(1)]), 441);
    assert_eq!(intruder.bind(0x4000, public(1)), 441);
    assert!(!lets_in(&world, &client, public(1)));
}

// Installing is told, refreshing is not; a list that names a peer twice tells it once.
#[test]
fn a_permission_is_told_when_it_is_new() {
    let world = World::of(Profile::Default);
    let client = allocated(&world);
    world.events();
    assert_eq!(client.permit(&[public(1), public(2), public(1)]), 200);
    assert_eq!(world.events().len(), 2);
    assert_eq!(client.permit(&[public(1)]), 200);
    assert_eq!(world.events(), []);
    world.advance(301);
    assert_eq!(world.events().len(), 2);
    assert_eq!(client.permit(&[public(1)]), 200);
    assert_eq!(world.events().len(), 1);
}

// The lifetimes are the configuration's.
#[test]
fn permission_lifetime_can_be_set() {
    let world = Setup::with(Profile::Default, "permission-lifetime = 60").build();
    let client = allocated(&world);
    assert_eq!(client.permit(&[public(1)]), 200);
    world.advance(59);
    assert!(lets_in(&world, &client, public(1)));
    world.advance(2);
    assert!(!lets_in(&world, &client, public(1)));
}
