//! How long a permission lives, and what keeps it alive.

use std::net::SocketAddr;

use turnserver::config::Profile;

use crate::world::{TestClient, TestPeer, World};

/// A client with an allocation of an hour, and a peer.
fn begin(profile: Profile) -> (World, TestClient, TestPeer, SocketAddr) {
    let world = World::of(profile);
    let (client, peer) = (world.client(), world.peer("8.8.4.4:5000"));
    let relayed = client.allocate().expect("an allocation");
    assert_eq!(client.refresh(Some(3600)), Ok(3600));
    (world, client, peer, relayed)
}

/// Whether data passes to the client, and by Send to the peer.
fn passes(client: &TestClient, peer: &TestPeer, relayed: SocketAddr) -> (bool, bool) {
    assert!(peer.send_to(relayed, b"to the client"), "the allocation lives");
    client.send_to(peer.addr(), b"to the peer");
    (client.received().len() == 1, peer.received().len() == 1)
}

pub(super) fn perm_009_a_permission_lives_for_five_minutes() {
    for profile in Profile::ALL {
        let (world, client, peer, relayed) = begin(profile);
        assert_eq!(client.permit(&[peer.addr()]), 200);
        world.advance(299);
        assert_eq!(passes(&client, &peer, relayed), (true, true), "{profile}: at 299 s");
        world.advance(2);
        assert_eq!(passes(&client, &peer, relayed), (false, false), "{profile}: at 301 s");
        assert_eq!(client.permit(&[peer.addr()]), 200);
        world.advance(299);
        assert_eq!(passes(&client, &peer, relayed), (true, true), "{profile}: installed anew");
    }
}

// Decided: the permission of a channel lives for five minutes as well; coturn's profile keeps it as long as the channel.
pub(super) fn perm_010_both_ways_install_and_refresh() {
    type Way = fn(&TestClient, SocketAddr) -> u16;
    let permit: Way = |client, peer| client.permit(&[peer]);
    let bind: Way = |client, peer| client.bind(0x4000, peer);
    for (install, refresh) in [(permit, bind), (bind, permit), (permit, permit), (bind, bind)] {
        let (world, client, peer, relayed) = begin(Profile::Default);
        assert_eq!(install(&client, peer.addr()), 200);
        world.advance(200);
        assert_eq!(refresh(&client, peer.addr()), 200);
        world.advance(250);
        assert_eq!(passes(&client, &peer, relayed), (true, true), "at 450 s");
        world.advance(51);
        assert_eq!(passes(&client, &peer, relayed), (false, false), "at 501 s");
    }
    let (world, client, peer, relayed) = begin(Profile::Coturn);
    assert_eq!(client.bind(0x4000, peer.addr()), 200);
    world.advance(599);
    assert_eq!(passes(&client, &peer, relayed), (true, true), "coturn's profile at 599 s");
    world.advance(2);
    assert_eq!(passes(&client, &peer, relayed), (false, false), "coturn's profile at 601 s");
}

pub(super) fn perm_011_data_keeps_no_permission_alive() {
    let (world, client, peer, relayed) = begin(Profile::Default);
    assert_eq!(client.bind(0x4000, peer.addr()), 200);
    for second in 0..300 {
        assert_eq!(passes(&client, &peer, relayed), (true, true), "in second {second}");
        client.channel_send(0x4000, b"by channel");
        assert_eq!(peer.received().len(), 1, "in second {second}");
        world.advance(1);
    }
    world.advance(1);
    assert_eq!(passes(&client, &peer, relayed), (false, false), "at 301 s");
    // Decided: the channel itself still carries data to the peer (RFC 8656 section 12.6 asks for no permission).
    client.channel_send(0x4000, b"by channel");
    assert_eq!(peer.received().len(), 1);
    assert!(peer.send_to(relayed, b"late"));
    assert_eq!(client.received().len(), 0, "that did not bring it back");
}
