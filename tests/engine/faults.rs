//! A panic of the core in a running server: who made it happen loses the session, nobody else notices.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Mutex, PoisonError};

use turnserver::turn::Path;
use turnserver::turn::address::{FiveTuple, Transport};
use turnserver::turn::settings::{Hooks, Midway};
use turnserver::udp::Engine;

use crate::inside;
use crate::wire::{Client, Received, free_ports, poll_until};

/// Data that makes the core panic, as a bug would.
const POISON: &[u8] = b"planted panic";

fn panic_at_poison(_path: &Path, datagram: &[u8]) {
    assert!(!datagram.windows(POISON.len()).any(|window| window == POISON), "planted");
}

/// A server with one worker, so that everybody is on the one that panics.
fn poisonable() -> (Engine, SocketAddr) {
    let (config, server) = inside::config("");
    (inside::start(config, None, Hooks { before_datagram: Some(panic_at_poison), ..Hooks::default() }), server)
}

fn alice(server: SocketAddr) -> Client {
    Client::udp(server).with_user("alice", "secret")
}

fn alice_on_stream(server: SocketAddr) -> Client {
    Client::tcp(server).with_user("alice", "secret")
}

/// Two clients that can reach each other.
fn pair(server: SocketAddr) -> (Client, Client, SocketAddr, SocketAddr) {
    let (mut a, mut b) = (alice(server), alice(server));
    let (a_relayed, b_relayed) = (a.relayed(), b.relayed());
    assert_eq!((a.permit(b_relayed.ip()).code(), b.permit(a_relayed.ip()).code()), (0, 0));
    (a, b, a_relayed, b_relayed)
}

#[test]
fn a_panic_ends_the_session_it_concerns_and_no_other() {
    let (engine, server) = poisonable();
    let (mut a, mut b, a_relayed, b_relayed) = pair(server);
    let mut victim = alice(server);
    let gone = victim.relayed();

    victim.send(a_relayed, POISON);
    assert_eq!(victim.refresh(600).code(), 437, "the allocation is gone");
    assert_ne!(victim.relayed(), gone, "its client may begin anew");

    a.send(b_relayed, b"still here");
    assert_eq!(b.receive(), Received::Indication(a_relayed, b"still here".to_vec()));
    engine.stop().expect("no worker broke off");
}

#[test]
fn a_stream_whose_message_panics_is_closed() {
    let (engine, server) = poisonable();
    let (mut a, mut b, a_relayed, b_relayed) = pair(server);
    let mut victim = alice_on_stream(server);
    victim.relayed();
    victim.send(a_relayed, POISON);
    assert!(victim.is_closed(), "the connection is over");
    a.send(b_relayed, b"still here");
    assert_eq!(b.receive(), Received::Indication(a_relayed, b"still here".to_vec()));
    engine.stop().expect("no worker broke off");
}

#[test]
fn a_second_panic_within_a_minute_restarts_the_core_and_loses_no_port() {
    let (engine, server) = poisonable();
    let (mut a, ..) = pair(server);
    for _ in 0..2 {
        let mut victim = alice(server);
        let relayed = victim.relayed();
        victim.send(relayed, POISON);
        assert_eq!(victim.binding().code(), 0, "the worker goes on");
    }
    assert_eq!(a.refresh(600).code(), 437, "the core began anew");
    assert_eq!(alice(server).allocate().code(), 0);
    engine.stop().expect("no worker broke off");
}

/// Which client makes the core panic, by its port, and where; 0 for nobody.
static MIDWAY_PORT: AtomicU16 = AtomicU16::new(0);
static MIDWAY: Mutex<Midway> = Mutex::new(Midway::Serving);

fn panic_midway(point: Midway, tuple: &FiveTuple) {
    let is_victim = tuple.client.port() == MIDWAY_PORT.load(Ordering::Relaxed);
    let is_there = *MIDWAY.lock().unwrap_or_else(PoisonError::into_inner) == point;
    assert!(!(is_victim && is_there), "planted");
}

/// From now on the core panics there for this client.
fn plant(point: Midway, victim: &Client) {
    *MIDWAY.lock().unwrap_or_else(PoisonError::into_inner) = point;
    MIDWAY_PORT.store(victim.local().port(), Ordering::Relaxed);
}

/// Wherever the core breaks off, who made it do so loses the session, everybody else goes on, and no port is lost.
#[test]
fn a_panic_with_state_half_changed_ends_one_session_and_loses_no_port() {
    for transport in [Transport::Udp, Transport::Tcp] {
        for point in [Midway::Serving, Midway::Opened, Midway::Inserted, Midway::Turn] {
            assert_one_session_ends(point, transport);
        }
    }
}

fn assert_one_session_ends(point: Midway, transport: Transport) {
    let first = free_ports(6);
    let lines = format!("min-port = {first}\nmax-port = {}\npermission-lifetime = 1", first + 5);
    let (config, server) = inside::config(&lines);
    let hooks = Hooks { midway: Some(panic_midway), ..Hooks::default() };
    let engine = inside::start(config, None, hooks);
    let (mut a, mut b, _, b_relayed) = pair(server);
    let is_stream = transport.is_stream();
    let begin = || if is_stream { alice_on_stream(server) } else { alice(server) };
    let mut victim = begin().challenged();
    if point == Midway::Turn {
        victim.relayed();
        plant(point, &victim);
        assert_eq!(victim.permit(b_relayed.ip()).code(), 0, "its end is the turn");
        poll_until("the allocation ends", || (victim.refresh(600).code() == 437).then_some(()));
    } else {
        plant(point, &victim);
        victim.send_allocate();
        match is_stream {
            true => assert!(victim.is_closed(), "{point:?}: the connection is over"),
            false => victim.settle(),
        }
    }
    MIDWAY_PORT.store(0, Ordering::Relaxed);

    assert_eq!((a.refresh(600).code(), b.refresh(600).code()), (0, 0), "{point:?}: others keep their sessions");
    let mut others: Vec<Client> = (0..3).map(|_| begin()).collect();
    assert!(others.iter_mut().all(|client| client.allocate().code() == 0), "{point:?}: their ports are free");
    let mut victim = if is_stream { begin() } else { victim };
    assert_eq!(victim.allocate().code(), 0, "{point:?}: the victim may begin anew, on the last port");
    assert_eq!(alice(server).allocate().code(), 508, "{point:?}: there are six ports");
    engine.stop().expect("no worker broke off");
}
