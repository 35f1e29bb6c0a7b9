//! How many lines of the log somebody may provoke: so many of a kind in all, of all workers together, and one per source
//! and second. What is left out is counted, and told with the next line of the kind.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use super::budget::{Budget, Refill};
use super::time::Mono;
use crate::config::Rate;

/// Lines of one source.
const OF_SOURCE: Rate = Rate { per_sec: 1, burst: 1 };

/// Lines of one kind.
#[derive(Debug)]
pub struct Ration {
    refill: Refill,
    /// When as many lines as ever may be written at once.
    full_at: AtomicU64,
    suppressed: AtomicU64,
}

impl Ration {
    /// A full one.
    pub fn new(rate: Rate) -> Ration {
        Ration::filling(Refill::new(rate))
    }

    /// One that fills otherwise.
    pub fn filling(refill: Refill) -> Ration {
        Ration { refill, full_at: AtomicU64::new(0), suppressed: AtomicU64::new(0) }
    }

    /// How many lines were left out since the last one, if this one may be written.
    pub fn take(&self, now: Mono) -> Option<u64> {
        self.take_if(now, || true)
    }

    fn take_if(&self, now: Mono, is_wanted: impl FnOnce() -> bool) -> Option<u64> {
        let next = |full_at: u64| self.refill.take(Mono(full_at), 1, now).map(|next| next.0);
        let may_be = next(self.full_at.load(Ordering::Relaxed)).is_some() && is_wanted();
        match may_be && self.full_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).is_ok() {
            true => Some(self.suppressed.swap(0, Ordering::Relaxed)),
            false => {
                self.suppressed.fetch_add(1, Ordering::Relaxed);
                None
            }
        }
    }
}

/// Lines of one kind, with a share for each source.
#[derive(Debug)]
pub struct SharedRation {
    all: Ration,
    sources: Budget,
}

/// Lines of which each source has a share, and all together have as many as there are sources.
#[derive(Debug)]
pub struct SourceRation {
    sources: Budget,
    suppressed: AtomicU64,
}

impl SourceRation {
    /// So many for each source; `seed` keys the table of sources.
    pub fn new(of_source: Rate, seed: [u64; 4]) -> SourceRation {
        SourceRation { sources: Budget::new(of_source, seed), suppressed: AtomicU64::new(0) }
    }

    /// As [`Ration::take`].
    pub fn take(&self, source: IpAddr, now: Mono) -> Option<u64> {
        match self.sources.take(source, now) {
            true => Some(self.suppressed.swap(0, Ordering::Relaxed)),
            false => {
                self.suppressed.fetch_add(1, Ordering::Relaxed);
                None
            }
        }
    }
}

impl SharedRation {
    /// At most one line per source and second; `seed` keys the table of sources.
    pub fn new(all: Refill, seed: [u64; 4]) -> SharedRation {
        SharedRation { all: Ration::filling(all), sources: Budget::new(OF_SOURCE, seed) }
    }

    /// As [`Ration::take`]. Lines that are left out anyway take nothing of a source's share.
    pub fn take(&self, source: IpAddr, now: Mono) -> Option<u64> {
        self.all.take_if(now, || self.sources.take(source, now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn what_is_left_out_is_told_with_the_next_line() {
        let ration = Ration::new(Rate { per_sec: 1, burst: 2 });
        let taken = [0, 0, 0, 0, SECOND, SECOND, 10 * SECOND].map(|at| ration.take(Mono(at)));
        assert_eq!(taken, [Some(0), Some(0), None, None, Some(2), None, Some(1)]);
    }

    #[test]
    fn a_source_has_one_line_a_second_and_all_together_have_a_bound() {
        let ration = SharedRation::new(Refill::per_minute(60, 10), [1, 2, 3, 4]);
        let one = IpAddr::from([192, 0, 2, 1]);
        assert_eq!([0, 1, SECOND].map(|at| ration.take(one, Mono(at)).is_some()), [true, false, true]);
        let others = (0..=255).filter(|last| ration.take(IpAddr::from([198, 51, 100, *last]), Mono(SECOND)).is_some());
        assert!((5..=10).contains(&others.count()), "sources may share a bucket of the table");
    }
}
