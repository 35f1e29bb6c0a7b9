//! What a running server counts, readable from any thread: for metrics, readiness and status lines.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::counters::Counters;
use super::shared::Shared;
use crate::turn::ports::RelayPorts;

/// The counts of all workers, and what they share.
#[derive(Clone, Debug)]
pub struct Readings {
    pub(super) workers: Arc<[Arc<Counters>]>,
    pub(super) shared: Arc<Shared>,
}

impl Readings {
    /// How many allocations live.
    pub fn allocations(&self) -> u64 {
        self.workers.iter().map(|worker| worker.allocations()).sum()
    }

    /// Whether no new allocations are given.
    pub fn is_draining(&self) -> bool {
        self.shared.draining.load(Ordering::Relaxed)
    }

    /// How many relay ports there are, over all relay addresses.
    pub fn ports(&self) -> usize {
        self.shared.relays.iter().map(RelayPorts::count).sum()
    }
}
