//! T15, T20: peers beyond number.

use std::net::SocketAddr;

use turnserver::auth::rest;
use turnserver::config::Profile;
use turnserver::stun::Method;
use turnserver::turn::Event;

use crate::world::{BOB, Setup, TestClient, WALL_START, World, sock};

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

/// A new allocation begins with 64, but whose it is stays the same. Others are not held to account.
#[test]
fn t20_making_allocations_anew_does_not_speed_up_a_scan() {
    for profile in [Profile::Default, Profile::Hardened] {
        let world = World::of(profile);
        let mut next = 0;
        let mut scan = |client: &dyn Fn() -> TestClient, rounds: u32| {
            let round = |_| {
                let client = client();
                client.allocate().expect("an allocation");
                let list: Vec<SocketAddr> = (next..next + 64).map(peer).collect();
                next += 64;
                let code = client.permit(&list);
                assert_eq!(client.refresh(Some(0)), Ok(0));
                if code == 200 { 64 } else { 0 }
            };
            (0..rounds).map(round).sum::<u32>()
        };
        let alice = || world.client();
        assert_eq!(scan(&alice, 200), 8 * 64, "{profile}: in no time");
        world.advance(60);
        assert_eq!(scan(&alice, 200), 7 * 64, "{profile}: of 480 in the next minute");
        assert_eq!(scan(&|| world.client().named(BOB), 200), 8 * 64, "{profile}: somebody else");
    }
}

/// However many users there are, no two of them share what they may.
#[test]
fn t20_who_scans_has_nobody_else_refused() {
    const SECRET: &str = "a-secret-of-many-users-3";
    let world = Setup::of(Profile::Default).secrets(&[SECRET]).build();
    let user = |name: &str| {
        let name = format!("{}:{name}", WALL_START + 3600);
        let password = rest::password(SECRET.as_bytes(), name.as_bytes());
        let client = world.client().login(name.as_bytes(), password.as_bytes());
        client.allocate().expect("an allocation");
        client
    };
    let scan = (0..9).filter(|round| {
        let list: Vec<SocketAddr> = (64 * round..64 * (round + 1)).map(peer).collect();
        user("scanner").permit(&list) == 200
    });
    assert_eq!(scan.count(), 8);
    let refused = (0..3000).filter(|number| user(&format!("innocent-{number}")).permit(&[peer(1)]) != 200).count();
    assert_eq!(refused, 0);
}

/// Where nobody has a name, an address stands for whoever is there.
#[test]
fn t20_without_names_a_scan_is_that_of_an_address() {
    let world = Setup::with(Profile::Default, "no-auth = true").build();
    let scan = |from: &str, first: u32| {
        let round = |round: u32| {
            let client = world.client().at(&format!("{from}:{}", 1000 + round));
            assert_eq!(client.request(Method::ALLOCATE).transport(17).bare().code(), 200);
            let ask = client.request(Method::CREATE_PERMISSION).bare();
            (0..64).fold(ask, |ask, index| ask.peer(peer(first + 64 * round + index))).code() == 200
        };
        (0..20).filter(|number| round(*number)).count()
    };
    assert_eq!((scan("203.0.113.7", 0), scan("203.0.113.8", 2000)), (8, 8));
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
