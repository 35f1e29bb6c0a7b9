//! How long an allocation lives, and its end.

use turnserver::config::Profile;
use turnserver::stun::Method;

use crate::draft::Draft;
use crate::peer::Peer;
use crate::probe::Probe;
use crate::relaying::{exchanges_data, hears, is_signed, own_server, probe_of};
use crate::target::Target;
use crate::wire::free_ports;
use crate::world::{Received, World};

pub(super) fn refr_001_lifetimes_are_negotiated() {
    for (over, mut probe) in Probe::over_each() {
        let longest = probe.ask(&Draft::allocate().lifetime(u32::MAX)).lifetime();
        if Target::get().is_ours() {
            assert_eq!(longest, 3600);
        }
        let table = [(None, 600), (Some(1), 600), (Some(599), 600), (Some(600), 600), (Some(601), 601)];
        for (asked, wanted) in table.into_iter().chain([(Some(3601), longest.min(3601))]) {
            let draft = asked.into_iter().fold(Draft::request(Method::REFRESH), Draft::lifetime);
            let reply = probe.ask(&draft);
            assert_eq!((reply.code(), is_signed(&reply)), (0, true), "over {over}, asked {asked:?}");
            assert_eq!(reply.lifetime(), wanted, "over {over}, asked {asked:?}");
        }
    }
}

pub(super) fn refr_002_zero_is_the_end() {
    for (over, mut probe) in Probe::over_each() {
        let (relayed, peer) = (probe.allocate(), Peer::new());
        assert_eq!(probe.bind(0x4000, peer.addr()), 0);
        let reply = probe.ask(&Draft::request(Method::REFRESH).lifetime(0));
        assert_eq!((reply.code(), reply.lifetime(), is_signed(&reply)), (0, 0, true), "over {over}");
        assert_eq!(probe.refresh(600), 437, "over {over}");
        peer.send(relayed, b"late");
        probe.receives_nothing();
        probe.send_channel(0x4000, b"late");
        probe.tell(&Draft::send(peer.addr(), b"late"));
        peer.receives_nothing(&mut probe);
        let anew = probe.allocate();
        assert_eq!(probe.permit(peer.addr()), 0);
        exchanges_data(&mut probe, anew, &peer);
    }
    if Target::get().is_ours() {
        the_port_is_released();
    }
}

/// The server has one port: two clients can have it one after the other only if it comes back.
fn the_port_is_released() {
    let port = free_ports(1);
    let server = own_server(&["127.0.0.1"], &format!("min-port = {port}\nmax-port = {port}"));
    let (mut first, mut second) = (probe_of(&server), probe_of(&server));
    for _ in 0..3 {
        assert_eq!(first.allocate().port(), port);
        assert_eq!((second.code(&Draft::allocate()), first.refresh(0)), (508, 0));
        assert_eq!(second.allocate().port(), port);
        assert_eq!(second.refresh(0), 0);
    }
}

pub(super) fn refr_003_a_repeated_delete_is_harmless() {
    for (over, mut probe) in Probe::over_each() {
        probe.allocate();
        let draft = Draft::request(Method::REFRESH).lifetime(0);
        let codes = [probe.code(&draft), probe.code(&draft), probe.code(&draft)];
        assert_eq!(codes[0], 0, "over {over}");
        assert!(codes[1..].iter().all(|code| matches!(code, 0 | 437)), "over {over}: {codes:?}");
    }
}

pub(super) fn refr_007_a_refresh_keeps_no_permission_alive() {
    let world = World::of(Profile::Default);
    let (client, peer) = (world.client(), world.peer("8.8.4.4:5000"));
    let relayed = client.allocate().expect("an allocation");
    assert_eq!(client.permit(&[peer.addr()]), 200);
    world.advance(290);
    assert!(peer.send_to(relayed, b"in time"));
    assert_eq!(client.received(), [Received::Data { peer: peer.addr(), data: b"in time".to_vec() }]);
    world.advance(5);
    assert_eq!(client.refresh(None), Ok(600));
    world.advance(6);
    assert!(peer.send_to(relayed, b"late"), "the allocation lives");
    client.send_to(peer.addr(), b"late");
    assert_eq!((client.received().len(), peer.received().len()), (0, 0), "its permission does not");

    assert_eq!(client.bind(0x4000, peer.addr()), 200);
    world.advance(590);
    assert_eq!(client.refresh(None), Ok(600));
    client.channel_send(0x4000, b"in time");
    assert_eq!(peer.received(), [b"in time".to_vec()]);
    world.advance(11);
    client.channel_send(0x4000, b"late");
    assert_eq!((peer.received().len(), client.refresh(None)), (0, Ok(600)), "nor does its channel");
}

pub(super) fn refr_008_an_allocation_lives_to_the_second() {
    for (asked, secs) in [(None, 600), (Some(1), 600), (Some(1800), 1800), (Some(3600), 3600)] {
        let world = World::of(Profile::Default);
        let [alive, gone] = [world.client(), world.client()];
        for client in [&alive, &gone] {
            let request = client.request(Method::ALLOCATE).transport(17);
            assert_eq!(asked.into_iter().fold(request, |request, asked| request.lifetime(asked)).code(), 200);
        }
        world.advance(secs - 1);
        assert_eq!((world.allocations(), world.relay_sockets()), (2, 2), "{secs} s");
        assert_eq!(alive.refresh(None), Ok(600), "alive a second before");
        world.advance(2);
        assert_eq!(gone.refresh(None), Err(437), "gone a second after");
        assert_eq!((world.allocations(), world.relay_sockets()), (1, 1), "{secs} s");
        world.advance(598);
        assert_eq!(alive.refresh(None), Err(437), "the refreshed one after its own {secs} s");
    }
}

pub(super) fn refr_004_another_family_is_refused() {
    for (over, mut probe) in Probe::over_each() {
        let (relayed, peer) = (probe.allocate(), Peer::new());
        assert_eq!(probe.permit(peer.addr()), 0);
        for lifetime in [0, 600, 3600] {
            let draft = Draft::request(Method::REFRESH).requested_family(2).lifetime(lifetime);
            let reply = probe.ask(&draft);
            assert_eq!((reply.code(), is_signed(&reply)), (443, true), "over {over}, {lifetime} s");
        }
        hears(&mut probe, relayed, &peer);
        assert_eq!(probe.code(&Draft::request(Method::REFRESH).requested_family(1)), 0, "its own family");
    }
    if Target::get().is_ours() {
        let world = World::of(Profile::Default);
        let client = world.client();
        client.allocate().expect("an IPv4 allocation");
        world.advance(500);
        assert_eq!(client.request(Method::REFRESH).family(2).lifetime(1200).code(), 443);
        world.advance(99);
        assert_eq!(world.allocations(), 1, "its end has not moved");
        world.advance(2);
        assert_eq!((world.allocations(), client.refresh(None)), (0, Err(437)), "its end has not moved");
    }
}
