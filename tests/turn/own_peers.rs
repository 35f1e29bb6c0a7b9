//! Two clients of one server, and the server's own addresses as peers (our rules, PERM-015, SEC-004).

use std::net::SocketAddr;

use crate::world::{BOB, Received, Setup, TestClient, World, sock};
use turnserver::config::Profile;
use turnserver::stun::Method;

/// Two clients with allocations and permissions for each other.
fn couple(world: &World) -> (TestClient, TestClient) {
    let (alice, bob) = (world.client(), world.client().named(BOB));
    let (alice_relayed, bob_relayed) = (alice.allocate().expect("one"), bob.allocate().expect("another"));
    assert_eq!((alice.permit(&[bob_relayed]), bob.permit(&[alice_relayed])), (200, 200));
    (alice, bob)
}

fn data(peer: SocketAddr, data: &[u8]) -> [Received; 1] {
    [Received::Data { peer, data: data.to_vec() }]
}

/// Data both ways, by indications and by channels, each shown under the relayed address the other was told.
fn assert_they_talk(alice: &TestClient, bob: &TestClient) {
    let (alice_relayed, bob_relayed) = (alice.relayed(), bob.relayed());
    alice.send_to(bob_relayed, b"hello");
    assert_eq!(bob.received(), data(alice_relayed, b"hello"));
    bob.send_to(alice_relayed, b"hi");
    assert_eq!(alice.received(), data(bob_relayed, b"hi"));
    assert_eq!((alice.bind(0x4000, bob_relayed), bob.bind(0x4001, alice_relayed)), (200, 200));
    alice.channel_send(0x4000, b"x");
    assert_eq!(bob.received(), [Received::Channel { number: 0x4001, data: b"x".to_vec() }]);
    bob.channel_send(0x4001, b"y");
    assert_eq!(alice.received(), [Received::Channel { number: 0x4000, data: b"y".to_vec() }]);
}

// PERM-015; also on a private or a loopback relay address, which are denied to peers otherwise.
#[test]
fn two_clients_of_one_server_talk_whatever_its_relay_address_is() {
    for profile in [Profile::Default, Profile::Hardened] {
        for relay in ["130.89.1.1", "130.89.1.2", "10.1.2.3", "192.168.7.7", "127.0.0.1", "169.254.9.9"] {
            let world = Setup::of(profile).relays(&[relay]).workers(2).build();
            let (alice, bob) = couple(&world);
            assert_they_talk(&alice, &bob);
            assert_eq!(world.dead_ends(), 0, "{relay} in {profile}");
        }
    }
}

// The coturn profile judges them like any other address: loopback only by its switch.
#[test]
fn in_the_coturn_profile_own_relays_are_judged_by_the_ranges() {
    for relay in ["130.89.1.2", "10.1.2.3"] {
        let world = Setup::of(Profile::Coturn).relays(&[relay]).build();
        let (alice, bob) = couple(&world);
        assert_they_talk(&alice, &bob);
    }
    let world = Setup::of(Profile::Coturn).relays(&["127.0.0.1"]).build();
    let (alice, bob) = (world.client(), world.client());
    alice.allocate().expect("one");
    assert_eq!(alice.permit(&[bob.allocate().expect("another")]), 403);
    let world = Setup::with(Profile::Coturn, "allow-loopback-peers = true").relays(&["127.0.0.1"]).build();
    let (alice, bob) = couple(&world);
    assert_they_talk(&alice, &bob);
}

#[test]
fn clients_of_different_workers_and_transports_talk() {
    use turnserver::turn::address::Transport;
    let world = Setup::of(Profile::Default).workers(2).build();
    let alice = world.client().over(Transport::Tls);
    let bob = world.client().on_worker(1);
    let (alice_relayed, bob_relayed) = (alice.allocate().expect("one"), bob.allocate().expect("another"));
    assert_eq!((alice.permit(&[bob_relayed]), bob.permit(&[alice_relayed])), (200, 200));
    assert_they_talk(&alice, &bob);
}

#[test]
fn clients_talk_over_ipv6_too() {
    let world = Setup::of(Profile::Default).relays(&["fd00::7"]).build();
    let (alice, bob) = (world.client(), world.client());
    for client in [&alice, &bob] {
        client.learn(&client.request(Method::ALLOCATE).transport(17).family(2).send().expect("an answer"));
    }
    assert_eq!((alice.permit(&[bob.relayed()]), bob.permit(&[alice.relayed()])), (200, 200));
    assert_they_talk(&alice, &bob);
}

// ALLOC-034: behind 1:1 NAT each sees, and names, the external address.
#[test]
fn behind_a_nat_the_external_address_is_the_one_everybody_knows() {
    for profile in Profile::ALL {
        let setup = Setup::of(profile).relays(&["10.1.2.3"]).external("130.89.7.7", "10.1.2.3");
        let world = setup.build();
        let (alice, bob) = couple(&world);
        assert_eq!(alice.relayed().ip(), sock("130.89.7.7:0").ip());
        assert_they_talk(&alice, &bob);
        let peer = world.peer("8.8.4.4:5000");
        assert_eq!(alice.permit(&[peer.addr()]), 200);
        alice.send_to(peer.addr(), b"x");
        assert_eq!(peer.packets()[0].from, alice.relayed());
        assert!(peer.send_to(alice.relayed(), b"y"));
        assert_eq!(alice.received(), data(peer.addr(), b"y"));
    }
}

// Both names of the relay address lead to the live allocation; what comes from it is shown by the external one.
#[test]
fn the_local_name_of_a_relay_leads_to_it_as_well() {
    let world = Setup::of(Profile::Default).relays(&["10.1.2.3"]).external("130.89.7.7", "10.1.2.3").build();
    let (alice, bob) = couple(&world);
    let local = SocketAddr::new(sock("10.1.2.3:0").ip(), bob.relayed().port());
    assert_eq!(alice.permit(&[local]), 200);
    alice.send_to(local, b"x");
    assert_eq!(bob.received(), data(alice.relayed(), b"x"));
}

// A permission is still needed on the receiving side.
#[test]
fn a_neighbour_without_permission_is_not_heard() {
    let world = World::of(Profile::Default);
    let (alice, bob) = (world.client(), world.client());
    let bob_relayed = bob.allocate().expect("one");
    alice.allocate().expect("another");
    assert_eq!(alice.permit(&[bob_relayed]), 200);
    alice.send_to(bob_relayed, b"x");
    assert_eq!(bob.received(), []);
}

// Our rules: ports of live allocations only; a dead one is silence, or 403 outside the relay range.
#[test]
fn an_own_address_without_a_live_allocation_is_a_dead_end() {
    for profile in [Profile::Default, Profile::Hardened] {
        let world = World::of(profile);
        let (alice, bob) = couple(&world);
        let dead = SocketAddr::new(bob.relayed().ip(), bob.relayed().port() ^ 1);
        assert_eq!(alice.bind(0x4000, dead), 200, "it may become one");
        alice.send_to(dead, b"x");
        alice.channel_send(0x4000, b"x");
        assert_eq!((world.dead_ends(), world.peer(&dead.to_string()).received().len()), (2, 0));

        alice.send_to(bob.relayed(), b"before");
        assert_eq!(bob.received().len(), 1);
        assert_eq!(bob.refresh(Some(0)), Ok(0));
        alice.send_to(bob.relayed(), b"after");
        assert_eq!((world.dead_ends(), world.peer(&bob.relayed().to_string()).received().len()), (3, 0));
    }
}

// SEC-004, SEC-023: our listeners, admin and metrics on an own address.
#[test]
fn own_services_are_refused_by_every_way() {
    for (profile, lines) in [
        (Profile::Default, ""),
        (Profile::Default, "allowed-peer-ip = [\"130.89.1.1\"]"),
        (Profile::Coturn, ""),
        (Profile::Coturn, "allowed-peer-ip = [\"130.89.1.1\"]"),
        (Profile::Hardened, ""),
        (Profile::Hardened, "allowed-peer-ip = [\"130.89.1.1\"]"),
    ] {
        let world = Setup::with(profile, lines).build();
        let client = world.client();
        client.allocate().expect("an allocation");
        assert_eq!(client.permit(&[sock("130.89.1.1:1")]), 200, "a permission has no port");
        for port in [3478, 5349, 9641] {
            let service = sock(&format!("130.89.1.1:{port}"));
            assert_eq!(client.bind(0x4000, service), 403, "{service} in {profile} with {lines:?}");
            client.send_to(service, b"x");
            assert_eq!(world.peer(&service.to_string()).received(), Vec::<Vec<u8>>::new());
        }
        assert_eq!(world.dead_ends(), 0);
    }
}

// Other ports of an own address: closed unless the list names it; in the coturn profile as the ranges say; never hardened.
#[test]
fn other_ports_of_an_own_address_follow_the_profile() {
    let named = "allowed-peer-ip = [\"130.89.1.1\"]";
    for (profile, lines, is_open) in [
        (Profile::Default, "", false),
        (Profile::Default, named, true),
        (Profile::Coturn, "", true),
        (Profile::Coturn, "denied-peer-ip = [\"130.89.1.1\"]", false),
        (Profile::Hardened, "", false),
        (Profile::Hardened, named, false),
    ] {
        let world = Setup::with(profile, lines).build();
        let client = world.client();
        client.allocate().expect("an allocation");
        let sfu = world.peer("130.89.1.1:10000");
        let expected = if is_open { 200 } else { 403 };
        assert_eq!(client.bind(0x4000, sfu.addr()), expected, "{profile} {lines}");
        client.permit(&[sfu.addr()]);
        client.send_to(sfu.addr(), b"x");
        assert_eq!(sfu.received().len(), usize::from(is_open), "{profile} {lines}");
        // In the relay range there is what is live, and behind it, where it is open, whoever listens.
        let other = world.client();
        let live = other.allocate().expect("another");
        if !lines.starts_with("denied") {
            assert_eq!((client.permit(&[live]), other.permit(&[client.relayed()])), (200, 200));
            client.send_to(live, b"y");
            assert_eq!(other.received(), data(client.relayed(), b"y"));
        }
        let dead = world.peer(&SocketAddr::new(live.ip(), live.port() ^ 1).to_string());
        client.send_to(dead.addr(), b"z");
        assert_eq!(dead.received().len(), usize::from(is_open), "{profile} {lines}");
    }
}

// A list names a loopback relay address of our own: its ports open, our services do not.
#[test]
fn a_list_may_open_an_own_loopback_address() {
    let lines = "allowed-peer-ip = [\"127.0.0.1\"]";
    let world = Setup::with(Profile::Default, lines).relays(&["127.0.0.1"]).build();
    let client = world.client();
    client.allocate().expect("an allocation");
    let local = world.peer("127.0.0.1:10000");
    assert_eq!(client.bind(0x4000, local.addr()), 200);
    client.channel_send(0x4000, b"x");
    assert_eq!(local.received(), [b"x"]);
    assert_eq!(client.bind(0x4001, sock("127.0.0.1:3478")), 403);
    assert_eq!(client.bind(0x4001, sock("127.0.0.2:10000")), 403, "not an address of ours");
}

// Other spellings of an own address are not an own address, and denied as what they are.
#[test]
fn an_own_address_in_disguise_is_refused() {
    let world = Setup::of(Profile::Default).build();
    let client = world.client();
    client.learn(&client.request(Method::ALLOCATE).transport(17).family(2).send().expect("an answer"));
    for spelled in ["::ffff:130.89.1.1", "::130.89.1.1", "2002:8259:101::", "64:ff9b::8259:101"] {
        let peer = sock(&format!("[{spelled}]:50000"));
        assert_eq!((client.permit(&[peer]), client.bind(0x4000, peer)), (403, 403), "{spelled}");
    }
}

// SEC-003 as far as one server goes: a datagram that two clients relay to each other's relays arrives once.
#[test]
fn what_is_relayed_to_a_relay_is_relayed_once() {
    let world = World::of(Profile::Default);
    let (alice, bob) = couple(&world);
    alice.send_to(bob.relayed(), b"once");
    assert_eq!((bob.received().len(), alice.received().len()), (1, 0));
    assert_eq!(alice.permit(&[alice.relayed()]), 200);
    alice.send_to(alice.relayed(), b"to myself");
    assert_eq!(alice.received(), data(alice.relayed(), b"to myself"));
}
