//! How fast the users of one worker are given new peers, in all their allocations together.

use ahash::RandomState;
use hashbrown::HashMap;

use super::budget::Refill;
use super::customer::Customer;
use super::limits::USER_PEERS_MAX;
use super::time::Mono;

/// A token bucket for each user, kept until it is full again. No two users share one: that somebody scans must not have
/// others refused.
#[derive(Debug)]
pub(super) struct UserPeers {
    full_at: HashMap<Customer, Mono, RandomState>,
    /// With so many, the full ones are let go, at most once a second.
    sweep_at: usize,
    swept: Mono,
}

const SWEEP_MIN: usize = 64;
const NANOS: u64 = 1_000_000_000;

impl UserPeers {
    /// Every bucket is full; `seed` keys the table.
    pub(super) fn new(seed: [u64; 4]) -> UserPeers {
        let keys = RandomState::with_seeds(seed[0], seed[1], seed[2], seed[3]);
        UserPeers { full_at: HashMap::with_hasher(keys), sweep_at: SWEEP_MIN, swept: Mono(0) }
    }

    /// When this bucket would be full again without `count`; none: it holds less.
    pub(super) fn would_give(&self, customer: &Customer, refill: Refill, count: u32, now: Mono) -> Option<Mono> {
        let full_at = self.full_at.get(customer).copied().unwrap_or(Mono(0));
        refill.take(full_at, count, now)
    }

    /// Buckets fill otherwise from now on; none is emptier than empty.
    pub(super) fn refill(&mut self, refill: Refill, now: Mono) {
        self.full_at.retain(|_, full_at| {
            *full_at = refill.at_most_empty(*full_at, now);
            true
        });
    }

    /// Takes what [`UserPeers::would_give`] said. Where too many users wait for theirs to fill, a further one is not
    /// counted: its allocations still are, each by itself.
    pub(super) fn take(&mut self, customer: Customer, full_at: Mono, now: Mono) {
        if self.full_at.len() >= self.sweep_at && now.0 >= self.swept.0 + NANOS {
            self.swept = now;
            self.full_at.retain(|_, full_at| *full_at > now);
            self.sweep_at = (2 * self.full_at.len()).clamp(SWEEP_MIN, USER_PEERS_MAX);
        }
        if self.full_at.len() < USER_PEERS_MAX || self.full_at.contains_key(&customer) {
            self.full_at.insert(customer, full_at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(secs: u64) -> Mono {
        Mono(secs * 1_000_000_000)
    }

    #[test]
    fn full_buckets_are_let_go_and_there_is_a_bound() {
        let mut peers = UserPeers::new([1, 2, 3, 4]);
        for source in 0..10_000 {
            peers.take(Customer::Source(source), secs(60), secs(0));
        }
        assert_eq!(peers.full_at.len(), 10_000);
        for source in 0..100_000 {
            let now = secs(100 + source as u64);
            peers.take(Customer::Source(source), Mono(now.0 + 1), now);
            assert!(peers.full_at.len() <= 20_000 && (source < 20_000 || peers.full_at.len() <= SWEEP_MIN));
        }
        let mut crowd = UserPeers::new([1, 2, 3, 4]);
        for source in 0..USER_PEERS_MAX as u128 + 1000 {
            crowd.take(Customer::Source(source), secs(60), secs(0));
        }
        assert_eq!(crowd.full_at.len(), USER_PEERS_MAX);
        crowd.take(Customer::Source(0), secs(61), secs(0));
        assert_eq!(crowd.full_at.get(&Customer::Source(0)), Some(&secs(61)), "who is counted stays counted");
        crowd.take(Customer::Source(u128::MAX), secs(100), secs(62));
        assert!(crowd.full_at.len() < 10);
    }
}
