//! Which of this host's addresses are peers: those that hold a relay, by their live ports.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use crate::world::{Received, Setup, World, ip};
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::SeedableRng;
use turnserver::config::{External, ExternalPair, Peers, Profile, load_text};
use turnserver::turn::io::OwnPeer;
use turnserver::turn::policy::{OwnNet, PeerPolicy};
use turnserver::turn::ports::{Parity, RelayAddresses, RelayPorts};
use turnserver::turn::time::Mono;

const RELAY_PORT: u16 = 50_000;
const OTHER_PORT: u16 = 8080;
/// Addresses of the host that hold no relay: of every kind a host has.
const WITHOUT_RELAY: [&str; 6] = ["127.0.0.2", "::1", "192.168.7.8", "10.1.2.3", "130.89.7.7", "2a00:1450::7"];

fn peers(profile: Profile, lines: &str) -> Peers {
    let text = format!("profile = {:?}\nrealm = \"r\"\nuser = [\"a:b-4711\"]\n{lines}\n", profile.name());
    load_text(&text, Path::new("own.toml")).unwrap_or_else(|problems| panic!("{problems}")).config.peers
}

/// A host with a relay on loopback, another behind a NAT, and addresses that hold none.
fn host(peers: &Peers) -> PeerPolicy {
    let mut own = OwnNet::new(vec![3478, 5349], 49_152..=65_535);
    own.add(WITHOUT_RELAY.map(ip));
    let pair = ExternalPair { public: ip("203.0.113.5"), private: ip("10.0.0.5") };
    let external = External { single: Vec::new(), pairs: vec![pair] };
    own.add_relay(ip("127.0.0.1"), &external);
    own.add_relay(ip("10.0.0.5"), &external);
    PeerPolicy::new(peers, own)
}

#[test]
fn an_own_address_that_holds_no_relay_is_no_peer() {
    for profile in [Profile::Default, Profile::Hardened] {
        let policy = host(&peers(profile, ""));
        for own in WITHOUT_RELAY.map(ip) {
            assert!(!policy.permits(own), "{own}");
            for port in [3478, OTHER_PORT, RELAY_PORT] {
                assert_eq!(policy.reach(SocketAddr::new(own, port)), None, "{own}:{port}");
            }
            assert_eq!(policy.own_peer(own), OwnPeer::LiveOnly, "{own}");
        }
        for relay in ["127.0.0.1", "10.0.0.5", "203.0.113.5"].map(ip) {
            assert!(policy.permits(relay), "{relay}");
            assert_eq!(policy.reach(SocketAddr::new(relay, RELAY_PORT)), Some(OwnPeer::LiveOnly), "{relay}");
            assert_eq!(policy.reach(SocketAddr::new(relay, OTHER_PORT)), None, "{relay}");
        }
        assert_eq!(policy.own_peer(ip("8.8.8.8")), OwnPeer::No);
    }
}

#[test]
fn an_own_address_that_is_allowed_by_name_is_a_peer_without_a_relay() {
    let policy = host(&peers(Profile::Default, "allowed-peer-ip = [\"192.168.7.8\"]"));
    let named = ip("192.168.7.8");
    assert!(policy.permits(named));
    assert_eq!(policy.reach(SocketAddr::new(named, OTHER_PORT)), Some(OwnPeer::LiveFirst));
    assert_eq!(policy.reach(SocketAddr::new(named, 3478)), None, "our own listeners are not reached");
    assert!(!policy.permits(ip("10.1.2.3")));
}

#[test]
fn in_the_coturn_profile_own_addresses_are_judged_by_the_ranges() {
    let policy = host(&peers(Profile::Coturn, ""));
    for (own, is_open) in [("10.1.2.3", true), ("130.89.7.7", true), ("127.0.0.2", false), ("::1", false)] {
        assert_eq!(policy.permits(ip(own)), is_open, "{own}");
        let expected = is_open.then_some(OwnPeer::LiveFirst);
        assert_eq!(policy.reach(SocketAddr::new(ip(own), RELAY_PORT)), expected, "{own}");
    }
}

/// One relay behind a NAT, one live port and one dead port of it.
fn relays() -> (RelayAddresses, u16, u16) {
    let ports = RelayPorts::new(ip("10.0.0.5"), ip("203.0.113.5"), 50_000..=50_001);
    let live = ports.take(Parity::Any, &mut ChaCha12Rng::from_seed([1; 32]), Mono(0)).expect("a free port");
    ports.set_live(live, true);
    (RelayAddresses::new(vec![ports]), live, live ^ 1)
}

#[test]
fn a_source_is_renamed_when_it_is_a_live_relay_and_then_only() {
    let (relays, live, dead) = relays();
    let [local, external] = ["10.0.0.5", "203.0.113.5"].map(ip);
    let at = SocketAddr::new;
    for own in [OwnPeer::LiveOnly, OwnPeer::LiveFirst] {
        assert_eq!(relays.source(at(local, live), own, Mono(0)), Some(at(external, live)));
    }
    for quiet in [at(local, dead), at(local, OTHER_PORT), at(ip("127.0.0.2"), live)] {
        assert_eq!(
            relays.source(quiet, OwnPeer::LiveOnly, Mono(0)),
            None,
            "{quiet} is no relay and nothing else may be heard"
        );
        assert_eq!(
            relays.source(quiet, OwnPeer::LiveFirst, Mono(0)),
            Some(quiet),
            "{quiet} is a program beside the server"
        );
    }
    let stranger = at(ip("8.8.8.8"), live);
    assert_eq!(relays.source(stranger, OwnPeer::No, Mono(0)), Some(stranger));
}

#[test]
fn a_destination_is_a_live_relay_or_what_the_profile_leaves() {
    let (relays, live, dead) = relays();
    let local = ip("10.0.0.5");
    for name in [local, ip("203.0.113.5")] {
        let at = |port: u16| SocketAddr::new(name, port);
        for own in [OwnPeer::LiveOnly, OwnPeer::LiveFirst] {
            assert_eq!(relays.destination(at(live), own), Some(SocketAddr::new(local, live)), "{name}");
        }
        assert_eq!(relays.destination(at(dead), OwnPeer::LiveOnly), None, "{name}");
        assert_eq!(relays.destination(at(dead), OwnPeer::LiveFirst), Some(at(dead)), "{name}");
    }
}

#[test]
fn data_from_a_dead_port_of_this_server_reaches_no_client() {
    let world = World::of(Profile::Default);
    let (client, neighbour) = (world.client(), world.client());
    let (relayed, live) = (client.allocate().expect("an allocation"), neighbour.allocate().expect("an allocation"));
    assert_eq!(client.permit(&[live]), 200);
    let own = |port: u16| world.peer(&SocketAddr::new(relayed.ip(), port).to_string());
    let dead = if live.port() == RELAY_PORT { RELAY_PORT + 1 } else { RELAY_PORT };
    for port in [dead, OTHER_PORT] {
        own(port).send_to(relayed, b"from no relay");
    }
    assert_eq!(client.received(), []);
    own(live.port()).send_to(relayed, b"from a relay");
    assert_eq!(client.received(), [Received::Data { peer: live, data: b"from a relay".to_vec() }]);
}

#[test]
fn a_program_beside_the_server_keeps_its_name_behind_a_nat() {
    let setup = Setup::of(Profile::Coturn).relays(&["10.0.0.5"]).external("130.89.1.1", "10.0.0.5");
    let world = setup.build();
    let (client, neighbour) = (world.client(), world.client());
    client.allocate().expect("an allocation");
    let live = neighbour.allocate().expect("an allocation");
    let private: IpAddr = ip("10.0.0.5");
    assert_eq!(client.permit(&[live, SocketAddr::new(private, 0)]), 200);
    let port = if live.port() == RELAY_PORT { RELAY_PORT + 1 } else { RELAY_PORT };
    let beside = world.peer(&SocketAddr::new(private, port).to_string());
    for peer in [beside.addr(), live] {
        let from = world.peer(&SocketAddr::new(private, peer.port()).to_string());
        from.send_to(client.relayed(), b"x");
        assert_eq!(client.received(), [Received::Data { peer, data: b"x".to_vec() }]);
    }
    client.send_to(beside.addr(), b"y");
    assert_eq!(beside.received(), [b"y"]);
}
