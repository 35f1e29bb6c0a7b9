//! The ports of relayed addresses: never twice, none lost, resting while others are free.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use proptest::prelude::*;
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use turnserver::turn::io::OwnPeer;
use turnserver::turn::ports::{Parity, RelayAddresses, RelayPorts};
use turnserver::turn::time::Mono;

const SECOND: u64 = 1_000_000_000;
const REST_SECS: u64 = 30;

fn ports(first: u16, last: u16) -> RelayPorts {
    let ip = "192.0.2.1".parse().expect("an address");
    RelayPorts::new(ip, ip, first..=last)
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Take(Parity),
    /// Frees the n-th port taken, as far as there is one.
    Free(usize),
    Advance(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => Just(Step::Take(Parity::Any)),
        1 => Just(Step::Take(Parity::Even)),
        2 => Just(Step::Take(Parity::EvenPair)),
        3 => (0..64_usize).prop_map(Step::Free),
        2 => (0..12 * SECOND).prop_map(Step::Advance),
        1 => (0..60 * SECOND).prop_map(Step::Advance),
    ]
}

/// What a taker may get: every port as taken, resting until, or free.
struct Model {
    first: u16,
    last: u16,
    taken: BTreeSet<u16>,
    resting: BTreeMap<u16, Mono>,
}

impl Model {
    fn is_free(&self, port: u16, now: Mono) -> bool {
        let in_range = (self.first..=self.last).contains(&port);
        in_range && !self.taken.contains(&port) && self.resting.get(&port).is_none_or(|until| *until <= now)
    }

    fn is_free_or_resting(&self, port: u16) -> bool {
        (self.first..=self.last).contains(&port) && !self.taken.contains(&port)
    }

    /// The ports `parity` could be answered with, if `is_open` says which are open.
    fn answers(&self, parity: Parity, is_open: impl Fn(u16) -> bool) -> Vec<u16> {
        let fits = |port: u16| match parity {
            Parity::Any => is_open(port),
            Parity::Even => port.is_multiple_of(2) && is_open(port),
            Parity::EvenPair => port.is_multiple_of(2) && is_open(port) && port < u16::MAX && is_open(port + 1),
        };
        (self.first..=self.last).filter(|port| fits(*port)).collect()
    }

    /// What an answer means, and whether it is a right one.
    fn take(&mut self, parity: Parity, answer: Option<u16>, now: Mono) -> Result<(), TestCaseError> {
        let free = self.answers(parity, |port| self.is_free(port, now));
        let possible = self.answers(parity, |port| self.is_free_or_resting(port));
        let Some(port) = answer else {
            prop_assert!(possible.is_empty(), "{possible:?} were there");
            return Ok(());
        };
        prop_assert!(possible.contains(&port), "{port} is not open");
        prop_assert!(free.is_empty() || free.contains(&port), "{port} rests while {free:?} are free");
        for port in port..=port + u16::from(parity == Parity::EvenPair) {
            self.taken.insert(port);
            self.resting.remove(&port);
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    // TURN-008, SEC-021; our rules: a freed port rests 30 s while others are free.
    #[test]
    fn ports_are_taken_once_rest_when_freed_and_are_never_lost(
        first in prop_oneof![49_152..49_160_u16, 65_400..65_500_u16],
        count in 1..90_u16,
        seed in any::<u8>(),
        steps in prop::collection::vec(step(), 1..200),
    ) {
        let last = first.saturating_add(count - 1);
        let pool = ports(first, last);
        let mut rng = ChaCha12Rng::from_seed([seed; 32]);
        let mut model = Model { first, last, taken: BTreeSet::new(), resting: BTreeMap::new() };
        let mut now = Mono(SECOND);
        for step in steps {
            match step {
                Step::Take(parity) => model.take(parity, pool.take(parity, &mut rng, now), now)?,
                Step::Advance(nanos) => now.0 += nanos,
                Step::Free(index) => {
                    let count = model.taken.len();
                    let Some(port) = model.taken.iter().nth(index % count.max(1)).copied() else { continue };
                    pool.free(port, now);
                    model.taken.remove(&port);
                    model.resting.insert(port, Mono(now.0 + REST_SECS * SECOND));
                }
            }
            let (taken, resting, free) = pool.census();
            prop_assert_eq!(taken + resting + free, pool.count());
            prop_assert_eq!(taken, model.taken.len());
        }
    }
}

// The edge of the range and of a word of the bitmap.
#[test]
fn every_port_of_a_range_can_be_taken() {
    for (first, last) in [(49_152, 49_152), (1, 65), (65_472, 65_535), (60_001, 60_128), (0, 65_535)] {
        let pool = ports(first, last);
        let mut rng = ChaCha12Rng::from_seed([1; 32]);
        let mut seen = BTreeSet::new();
        while let Some(port) = pool.take(Parity::Any, &mut rng, Mono(0)) {
            assert!((first..=last).contains(&port) && seen.insert(port));
        }
        assert_eq!(seen.len(), usize::from(last - first) + 1);
    }
}

// SEC-021: a client that asks for pairs in vain must not wake the ports that rest.
#[test]
fn a_pair_that_is_not_there_wakes_nothing() {
    let pool = ports(50_000, 50_007);
    let mut rng = ChaCha12Rng::from_seed([3; 32]);
    while pool.take(Parity::Any, &mut rng, Mono(0)).is_some() {}
    for port in [50_001, 50_003, 50_004] {
        pool.free(port, Mono(0));
    }
    assert_eq!(pool.take(Parity::EvenPair, &mut rng, Mono(SECOND)), None);
    assert_eq!(pool.census(), (5, 3, 0));
    assert_eq!(pool.take(Parity::Even, &mut rng, Mono(SECOND)), Some(50_004));
    assert_eq!(pool.census(), (6, 2, 0));
}

#[test]
fn of_resting_ports_the_one_that_rested_longest_goes_first() {
    let pool = ports(50_000, 50_009);
    let mut rng = ChaCha12Rng::from_seed([3; 32]);
    while pool.take(Parity::Any, &mut rng, Mono(0)).is_some() {}
    for (secs, port) in [(1, 50_006), (2, 50_002), (3, 50_003), (4, 50_009)] {
        pool.free(port, Mono(secs * SECOND));
    }
    assert_eq!(pool.take(Parity::EvenPair, &mut rng, Mono(5 * SECOND)), Some(50_002));
    assert_eq!(pool.take(Parity::Any, &mut rng, Mono(5 * SECOND)), Some(50_006));
    assert_eq!(pool.take(Parity::Even, &mut rng, Mono(5 * SECOND)), None);
    assert_eq!(pool.take(Parity::Any, &mut rng, Mono(5 * SECOND)), Some(50_009));
}

#[test]
fn a_freed_port_is_live_no_more() {
    let pool = ports(50_000, 50_001);
    let mut rng = ChaCha12Rng::from_seed([3; 32]);
    let port = pool.take(Parity::Any, &mut rng, Mono(0)).expect("two are free");
    assert!(!pool.is_live(port), "taken is not yet live");
    pool.set_live(port, true);
    assert!(pool.is_live(port) && !pool.is_live(port ^ 1));
    pool.free(port, Mono(0));
    assert!(!pool.is_live(port));
    assert!(!pool.is_live(1) && !pool.is_live(65_535), "beyond the range nothing is");
}

// Our rules, two relays on one server: the external address stands for the local one.
#[test]
fn a_live_port_is_found_by_both_names_of_its_address() {
    let parse = |text: &str| text.parse::<std::net::SocketAddr>().expect("an address");
    let (local, external) = (parse("10.0.0.5:0").ip(), parse("198.51.100.5:0").ip());
    let addresses = RelayAddresses::new(vec![RelayPorts::new(local, external, 50_000..=50_009), ports(50_000, 50_009)]);
    addresses.of_local(local).expect("it is there").set_live(50_004, true);
    assert_eq!(addresses.destination(parse("198.51.100.5:50004"), OwnPeer::LiveOnly), Some(parse("10.0.0.5:50004")));
    assert_eq!(addresses.destination(parse("10.0.0.5:50004"), OwnPeer::LiveFirst), Some(parse("10.0.0.5:50004")));
    for dead in ["198.51.100.5:50005", "10.0.0.5:49999", "10.0.0.5:3478", "192.0.2.1:50004", "198.51.100.6:50004"] {
        assert_eq!(addresses.destination(parse(dead), OwnPeer::LiveOnly), None, "{dead}");
    }
}

// Four workers at once: no port twice, none lost.
#[test]
fn workers_share_the_ports() {
    let pool = ports(50_000, 50_255);
    let held = Mutex::new(BTreeSet::new());
    std::thread::scope(|scope| {
        for thread in 0..4_u8 {
            let (pool, held) = (&pool, &held);
            scope.spawn(move || {
                let mut rng = ChaCha12Rng::from_seed([thread; 32]);
                let mut mine: Vec<u16> = Vec::new();
                for turn in 0..4_000_u64 {
                    let now = Mono(turn * SECOND / 50);
                    let parity = [Parity::Any, Parity::Even, Parity::EvenPair][rng.next_u32() as usize % 3];
                    if rng.next_u32() % 2 == 0 || mine.len() > 90 {
                        let Some(port) = mine.pop() else { continue };
                        assert!(held.lock().expect("unpoisoned").remove(&port));
                        pool.free(port, now);
                    } else if let Some(port) = pool.take(parity, &mut rng, now) {
                        for port in port..=port + u16::from(parity == Parity::EvenPair) {
                            assert!(held.lock().expect("unpoisoned").insert(port), "{port} was taken");
                            mine.push(port);
                        }
                    }
                }
                let now = Mono(100 * SECOND);
                for port in mine {
                    held.lock().expect("unpoisoned").remove(&port);
                    pool.free(port, now);
                }
            });
        }
    });
    let (taken, resting, free) = pool.census();
    assert_eq!((taken, resting + free), (0, 256));
}

// What a relay sent just before its allocation ended may be read after it: it is still known by its external address.
#[test]
fn the_last_data_of_a_relay_that_ended_keeps_its_name() {
    let parse = |text: &str| text.parse::<std::net::SocketAddr>().expect("an address");
    let (local, external) = (parse("10.0.0.5:0").ip(), parse("198.51.100.5:0").ip());
    let addresses = RelayAddresses::new(vec![RelayPorts::new(local, external, 50_000..=50_009)]);
    let ports = addresses.of_local(local).expect("it is there");
    let mut rng = ChaCha12Rng::from_seed([3; 32]);
    let port = ports.take(Parity::Any, &mut rng, Mono(0)).expect("ten are free");
    let (inside, outside) = (std::net::SocketAddr::new(local, port), std::net::SocketAddr::new(external, port));
    let name = |secs: u32| addresses.source(inside, OwnPeer::LiveOnly, Mono(0).plus_secs(secs));
    assert_eq!(name(0), None, "taken is not yet live");
    ports.set_live(port, true);
    assert_eq!(name(0), Some(outside));
    ports.free(port, Mono(0));
    assert_eq!(name(1), Some(outside), "a moment later");
    assert_eq!(name(2), None, "later it is nobody");
    assert_eq!(addresses.destination(outside, OwnPeer::LiveOnly), None, "and nothing is sent there from the start");
}
