//! T14, T18, T39: reaching what belongs to others, or what was not asked for.

use turnserver::config::Profile;
use turnserver::stun::{AttributeType, Method};

use crate::world::{BOB, Received, TestClient, World, sock};

/// MOBILITY-TICKET (RFC 8016 section 5).
const MOBILITY_TICKET: AttributeType = AttributeType(0x8030);

fn allocated(world: &World) -> TestClient {
    let client = world.client();
    client.allocate().expect("an allocation");
    client
}

/// The row's `server-relay` mode, which lets data in without a permission, does not exist here.
#[test]
fn t14_data_passes_with_a_permission_of_its_own_only() {
    let world = World::of(Profile::Default);
    let (client, other) = (allocated(&world), allocated(&world));
    let (peer, stranger) = (world.peer("8.8.4.4:5000"), world.peer("8.8.8.8:5000"));
    let reaches = |from: &TestClient| {
        from.send_to(peer.addr(), b"out");
        peer.send_to(from.relayed(), b"in");
        (peer.received().len(), from.received().len())
    };
    assert_eq!(reaches(&client), (0, 0), "no permission at all");
    assert_eq!(client.permit(&[peer.addr()]), 200);
    assert_eq!(reaches(&client), (1, 1));
    assert_eq!(reaches(&other), (0, 0), "a permission of another allocation");
    stranger.send_to(client.relayed(), b"in");
    client.send_to(stranger.addr(), b"out");
    assert_eq!((stranger.received().len(), client.received().len()), (0, 0), "another address");
    // RFC 8656 section 9: addresses are compared, ports are not.
    let other_port = world.peer("8.8.4.4:9");
    other_port.send_to(client.relayed(), b"in");
    assert_eq!(client.received(), [Received::Data { peer: other_port.addr(), data: b"in".to_vec() }]);
    world.advance(299);
    assert_eq!(reaches(&client), (1, 1), "a second before its end");
    world.advance(1);
    assert_eq!(reaches(&client), (0, 0), "300 s are over");
}

#[test]
fn t14_a_channel_leads_to_its_peer_only() {
    let world = World::of(Profile::Default);
    let (client, other) = (allocated(&world), allocated(&world));
    let (peer, second) = (world.peer("8.8.4.4:5000"), world.peer("8.8.8.8:5000"));
    assert_eq!(client.bind(0x4000, peer.addr()), 200);
    assert_eq!(client.bind(0x4000, second.addr()), 400, "a number leads to one peer");
    assert_eq!(client.bind(0x4001, peer.addr()), 400, "a peer has one number");
    for (from, number) in [(&client, 0x4001), (&other, 0x4000)] {
        from.channel_send(number, b"x");
    }
    assert_eq!((peer.received().len(), second.received().len()), (0, 0), "unbound, or bound by another client");
    client.channel_send(0x4000, b"x");
    assert_eq!((peer.received().len(), second.received().len()), (1, 0));
    world.advance(600);
    client.channel_send(0x4000, b"x");
    assert_eq!(peer.received().len(), 0, "600 s are over");
}

/// Mobility does not exist here: a ticket is neither given nor taken, so that nothing can be pending. Beyond: one pending
/// resume an allocation, bound to its owner.
#[test]
fn t18_no_session_can_be_resumed_elsewhere() {
    for profile in Profile::ALL {
        let world = World::of(profile);
        let client = world.client();
        let reply = client.request(Method::ALLOCATE).transport(17).attribute(MOBILITY_TICKET, &[]).send();
        let reply = reply.expect("an answer");
        assert_eq!((reply.code(), reply.has(MOBILITY_TICKET)), (200, false), "{profile}: it cannot be moved");
        let mover = world.client();
        // Two in a row, as if the first had left something pending.
        for (lifetime, ticket) in [(600, &b"ticket"[..]), (600, b"ticket"), (0, b""), (3600, &[7; 32])] {
            let resume = mover.request(Method::REFRESH).attribute(MOBILITY_TICKET, ticket).lifetime(lifetime);
            assert_eq!(resume.code(), 437, "{profile}");
        }
        assert_eq!((world.parked(), world.allocations(), world.relay_sockets(), world.quota_total()), (0, 1, 1, 1));
        assert_eq!(client.refresh(None), Ok(600), "{profile}: it is where it was");
    }
}

/// Beyond: an ORIGIN that is pinned to an allocation.
#[test]
fn t39_another_user_cannot_take_over_an_allocation() {
    for profile in Profile::ALL {
        let world = World::of(profile);
        let client = allocated(&world);
        let at = client.tuple().client.to_string();
        let intruder = world.client().at(&at).named(BOB).with_nonce(client.nonce());
        let peer = sock("8.8.4.4:5000");
        for lifetime in [None, Some(0), Some(3600)] {
            assert_eq!(intruder.refresh(lifetime), Err(441), "{profile}");
        }
        assert_eq!((intruder.permit(&[peer]), intruder.bind(0x4000, peer)), (441, 441), "{profile}");
        let coturn = profile == Profile::Coturn;
        assert_eq!(intruder.allocate(), Err(if coturn { 437 } else { 441 }), "{profile}");
        // What fails the check of integrity says nothing of whose the allocation is.
        let forger = world.client().at(&at).login(BOB.name.as_bytes(), b"wrong").with_nonce(client.nonce());
        assert_eq!(forger.refresh(None), Err(401), "{profile}");
        world.peer("8.8.4.4:5000").send_to(client.relayed(), b"x");
        assert_eq!((client.received().len(), client.refresh(None)), (0, Ok(600)), "{profile}: nothing changed");
    }
}
