//! What a running server counts, readable from any thread: for metrics, readiness and status lines.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::counters::Counters;
use super::shared::Shared;
use crate::stream::LoadCounts;
use crate::turn::ports::RelayPorts;
use crate::turn::time::UnixTime;

/// The counts of all workers, and what they share.
#[derive(Clone, Debug)]
pub struct Readings {
    pub(super) workers: Arc<[Arc<Counters>]>,
    pub(super) shared: Arc<Shared>,
}

impl Readings {
    /// What became of every configuration that was to be taken over while the server ran.
    pub fn reloads(&self) -> LoadCounts {
        self.shared.reloads.counts()
    }

    /// What became of every loading of the certificate, and until when the one in use is good.
    pub fn certificate(&self) -> (LoadCounts, Option<UnixTime>) {
        let certificates = self.shared.streams.certificates();
        let good_until = certificates.current().and_then(|configs| configs.good_until);
        (certificates.loads().counts(), good_until)
    }

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
