//! What a running server counts, readable from any thread: for metrics, readiness and status lines.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::counters::{Counters, Leg, Side};
use super::messages::{CODES, METHODS};
use super::shared::Shared;
use crate::clock;
use crate::stream::{CloseReason, LoadCounts};
use crate::turn::address::Transport;
use crate::turn::event::EndReason;
use crate::turn::ports::{PortCounts, RelayPorts};
use crate::turn::time::UnixTime;
use crate::turn::{AuthFailure, DropReason};

/// The counts of all workers, and what they share.
#[derive(Clone, Debug)]
pub struct Readings {
    pub(super) workers: Arc<[Arc<Counters>]>,
    pub(super) shared: Arc<Shared>,
}

/// Payload relayed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Relayed {
    /// Datagrams, or messages of a stream.
    pub packets: u64,
    /// Bytes of payload in them.
    pub bytes: u64,
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

    /// Requests that did not show who asks.
    pub fn auth_failures(&self, why: AuthFailure) -> u64 {
        self.sum(|worker| &worker.auth_failures[why as usize])
    }

    /// How many of them are of clients over `transport`.
    pub fn allocations_over(&self, transport: Transport) -> u64 {
        self.workers.iter().map(|worker| worker.allocations_over(transport)).sum()
    }

    /// Allocations begun.
    pub fn created(&self, transport: Transport) -> u64 {
        self.sum(|worker| &worker.created[transport as usize])
    }

    /// Allocations ended.
    pub fn ended(&self, transport: Transport, reason: EndReason) -> u64 {
        self.sum(|worker| &worker.ended[transport as usize][reason as usize])
    }

    /// Permissions and channels there are.
    pub fn permissions_and_channels(&self) -> (u64, u64) {
        (self.sum(|worker| &worker.permissions), self.sum(|worker| &worker.channels))
    }

    /// Payload of clients over `transport` that passed a leg of its way.
    pub fn relayed(&self, leg: Leg, transport: Transport) -> Relayed {
        let (leg, transport) = (leg as usize, transport as usize);
        let packets = self.sum(|worker| &worker.relayed[leg][transport].packets);
        Relayed { packets, bytes: self.sum(|worker| &worker.relayed[leg][transport].bytes) }
    }

    /// Datagrams and messages that went nowhere.
    pub fn dropped(&self, side: Side, reason: DropReason) -> u64 {
        self.sum(|worker| &worker.dropped[side as usize][reason as usize])
    }

    /// Requests looked at, by method, in the order of [`METHODS`]; behind them those of other methods.
    pub fn requests(&self) -> [u64; METHODS.len() + 1] {
        std::array::from_fn(|method| self.sum(|worker| &worker.messages.requests[method]))
    }

    /// Answers sent, by method as [`Readings::requests`], and in each by code, in the order of [`CODES`].
    pub fn answers(&self) -> [[u64; CODES.len()]; METHODS.len() + 1] {
        std::array::from_fn(|method| {
            std::array::from_fn(|code| self.sum(|worker| &worker.messages.answers[method][code]))
        })
    }

    /// Answers kept back: beyond the budget of unauthenticated ones, and of wrong passwords.
    pub fn kept_back(&self) -> (u64, u64) {
        (self.sum(|worker| &worker.unaffordable), self.sum(|worker| &worker.guesses))
    }

    /// Requests for new peers that came too fast.
    pub fn new_peers_limited(&self) -> u64 {
        self.sum(|worker| &worker.new_peers_limited)
    }

    /// Datagrams the system did not take.
    pub fn unsent(&self) -> u64 {
        self.sum(|worker| &worker.unsent)
    }

    /// Panics of the core, and workers that broke off outside of it.
    pub fn faults_and_break_offs(&self) -> (u64, u64) {
        (self.sum(|worker| &worker.faults), self.sum(|worker| &worker.break_offs))
    }

    /// Datagrams lost as they came faster than they were taken: by listeners, and by relay sockets that are closed.
    pub fn overflows(&self) -> (u64, u64) {
        let of_listeners = self.workers.iter().map(|worker| worker.listener_overflows()).sum();
        (of_listeners, self.sum(|worker| &worker.relay_overflows))
    }

    /// Streams there are, and those among them whose client has no allocation.
    pub fn streams(&self) -> (u64, u64) {
        let open = self.sum(|worker| &worker.streams);
        (open, u64::from(self.shared.streams.unallocated()).min(open))
    }

    /// Streams taken, streams refused, TLS handshakes completed, relayed messages that clients read too slowly for.
    pub fn stream_counts(&self) -> [u64; 4] {
        [
            self.sum(|worker| &worker.stream_tally.opened),
            self.sum(|worker| &worker.stream_tally.refused),
            self.sum(|worker| &worker.stream_tally.handshakes),
            self.sum(|worker| &worker.stream_tally.relayed_dropped),
        ]
    }

    /// Streams that ended.
    pub fn streams_closed(&self, reason: CloseReason) -> u64 {
        self.sum(|worker| &worker.stream_tally.closed[reason as usize])
    }

    /// How many relay ports there are, over all relay addresses.
    pub fn ports(&self) -> usize {
        self.shared.relays.iter().map(RelayPorts::count).sum()
    }

    /// What the ports of each relay address do.
    pub fn port_counts(&self) -> Vec<(IpAddr, PortCounts)> {
        let now = clock::now().mono;
        self.shared.relays.iter().map(|ports| (ports.local(), ports.counts(now))).collect()
    }

    /// How many workers there are.
    pub fn workers(&self) -> usize {
        self.workers.len()
    }

    fn sum(&self, of: impl Fn(&Counters) -> &AtomicU64) -> u64 {
        self.workers.iter().map(|worker| of(worker).load(Ordering::Relaxed)).sum()
    }
}
