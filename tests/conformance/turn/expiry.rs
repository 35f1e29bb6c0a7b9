//! When an allocation ends, and what ends with it.

use turnserver::config::Profile;

use crate::world::{Received, World};

pub(super) fn turn_009_data_is_no_refresh() {
    let world = World::of(Profile::Default);
    let (client, peer) = (world.client(), world.peer("8.8.4.4:5000"));
    let relayed = client.allocate().expect("an allocation");
    assert_eq!(client.bind(0x4000, peer.addr()), 200);
    for second in 0..600 {
        if second % 250 == 249 {
            assert_eq!(client.permit(&[peer.addr()]), 200);
        }
        client.send_to(peer.addr(), b"by Send");
        client.channel_send(0x4000, b"by channel");
        assert!(peer.send_to(relayed, b"to the client"), "alive in second {second}");
        world.advance(1);
    }
    assert_eq!((peer.received().len(), client.received().len()), (1200, 600), "everything was relayed until then");
    client.send_to(peer.addr(), b"x");
    client.channel_send(0x4000, b"x");
    peer.send_to(relayed, b"x");
    world.advance(1);
    assert_eq!(client.refresh(None), Err(437), "gone at 600 s");
    assert!(!peer.send_to(relayed, b"x"), "nothing listens there");
    assert_eq!((peer.received().len(), client.received().len()), (0, 0));
}

pub(super) fn turn_010_the_end_takes_everything_with_it() {
    let world = World::of(Profile::Default);
    let (client, peer) = (world.client(), world.peer("8.8.4.4:5000"));
    let relayed = client.allocate().expect("an allocation");
    world.advance(550);
    assert_eq!((client.bind(0x4000, peer.addr()), client.permit(&[peer.addr()])), (200, 200));
    assert!(peer.send_to(relayed, b"in time"));
    assert_eq!(client.received(), [Received::Channel { number: 0x4000, data: b"in time".to_vec() }]);
    world.advance(50);

    assert!(!peer.send_to(relayed, b"late"), "the port is closed");
    assert_eq!((world.relay_sockets(), world.allocations(), world.census().0), (0, 0, 0));
    let anew = client.allocate().expect("the 5-tuple is free");
    client.channel_send(0x4000, b"by the old channel");
    client.send_to(peer.addr(), b"by the old permission");
    assert!(peer.send_to(anew, b"by the old permission"));
    assert_eq!((peer.received().len(), client.received().len()), (0, 0), "the new one starts empty");
    assert_eq!(client.bind(0x4000, world.peer("8.8.8.8:1").addr()), 200, "the number is free");
}
