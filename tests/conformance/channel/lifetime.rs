//! How long channels live, in virtual time.

use turnserver::config::Profile;
use turnserver::stun::Method;

use crate::scene::Scene;
use crate::target::Target;
use crate::world::{Received, TestClient, TestPeer, World};

const PEER: &str = "8.8.8.8:5000";
const OTHER: &str = "9.9.9.9:6000";

/// A client whose allocation outlives everything here, and a peer.
fn pair(world: &World) -> (TestClient, TestPeer) {
    let client = world.client();
    let reply = client.request(Method::ALLOCATE).transport(17).lifetime(3600).send().expect("an answer");
    client.learn(&reply);
    assert_eq!(reply.lifetime(), Some(3600));
    (client, world.peer(PEER))
}

/// Whether data on channel 0x4001 reaches a peer.
fn goes_to(client: &TestClient, peer: &TestPeer) -> bool {
    client.channel_send(0x4001, b"there");
    peer.received() == [b"there"]
}

/// Whether data of a peer comes back on channel 0x4001.
fn comes_back(client: &TestClient, peer: &TestPeer) -> bool {
    peer.send_to(client.relayed(), b"back");
    let received = client.received();
    let expected = Received::Channel { number: 0x4001, data: b"back".to_vec() };
    assert!(received.is_empty() || received == [expected], "{received:?}");
    !received.is_empty()
}

pub(super) fn chan_005_binding_again_renews_channel_and_permission() {
    let world = World::of(Profile::Default);
    let (client, peer) = pair(&world);
    assert_eq!(client.bind(0x4001, peer.addr()), 200);
    world.advance(500);
    assert_eq!(client.bind(0x4001, peer.addr()), 200);
    world.advance(299);
    assert!(comes_back(&client, &peer), "the permission has 300 s from the second request on");
    world.advance(2);
    assert!(!comes_back(&client, &peer));
    world.advance(199);
    assert!(goes_to(&client, &peer), "at 1000 s");
    world.advance(99);
    assert!(goes_to(&client, &peer), "at 1099 s");
    world.advance(2);
    assert!(!goes_to(&client, &peer), "at 1101 s");
    if Target::get().is_ours() {
        let mut scene = Scene::new().with_channel().with_channel();
        scene.probe.send_channel(0x4000, b"bound twice");
        scene.peer_gets(b"bound twice");
    }
}

pub(super) fn chan_011_a_channel_lives_600_seconds_its_permission_300() {
    let world = World::of(Profile::Default);
    let (client, peer) = pair(&world);
    assert_eq!(client.bind(0x4001, peer.addr()), 200);
    world.advance(299);
    assert!(comes_back(&client, &peer));
    world.advance(2);
    assert!(!comes_back(&client, &peer), "at 301 s");
    world.advance(298);
    assert!(goes_to(&client, &peer), "at 599 s the channel still is a way to the peer");
    world.advance(2);
    assert!(!goes_to(&client, &peer), "at 601 s");
}

pub(super) fn chan_012_data_refreshes_nothing() {
    let world = World::of(Profile::Default);
    let (client, peer) = pair(&world);
    assert_eq!(client.bind(0x4001, peer.addr()), 200);
    for second in 1..=601 {
        world.advance(1);
        assert_eq!(goes_to(&client, &peer), second < 600, "to the peer at {second} s");
        assert_eq!(comes_back(&client, &peer), second < 300, "to the client at {second} s");
    }
}

pub(super) fn chan_013_after_its_end_number_and_peer_are_free() {
    let world = World::of(Profile::Default);
    let (client, peer) = pair(&world);
    let other = world.peer(OTHER);
    assert_eq!(client.bind(0x4001, peer.addr()), 200);
    world.advance(599);
    assert_eq!(client.bind(0x4001, other.addr()), 400, "not before");
    world.advance(2);
    assert_eq!(client.bind(0x4001, other.addr()), 200);
    assert!(goes_to(&client, &other) && comes_back(&client, &other));
    assert_eq!(client.bind(0x4002, peer.addr()), 200, "the address is free as well");
}
