//! What changes while the server runs: rules for peers, and a user database that cannot be asked for a while.

use crate::world::{self, ALICE, Pace, Setup, World, sock};
use turnserver::config::Profile;
use turnserver::stun::{AttributeType, Method};
use turnserver::turn::Event;

const PEER: &str = "198.51.99.7:5000";
const OTHER: &str = "198.51.98.7:5000";

/// A client with a permission for two peers, and a channel to the first.
fn settled(world: &World) -> world::TestClient {
    let client = world.client();
    client.allocate().expect("an allocation");
    assert_eq!(client.permit(&[sock(PEER), sock(OTHER)]), 200);
    assert_eq!(client.bind(0x4000, sock(PEER)), 200);
    client
}

#[test]
fn a_peer_that_is_denied_from_now_on_is_out_of_reach_at_once() {
    let world = World::of(Profile::Default);
    let (client, peer, other) = (settled(&world), world.peer(PEER), world.peer(OTHER));
    let relayed = client.relayed();
    world.reload(&Setup::with(Profile::Default, "denied-peer-ip = [\"198.51.99.0/24\"]"));

    client.channel_send(0x4000, b"on the channel");
    client.send_to(sock(PEER), b"in an indication");
    peer.send_to(relayed, b"from the denied peer");
    assert_eq!(peer.received(), Vec::<Vec<u8>>::new(), "nothing reaches it");
    assert_eq!(client.received(), [], "nothing comes from it");
    assert_eq!((client.permit(&[sock(PEER)]), client.bind(0x4000, sock(PEER))), (403, 403));

    client.send_to(sock(OTHER), b"to the other one");
    other.send_to(relayed, b"from the other one");
    assert_eq!((other.received().len(), client.received().len()), (1, 1), "the other one is untouched");
    let ended = |event: &Event| matches!(event, Event::ChannelUnbound { .. } | Event::PermissionExpired { .. });
    assert_eq!(world.events().iter().filter(|event| ended(event)).count(), 2, "both ends are told");
}

#[test]
fn a_denial_that_is_lifted_lets_the_peer_in_again() {
    let world = Setup::with(Profile::Default, "denied-peer-ip = [\"198.51.99.0/24\"]").build();
    let client = world.client();
    client.allocate().expect("an allocation");
    assert_eq!(client.permit(&[sock(PEER)]), 403);
    world.reload(&Setup::of(Profile::Default));
    assert_eq!(client.permit(&[sock(PEER)]), 200);
}

/// RFC 8489 section 14.8: a fault of ours is a 500, which a client tries again; a 401 would make it ask for a password.
#[test]
fn a_user_database_that_is_down_is_a_500_and_is_asked_again_later() {
    let world = World::of(Profile::Default);
    let client = world.client();
    world.look_ups(Pace::Failing);
    let reply = client.request(Method::ALLOCATE).transport(17).send().expect("an answer");
    assert_eq!(reply.code(), 500);
    assert!(!reply.has(AttributeType::MESSAGE_INTEGRITY), "whose key would it be signed with");
    assert!(!reply.has(AttributeType::NONCE) && !reply.has(AttributeType::REALM), "it is no challenge");
    world.look_ups(Pace::Prompt);
    client.allocate().expect("the database is back");
}

/// Who has an allocation is known: no look-up, no failure.
#[test]
fn an_allocation_goes_on_while_the_user_database_is_down() {
    let world = World::of(Profile::Default);
    let client = settled(&world);
    world.look_ups(Pace::Failing);
    assert_eq!(client.refresh(None), Ok(600));
    assert_eq!(client.permit(&[sock(OTHER)]), 200);
    // Another password than the known one is looked up, and that fails: neither accepted nor called wrong.
    let stranger = turnserver::auth::LongTermKey::derive(ALICE.name.as_bytes(), b"example.org", b"another");
    assert_eq!(client.request(Method::REFRESH).key(stranger).code(), 500);
    assert_eq!(client.refresh(None), Ok(600));
}

/// A new process may have other rules than the one whose allocations it takes over.
#[test]
fn what_is_taken_over_obeys_the_rules_in_force() {
    let world = World::of(Profile::Default);
    let (client, peer, other) = (settled(&world), world.peer(PEER), world.peer(OTHER));
    let snapshot = world.export(0);
    world.reload(&Setup::with(Profile::Default, "denied-peer-ip = [\"198.51.99.0/24\"]"));
    world.replace(0, snapshot);
    client.channel_send(0x4000, b"on the channel");
    peer.send_to(client.relayed(), b"from the denied peer");
    assert_eq!((peer.received().len(), client.received().len()), (0, 0));
    client.send_to(sock(OTHER), b"to the other one");
    assert_eq!(other.received().len(), 1);
}

/// Another rate of new peers is in force for those who had used up the former one, which would have them wait for an hour.
#[test]
fn who_used_up_the_new_peers_waits_as_long_as_the_new_rate_says() {
    let lines = |rate: u32| format!("new-peers-per-minute = {rate}");
    let world = Setup::with(Profile::Default, &lines(1)).build();
    let client = world.client();
    client.allocate().expect("an allocation");
    let peer = |index: u32| sock(&format!("198.51.{}.{}:5000", 90 + index / 256, index % 256));
    let granted = |from: u32| (from..from + 200).take_while(|index| client.permit(&[peer(*index)]) == 200).count();
    assert_eq!(granted(0), 64);
    world.reload(&Setup::with(Profile::Default, &lines(1)));
    assert_eq!(granted(200), 0, "a reload gives nobody peers");
    world.reload(&Setup::with(Profile::Default, &lines(60)));
    assert_eq!(granted(400), 0);
    world.advance(10);
    assert_eq!(granted(600), 10, "one a second");
    world.reload(&Setup::with(Profile::Default, &lines(0)));
    assert_eq!(granted(1000), 256 - 64 - 10, "no bound but that of permissions");
}
