//! The budget of wrong passwords by source and name, as `src/udp` has it, and which of them share a bucket: only the keys
//! of its table know, so the model is told.

use std::net::IpAddr;

use turnserver::config::Rate;
use turnserver::turn::budget::{Budget, Refill};
use turnserver::turn::time::Mono;

use crate::dice::Dice;
use crate::plan::NAMES;

pub(crate) struct Guesses {
    budget: Budget,
    keys: [u64; 4],
    /// Takes one from the bucket of each guess that was seen, and has no more.
    probe: Budget,
    seen: Vec<((IpAddr, u32), usize)>,
}

fn probe(keys: [u64; 4]) -> Budget {
    Budget::new(Rate { per_sec: 1, burst: 1 }, keys)
}

impl Guesses {
    /// Under keys by which no guess at a known name from `sources` shares a bucket with another.
    pub(crate) fn new(per_minute: u32, sources: &[IpAddr], dice: &mut Dice) -> Guesses {
        let names = NAMES.map(|name| crc32fast::hash(name.as_bytes()));
        loop {
            let keys = std::array::from_fn(|_| dice.next());
            let probe = probe(keys);
            let mut guesses = sources.iter().flat_map(|source| names.map(|name| (*source, name)));
            if guesses.all(|(source, name)| probe.take_of(source, name, Mono(1))) {
                let budget = Budget::filling(Refill::per_minute(per_minute, per_minute), keys);
                let known = sources.iter().flat_map(|source| names.map(|name| (*source, name)));
                return Guesses { budget, keys, probe, seen: known.zip(0..).collect() };
            }
        }
    }

    pub(crate) fn has_one(&self, source: IpAddr, name: u32, now: Mono) -> bool {
        self.budget.has_one_of(source, name, now)
    }

    pub(crate) fn take(&self, source: IpAddr, name: u32, now: Mono) -> bool {
        self.budget.take_of(source, name, now)
    }

    /// A number for the bucket of a guess.
    pub(crate) fn bucket(&mut self, source: IpAddr, name: u32) -> usize {
        let guess = (source, name);
        if let Some((_, bucket)) = self.seen.iter().find(|(seen, _)| *seen == guess) {
            return *bucket;
        }
        let shares = |(other, _): &&((IpAddr, u32), usize)| {
            let probe = probe(self.keys);
            probe.take_of(other.0, other.1, Mono(1)) && !probe.take_of(source, name, Mono(1))
        };
        let bucket = match self.probe.take_of(source, name, Mono(1)) {
            true => self.seen.len(),
            false => self.seen.iter().find(shares).expect("one of them took it").1,
        };
        self.seen.push((guess, bucket));
        bucket
    }
}
