//! What the user database counts, readable from any thread.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Counts of a user database.
#[derive(Debug, Default)]
pub struct Counts {
    pub(super) hits: AtomicU64,
    pub(super) look_ups: AtomicU64,
    pub(super) failures: AtomicU64,
    pub(super) is_up: AtomicBool,
}

impl Counts {
    /// Users and names of nobody that were known without asking.
    pub fn hits(&self) -> u64 {
        self.hits.load(Ordering::Relaxed)
    }

    /// Questions asked.
    pub fn look_ups(&self) -> u64 {
        self.look_ups.load(Ordering::Relaxed)
    }

    /// Questions of them that were not answered.
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// Whether the database answers.
    pub fn is_up(&self) -> bool {
        self.is_up.load(Ordering::Relaxed)
    }
}

pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
