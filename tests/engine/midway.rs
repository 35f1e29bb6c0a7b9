//! A panic of the core with state half changed: wherever it breaks off, who made it do so loses the session, everybody
//! else goes on, and no port is lost.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use turnserver::config::{Config, IpRange, Peers};
use turnserver::stun::{AttributeType, Method, Writer};
use turnserver::turn::address::{FiveTuple, Transport};
use turnserver::turn::settings::{Hooks, Midway};
use turnserver::udp::Engine;
use turnserver::userdb::UserStore;

use crate::faults::{alice, alice_on_stream, pair};
use crate::inside;
use crate::look_ups::Sluggish;
use crate::wire::{Client, Received, free_ports, poll_until};

/// Ports of a server under test.
const PORTS: u16 = 6;

/// Where clients make the core panic, by their ports, and whether they did; port 0 stands for what is no client's.
static PLANTED: Mutex<BTreeMap<u16, (Midway, bool)>> = Mutex::new(BTreeMap::new());

fn planted() -> MutexGuard<'static, BTreeMap<u16, (Midway, bool)>> {
    PLANTED.lock().unwrap_or_else(PoisonError::into_inner)
}

fn panic_midway(point: Midway, tuple: Option<&FiveTuple>) {
    let mut planted = planted();
    let plant = planted.get_mut(&tuple.map_or(0, |tuple| tuple.client.port())).filter(|(at, _)| *at == point);
    if let Some((_, is_sprung)) = plant {
        *is_sprung = true;
        drop(planted);
        panic!("planted");
    }
}

/// Has the core panic there whenever it comes by for a client, until this value was sprung.
#[must_use]
struct Plant(u16);

impl Plant {
    fn at(point: Midway, victim: &Client) -> Plant {
        Plant::of(point, victim.local().port())
    }

    fn of(point: Midway, port: u16) -> Plant {
        planted().insert(port, (point, false));
        Plant(port)
    }

    /// Waits until the core came by.
    fn spring(self) {
        poll_until("the core panics", || planted().get(&self.0).filter(|(_, is_sprung)| *is_sprung).map(drop));
        planted().remove(&self.0);
    }
}

/// A server with few ports.
fn config() -> (Config, SocketAddr) {
    // Whole pairs.
    let first = free_ports(PORTS + 1).next_multiple_of(2);
    inside::config(&format!("min-port = {first}\nmax-port = {}\npermission-lifetime = 1", first + PORTS - 1))
}

fn start(config: Config, store: Option<Arc<dyn UserStore>>) -> Engine {
    inside::start(config, store, Hooks { midway: Some(panic_midway), ..Hooks::default() })
}

/// An Allocate for a pair of ports, of which one is reserved.
fn send_allocate_pair(client: &mut Client) {
    let (message, _) = client.signed(Method::ALLOCATE, |writer| {
        writer.attribute(AttributeType::REQUESTED_TRANSPORT, &[17, 0, 0, 0]);
        writer.attribute(AttributeType::EVEN_PORT, &[0x80]);
    });
    client.send_bytes(&message);
}

#[test]
fn a_panic_with_state_half_changed_ends_one_session_and_loses_no_port() {
    for transport in [Transport::Udp, Transport::Tcp] {
        for point in [Midway::Serving, Midway::Opened, Midway::Inserted, Midway::Turn, Midway::Ended] {
            assert_one_session_ends(point, transport);
        }
    }
}

fn assert_one_session_ends(point: Midway, transport: Transport) {
    let (config, server) = config();
    let engine = start(config, None);
    let (mut a, mut b, _, b_relayed) = pair(server);
    let is_stream = transport.is_stream();
    let begin = || if is_stream { alice_on_stream(server) } else { alice(server) };
    let mut victim = begin().challenged();
    if matches!(point, Midway::Turn | Midway::Ended) {
        victim.relayed();
    }
    let plant = Plant::at(point, &victim);
    match point {
        Midway::Turn => assert_eq!(victim.permit(b_relayed.ip()).code(), 0, "its end is the turn"),
        Midway::Ended => victim.send_bytes(&victim.signed(Method::REFRESH, end).0),
        _ => send_allocate_pair(&mut victim),
    }
    plant.spring();
    match point {
        Midway::Turn => poll_until("the allocation ends", || (victim.refresh(600).code() == 437).then_some(())),
        _ if is_stream => assert!(victim.is_closed(), "{point:?}: the connection is over"),
        _ => victim.settle(),
    }

    assert_eq!((a.refresh(600).code(), b.refresh(600).code()), (0, 0), "{point:?}: others keep their sessions");
    let mut others: Vec<Client> = (0..PORTS - 3).map(|_| begin()).collect();
    assert!(others.iter_mut().all(|client| client.allocate().code() == 0), "{point:?}: their ports are free");
    let mut victim = if is_stream { begin() } else { victim };
    assert_eq!(victim.allocate().code(), 0, "{point:?}: the victim may begin anew, on the last port");
    assert_eq!(alice(server).allocate().code(), 508, "{point:?}: there are {PORTS} ports");
    engine.stop().expect("no worker broke off");
}

fn end(writer: &mut Writer<'_>) {
    writer.attribute_u32(AttributeType::LIFETIME, 0);
}

#[test]
fn a_core_that_begins_anew_gives_back_what_streams_and_reservations_held() {
    let (config, server) = config();
    let engine = start(config, None);
    for _ in 0..2 {
        let mut victim = alice_on_stream(server).challenged();
        send_allocate_pair(&mut victim);
        assert_eq!(victim.gather(1).len(), 1, "it has a pair");
        let mut other = alice(server).challenged();
        let plant = Plant::at(Midway::Opened, &other);
        other.send_allocate();
        plant.spring();
    }
    let mut others: Vec<Client> = (0..PORTS).map(|_| alice(server)).collect();
    assert!(others.iter_mut().all(|client| client.allocate().code() == 0), "all ports are free");
    engine.stop().expect("no worker broke off");
}

/// What other rules forbid ends for everybody, although the first to be looked through makes the core panic.
#[test]
fn a_panic_over_changed_rules_ends_one_session_and_the_rules_hold_for_all() {
    let (config, server) = inside::config("profile = \"coturn\"\nallow-loopback-peers = true");
    let allowed = config.peers.clone();
    let mut engine = start(config, None);
    let mut victim = alice(server);
    let victim_relayed = victim.relayed();
    let (mut a, mut b, a_relayed, b_relayed) = pair(server);
    a.send(b_relayed, b"before");
    assert_eq!(b.receive(), Received::Indication(a_relayed, b"before".to_vec()));
    let plant = Plant::at(Midway::Ruled, &victim);
    let denied = IpRange { first: victim_relayed.ip(), last: victim_relayed.ip() };
    engine.change_peers(Peers { allowed: Vec::new(), denied: vec![denied], ..allowed.clone() });
    poll_until("the new rules hold", || (a.permit(b_relayed.ip()).code() == 403).then_some(()));
    plant.spring();
    assert_eq!((victim.refresh(600).code(), a.refresh(600).code(), b.refresh(600).code()), (437, 0, 0));
    engine.change_peers(allowed);
    poll_until("the old rules hold", || (b.permit(a_relayed.ip()).code() == 0).then_some(()));
    a.send(b_relayed, b"after");
    a.settle();
    b.settle();
    assert_eq!(b.pending(), [], "the permission ended with the rules, and nobody installed it again");
    engine.stop().expect("no worker broke off");
}

#[test]
fn a_panic_over_what_could_not_be_sent_ends_one_session() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let (config, server) = config();
        let engine = start(config, None);
        let (mut a, mut b, _, b_relayed) = pair(server);
        let mut victim = if transport.is_stream() { alice_on_stream(server) } else { alice(server) };
        victim.relayed();
        assert_eq!(victim.permit(b_relayed.ip()).code(), 0);
        let plant = Plant::at(Midway::Unsent, &victim);
        assert_eq!(b.refresh(0).code(), 0, "what is sent to it from now on has nowhere to go");
        victim.send(b_relayed, b"x");
        plant.spring();
        poll_until("the allocation ends", || (victim.refresh(600).code() == 437).then_some(()));
        assert_eq!(a.refresh(600).code(), 0, "others keep their sessions");
        engine.stop().expect("no worker broke off");
    }
}

/// A request is given up when its client is gone, or when its time is over.
#[test]
fn a_panic_over_a_request_that_is_given_up_ends_no_session() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let (config, server) = inside::config("");
        let store = Arc::new(Sluggish::default());
        let engine = start(config, Some(store.clone()));
        let (mut a, mut b, ..) = pair(server);
        let victim = if transport.is_stream() { Client::tcp(server) } else { Client::udp(server) };
        let mut victim = victim.with_user("bob", "secret").challenged();
        let plant = Plant::at(Midway::Forgotten, &victim);
        victim.send_allocate();
        let _look_up = store.next();
        if transport.is_stream() {
            // A client that merely ended its side could still want its answer.
            let stream = victim.into_tcp();
            socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("a socket");
        }
        plant.spring();
        assert_eq!((a.refresh(600).code(), b.refresh(600).code()), (0, 0), "{transport:?}");
        engine.stop().expect("no worker broke off");
    }
}

#[test]
fn a_panic_over_a_reservation_frees_its_port_and_ends_no_session() {
    let (mut config, server) = config();
    config.limits.reservation_secs = 1;
    let engine = start(config, None);
    let (mut a, mut b, ..) = pair(server);
    let plant = Plant::of(Midway::Released, 0);
    let mut victim = alice(server).challenged();
    send_allocate_pair(&mut victim);
    victim.settle();
    plant.spring();
    let mut others: Vec<Client> = (0..PORTS - 3).map(|_| alice(server)).collect();
    assert!(others.iter_mut().all(|client| client.allocate().code() == 0), "the reserved port can be had");
    assert_eq!((a.refresh(600).code(), b.refresh(600).code(), victim.refresh(600).code()), (0, 0, 0));
    engine.stop().expect("no worker broke off");
}

#[test]
fn a_panic_at_the_end_does_not_break_a_worker_off() {
    let (config, server) = config();
    let engine = start(config, None);
    let (a, ..) = pair(server);
    let plant = Plant::at(Midway::Ended, &a);
    engine.stop().expect("no worker broke off");
    plant.spring();
}
