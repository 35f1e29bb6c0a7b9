//! How much of something there is in a span of time: unauthenticated answers per source, wrong passwords per source and
//! name (both decided in the engine, which all workers share), new peers per allocation and per user, lines of the log.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ahash::RandomState;

use super::time::Mono;
use crate::config::Rate;

const BUCKETS: usize = 4096;

/// How a token bucket fills (the generic cell rate algorithm): all that is known of a bucket is when it is full again.
#[derive(Clone, Copy, Debug)]
pub struct Refill {
    interval_nanos: u64,
    tolerance_nanos: u64,
}

impl Refill {
    /// Buckets of `rate`.
    pub fn new(rate: Rate) -> Refill {
        Refill::of(1_000_000_000 / u64::from(rate.per_sec.max(1)), rate.burst)
    }

    /// Buckets that get `count` a minute and hold `burst`.
    pub fn per_minute(count: u32, burst: u32) -> Refill {
        Refill::of(60_000_000_000 / u64::from(count.max(1)), burst)
    }

    fn of(interval_nanos: u64, burst: u32) -> Refill {
        Refill { interval_nanos, tolerance_nanos: interval_nanos * u64::from(burst.max(1)) }
    }

    /// Takes `count` from a bucket that is full at `full_at` and says when it is full then; none: it holds less.
    pub fn take(&self, full_at: Mono, count: u32, now: Mono) -> Option<Mono> {
        let next = full_at.0.max(now.0) + self.interval_nanos * u64::from(count);
        (next <= now.0 + self.tolerance_nanos).then_some(Mono(next))
    }

    /// When a bucket is full again that was emptied while buckets filled otherwise: no later than an empty one.
    pub fn at_most_empty(&self, full_at: Mono, now: Mono) -> Mono {
        full_at.min(Mono(now.0 + self.tolerance_nanos))
    }
}

/// Token buckets in a fixed table: one word each, no growth whatever is sent. Sources that share a bucket share its
/// budget; which ones do is keyed at random.
#[derive(Debug)]
pub struct Budget {
    /// When each bucket is full again, in nanoseconds.
    full_at: Arc<[AtomicU64]>,
    refill: Refill,
    keys: RandomState,
}

impl Budget {
    /// A table in which every bucket is full; `seed` keys the hash.
    pub fn new(rate: Rate, seed: [u64; 4]) -> Budget {
        Budget::filling(Refill::new(rate), seed)
    }

    /// The same with buckets that fill otherwise.
    pub fn filling(refill: Refill, seed: [u64; 4]) -> Budget {
        Budget {
            full_at: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect(),
            refill,
            keys: RandomState::with_seeds(seed[0], seed[1], seed[2], seed[3]),
        }
    }

    /// The same table, whose buckets fill otherwise from now on.
    pub(super) fn refilled(&self, refill: Refill, now: Mono) -> Budget {
        for full_at in &*self.full_at {
            let empty = refill.at_most_empty(Mono(u64::MAX), now);
            full_at.fetch_min(empty.0, Ordering::Relaxed);
        }
        Budget { full_at: Arc::clone(&self.full_at), refill, keys: self.keys.clone() }
    }

    /// Takes one answer from the budget of `source`; false when it is used up.
    pub fn take(&self, source: IpAddr, now: Mono) -> bool {
        self.take_from(self.keys.hash_one(prefix(source)), now)
    }

    /// Whether [`Budget::take`] would give one.
    pub fn has_one(&self, source: IpAddr, now: Mono) -> bool {
        self.gives(self.keys.hash_one(prefix(source)), now)
    }

    /// The same where each name has a budget of its own at each source.
    pub fn take_of(&self, source: IpAddr, name: u32, now: Mono) -> bool {
        self.take_from(self.keys.hash_one((prefix(source), name)), now)
    }

    /// Whether [`Budget::take_of`] would give one.
    pub fn has_one_of(&self, source: IpAddr, name: u32, now: Mono) -> bool {
        self.gives(self.keys.hash_one((prefix(source), name)), now)
    }

    fn gives(&self, hash: u64, now: Mono) -> bool {
        let full_at = self.bucket(hash).load(Ordering::Relaxed);
        self.refill.take(Mono(full_at), 1, now).is_some()
    }

    fn bucket(&self, hash: u64) -> &AtomicU64 {
        &self.full_at[hash as usize % BUCKETS]
    }

    fn take_from(&self, hash: u64, now: Mono) -> bool {
        let next = |full_at: u64| self.refill.take(Mono(full_at), 1, now).map(|next| next.0);
        self.bucket(hash).fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).is_ok()
    }
}

/// What one customer holds: an IPv4 address, an IPv6 /64.
pub fn prefix(source: IpAddr) -> u128 {
    match source {
        IpAddr::V4(ip) => u128::from(u32::from(ip)),
        IpAddr::V6(ip) => u128::from(ip) >> 64 << 64 | 1 << 63,
    }
}
