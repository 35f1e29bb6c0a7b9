//! How many streams without an allocation there may be: per source and in total, over all workers.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ahash::RandomState;
use hashbrown::HashMap;

use super::limits::UNALLOCATED_PER_SOURCE_MAX;
use crate::turn::budget::prefix;

/// Counts streams without an allocation. It is asked once per connection and once per allocation, so a lock will do.
#[derive(Debug)]
pub(super) struct Gate {
    total_max: u32,
    counts: Mutex<Counts>,
}

#[derive(Debug)]
struct Counts {
    total: u32,
    by_source: HashMap<u128, u32, RandomState>,
}

impl Gate {
    /// A gate for `total_max` streams in all; `seed` keys its table.
    pub(super) fn new(total_max: u32, seed: [u64; 4]) -> Gate {
        let [a, b, c, d] = seed;
        let by_source = HashMap::with_hasher(RandomState::with_seeds(a, b, c, d));
        Gate { total_max, counts: Mutex::new(Counts { total: 0, by_source }) }
    }

    /// Lets a new stream in; none when its source, or all together, have too many.
    pub(super) fn enter(self: &Arc<Gate>, source: IpAddr) -> Option<Pass> {
        let counts = self.lock();
        let of_source = counts.by_source.get(&prefix(source)).copied().unwrap_or(0);
        let free = of_source < UNALLOCATED_PER_SOURCE_MAX && counts.total < self.total_max;
        free.then(|| self.count(counts, source))
    }

    /// Counts a stream that is here already and lost its allocation, whatever the bounds say.
    pub(super) fn return_to(self: &Arc<Gate>, source: IpAddr) -> Pass {
        self.count(self.lock(), source)
    }

    /// Streams that are counted now.
    pub(super) fn total(&self) -> u32 {
        self.lock().total
    }

    fn count(self: &Arc<Gate>, mut counts: MutexGuard<'_, Counts>, source: IpAddr) -> Pass {
        let source = prefix(source);
        counts.total += 1;
        *counts.by_source.entry(source).or_insert(0) += 1;
        Pass { gate: Arc::clone(self), source }
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        // Nothing that holds the lock can panic half-way, so the counts are right even then.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One counted stream; it stops counting when dropped.
#[derive(Debug)]
pub(super) struct Pass {
    gate: Arc<Gate>,
    source: u128,
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut counts = self.gate.lock();
        counts.total -= 1;
        if let Some(of_source) = counts.by_source.get_mut(&self.source) {
            *of_source -= 1;
            if *of_source == 0 {
                counts.by_source.remove(&self.source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(total_max: u32) -> Arc<Gate> {
        Arc::new(Gate::new(total_max, [1, 2, 3, 4]))
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn enter(gate: &Arc<Gate>, source: &str, times: usize) -> Vec<Pass> {
        (0..times).map_while(|_| gate.enter(ip(source))).collect()
    }

    #[test]
    fn a_source_has_64_and_others_are_not_touched() {
        let gate = gate(1000);
        let passes = enter(&gate, "192.0.2.1", 100);
        assert_eq!(passes.len(), 64);
        assert!(gate.enter(ip("192.0.2.1")).is_none());
        assert_eq!(enter(&gate, "192.0.2.2", 100).len(), 64);
    }

    #[test]
    fn a_source_of_ipv6_is_a_64() {
        let gate = gate(1000);
        let half = enter(&gate, "2001:db8:0:1::1", 32);
        let other_half = enter(&gate, "2001:db8:0:1:ffff::2", 100);
        assert_eq!((half.len(), other_half.len()), (32, 32));
        assert!(gate.enter(ip("2001:db8:0:2::1")).is_some());
    }

    #[test]
    fn the_total_bounds_all_sources() {
        let gate = gate(70);
        let first = enter(&gate, "192.0.2.1", 60);
        let second = enter(&gate, "192.0.2.2", 60);
        assert_eq!((first.len(), second.len(), gate.total()), (60, 10, 70));
        drop(first);
        assert_eq!(enter(&gate, "2001:db8::1", 100).len(), 60);
    }

    #[test]
    fn a_dropped_pass_makes_room_and_leaves_nothing_behind() {
        let gate = gate(1000);
        let mut passes = enter(&gate, "192.0.2.1", 64);
        passes.pop();
        passes.extend(gate.enter(ip("192.0.2.1")));
        assert!(gate.enter(ip("192.0.2.1")).is_none());
        passes.clear();
        assert_eq!(gate.total(), 0);
        assert!(gate.lock().by_source.is_empty());
    }

    #[test]
    fn a_stream_that_comes_back_counts_beyond_the_bound() {
        let gate = gate(64);
        let passes = enter(&gate, "192.0.2.1", 64);
        let returned = gate.return_to(ip("192.0.2.1"));
        assert_eq!(gate.total(), 65);
        drop(passes);
        drop(returned);
        assert_eq!(gate.total(), 0);
    }
}
