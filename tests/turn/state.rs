//! The core's state written out and read back, and how much memory an allocation takes.

use std::mem::size_of;
use std::net::{IpAddr, SocketAddr};

use crate::world::{BOB, Pace, Received, Setup, TestClient, World};
use turnserver::auth::LongTermKey;
use turnserver::config::Profile;
use turnserver::stun::{ChannelNumber, Method};
use turnserver::turn::Snapshot;
use turnserver::turn::address::{FiveTuple, LinkId, RelayId, Transport};
use turnserver::turn::allocation::Allocation;
use turnserver::turn::channel::Channel;
use turnserver::turn::time::Mono;

/// Through JSON and back, as between two processes.
fn carried(snapshot: &Snapshot) -> Snapshot {
    let text = serde_json::to_string(snapshot).expect("a snapshot can be written");
    serde_json::from_str(&text).expect("and read")
}

/// Replaces the worker's core by one that knows what it wrote out.
fn hand_over(world: &World) {
    let before = world.export(0);
    world.replace(0, carried(&before));
    assert!(world.export(0) == before, "what was read is what was written");
}

fn allocated(world: &World) -> TestClient {
    let client = world.client();
    client.allocate().expect("an allocation");
    client
}

#[test]
fn an_empty_server_can_be_handed_over() {
    let world = World::of(Profile::Default);
    hand_over(&world);
    assert_eq!(world.allocations(), 0);
}

// Allocation, permission, channel, both families, every transport.
#[test]
fn clients_notice_nothing_of_a_hand_over() {
    for transport in [Transport::Udp, Transport::Tcp, Transport::Tls] {
        let world = World::of(Profile::Default);
        let client = world.client().over(transport);
        let request = client.request(Method::ALLOCATE).transport(17).additional(2).lifetime(900);
        let answer = request.once();
        client.learn(answer.as_ref().expect("an answer"));
        let peers = [world.peer("8.8.4.4:5000"), world.peer("[2606:4700::1]:5000")];
        assert_eq!((client.bind(0x4000, peers[0].addr()), client.permit(&[peers[1].addr()])), (200, 200));
        client.channel_send(0x4000, b"before");
        world.advance(20);
        hand_over(&world);

        assert_eq!(request.once(), answer, "a retransmission gets its answer again");
        client.channel_send(0x4000, b"after");
        assert_eq!(peers[0].received(), [&b"before"[..], b"after"]);
        for peer in &peers {
            assert!(peer.send_to(client.relayed_for(peer.addr()), b"x"));
        }
        let channel = Received::Channel { number: 0x4000, data: b"x".to_vec() };
        assert_eq!(client.received(), [channel, Received::Data { peer: peers[1].addr(), data: b"x".to_vec() }]);
        let intruder = world.client().over(transport).at(&client.tuple().client.to_string()).named(BOB);
        assert_eq!(intruder.with_nonce(client.nonce()).refresh(None), Err(441));
        assert_eq!(client.bind(0x4001, peers[0].addr()), 400);
        assert_eq!(client.refresh(None), Ok(600));
        assert_eq!(world.lookups(), 2, "Alice's Allocate and Bob's Refresh: the owner's key came along");
    }
}

// Every end comes when it would have come.
#[test]
fn ends_come_in_time_after_a_hand_over() {
    for hand_over_at in [1, 30, 250, 299, 599] {
        let world = World::of(Profile::Default);
        let client = allocated(&world);
        let peer = world.peer("8.8.4.4:5000");
        assert_eq!((client.refresh(Some(700)), client.bind(0x4000, peer.addr())), (Ok(700), 200));
        let mut now = 0;
        let mut go_to = |second: u64| {
            for to in [hand_over_at, second] {
                if now < to && to <= second {
                    world.advance(to - now);
                    now = to;
                    if to == hand_over_at {
                        hand_over(&world);
                    }
                }
            }
        };
        let heard = || {
            peer.send_to(client.relayed(), b"x");
            client.received().len()
        };
        let sent = || {
            client.channel_send(0x4000, b"x");
            peer.received().len()
        };
        go_to(299);
        assert_eq!((heard(), sent()), (1, 1));
        go_to(301);
        assert_eq!((heard(), sent()), (0, 1));
        go_to(599);
        assert_eq!(sent(), 1);
        go_to(601);
        assert_eq!(sent(), 0);
        go_to(699);
        assert_eq!(world.allocations(), 1);
        go_to(701);
        assert_eq!((world.allocations(), world.relay_sockets(), world.census().0), (0, 0, 0));
    }
}

// ALLOC-018, ALLOC-019: reservations are handed over, and end.
#[test]
fn reservations_outlive_a_hand_over() {
    for used in [true, false] {
        let world = World::of(Profile::Default);
        let client = world.client();
        let reply = client.request(Method::ALLOCATE).transport(17).even(true).send().expect("an answer");
        let token = reply.token().expect("a token");
        world.advance(20);
        hand_over(&world);
        if used {
            let second = world.client();
            let claimed = second.request(Method::ALLOCATE).transport(17).token(&token).send().expect("an answer");
            assert_eq!(claimed.relayed()[0].port(), reply.relayed()[0].port() + 1);
        }
        world.advance(11);
        assert_eq!((world.reservations(), world.census().0), (0, 1 + usize::from(used)));
    }
}

// Parked look-ups stay behind: their clients repeat them.
#[test]
fn what_waits_is_not_handed_over() {
    let world = World::of(Profile::Default);
    let client = world.client();
    client.nonce();
    world.look_ups(Pace::Held);
    let request = client.request(Method::ALLOCATE).transport(17);
    assert_eq!(request.once(), None);
    hand_over(&world);
    assert_eq!(world.parked(), 0);
    world.look_ups(Pace::Prompt);
    assert_eq!(request.once().map(|reply| reply.code()), Some(200));
}

// Sockets and connections have other numbers in another process.
#[test]
fn handles_can_be_renamed() {
    let world = World::of(Profile::Default);
    let clients = [allocated(&world), allocated(&world)];
    let mut snapshot = carried(&world.export(0));
    let mut seen = Vec::new();
    snapshot.rename(
        |tuple, link| {
            seen.push(*tuple);
            LinkId(link.0 + 100)
        },
        |relay| RelayId(relay.0 + 7),
    );
    assert_eq!(seen, [clients[0].tuple(), clients[1].tuple()]);
    let text = serde_json::to_value(&snapshot).expect("JSON");
    let of = |index: usize, field: &str| text["allocations"][index][field].clone();
    assert_eq!((of(0, "link"), of(1, "link")), (101.into(), 102.into()));
    assert_eq!(of(1, "relays")[0]["grant"]["relay"], 8);
}

// A snapshot holds keys: it is not shown by accident.
#[test]
fn a_snapshot_does_not_show_its_keys() {
    let world = World::of(Profile::Default);
    let client = allocated(&world);
    let shown = format!("{:?}", world.export(0));
    assert!(!shown.contains(&hex::encode(client.key().raw())) && !shown.contains("alice"), "{shown}");
}

// Section 2 of the design: aim at 1 KiB for an allocation with one permission and one channel, at most 1.5.
#[test]
fn an_allocation_takes_less_than_a_kibibyte_and_a_half() {
    // A vector's first element makes room for four.
    let tables = 4 * (size_of::<(IpAddr, Mono)>() + size_of::<Channel>() + size_of::<(SocketAddr, ChannelNumber)>());
    let client = Setup::of(Profile::Default).build().client();
    let answer = client.request(Method::ALLOCATE).transport(17).send().expect("an answer").bytes().len();
    let name_and_quota = 2 * (2 * size_of::<usize>() + 24);
    let key = 2 * size_of::<usize>() + size_of::<LongTermKey>();
    // The slab's entry; the 5-tuple's, in a table that is less than half full at its worst; the relay's; two timers.
    let indexes = 16 + (size_of::<FiveTuple>() + 4 + 1) * 2 * 8 / 7 + 8 + 2 * 24;
    let total = size_of::<Allocation>() + tables + answer + name_and_quota + key + indexes;
    assert!(total < 1536, "{total} bytes");
}
