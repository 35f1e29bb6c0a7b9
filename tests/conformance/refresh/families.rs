//! Refresh of an allocation that has an address of each family.

use turnserver::config::Profile;
use turnserver::stun::Method;

use crate::draft::Draft;
use crate::peer::Peer;
use crate::probe::Probe;
use crate::relaying::{V4, V6, allocate_both, peer_ip_v6, refresh_family};
use crate::target::Target;
use crate::wire::Received;
use crate::world::World;

pub(super) fn refr_005_a_family_is_refreshed_and_deleted_alone() {
    for (gone, kept) in [(V4, V6), (V6, V4)] {
        let mut probe = Probe::udp();
        let relayed = allocate_both(&mut probe);
        let peers = [Peer::new(), Peer::at(peer_ip_v6())];
        let channels = [0x4001, 0x4002];
        for (channel, peer) in channels.into_iter().zip(&peers) {
            assert_eq!(probe.bind(channel, peer.addr()), 0);
        }
        let place = |family: u8| usize::from(family) - 1;
        assert_eq!(refresh_family(&mut probe, gone, 0), 0, "family {gone}");

        probe.send_channel(channels[place(gone)], b"late");
        probe.tell(&Draft::send(peers[place(gone)].addr(), b"late"));
        peers[place(gone)].receives_nothing(&mut probe);
        peers[place(gone)].send(relayed[place(gone)], b"late");
        probe.receives_nothing();
        for _ in 0..2 {
            probe.send_channel(channels[place(kept)], b"goes on");
            assert_eq!(peers[place(kept)].receive(), (b"goes on".to_vec(), relayed[place(kept)]));
            peers[place(kept)].send(relayed[place(kept)], b"goes on");
            assert_eq!(probe.receive(), Received::Channel(channels[place(kept)], b"goes on".to_vec()));
            assert_eq!(refresh_family(&mut probe, kept, 600), 0, "family {kept}");
        }
        assert_eq!(probe.permit(peers[place(gone)].addr()), 443, "family {gone} has no relayed address");
    }
    if Target::get().is_ours() {
        only_the_family_meant_lives_on(V4, V6);
        only_the_family_meant_lives_on(V6, V4);
    }
}

/// The end of one family is moved; the other one, its permission and its channel end when they would have.
fn only_the_family_meant_lives_on(gone: u8, kept: u8) {
    let world = World::of(Profile::Default);
    let client = world.client();
    let reply = client.request(Method::ALLOCATE).transport(17).additional(V6).send().expect("an answer");
    let relayed = reply.relayed();
    let peers = [world.peer("8.8.4.4:5000"), world.peer("[2606:4700::1]:5000")];
    assert_eq!(client.request(Method::REFRESH).family(kept).lifetime(1200).code(), 200);
    let [dead, live] = [gone, kept].map(|family| usize::from(family) - 1);
    world.advance(599);
    assert_eq!((client.bind(0x4000, peers[dead].addr()), client.bind(0x4001, peers[live].addr())), (200, 200));
    assert!(peers[dead].send_to(relayed[dead], b"in time"));
    world.advance(2);
    assert!(!peers[dead].send_to(relayed[dead], b"late"), "family {gone} ended");
    assert!(peers[live].send_to(relayed[live], b"in time"), "family {kept} was refreshed");
    client.channel_send(0x4000, b"late");
    client.channel_send(0x4001, b"in time");
    assert_eq!((peers[dead].received().len(), peers[live].received().len()), (0, 1));
    assert_eq!((client.received().len(), world.relay_sockets()), (2, 1));
    world.advance(600);
    assert_eq!((world.relay_sockets(), client.refresh(None)), (0, Err(437)));
}

pub(super) fn refr_006_without_a_family_both_are_meant() {
    let mut probe = Probe::udp();
    let relayed = allocate_both(&mut probe);
    assert_eq!(probe.refresh(1200), 0, "both");
    assert_eq!(refresh_family(&mut probe, V4, 0), 0);
    for lifetime in [0, 600] {
        assert_eq!(refresh_family(&mut probe, V4, lifetime), 443, "deleted before");
    }
    assert_eq!(probe.refresh(600), 0, "what is left");
    assert_eq!(probe.code(&Draft::allocate()), 437, "the 5-tuple is in use");
    assert_eq!(refresh_family(&mut probe, V6, 0), 0, "the last one");
    assert_eq!((refresh_family(&mut probe, V6, 600), probe.refresh(600)), (437, 437), "nothing is left");

    let anew = allocate_both(&mut probe);
    assert!(anew.iter().all(|address| !relayed.contains(address)), "{anew:?} after {relayed:?}");
    assert_eq!((probe.refresh(0), probe.refresh(600)), (0, 437), "both at once");
    probe.allocate();
    if Target::get().is_ours() {
        both_are_refreshed();
    }
}

fn both_are_refreshed() {
    let world = World::of(Profile::Default);
    let client = world.client();
    assert_eq!(client.request(Method::ALLOCATE).transport(17).additional(V6).code(), 200);
    world.advance(500);
    assert_eq!(client.refresh(None), Ok(600));
    world.advance(599);
    assert_eq!(world.relay_sockets(), 2, "both live");
    world.advance(2);
    assert_eq!((world.relay_sockets(), client.refresh(None)), (0, Err(437)), "both end");
}
