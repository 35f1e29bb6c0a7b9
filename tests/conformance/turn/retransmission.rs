//! The same request again, as datagrams make necessary and clients do over streams as well.

use std::net::SocketAddr;

use turnserver::config::Profile;
use turnserver::stun::Method;
use turnserver::turn::Event;
use turnserver::turn::address::Transport;

use crate::draft::Draft;
use crate::peer::Peer;
use crate::probe::Probe;
use crate::relaying::{exchanges_data, is_signed};
use crate::target::Target;
use crate::wire::{Received, Reply};
use crate::world::World;

pub(super) fn turn_005_a_retransmission_changes_nothing() {
    for (over, mut probe) in Probe::over_each() {
        let (peer, other) = (Peer::new(), Peer::new());
        let [first, again] = ask_twice(&mut probe, &Draft::allocate());
        assert_eq!(first.relayed(), again.relayed(), "over {over}");
        assert_eq!(first.mapped(), again.mapped(), "over {over}");
        let relayed = first.relayed();

        ask_twice(&mut probe, &Draft::request(Method::CREATE_PERMISSION).peer(peer.addr()));
        exchanges_data(&mut probe, relayed, &peer);
        ask_twice(&mut probe, &Draft::request(Method::CHANNEL_BIND).channel(0x4000).peer(peer.addr()));
        assert_eq!(probe.bind(0x4000, other.addr()), 400, "the channel is bound");
        assert_eq!(probe.bind(0x4001, peer.addr()), 400, "the peer has its channel");
        peer.send(relayed, b"once");
        assert_eq!(probe.receive(), Received::Channel(0x4000, b"once".to_vec()));
        probe.receives_nothing();
        let [first, again] = ask_twice(&mut probe, &Draft::request(Method::REFRESH).lifetime(900));
        assert_eq!((first.lifetime(), again.lifetime()), (900, 900));
    }
    if Target::get().is_ours() {
        [Transport::Udp, Transport::Tcp, Transport::Tls].into_iter().for_each(retransmits_for_40_s);
    }
}

/// The same datagram twice: two successes, signed.
fn ask_twice(probe: &mut Probe, draft: &Draft) -> [Reply; 2] {
    let first = probe.ask(draft);
    let again = probe.ask(draft);
    for reply in [&first, &again] {
        assert_eq!((reply.code(), is_signed(reply)), (0, true));
    }
    [first, again]
}

/// What a clock and a look inside show: 40 seconds, and one of everything.
fn retransmits_for_40_s(transport: Transport) {
    let world = World::of(Profile::Default);
    let (client, peer) = (world.client().over(transport), world.peer("8.8.4.4:5000"));
    let request = client.request(Method::ALLOCATE).transport(17);
    let first = request.once().expect("an answer");
    world.advance(39);
    let again = request.once().expect("an answer");
    assert_eq!((again.code(), again.relayed()), (200, first.relayed()));
    assert_eq!((world.allocations(), world.relay_sockets()), (1, 1));
    world.advance(2);
    assert_eq!(request.once().expect("an answer").code(), 437, "another client may have had this id by now");

    world.events();
    let permit = client.request(Method::CREATE_PERMISSION).peer(peer.addr());
    assert!((0..2).all(|_| permit.once().is_some_and(|reply| reply.code() == 200)));
    let bind = client.request(Method::CHANNEL_BIND).channel(0x4000).peer(peer.addr());
    assert!((0..2).all(|_| bind.once().is_some_and(|reply| reply.code() == 200)));
    let told = world.events();
    let permissions = told.iter().filter(|event| matches!(event, Event::PermissionInstalled { .. })).count();
    assert_eq!(permissions, 1, "one permission: {told:?}");
    let relayed: SocketAddr = first.relayed()[0];
    assert!(peer.send_to(relayed, b"once"));
    assert_eq!(client.received().len(), 1);
}
