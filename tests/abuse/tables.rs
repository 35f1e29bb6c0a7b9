//! T15, T20: peers beyond number.

use std::net::SocketAddr;

use turnserver::config::Profile;
use turnserver::turn::Event;

use crate::world::{Setup, TestClient, World, sock};

/// The peer of a number, in public space.
fn peer(index: u32) -> SocketAddr {
    SocketAddr::new((0x0800_0000 + index).to_be_bytes().into(), 7)
}

fn allocated(world: &World) -> TestClient {
    let client = world.client();
    client.allocate().expect("an allocation");
    client
}

fn installed(world: &World) -> usize {
    world.events().iter().filter(|event| matches!(event, Event::PermissionInstalled { .. })).count()
}

#[test]
fn t15_permissions_and_channels_have_a_bound() {
    const ASKED: u32 = 100_000;
    for (profile, max) in [(Profile::Default, 256), (Profile::Hardened, 256), (Profile::Coturn, 1024)] {
        let world = Setup::of(profile).tune(|config| config.limits.new_peers_per_minute = 0).build();
        let client = allocated(&world);
        let mut granted = 0;
        for first in (0..ASKED).step_by(64) {
            let peers: Vec<SocketAddr> = (first..first + 64).map(peer).collect();
            match client.permit(&peers) {
                200 => granted += peers.len(),
                code => assert_eq!(code, 508, "{profile}"),
            }
        }
        assert_eq!((granted, installed(&world)), (max, max), "{profile}");
        let codes: Vec<u16> = (0..2 * max as u16).map(|index| client.bind(0x4000 + index, peer_port(index))).collect();
        assert!(codes[..max].iter().all(|code| *code == 200), "{profile}");
        assert!(codes[max..].iter().all(|code| *code == 508), "{profile}");
        world.advance(301);
        assert_eq!(client.permit(&[peer(ASKED)]), 200, "{profile}: what ended makes room");
    }
}

/// Another port of the first peer, which has a permission already.
fn peer_port(index: u16) -> SocketAddr {
    SocketAddr::new(peer(0).ip(), 1 + index)
}

/// A scan with single permissions, with lists, and with channels. Beyond: TCP connections through the relay.
#[test]
fn t20_new_peers_have_a_rate() {
    for profile in [Profile::Default, Profile::Hardened] {
        let world = World::of(profile);
        let client = allocated(&world);
        let asked = |range: std::ops::Range<u32>| range.filter(|index| client.permit(&[peer(*index)]) == 200).count();
        // As many as one request may name, then sixty a minute.
        assert_eq!(asked(0..200), 64, "{profile}");
        assert_eq!((client.bind(0x4000, peer(300)), installed(&world)), (508, 64), "{profile}: nor by a channel");
        assert_eq!((client.permit(&[peer(0), peer(63)]), client.bind(0x4000, peer(1))), (200, 200), "{profile}: known");
        world.advance(60);
        assert_eq!(asked(400..600), 60, "{profile}: the next minute");
        world.advance(10);
        let list: Vec<SocketAddr> = (700..711).map(peer).collect();
        assert_eq!((client.permit(&list), client.permit(&list[..10])), (508, 200), "{profile}: all of a list or none");
        assert_eq!(allocated(&world).permit(&list), 200, "{profile}: another allocation has its own");
    }
}

#[test]
fn t20_a_scan_is_told() {
    let world = World::of(Profile::Default);
    let client = allocated(&world);
    (0..64).for_each(|index| assert_eq!(client.permit(&[peer(index)]), 200));
    world.events();
    assert_eq!(client.permit(&[peer(64)]), 508);
    let tuple = client.tuple();
    let is_told = |event: &Event| matches!(event, Event::NewPeersLimited { path, user, .. } if path.tuple == tuple && **user == *b"alice");
    assert_eq!(world.events().iter().filter(|event| is_told(event)).count(), 1);
}

#[test]
fn t20_neither_a_new_process_nor_coturns_profile_changes_the_rate() {
    let world = World::of(Profile::Default);
    let client = allocated(&world);
    (0..64).for_each(|index| assert_eq!(client.permit(&[peer(index)]), 200));
    world.replace(0, world.export(0));
    assert_eq!(client.permit(&[peer(64)]), 508, "what was taken stays taken");
    world.advance(1);
    assert_eq!(client.permit(&[peer(64)]), 200);
    let coturn = World::of(Profile::Coturn);
    let client = allocated(&coturn);
    assert!((0..1024).all(|index| client.permit(&[peer(index)]) == 200), "coturn has no such rate");
    let tuned = Setup::with(Profile::Coturn, "new-peers-per-minute = 100").build();
    let client = allocated(&tuned);
    assert_eq!((0..200).filter(|index| client.permit(&[peer(*index)]) == 200).count(), 100);
    assert_eq!(client.permit(&[sock("8.0.0.1:9")]), 200);
}
