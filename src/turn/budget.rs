//! The budget of unauthenticated answers per source (decided in the engine, which all workers share).

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use ahash::RandomState;

use super::time::Mono;
use crate::config::Rate;

const BUCKETS: usize = 4096;

/// Token buckets in a fixed table: one word each, no growth whatever is sent. Sources that share a bucket share its
/// budget; which ones do is keyed at random.
#[derive(Debug)]
pub struct Budget {
    /// When each bucket is full again, in nanoseconds (the generic cell rate algorithm).
    full_at: Box<[AtomicU64]>,
    interval_nanos: u64,
    tolerance_nanos: u64,
    keys: RandomState,
}

impl Budget {
    /// A table in which every bucket is full; `seed` keys the hash.
    pub fn new(rate: Rate, seed: [u64; 4]) -> Budget {
        let interval_nanos = 1_000_000_000 / u64::from(rate.per_sec.max(1));
        Budget {
            full_at: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect(),
            interval_nanos,
            tolerance_nanos: interval_nanos * u64::from(rate.burst.max(1)),
            keys: RandomState::with_seeds(seed[0], seed[1], seed[2], seed[3]),
        }
    }

    /// Takes one answer from the budget of `source`; false when it is used up.
    pub fn take(&self, source: IpAddr, now: Mono) -> bool {
        let bucket = &self.full_at[self.keys.hash_one(prefix(source)) as usize % BUCKETS];
        let taken = bucket.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |full_at| {
            let next = full_at.max(now.0) + self.interval_nanos;
            (next <= now.0 + self.tolerance_nanos).then_some(next)
        });
        taken.is_ok()
    }
}

/// What one customer holds: an IPv4 address, an IPv6 /64.
pub fn prefix(source: IpAddr) -> u128 {
    match source {
        IpAddr::V4(ip) => u128::from(u32::from(ip)),
        IpAddr::V6(ip) => u128::from(ip) >> 64 << 64 | 1 << 63,
    }
}
