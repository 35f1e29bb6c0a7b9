//! ChannelBind and ChannelData (RFC 8656 section 12).

use std::net::SocketAddr;

use crate::world::{Received, Setup, TestClient, TestPeer, World, sock};
use turnserver::config::Profile;
use turnserver::stun::{AttributeType, Method};
use turnserver::turn::{DropReason, Event};

/// A client with an allocation, and a peer.
fn pair(world: &World) -> (TestClient, TestPeer) {
    let client = world.client();
    client.allocate().expect("an allocation");
    (client, world.peer("8.8.4.4:5000"))
}

fn channel(number: u16, data: &[u8]) -> Received {
    Received::Channel { number, data: data.to_vec() }
}

/// What reaches `peer` when the client sends on `number`.
fn through(client: &TestClient, number: u16, peer: &TestPeer) -> Vec<Vec<u8>> {
    client.channel_send(number, b"through");
    peer.received()
}

/// How many datagrams of `peer` reach the client.
fn back(client: &TestClient, peer: &TestPeer) -> usize {
    peer.send_to(client.relayed(), b"back");
    client.received().len()
}

// CHAN-010, CHAN-019, CHAN-021, PERM-014
#[test]
fn a_channel_carries_data_both_ways_with_four_bytes_around_it() {
    for profile in Profile::ALL {
        let world = World::of(profile);
        let (client, peer) = pair(&world);
        let reply = client.request(Method::CHANNEL_BIND).channel(0x4001).peer(peer.addr()).send().expect("an answer");
        assert_eq!((reply.code(), reply.kinds()), (200, vec![AttributeType::MESSAGE_INTEGRITY]));
        assert!(reply.is_signed_by(&client.key()));
        for len in [0, 1, 2, 3, 4, 5, 1200, 60_000] {
            let data = vec![0xAB; len];
            client.channel_send(0x4001, &data);
            let packets = peer.packets();
            assert_eq!((packets.len(), packets[0].from, packets[0].dont_fragment), (1, client.relayed(), false));
            assert_eq!(packets[0].data, data);
            assert!(peer.send_to(client.relayed(), &data));
            let frames = client.frames();
            assert_eq!((frames.len(), frames[0].len()), (1, 4 + len), "over UDP there is no padding");
            assert_eq!(frames[0][..4], [0x40, 0x01, (len >> 8) as u8, len as u8]);
            assert_eq!(frames[0][4..], data);
        }
    }
}

// CHAN-001, STUN-030, SEC-011
#[test]
fn number_and_peer_must_be_there_and_well_formed() {
    let world = World::of(Profile::Default);
    let (client, peer) = pair(&world);
    let request = || client.request(Method::CHANNEL_BIND);
    assert_eq!(request().code(), 400);
    assert_eq!(request().channel(0x4000).code(), 400);
    assert_eq!(request().peer(peer.addr()).code(), 400);
    assert_eq!(request().channel(0x4000).peer(sock("8.8.4.4:0")).code(), 400, "a channel is for a port");
    for value in [&[0x40, 0][..], &[0x40, 0, 0], &[0x40, 0, 0, 0, 0]] {
        assert_eq!(request().attribute(AttributeType::CHANNEL_NUMBER, value).peer(peer.addr()).code(), 400);
    }
    for value in [&[][..], &[0, 3, 0, 0, 8, 8, 8, 8], &[0, 2, 0, 0, 8, 8, 8, 8], &[0, 1, 0, 0, 8, 8, 8]] {
        assert_eq!(request().channel(0x4000).attribute(AttributeType::XOR_PEER_ADDRESS, value).code(), 400);
    }
    assert_eq!((through(&client, 0x4000, &peer).len(), back(&client, &peer)), (0, 0), "and nothing came of it");
    let reserved = request().attribute(AttributeType::CHANNEL_NUMBER, &[0x40, 0x01, 0xFF, 0xFF]).peer(peer.addr());
    assert_eq!(reserved.code(), 200, "the two bytes behind the number are reserved");
    assert_eq!(through(&client, 0x4001, &peer).len(), 1);
}

// CHAN-002, OLD-008; our rules: the coturn profile takes numbers up to 0x7FFF.
#[test]
fn channel_numbers_have_a_range() {
    for (profile, max) in [(Profile::Default, 0x4FFF), (Profile::Coturn, 0x7FFF), (Profile::Hardened, 0x4FFF)] {
        let world = World::of(profile);
        let (client, _) = pair(&world);
        let numbers = [0, 1, 0x3FFF, 0x4000, 0x4001, 0x4FFF, 0x5000, 0x6ABC, 0x7FFF, 0x8000, 0xFFFF];
        for (index, number) in numbers.into_iter().enumerate() {
            let peer = world.peer(&format!("8.8.4.4:{}", 6000 + index));
            let is_in = (0x4000..=max).contains(&number);
            assert_eq!(client.bind(number, peer.addr()), if is_in { 200 } else { 400 }, "{number:#06x} in {profile}");
            assert_eq!(through(&client, number, &peer).len(), usize::from(is_in), "{number:#06x} in {profile}");
        }
    }
}

// CHAN-003, CHAN-004, CHAN-006, CHAN-024
#[test]
fn a_conflict_is_a_bad_request_and_leaves_all_as_it_was() {
    let world = World::of(Profile::Default);
    let (client, first) = pair(&world);
    let (second, third) = (world.peer("8.8.4.4:5001"), world.peer("8.8.4.5:5000"));
    assert_eq!((client.bind(0x4001, first.addr()), client.bind(0x4002, second.addr())), (200, 200));
    world.advance(250);
    // Who asks is looked up now, and remembered.
    assert_eq!(client.refresh(None), Ok(600));
    let before = world.export(0);
    for (number, peer) in [(0x4001, &second), (0x4001, &third), (0x4002, &first), (0x4003, &first), (0x4003, &second)] {
        assert_eq!(client.bind(number, peer.addr()), 400, "{number:#06x} to {}", peer.addr());
        assert!(world.export(0) == before);
    }
    for refused in [sock("127.0.0.1:80"), sock("[2606:4700::1]:80")] {
        assert!(matches!(client.bind(0x4004, refused), 403 | 443));
        assert!(matches!(client.bind(0x4001, refused), 403 | 443));
        assert!(world.export(0) == before);
    }
    assert_eq!((through(&client, 0x4001, &first).len(), through(&client, 0x4002, &second).len()), (1, 1));
    assert_eq!(back(&client, &third), 0, "no permission came of it");
}

// CHAN-005
#[test]
fn binding_again_renews_channel_and_permission() {
    let world = World::of(Profile::Default);
    let (client, peer) = pair(&world);
    assert_eq!(client.refresh(Some(3600)), Ok(3600));
    assert_eq!(client.bind(0x4001, peer.addr()), 200);
    world.advance(500);
    assert_eq!(back(&client, &peer), 0, "the permission ended");
    assert_eq!(client.bind(0x4001, peer.addr()), 200);
    assert_eq!(back(&client, &peer), 1);
    world.advance(500);
    assert_eq!(through(&client, 0x4001, &peer).len(), 1);
    world.advance(99);
    assert_eq!(through(&client, 0x4001, &peer).len(), 1);
    world.advance(2);
    assert_eq!(through(&client, 0x4001, &peer).len(), 0);
}

// CHAN-007, CHAN-008
#[test]
fn peers_of_another_family_or_forbidden_ones_are_refused() {
    for profile in Profile::ALL {
        let world = World::of(profile);
        let (client, _) = pair(&world);
        let reply = client.request(Method::CHANNEL_BIND).channel(0x4000).peer(sock("[2606:4700::1]:5")).send();
        assert_eq!(reply.map(|reply| (reply.code(), reply.is_signed())), Some((443, true)));
        let reply = client.request(Method::CHANNEL_BIND).channel(0x4000).peer(sock("127.0.0.1:5")).send();
        assert_eq!(reply.map(|reply| (reply.code(), reply.is_signed())), Some((403, true)));
        let loopback = world.peer("127.0.0.1:5");
        assert_eq!((through(&client, 0x4000, &loopback).len(), back(&client, &loopback)), (0, 0));
    }
}

// CHAN-009; our rules: 256, coturn profile 1024.
#[test]
fn a_full_table_of_channels_is_said() {
    for (profile, max) in [(Profile::Default, 256), (Profile::Hardened, 256), (Profile::Coturn, 1024)] {
        let world = World::of(profile);
        let (client, _) = pair(&world);
        let peer = |index: u16| SocketAddr::new(sock("8.8.4.4:0").ip(), 5000 + index);
        assert!((0..max).all(|index| client.bind(0x4000 + index, peer(index)) == 200));
        assert_eq!(client.bind(0x4000 + max, peer(max)), 508);
        assert_eq!(client.bind(0x4000, peer(max)), 400, "a conflict comes first");
        assert_eq!(client.bind(0x4000, peer(0)), 200, "those that are there can be renewed");
        world.advance(300);
        assert_eq!((client.refresh(None), client.bind(0x4001, peer(1))), (Ok(600), 200));
        world.advance(301);
        assert_eq!(client.bind(0x4000 + max, peer(max)), 200, "what ended makes room");
        let held = world.peer(&peer(1).to_string());
        assert_eq!(through(&client, 0x4001, &held).len(), 1);
    }
}

// CHAN-010, PERM-010
#[test]
fn a_channel_brings_a_permission_for_its_address() {
    let world = World::of(Profile::Default);
    let (client, peer) = pair(&world);
    let other_port = world.peer("8.8.4.4:9999");
    assert_eq!(back(&client, &other_port), 0);
    assert_eq!(client.bind(0x4001, peer.addr()), 200);
    assert_eq!(back(&client, &other_port), 1);
    client.send_to(other_port.addr(), b"x");
    assert_eq!(other_port.received(), [b"x"]);
}

// CHAN-011, T5, T7
#[test]
fn a_channel_outlives_its_permission_one_way() {
    for profile in [Profile::Default, Profile::Hardened] {
        let world = World::of(profile);
        let (client, peer) = pair(&world);
        assert_eq!((client.refresh(Some(3600)), client.bind(0x4001, peer.addr())), (Ok(3600), 200));
        world.advance(299);
        assert_eq!((through(&client, 0x4001, &peer).len(), back(&client, &peer)), (1, 1));
        world.advance(2);
        assert_eq!((through(&client, 0x4001, &peer).len(), back(&client, &peer)), (1, 0));
        world.advance(298);
        assert_eq!((through(&client, 0x4001, &peer).len(), back(&client, &peer)), (1, 0), "at 599 s");
        world.advance(2);
        assert_eq!((through(&client, 0x4001, &peer).len(), back(&client, &peer)), (0, 0), "at 601 s");
    }
}

// T5: the coturn profile, and whoever asks for it, keeps the permission as long as the channel.
#[test]
fn channel_extends_permission_keeps_both_ways_open() {
    let switched = Setup::with(Profile::Default, "channel-extends-permission = true");
    for world in [switched.build(), World::of(Profile::Coturn)] {
        let (client, peer) = pair(&world);
        assert_eq!((client.refresh(Some(3600)), client.bind(0x4001, peer.addr())), (Ok(3600), 200));
        world.advance(100);
        assert_eq!(client.permit(&[peer.addr()]), 200, "does not shorten it");
        world.advance(499);
        assert_eq!((through(&client, 0x4001, &peer).len(), back(&client, &peer)), (1, 1));
        world.advance(2);
        assert_eq!((through(&client, 0x4001, &peer).len(), back(&client, &peer)), (0, 0));
    }
}

// CHAN-012
#[test]
fn data_does_not_keep_a_channel_alive() {
    let world = World::of(Profile::Default);
    let (client, peer) = pair(&world);
    assert_eq!((client.refresh(Some(3600)), client.bind(0x4001, peer.addr())), (Ok(3600), 200));
    for _ in 0..600 {
        assert_eq!(through(&client, 0x4001, &peer).len(), 1);
        world.advance(1);
    }
    assert_eq!(through(&client, 0x4001, &peer).len(), 0);
}

// CHAN-013
#[test]
fn after_its_end_number_and_peer_are_free() {
    let world = World::of(Profile::Default);
    let (client, first) = pair(&world);
    let second = world.peer("8.8.4.5:5000");
    assert_eq!((client.refresh(Some(3600)), client.bind(0x4001, first.addr())), (Ok(3600), 200));
    world.advance(601);
    assert_eq!((client.bind(0x4001, second.addr()), client.bind(0x4002, first.addr())), (200, 200));
    assert_eq!((through(&client, 0x4001, &second).len(), through(&client, 0x4002, &first).len()), (1, 1));
    assert!(first.send_to(client.relayed(), b"x"));
    assert_eq!(client.received(), [channel(0x4002, b"x")]);
}

// CHAN-014, CHAN-018, CHAN-023, TURN-002
#[test]
fn data_on_an_unbound_channel_goes_nowhere_and_breaks_nothing() {
    let world = World::of(Profile::Default);
    let (client, peer) = pair(&world);
    let stranger = world.client();
    world.drops();
    stranger.channel_send(0x4000, b"x");
    client.channel_send(0x4000, b"x");
    client.channel_send(0x5000, b"x");
    client.channel_send(0xFFFF, b"x");
    let reasons = [DropReason::NoAllocation, DropReason::NoChannel, DropReason::NoChannel, DropReason::NotStun];
    assert_eq!(world.drops(), reasons);
    assert_eq!(client.bind(0x4000, peer.addr()), 200);
    assert_eq!(through(&client, 0x4000, &peer).len(), 1);
    assert_eq!((stranger.frames().len(), client.frames().len()), (0, 0));
}

// CHAN-015, CHAN-016, CHAN-017, TRN-007; pjnath pads over UDP as well.
#[test]
fn length_counts_padding_is_dropped_and_short_datagrams_are_none() {
    let world = World::of(Profile::Default);
    let (client, peer) = pair(&world);
    assert_eq!(client.bind(0x4001, peer.addr()), 200);
    let send = |len: u8, bytes: &[u8]| {
        client.datagram(&[&[0x40, 0x01, 0, len], bytes].concat());
        peer.received()
    };
    assert_eq!(send(100, &[7; 50]), Vec::<Vec<u8>>::new());
    assert_eq!(send(1, &[]), Vec::<Vec<u8>>::new());
    assert_eq!(send(5, b"hello"), [b"hello"]);
    assert_eq!(send(5, b"hello\0\0\0"), [b"hello"]);
    assert_eq!(send(0, &[]), [b""]);
    for bytes in [&[0x40][..], &[0x40, 0x01], &[0x40, 0x01, 0]] {
        client.datagram(bytes);
        assert_eq!(peer.received(), Vec::<Vec<u8>>::new());
    }
}

// SEC-024: a stack of channel headers is unwrapped once.
#[test]
fn channel_data_inside_channel_data_is_data() {
    let world = World::of(Profile::Default);
    let (client, peer) = pair(&world);
    assert_eq!(client.bind(0x4001, peer.addr()), 200);
    let inner = [0x40, 0x01, 0, 1, b'x'];
    client.channel_send(0x4001, &inner);
    assert_eq!(peer.received(), [inner]);
}

// CHAN-022, DATA-008
#[test]
fn another_port_of_the_peer_does_not_use_the_channel() {
    let world = World::of(Profile::Default);
    let (client, bound) = pair(&world);
    let other = world.peer("8.8.4.4:5001");
    assert_eq!(client.bind(0x4001, bound.addr()), 200);
    assert!(bound.send_to(client.relayed(), b"1") && other.send_to(client.relayed(), b"2"));
    assert_eq!(client.received(), [channel(0x4001, b"1"), Received::Data { peer: other.addr(), data: b"2".to_vec() }]);
}

// TURN-001; our rules: coturn says 400.
#[test]
fn without_an_allocation_there_is_nothing_to_bind() {
    for (profile, code) in [(Profile::Default, 437), (Profile::Coturn, 400), (Profile::Hardened, 437)] {
        let world = World::of(profile);
        let client = world.client();
        assert_eq!(client.request(Method::CHANNEL_BIND).bare().code(), 401);
        let reply = client.request(Method::CHANNEL_BIND).channel(0x4000).peer(sock("8.8.4.4:5")).send();
        assert_eq!(reply.map(|reply| (reply.code(), reply.is_signed())), Some((code, true)));
    }
}

#[test]
fn channels_are_told_when_they_are_bound_and_when_they_end() {
    let world = World::of(Profile::Default);
    let (client, peer) = pair(&world);
    assert_eq!(client.refresh(Some(3600)), Ok(3600));
    world.events();
    assert_eq!(client.bind(0x4001, peer.addr()), 200);
    let told = world.events();
    assert!(matches!(&told[..], [Event::PermissionInstalled { .. }, Event::ChannelBound { .. }]), "{told:?}");
    assert_eq!(client.bind(0x4001, peer.addr()), 200);
    assert!(matches!(&world.events()[..], [Event::ChannelBound { .. }]));
    world.advance(601);
    let told = world.events();
    assert!(matches!(&told[..], [Event::PermissionExpired { .. }, Event::ChannelUnbound { .. }]), "{told:?}");
}
