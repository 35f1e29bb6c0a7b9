//! One worker's counts: written by it alone, read by whoever asks.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use tracing::warn;

use super::pulse::Heart;
use crate::turn::DropReason;

/// What did not go on, by reason.
#[derive(Debug, Default)]
pub(super) struct Counters {
    dropped: [AtomicU64; DropReason::ALL.len()],
    /// Unauthenticated answers beyond a source's budget.
    unaffordable: AtomicU64,
    /// Answers to wrong passwords beyond the budget of a source and name.
    guesses: AtomicU64,
    /// Requests for new peers that came too fast.
    new_peers_limited: AtomicU64,
    /// Datagrams the system did not take.
    unsent: AtomicU64,
    /// Panics of the core.
    faults: AtomicU64,
    /// How often the worker broke off outside of the core.
    break_offs: AtomicU64,
    /// Allocations begun.
    created: AtomicU64,
    /// Allocations ended.
    ended: AtomicU64,
    /// Whether it goes round.
    pub(super) heart: Heart,
}

impl Counters {
    pub(super) fn dropped(&self, reason: DropReason) {
        add_one(&self.dropped[reason as usize]);
    }

    pub(super) fn unaffordable(&self) {
        add_one(&self.unaffordable);
    }

    pub(super) fn guess(&self) {
        add_one(&self.guesses);
    }

    pub(super) fn new_peers_limited(&self) {
        add_one(&self.new_peers_limited);
    }

    pub(super) fn fault(&self) {
        add_one(&self.faults);
    }

    pub(super) fn broke_off(&self) {
        add_one(&self.break_offs);
    }

    pub(super) fn allocation_created(&self) {
        add_one(&self.created);
    }

    pub(super) fn allocation_ended(&self) {
        add_one(&self.ended);
    }

    /// How many allocations live.
    pub(super) fn allocations(&self) -> u64 {
        // The end is read first: one that begins and ends meanwhile is counted as living, never as less than none.
        let ended = self.ended.load(Ordering::Acquire);
        self.created.load(Ordering::Relaxed).saturating_sub(ended)
    }

    /// Counts what could not be sent, and says so now and then.
    pub(super) fn unsent(&self, error: &io::Error) {
        let unsent = add_one(&self.unsent);
        if unsent.is_power_of_two() {
            warn!(%error, unsent, "a datagram could not be sent");
        }
    }

    /// Names and counts of what is not zero, of several workers together.
    pub(super) fn sum<'a>(workers: impl Iterator<Item = &'a Counters> + Clone) -> Vec<(String, u64)> {
        let sum = |of: &dyn Fn(&Counters) -> &AtomicU64| -> u64 {
            workers.clone().map(|counters| of(counters).load(Ordering::Relaxed)).sum()
        };
        let dropped = DropReason::ALL.into_iter().filter(|reason| *reason != DropReason::Parked);
        let dropped =
            dropped.map(|reason| (format!("{reason:?}"), sum(&|counters| &counters.dropped[reason as usize])));
        let others = [
            ("Unaffordable".to_owned(), sum(&|counters| &counters.unaffordable)),
            ("Guesses".to_owned(), sum(&|counters| &counters.guesses)),
            ("NewPeersLimited".to_owned(), sum(&|counters| &counters.new_peers_limited)),
            ("Unsent".to_owned(), sum(&|counters| &counters.unsent)),
            ("Faults".to_owned(), sum(&|counters| &counters.faults)),
            ("BreakOffs".to_owned(), sum(&|counters| &counters.break_offs)),
        ];
        dropped.chain(others).filter(|(_, count)| *count > 0).collect()
    }
}

/// There is one writer, so a load and a store are an addition.
fn add_one(counter: &AtomicU64) -> u64 {
    let next = counter.load(Ordering::Relaxed) + 1;
    counter.store(next, Ordering::Relaxed);
    next
}
