//! Nonces: whose they are, and how long they are good.

use std::collections::BTreeSet;
use std::net::{IpAddr, UdpSocket};

use turnserver::config::Profile;
use turnserver::stun::{AttributeType, Method};

use super::challenge::is_challenge;
use crate::draft::Draft;
use crate::probe::Probe;
use crate::target::Target;
use crate::wire::{Launch, Link};
use crate::world::{self, BOB, REALM, Setup, World};

/// The nonce of a new challenge.
fn challenge(probe: &mut Probe) -> Vec<u8> {
    probe.ask(&Draft::allocate().bare()).value(AttributeType::NONCE).expect("a challenge has one")
}

pub(super) fn auth_002_no_two_sources_have_the_same_nonce() {
    let mut probes: Vec<Probe> = (0..100).map(|_| Probe::udp()).collect();
    let nonces: BTreeSet<_> = probes.iter_mut().map(challenge).collect();
    assert_eq!(nonces.len(), 100);
}

pub(super) fn auth_003_nonces_are_fresh_and_random() {
    // One after the other, within whatever time that takes.
    let (mut one, mut other) = (Probe::udp(), Probe::udp());
    let of_one: BTreeSet<_> = (0..3).map(|_| challenge(&mut one)).collect();
    let of_other: BTreeSet<_> = (0..3).map(|_| challenge(&mut other)).collect();
    assert!(of_one.is_disjoint(&of_other));
    if Target::get().is_ours() {
        assert_eq!((of_one.len(), of_other.len()), (3, 3), "ours are fresh each time");
        a_second_apart();
        super::strangers::nonces_never_repeat();
    }
}

fn a_second_apart() {
    let world = World::of(Profile::Default);
    let client = world.client();
    let bare = || client.request(Method::ALLOCATE).transport(17).bare().once().and_then(|reply| reply.nonce());
    let first = bare();
    world.advance(1);
    assert_ne!(first, bare());
}

pub(super) fn auth_008_a_nonce_that_ended_is_stale() {
    let world = World::of(Profile::Default);
    let client = world.client();
    client.nonce();
    world.advance(600);
    assert_eq!(client.request(Method::REFRESH).once().map(|reply| reply.code()), Some(437), "600 s are its life");
    world.advance(1);
    let former = client.nonce();
    let reply = client.request(Method::ALLOCATE).transport(17).once().expect("an answer");
    assert_eq!((reply.code(), reply.realm().as_deref()), (438, Some(REALM.as_bytes())));
    assert!(reply.nonce().is_some_and(|nonce| nonce != former));
    let list = reply.message().value(AttributeType::PASSWORD_ALGORITHMS).map(<[u8]>::to_vec);
    assert_eq!((reply.is_signed(), list), (false, Some(vec![0, 2, 0, 0, 0, 1, 0, 0])));
}

/// On the wire a nonce that was never ours stands for one that is too old.
pub(super) fn auth_009_the_nonce_of_a_438_is_good() {
    for (over, mut probe) in Probe::over_each() {
        let reply = probe.ask(&Draft::allocate().instead(AttributeType::NONCE, b"nobody's"));
        is_challenge(&reply, 438);
        probe.learn(&reply);
        assert_eq!(probe.code(&Draft::allocate()), 0, "over {over}");
    }
    if Target::get().is_ours() {
        let world = World::of(Profile::Default);
        let client = world.client();
        client.nonce();
        world.advance(601);
        let reply = client.request(Method::ALLOCATE).transport(17).once().expect("an answer");
        let again = world.client().at(&client.tuple().client.to_string());
        let again = again.with_nonce(reply.nonce().expect("a 438 has a nonce"));
        assert_eq!((reply.code(), again.allocate().is_ok()), (438, true));
    }
}

pub(super) fn auth_010_a_wrong_password_comes_before_a_stale_nonce() {
    let world = World::of(Profile::Default);
    let client = world.client();
    let nonce = client.nonce();
    world.advance(601);
    let at = client.tuple().client.to_string();
    let code = |name: &str, password: &str| {
        let client = world.client().at(&at).login(name.as_bytes(), password.as_bytes()).with_nonce(nonce.clone());
        client.request(Method::ALLOCATE).transport(17).once().map(|reply| reply.code())
    };
    assert_eq!(code("alice", "not her password"), Some(401));
    assert_eq!(code("nobody", "wonderland-7"), Some(401));
    assert_eq!(code("alice", "wonderland-7"), Some(438));
}

pub(super) fn auth_011_a_foreign_nonce_is_stale() {
    let (mut probe, mut other) = (Probe::udp(), another_client());
    let mut nonces = vec![b"forged".to_vec(), Vec::new(), challenge(&mut other), other_realm()];
    let mut own = probe.challenged().nonce.clone();
    // One character of our own, at the end of what proves it, is another one.
    let at = own.len() - 2;
    own[at] = if own[at] == b'A' { b'B' } else { b'A' };
    nonces.push(own);
    for nonce in nonces {
        is_challenge(&probe.ask(&Draft::allocate().instead(AttributeType::NONCE, &nonce)), 438);
    }
    assert_eq!(probe.code(&Draft::allocate()), 0);
}

/// A client with another address, where this machine has one on the way to the server.
fn another_client() -> Probe {
    let server = Target::get().addr;
    match server.ip() {
        IpAddr::V4(ip) if ip.is_loopback() => {
            let socket = UdpSocket::bind(("127.0.0.77", 0)).expect("loopback has 16 million addresses");
            socket.connect(server).expect("loopback has a route");
            Probe::over(Link::Udp(socket))
        }
        _ => Probe::udp(),
    }
}

/// A nonce that another server would make for this client.
fn other_realm() -> Vec<u8> {
    let world = Setup::of(Profile::Default).nonce_keys([9; 32], None).build();
    world.client().nonce()
}

pub(super) fn auth_021_a_nonce_ends_within_an_hour() {
    let world = World::of(Profile::Default);
    let client = world.client();
    client.allocate().expect("an allocation");
    let first = client.nonce();
    for _ in 0..8 {
        world.advance(450);
        assert_eq!(client.refresh(None), Ok(600), "with newer ones when it is told to");
    }
    world.advance(1);
    let reply = client.request(Method::REFRESH).nonce(&first).once().expect("an answer");
    assert_eq!(reply.code(), 438, "3601 s old");
    // One nonce for all of an allocation's life does not last an hour either.
    let world = World::of(Profile::Default);
    let client = world.client();
    client.allocate().expect("an allocation");
    let codes: Vec<_> = (0..8)
        .map(|_| {
            world.advance(450);
            client.request(Method::REFRESH).nonce(&client.nonce()).once().map(|reply| reply.code())
        })
        .collect();
    assert_eq!(codes[0], Some(200));
    assert!(codes[1..].iter().all(|code| *code == Some(438)), "{codes:?}");
}

pub(super) fn auth_022_a_nonce_outlives_waiting_restarts_and_workers() {
    a_minute_of_waiting_on_any_worker();
    let file = "realm = \"example.org\"\nuser = [\"alice:wonderland-7\"]\nallowed-peer-ip = [\"127.0.0.1\"]";
    let launch = Launch::new(&["--relay-threads=4"]).with_file(file);
    let mut server = launch.start();
    let mut probe = Probe::over(Link::udp(server.addr));
    let known = Probe::over(Link::tcp(server.addr)).challenged().clone();
    probe.challenged();
    server.restart();
    assert_eq!(probe.ask(&Draft::allocate()).code(), 0, "a nonce of the process before");
    // Connections of one client land on any of the four workers; over streams they share a nonce.
    for _ in 0..16 {
        let mut stream = Probe::over(Link::tcp(server.addr));
        stream.credentials = Some(known.clone());
        assert_eq!(stream.ask(&Draft::allocate()).code(), 0);
    }
}

fn a_minute_of_waiting_on_any_worker() {
    let world = Setup::of(Profile::Default).workers(4).build();
    let client = world.client();
    let nonce = client.nonce();
    world.advance(60);
    for worker in (0..4).rev() {
        let same = world.client().at(&client.tuple().client.to_string()).on_worker(worker).with_nonce(nonce.clone());
        assert!(same.allocate().is_ok(), "worker {worker}");
    }
    assert!(world.client().named(BOB).allocate().is_ok());
    // Another process with the same key, as after a restart.
    let after = Setup::of(Profile::Default).seed(99).nonce_keys(world::NONCE_KEY, None).build();
    let same = after.client().at(&client.tuple().client.to_string()).with_nonce(nonce);
    assert!(same.allocate().is_ok());
}

pub(super) fn auth_023_a_challenge_brings_a_new_nonce() {
    let mut probe = Probe::udp();
    let sent = probe.challenged().nonce.clone();
    let others = [
        (401, Draft::allocate().bare(), sent.clone()),
        (401, Draft::allocate().instead(AttributeType::USERNAME, b"nobody-at-all"), sent),
        (438, Draft::allocate().instead(AttributeType::NONCE, b"nobody's"), b"nobody's".to_vec()),
    ];
    for (code, draft, sent) in others {
        let reply = probe.ask(&draft);
        is_challenge(&reply, code);
        assert_ne!(reply.value(AttributeType::NONCE), Some(sent));
    }
    if Target::get().is_ours() {
        let world = World::of(Profile::Default);
        let client = world.client();
        let old = client.nonce();
        world.advance(601);
        let reply = client.request(Method::ALLOCATE).transport(17).once().expect("an answer");
        assert!(reply.code() == 438 && reply.nonce() != Some(old));
    }
}
