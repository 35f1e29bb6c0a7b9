//! What other threads have for a worker that breaks off: what holds for all workers reaches the one that begins anew, and
//! what its former core asked for is not taken for something else.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};

use turnserver::config::{IpRange, Peers};
use turnserver::turn::Path;
use turnserver::turn::address::FiveTuple;
use turnserver::turn::settings::{Hooks, Midway};
use turnserver::udp::Engine;

use crate::faults::alice;
use crate::inside;
use crate::look_ups::{Sluggish, known};
use crate::wire::{Client, poll_until};

/// Data that makes the worker break off.
const POISON: &[u8] = b"planted bomb";
/// Data that has the worker wait for the test.
const WAIT: &[u8] = b"wait for me";
/// More than a client's first steps take.
const LOOK_UPS: usize = 16;

/// A panic that is not contained where the core is called: to drop it panics again.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("planted");
    }
}

/// The client over whose request the worker breaks off, by its port, and what the worker waits for.
static VICTIM: AtomicU16 = AtomicU16::new(0);
static GATE: Mutex<Option<Receiver<()>>> = Mutex::new(None);

fn before_datagram(_path: &Path, datagram: &[u8]) {
    let holds = |word: &[u8]| datagram.windows(word.len()).any(|window| window == word);
    if holds(POISON) {
        std::panic::panic_any(Bomb);
    }
    let gate = GATE.lock().unwrap_or_else(PoisonError::into_inner).take_if(|_| holds(WAIT));
    // It opens by being dropped.
    gate.map(|gate| gate.recv());
}

fn midway(point: Midway, tuple: Option<&FiveTuple>) {
    let victim = VICTIM.load(Ordering::Relaxed);
    if point == Midway::Serving && tuple.is_some_and(|tuple| tuple.client.port() == victim) {
        std::panic::panic_any(Bomb);
    }
}

fn start() -> (Engine, Arc<Sluggish>, SocketAddr, Peers) {
    let (config, server) = inside::config("profile = \"coturn\"\nallow-loopback-peers = true");
    let (peers, store) = (config.peers.clone(), Arc::new(Sluggish::default()));
    let hooks = Hooks { before_datagram: Some(before_datagram), midway: Some(midway) };
    (inside::start(config, Some(store.clone()), hooks), store, server, peers)
}

#[test]
fn a_look_up_of_the_former_worker_is_no_answer_to_the_next_one() {
    let (engine, store, server, _) = start();
    let mut witness = alice(server);
    let relayed = witness.relayed();
    let mut bob = Client::udp(server).with_user("bob", "secret").challenged();
    (0..LOOK_UPS).for_each(|_| bob.send_allocate());
    let bobs: Vec<_> = (0..LOOK_UPS).map(|_| store.next()).collect();
    alice(server).send(relayed, POISON);
    // Each of these is a look-up as well: were they counted anew, the next one would have the number of one of Bob's.
    for _ in 0..LOOK_UPS / 2 {
        assert_eq!(witness.refresh(600).code(), 437, "the worker began anew");
    }

    let carol = std::thread::spawn(move || Client::udp(server).with_user("carol", "secret").allocate().code());
    let (name, carols) = store.next();
    assert_eq!(&*name, b"carol");
    bobs.into_iter().for_each(|(bob, reply)| reply.send(known(&bob)));
    // It reads what it was woken for before what comes now.
    witness.settle();
    carols.send(known(&name));
    assert_eq!(carol.join().expect("Carol's thread"), 0, "nobody took Bob for her");
    engine.stop().expect("it broke off once");
}

#[test]
fn rules_that_lie_behind_what_breaks_the_worker_off_hold() {
    let (mut engine, store, server, peers) = start();
    let mut witness = alice(server);
    let relayed = witness.relayed();
    let peer = relayed.ip();
    assert_eq!(witness.permit(peer).code(), 0);
    let mut bob = Client::udp(server).with_user("bob", "secret").challenged();
    bob.send_allocate();
    let (name, reply) = store.next();
    VICTIM.store(bob.local().port(), Ordering::Relaxed);

    let (open, gate) = channel();
    *GATE.lock().unwrap_or_else(PoisonError::into_inner) = Some(gate);
    alice(server).send(relayed, WAIT);
    poll_until("the worker waits", || GATE.lock().unwrap_or_else(PoisonError::into_inner).is_none().then_some(()));
    reply.send(known(&name));
    let denied = IpRange { first: peer, last: peer };
    engine.change_peers(Peers { allowed: Vec::new(), denied: vec![denied], ..peers });
    drop(open);
    poll_until("the worker begins anew", || (witness.refresh(600).code() == 437).then_some(()));
    assert_eq!(witness.allocate().code(), 0);
    poll_until("the new rules hold", || (witness.permit(peer).code() == 403).then_some(()));
    alice(server).send(relayed, POISON);
    assert_eq!(witness.refresh(600).code(), 437, "it begins anew once more");
    assert_eq!(witness.allocate().code(), 0);
    assert_eq!(witness.permit(peer).code(), 403, "under the rules that hold");
    engine.stop().expect("it broke off twice");
}
