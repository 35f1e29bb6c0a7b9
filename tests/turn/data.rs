//! Send and Data indications (RFC 8656 section 11): Firefox sends and gets all its media this way.

use std::collections::BTreeSet;

use crate::world::{Received, Setup, TestClient, TestPeer, World, sock};
use turnserver::config::Profile;
use turnserver::stun::{AttributeType, Message, Method};
use turnserver::turn::DropReason;
use turnserver::turn::address::Transport;

const SILENCE: [Vec<u8>; 0] = [];

/// A client with an allocation, and a peer it has a permission for.
fn pair(world: &World) -> (TestClient, TestPeer) {
    let client = world.client();
    client.allocate().expect("an allocation");
    let peer = world.peer("8.8.4.4:5000");
    assert_eq!(client.permit(&[peer.addr()]), 200);
    (client, peer)
}

// DATA-002, DATA-004, DATA-008, DATA-009, CHAN-017
#[test]
fn data_goes_both_ways_exactly() {
    for profile in Profile::ALL {
        let world = World::of(profile);
        let (client, peer) = pair(&world);
        for len in [0, 1, 2, 3, 4, 5, 1200, 65_000] {
            let data: Vec<u8> = (0..len).map(|index| index as u8).collect();
            client.send_to(peer.addr(), &data);
            let packets = peer.packets();
            assert_eq!((packets.len(), packets[0].from, &packets[0].data), (1, client.relayed(), &data));
            assert!(peer.send_to(client.relayed(), &data));
            assert_eq!(client.received(), [Received::Data { peer: peer.addr(), data }]);
        }
    }
}

// DATA-008, STUN-022; our rules: prefix of 36 or 48 bytes, suffix of padding.
#[test]
fn a_data_indication_has_the_layout_of_the_rfc() {
    let world = World::of(Profile::Default);
    for (addr, family, prefix_len) in [("8.8.4.4:5000", 1, 36), ("[2606:4700::1]:5000", 2, 48)] {
        let (client, peer) = (world.client(), world.peer(addr));
        client.learn(&client.request(Method::ALLOCATE).transport(17).family(family).send().expect("an answer"));
        assert_eq!(client.permit(&[peer.addr()]), 200);
        for len in 0..9 {
            let data = vec![0xEE; len];
            assert!(peer.send_to(client.relayed(), &data));
            let [frame] = &client.frames()[..] else { panic!("one indication") };
            assert_eq!(frame.len(), prefix_len + len.next_multiple_of(4));
            assert_eq!(frame[..2], [0x00, 0x17]);
            assert!(frame[prefix_len + len..].iter().all(|byte| *byte == 0), "padding is zero");
            let message = Message::parse(frame).expect("a STUN message");
            assert_eq!(message.xor_address(AttributeType::XOR_PEER_ADDRESS), Some(Ok(peer.addr())));
            assert_eq!(message.value(AttributeType::DATA), Some(&data[..]));
        }
    }
}

// STUN-036
#[test]
fn transaction_ids_of_indications_are_random() {
    let world = World::of(Profile::Default);
    let (client, peer) = pair(&world);
    for _ in 0..1000 {
        assert!(peer.send_to(client.relayed(), b"x"));
    }
    let ids: Vec<[u8; 12]> =
        client.frames().iter().map(|frame| Message::parse(frame).expect("a message").id().0).collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 1000);
    for place in 0..12 {
        let bytes: BTreeSet<u8> = ids.iter().map(|id| id[place]).collect();
        assert!(bytes.len() > 200, "byte {place} takes {} values", bytes.len());
    }
}

// DATA-001, DATA-003, DATA-005, DATA-013, STUN-019, SEC-011, TURN-002
#[test]
fn what_is_wrong_with_a_send_indication_is_met_with_silence() {
    let world = World::of(Profile::Default);
    let (client, peer) = pair(&world);
    let stranger = world.client();
    let forbidden = sock("127.0.0.1:80");
    world.drops();
    let send = |client| TestClient::indication(client, Method::SEND);
    let required = AttributeType(0x7F00);
    client.indication(Method::SEND).data(b"x").dispatch();
    client.indication(Method::SEND).peer(peer.addr()).dispatch();
    client.indication(Method::SEND).dispatch();
    send(&client).peer(sock("8.8.4.5:5000")).data(b"x").dispatch();
    send(&client).peer(forbidden).data(b"x").dispatch();
    send(&client).peer(sock("8.8.4.4:0")).data(b"x").dispatch();
    send(&client).peer(sock("[2606:4700::1]:5000")).data(b"x").dispatch();
    send(&client).peer(peer.addr()).data(b"x").attribute(required, &[]).dispatch();
    send(&client).attribute(AttributeType::XOR_PEER_ADDRESS, &[0, 9, 0, 0, 8, 8, 8, 8]).data(b"x").dispatch();
    send(&stranger).peer(peer.addr()).data(b"x").dispatch();
    assert_eq!(
        world.drops(),
        [
            DropReason::Incomplete,
            DropReason::Incomplete,
            DropReason::Incomplete,
            DropReason::NoPermission,
            DropReason::NoPermission,
            DropReason::Forbidden,
            DropReason::Family,
            DropReason::UnknownAttribute,
            DropReason::Incomplete,
            DropReason::NoAllocation,
        ]
    );
    assert_eq!((peer.received(), client.frames(), stranger.frames()), (vec![], vec![], vec![]));
}

// DATA-012, AUTH-027: FINGERPRINT is checked, MESSAGE-INTEGRITY is not.
#[test]
fn indications_are_never_authenticated() {
    let world = World::of(Profile::Default);
    let (client, peer) = pair(&world);
    let send = || client.indication(Method::SEND).peer(peer.addr()).data(b"x");
    send().attribute(AttributeType::MESSAGE_INTEGRITY, &[9; 20]).dispatch();
    send().attribute(AttributeType::USERNAME, b"nobody").dispatch();
    send().fingerprint().dispatch();
    assert_eq!(peer.received(), [b"x", b"x", b"x"]);
    let mut bytes = send().fingerprint().bytes();
    *bytes.last_mut().expect("a byte") ^= 1;
    client.datagram(&bytes);
    assert_eq!(peer.received(), SILENCE);
    // Behind MESSAGE-INTEGRITY nothing counts, DATA neither.
    client
        .indication(Method::SEND)
        .peer(peer.addr())
        .attribute(AttributeType::MESSAGE_INTEGRITY, &[9; 20])
        .data(b"x")
        .dispatch();
    assert_eq!(peer.received(), SILENCE);
}

// STUN-010: a Data indication is the server's to send.
#[test]
fn a_data_indication_of_a_client_is_ignored() {
    let world = World::of(Profile::Default);
    let (client, peer) = pair(&world);
    client.indication(Method::DATA).peer(peer.addr()).data(b"x").dispatch();
    client.request(Method::SEND).peer(peer.addr()).data(b"x").bare().dispatch();
    assert_eq!((peer.received(), client.frames()), (vec![], vec![]));
}

// DATA-006, ALLOC-008, IPH-005: between families, and to IPv6 peers, DONT-FRAGMENT is ignored, not refused.
#[test]
fn dont_fragment_is_asked_for_where_it_means_something() {
    let world = World::of(Profile::Default);
    let cases = [
        (Transport::Udp, "203.0.113.5:4000", 1, true),
        (Transport::Tcp, "203.0.113.5:4000", 1, true),
        (Transport::Tls, "[2a00:9::5]:4000", 1, true),
        (Transport::Udp, "[2a00:9::5]:4000", 1, false),
        (Transport::Udp, "203.0.113.6:4000", 2, false),
        (Transport::Udp, "[2a00:9::6]:4000", 2, false),
        (Transport::Tcp, "203.0.113.6:4000", 2, false),
    ];
    for (transport, addr, family, expected) in cases {
        let client = world.client().over(transport).at(addr);
        client.learn(&client.request(Method::ALLOCATE).transport(17).family(family).send().expect("an answer"));
        let peer = world.peer(if family == 1 { "8.8.4.4:5000" } else { "[2606:4700::1]:5000" });
        assert_eq!(client.permit(&[peer.addr()]), 200);
        client
            .indication(Method::SEND)
            .attribute(AttributeType::DONT_FRAGMENT, &[])
            .peer(peer.addr())
            .data(b"x")
            .dispatch();
        client.send_to(peer.addr(), b"y");
        let asked: Vec<bool> = peer.packets().iter().map(|packet| packet.dont_fragment).collect();
        assert_eq!(asked, [expected, false], "{transport:?} {addr} to family {family}");
    }
}

// DATA-007
#[test]
fn send_stays_usable_beside_a_channel() {
    let world = World::of(Profile::Default);
    let (client, peer) = pair(&world);
    assert_eq!(client.bind(0x4000, peer.addr()), 200);
    client.send_to(peer.addr(), b"1");
    client.channel_send(0x4000, b"2");
    client.send_to(peer.addr(), b"3");
    assert_eq!(peer.received(), [b"1", b"2", b"3"]);
}

// DATA-010, CHAN-020: a Data indication is a whole message on a stream too; ChannelData is padded there.
#[test]
fn data_takes_the_transport_of_the_client() {
    for transport in [Transport::Tcp, Transport::Tls] {
        let world = World::of(Profile::Default);
        let (client, peer) = (world.client().over(transport), world.peer("8.8.4.4:5000"));
        client.allocate().expect("an allocation");
        assert_eq!(client.permit(&[peer.addr()]), 200);
        assert!(peer.send_to(client.relayed(), b"hello"));
        assert_eq!(client.received(), [Received::Data { peer: peer.addr(), data: b"hello".to_vec() }]);
        assert_eq!(client.bind(0x4000, peer.addr()), 200);
        for (data, frame) in
            [(&b"hello"[..], &b"\x40\0\0\x05hello\0\0\0"[..]), (b"four", b"\x40\0\0\x04four"), (b"", b"\x40\0\0\0")]
        {
            assert!(peer.send_to(client.relayed(), data));
            assert_eq!(client.frames(), [frame]);
            client.channel_send(0x4000, data);
            assert_eq!(peer.received(), [data]);
        }
    }
}

// DATA-011
#[test]
fn what_cannot_be_wrapped_is_dropped_and_harms_nothing() {
    for (transport, family, fits) in [
        (Transport::Udp, 1, 65_468),
        (Transport::Udp, 2, 65_456),
        (Transport::Tcp, 1, 65_507),
        (Transport::Tls, 2, 65_504),
    ] {
        let world = World::of(Profile::Default);
        let client = world.client().over(transport);
        client.learn(&client.request(Method::ALLOCATE).transport(17).family(family).send().expect("an answer"));
        let peer = world.peer(if family == 1 { "8.8.4.4:5000" } else { "[2606:4700::1]:5000" });
        assert_eq!(client.permit(&[peer.addr()]), 200);
        for len in [fits, 65_507.min(fits + 1), 65_507] {
            assert!(peer.send_to(client.relayed(), &vec![1; len]));
            let arrived = client.received().len();
            assert_eq!(arrived, usize::from(len <= fits), "{transport:?} {family} {len}");
        }
        assert_eq!(client.bind(0x4000, peer.addr()), 200);
        let channel_fits = if transport == Transport::Udp { 65_503 } else { 65_507 };
        for len in [channel_fits, 65_507] {
            assert!(peer.send_to(client.relayed(), &vec![1; len]));
            let expected = usize::from(transport != Transport::Udp || len <= channel_fits);
            assert_eq!(client.frames().len(), expected, "{transport:?} {len} on a channel");
        }
        assert!(peer.send_to(client.relayed(), b"x"));
        assert_eq!(client.received().len(), 1);
    }
}

// With FINGERPRINT on everything a Data indication ends with it, and it is right.
#[test]
fn with_fingerprint_switched_on_indications_carry_it() {
    let world = Setup::with(Profile::Default, "fingerprint = true").build();
    let (client, peer) = pair(&world);
    for len in 0..9 {
        assert!(peer.send_to(client.relayed(), &vec![7; len]));
        let [frame] = &client.frames()[..] else { panic!("one indication") };
        let message = Message::parse(frame).expect("a STUN message");
        assert!(message.has(AttributeType::FINGERPRINT) && message.fingerprint_holds());
        assert_eq!(message.value(AttributeType::DATA).map(<[u8]>::len), Some(len));
    }
}

// SEC-012 as far as the core goes, STUN-035: nothing a peer or a client sends is answered by more than one datagram.
#[test]
fn one_datagram_in_is_at_most_one_datagram_out() {
    let world = World::of(Profile::Default);
    let (client, peer) = pair(&world);
    for index in 0..100_u32 {
        let data = index.to_be_bytes();
        client.send_to(peer.addr(), &data);
        assert_eq!(peer.received(), [data]);
        assert!(peer.send_to(client.relayed(), &data));
        assert_eq!(client.frames().len(), 1);
    }
}
