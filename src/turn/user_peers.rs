//! How fast the users of one worker are given new peers, in all their allocations together.

use std::net::IpAddr;
use std::sync::Arc;

use ahash::RandomState;
use hashbrown::HashMap;

use super::budget::{Refill, prefix};
use super::limits::USER_PEERS_MAX;
use super::time::Mono;

/// Whose peers are counted together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Whose {
    /// A user's, by its quota's name.
    User(Arc<[u8]>),
    /// Those of an address, where users have no names.
    Source(u128),
}

impl Whose {
    pub(super) fn of(quota: Option<&Arc<[u8]>>, client: IpAddr) -> Whose {
        quota.map_or_else(|| Whose::Source(prefix(client)), |user| Whose::User(Arc::clone(user)))
    }
}

/// A token bucket for each user, kept until it is full again. No two users share one: that somebody scans must not have
/// others refused.
#[derive(Debug)]
pub(super) struct UserPeers {
    full_at: HashMap<Whose, Mono, RandomState>,
    /// With so many, the full ones are let go.
    sweep_at: usize,
}

const SWEEP_MIN: usize = 64;

impl UserPeers {
    /// Every bucket is full; `seed` keys the table.
    pub(super) fn new(seed: [u64; 4]) -> UserPeers {
        let keys = RandomState::with_seeds(seed[0], seed[1], seed[2], seed[3]);
        UserPeers { full_at: HashMap::with_hasher(keys), sweep_at: SWEEP_MIN }
    }

    /// When this bucket would be full again without `count`; none: it holds less.
    pub(super) fn would_give(&self, whose: &Whose, refill: Refill, count: u32, now: Mono) -> Option<Mono> {
        let full_at = self.full_at.get(whose).copied().unwrap_or(Mono(0));
        refill.take(full_at, count, now)
    }

    /// Takes what [`UserPeers::would_give`] said. Where too many users wait for theirs to fill, a further one is not
    /// counted: its allocations still are, each by itself.
    pub(super) fn take(&mut self, whose: Whose, full_at: Mono, now: Mono) {
        if self.full_at.len() >= self.sweep_at {
            self.full_at.retain(|_, full_at| *full_at > now);
            self.sweep_at = (2 * self.full_at.len()).clamp(SWEEP_MIN, USER_PEERS_MAX);
        }
        if self.full_at.len() < USER_PEERS_MAX || self.full_at.contains_key(&whose) {
            self.full_at.insert(whose, full_at);
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
            peers.take(Whose::Source(source), secs(60), secs(0));
        }
        assert_eq!(peers.full_at.len(), 10_000);
        for source in 0..100_000 {
            let now = secs(100 + source as u64);
            peers.take(Whose::Source(source), Mono(now.0 + 1), now);
            assert!(peers.full_at.len() <= 20_000 && (source < 20_000 || peers.full_at.len() <= SWEEP_MIN));
        }
        let mut crowd = UserPeers::new([1, 2, 3, 4]);
        for source in 0..USER_PEERS_MAX as u128 + 1000 {
            crowd.take(Whose::Source(source), secs(60), secs(0));
        }
        assert_eq!(crowd.full_at.len(), USER_PEERS_MAX);
        crowd.take(Whose::Source(0), secs(61), secs(0));
        assert_eq!(crowd.full_at.get(&Whose::Source(0)), Some(&secs(61)), "who is counted stays counted");
        crowd.take(Whose::Source(u128::MAX), secs(100), secs(62));
        assert!(crowd.full_at.len() < 10);
    }
}
