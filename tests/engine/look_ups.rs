//! User look-ups that are slow, fail, or never end: relaying goes on, and nothing piles up.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use turnserver::auth::LongTermKey;
use turnserver::config::Config;
use turnserver::turn::address::Transport;
use turnserver::turn::io::UserRecord;
use turnserver::turn::limits::{LOOK_UPS_MAX, LOOK_UPS_OF_SOURCE_MAX};
use turnserver::turn::settings::Hooks;
use turnserver::turn::time::UnixTime;
use turnserver::udp::Engine;
use turnserver::userdb::{Found, Reply, UserStore};

use crate::inside;
use crate::wire::{Client, Received, poll_until};

/// Alice is known at once; anybody else is looked up, and the test decides how that ends.
#[derive(Debug, Default)]
pub(crate) struct Sluggish(Mutex<VecDeque<(Box<[u8]>, Reply)>>);

impl UserStore for Sluggish {
    fn find(&self, name: &[u8], _now: UnixTime) -> Option<Found> {
        (name == b"alice").then(|| known(name))
    }

    fn fetch(&self, name: Box<[u8]>, _now: UnixTime, reply: Reply) {
        assert_ne!(&*name, b"poison", "planted");
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_back((name, reply));
    }
}

impl Sluggish {
    /// The oldest look-up that has not ended, waited for.
    pub(crate) fn next(&self) -> (Box<[u8]>, Reply) {
        poll_until("a look-up is asked for", || self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front())
    }

    fn waiting(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

/// Everybody's password is `secret`.
pub(crate) fn known(name: &[u8]) -> Found {
    let key = Arc::new(LongTermKey::derive(name, b"r", b"secret"));
    Found::Known(Some(UserRecord { keys: vec![key], quota: name.into(), usable: true, renewable: false }))
}

fn start() -> (Engine, Arc<Sluggish>, SocketAddr) {
    start_with("unauthorized-ratelimit = false")
}

fn start_with(lines: &str) -> (Engine, Arc<Sluggish>, SocketAddr) {
    let (config, server): (Config, _) = inside::config(lines);
    let store = Arc::new(Sluggish::default());
    (inside::start(config, Some(store.clone()), Hooks::default()), store, server)
}

/// Two clients of Alice's that hear each other.
struct Call {
    a: Client,
    b: Client,
    addrs: [SocketAddr; 2],
}

impl Call {
    fn begin(server: SocketAddr) -> Call {
        let alice = || Client::udp(server).with_user("alice", "secret");
        let (mut a, mut b) = (alice(), alice());
        let addrs = [a.relayed(), b.relayed()];
        assert_eq!((a.permit(addrs[1].ip()).code(), b.permit(addrs[0].ip()).code()), (0, 0));
        Call { a, b, addrs }
    }

    fn goes_on(&mut self) {
        self.a.send(self.addrs[1], b"are you there");
        assert_eq!(self.b.receive(), Received::Indication(self.addrs[0], b"are you there".to_vec()));
        self.b.send(self.addrs[0], b"I am");
        assert_eq!(self.a.receive(), Received::Indication(self.addrs[1], b"I am".to_vec()));
    }
}

#[test]
fn a_slow_look_up_delays_its_own_client_only() {
    let (engine, store, server) = start();
    let mut call = Call::begin(server);
    let bob = std::thread::spawn(move || Client::udp(server).with_user("bob", "secret").allocate().code());
    let (name, reply) = store.next();
    assert_eq!(&*name, b"bob");
    (0..100).for_each(|_| call.goes_on());
    assert!(!bob.is_finished(), "nobody knows Bob yet");
    reply.send(known(&name));
    assert_eq!(bob.join().expect("Bob's thread"), 0, "he waited and was let in");
    engine.stop().expect("no worker broke off");
}

/// RFC 8489 section 14.8: 500 is our fault, the client tries again later with the same password.
#[test]
fn a_look_up_that_fails_is_answered_500_and_works_again_later() {
    let (engine, store, server) = start();
    let bob = || std::thread::spawn(move || Client::udp(server).with_user("bob", "secret").allocate().code());
    let first = bob();
    store.next().1.send(Found::Unavailable);
    assert_eq!(first.join().expect("Bob's thread"), 500);
    let second = bob();
    drop(store.next().1);
    assert_eq!(second.join().expect("Bob's thread"), 500, "a store that loses the question");
    let third = bob();
    let (name, reply) = store.next();
    reply.send(known(&name));
    assert_eq!(third.join().expect("Bob's thread"), 0);
    engine.stop().expect("no worker broke off");
}

/// Somebody without a password, at an address of his own.
fn stranger(server: SocketAddr, last: u8) -> Client {
    Client::udp_from(IpAddr::from([127, 0, 8, last]), server).with_user("mallory", "guess").challenged()
}

/// As many requests as a source may have look-ups, which the server's receive buffer holds.
fn flood(stranger: &mut Client) -> usize {
    (0..LOOK_UPS_OF_SOURCE_MAX).for_each(|_| stranger.send_allocate());
    stranger.settle();
    LOOK_UPS_OF_SOURCE_MAX
}

/// Whoever has no password keeps nobody waiting at another address.
#[test]
fn one_stranger_takes_a_few_look_ups_only() {
    let (engine, store, server) = start();
    let mut stranger = stranger(server, 1);
    for _ in 0..5 {
        flood(&mut stranger);
    }
    assert_eq!(store.waiting(), LOOK_UPS_OF_SOURCE_MAX);
    let bob = std::thread::spawn(move || Client::udp(server).with_user("bob", "secret").allocate().code());
    let mut others = 0;
    let reply = loop {
        let (name, reply) = store.next();
        if &*name == b"bob" {
            break reply;
        }
        others += 1;
        reply.send(Found::Unavailable);
    };
    reply.send(known(b"bob"));
    assert_eq!((bob.join().expect("Bob's thread"), others), (0, LOOK_UPS_OF_SOURCE_MAX));
    engine.stop().expect("no worker broke off");
}

/// Our rules: silence comes before any look-up. Who is right gets in as soon as something may be said again.
#[test]
fn nobody_is_asked_for_a_source_that_is_not_answered_any_more() {
    let (engine, store, server) = start_with("unauthorized-ratelimit-rps = 1");
    let (mut flooder, mut bob) = (stranger(server, 1), stranger(server, 1).with_user("bob", "secret"));
    let mut alice = stranger(server, 1).with_user("alice", "secret");
    for _ in 0..20 {
        // Takes whatever may be said by now.
        flooder.send_binding();
        flooder.send_allocate();
    }
    poll_until("all was kept back", || (engine.readings().kept_back().0 >= 30).then_some(()));
    assert!(store.waiting() <= 1, "{} look-ups", store.waiting());
    // Who is known without asking is let in at any time.
    alice.send_allocate();
    poll_until("Alice is let in", || (engine.readings().created(Transport::Udp) == 1).then_some(()));
    while store.waiting() > 0 {
        store.next().1.send(Found::Unavailable);
    }
    poll_until("Bob is looked up", || {
        bob.send_allocate();
        (store.waiting() > 0).then_some(())
    });
    let (name, reply) = store.next();
    assert_eq!(&*name, b"bob");
    reply.send(known(&name));
    poll_until("Bob is let in", || (engine.readings().created(Transport::Udp) == 2).then_some(()));
    engine.stop().expect("no worker broke off");
}

/// A store that swallows every question holds a bounded number of them; who comes after that is told at once.
#[test]
fn a_dead_store_is_not_asked_without_end() {
    let (engine, store, server) = start();
    let mut call = Call::begin(server);
    let mut sent = 0;
    for last in 1..=255 {
        sent += flood(&mut stranger(server, last));
        if store.waiting() >= LOOK_UPS_MAX {
            break;
        }
    }
    assert_eq!(store.waiting(), LOOK_UPS_MAX, "look-ups of {sent} requests");
    call.goes_on();
    assert_eq!(Client::udp(server).with_user("bob", "secret").allocate().code(), 500);
    assert_eq!(store.waiting(), LOOK_UPS_MAX, "it holds no more");
    call.goes_on();
    engine.stop().expect("no worker broke off");
}

/// The panic of a store is a look-up that failed, nothing else.
#[test]
fn a_store_that_panics_takes_nobody_down() {
    let (engine, _store, server) = start();
    let mut call = Call::begin(server);
    for _ in 0..2 {
        assert_eq!(Client::udp(server).with_user("poison", "secret").allocate().code(), 500);
        call.goes_on();
    }
    engine.stop().expect("no worker broke off");
}
