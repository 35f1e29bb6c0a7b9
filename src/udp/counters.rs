//! One worker's counts: written by it alone, read by whoever asks.

use std::io;
use std::net::UdpSocket;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{OnceLock, Weak};

use tracing::warn;

use super::messages::MessageCounters;
use super::pulse::Heart;
use super::sys;
use crate::stream::{CloseReason, Tally};
use crate::turn::address::Transport;
use crate::turn::event::EndReason;
use crate::turn::{AuthFailure, AuthFailures, Census, DropReason};

/// What a worker counts; no other one's counts lie in the same cache line.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Counters {
    /// What did not go on, by whose it was and why.
    pub(super) dropped: [[AtomicU64; DropReason::ALL.len()]; Side::ALL.len()],
    /// Payload relayed, leg by leg.
    pub(super) relayed: [[Flow; Transport::ALL.len()]; Leg::ALL.len()],
    /// Requests and answers.
    pub(super) messages: MessageCounters,
    /// Unauthenticated answers beyond a source's budget.
    pub(super) unaffordable: AtomicU64,
    /// Answers to wrong passwords beyond the budget of a source and name.
    pub(super) guesses: AtomicU64,
    /// Requests for new peers that came too fast.
    pub(super) new_peers_limited: AtomicU64,
    /// Datagrams the system did not take.
    pub(super) unsent: AtomicU64,
    /// Datagrams that came to relay sockets, since closed, faster than they were taken.
    pub(super) relay_overflows: AtomicU64,
    /// Panics of the core.
    pub(super) faults: AtomicU64,
    /// How often the worker broke off outside of the core.
    pub(super) break_offs: AtomicU64,
    /// Allocations begun.
    pub(super) created: [AtomicU64; Transport::ALL.len()],
    /// Allocations ended.
    pub(super) ended: [[AtomicU64; EndReason::ALL.len()]; Transport::ALL.len()],
    /// Permissions there are.
    pub(super) permissions: AtomicU64,
    /// Channels there are.
    pub(super) channels: AtomicU64,
    /// Streams there are.
    pub(super) streams: AtomicU64,
    /// What happened to streams.
    pub(super) stream_tally: StreamCounters,
    /// Whether it goes round.
    pub(super) heart: Heart,
    /// Requests that did not show who asks.
    pub(super) auth_failures: [AtomicU64; AuthFailure::ALL.len()],
    /// Its UDP listeners, as long as they are open: the system counts what they lose.
    pub(super) listeners: OnceLock<Box<[Weak<UdpSocket>]>>,
}

/// Packets and bytes of payload.
#[derive(Debug, Default)]
pub(super) struct Flow {
    pub(super) packets: AtomicU64,
    pub(super) bytes: AtomicU64,
}

/// [`Tally`], of all streams the worker ever had.
#[derive(Debug, Default)]
pub(super) struct StreamCounters {
    pub(super) opened: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) handshakes: AtomicU64,
    pub(super) relayed_dropped: AtomicU64,
    pub(super) closed: [AtomicU64; CloseReason::COUNT],
}

/// Whose datagram it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Side {
    /// A client's.
    Client,
    /// A peer's.
    Peer,
}

impl Side {
    /// Both.
    pub const ALL: [Side; 2] = [Side::Client, Side::Peer];

    /// The name used in logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Side::Client => "client",
            Side::Peer => "peer",
        }
    }
}

/// A leg of the way that relayed data takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Leg {
    /// Received from a client, for a peer.
    ClientToServer,
    /// Sent on to the peer.
    ServerToPeer,
    /// Received from a peer, for a client.
    PeerToServer,
    /// Sent on to the client; on a stream: put into its queue.
    ServerToClient,
}

impl Leg {
    /// Every leg.
    pub const ALL: [Leg; 4] = [Leg::ClientToServer, Leg::ServerToPeer, Leg::PeerToServer, Leg::ServerToClient];

    /// The name used in logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Leg::ClientToServer => "client_to_server",
            Leg::ServerToPeer => "server_to_peer",
            Leg::PeerToServer => "peer_to_server",
            Leg::ServerToClient => "server_to_client",
        }
    }
}

impl Counters {
    pub(super) fn dropped(&self, side: Side, reason: DropReason) {
        add(&self.dropped[side as usize][reason as usize], 1);
    }

    /// Counts payload on one leg.
    pub(super) fn relayed(&self, leg: Leg, transport: Transport, packets: u64, bytes: usize) {
        let flow = &self.relayed[leg as usize][transport as usize];
        add(&flow.packets, packets);
        add(&flow.bytes, bytes as u64);
    }

    pub(super) fn unaffordable(&self) {
        add(&self.unaffordable, 1);
    }

    pub(super) fn guess(&self) {
        add(&self.guesses, 1);
    }

    pub(super) fn new_peers_limited(&self) {
        add(&self.new_peers_limited, 1);
    }

    pub(super) fn relay_overflowed(&self, datagrams: u64) {
        add(&self.relay_overflows, datagrams);
    }

    pub(super) fn fault(&self) {
        add(&self.faults, 1);
    }

    pub(super) fn broke_off(&self) {
        add(&self.break_offs, 1);
    }

    pub(super) fn allocation_created(&self, transport: Transport) {
        add(&self.created[transport as usize], 1);
    }

    pub(super) fn allocation_ended(&self, transport: Transport, reason: EndReason) {
        add(&self.ended[transport as usize][reason as usize], 1);
    }

    pub(super) fn permission_installed(&self) {
        add(&self.permissions, 1);
    }

    pub(super) fn permission_ended(&self) {
        take_one(&self.permissions);
    }

    pub(super) fn channel_bound(&self) {
        add(&self.channels, 1);
    }

    pub(super) fn channel_ended(&self) {
        take_one(&self.channels);
    }

    /// How many allocations live.
    pub(super) fn allocations(&self) -> u64 {
        Transport::ALL.into_iter().map(|transport| self.allocations_over(transport)).sum()
    }

    /// How many allocations of clients over `transport` live.
    pub(super) fn allocations_over(&self, transport: Transport) -> u64 {
        // The ends are read first: one that begins and ends meanwhile is counted as living, never as less than none.
        let ended: u64 = self.ended[transport as usize].iter().map(|count| count.load(Ordering::Acquire)).sum();
        self.created[transport as usize].load(Ordering::Acquire).saturating_sub(ended)
    }

    /// After a panic, begins and ends may not have been told, or told of what was not there. What there is sets them
    /// right: an allocation that is missing ended by a fault.
    pub(super) fn set_right(&self, census: Census) {
        for transport in Transport::ALL {
            let (told, live) = (self.allocations_over(transport), census.allocations[transport as usize]);
            add(&self.ended[transport as usize][EndReason::Fault as usize], told.saturating_sub(live));
            add(&self.created[transport as usize], live.saturating_sub(told));
        }
        self.permissions.store(census.permissions, Ordering::Relaxed);
        self.channels.store(census.channels, Ordering::Relaxed);
    }

    /// Adds what happened to streams, and says how many there are.
    pub(super) fn add_streams(&self, tally: &Tally, open: usize) {
        self.streams.store(open as u64, Ordering::Relaxed);
        let total = &self.stream_tally;
        add(&total.opened, tally.opened);
        add(&total.refused, tally.refused);
        add(&total.handshakes, tally.handshakes);
        add(&total.relayed_dropped, tally.relayed_dropped);
        for reason in CloseReason::ALL {
            add(&total.closed[reason as usize], tally.closed(reason));
        }
    }

    /// Adds requests that did not show who asks.
    pub(super) fn add_auth_failures(&self, failures: &AuthFailures) {
        for (why, count) in failures.iter() {
            add(&self.auth_failures[why as usize], count);
        }
    }

    /// Datagrams that came to the listeners faster than they were taken.
    pub(super) fn listener_overflows(&self) -> u64 {
        let open = self.listeners.get().into_iter().flatten().filter_map(Weak::upgrade);
        open.map(|socket| u64::from(sys::receive_overflows(&*socket))).sum()
    }

    /// Counts what could not be sent, and says so now and then.
    pub(super) fn unsent(&self, error: &io::Error) {
        let unsent = add(&self.unsent, 1);
        if unsent.is_power_of_two() {
            warn!(%error, unsent, "a datagram could not be sent");
        }
    }

    /// Names and counts of what is not zero, of several workers together.
    pub(super) fn sum<'a>(workers: impl Iterator<Item = &'a Counters> + Clone) -> Vec<(&'static str, u64)> {
        let sum = |of: &dyn Fn(&Counters) -> u64| -> u64 { workers.clone().map(of).sum() };
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let dropped = DropReason::ALL.into_iter().filter(|reason| *reason != DropReason::Parked);
        let dropped = dropped.map(|reason| {
            let count = sum(&|worker| worker.dropped.iter().map(|side| read(&side[reason as usize])).sum());
            (reason.name(), count)
        });
        let others = [
            ("unaffordable", sum(&|worker| read(&worker.unaffordable))),
            ("guesses", sum(&|worker| read(&worker.guesses))),
            ("new_peers_limited", sum(&|worker| read(&worker.new_peers_limited))),
            ("unsent", sum(&|worker| read(&worker.unsent))),
            ("faults", sum(&|worker| read(&worker.faults))),
            ("break_offs", sum(&|worker| read(&worker.break_offs))),
        ];
        dropped.chain(others).filter(|(_, count)| *count > 0).collect()
    }
}

/// There is one writer, so a load and a store are an addition.
pub(super) fn add(counter: &AtomicU64, count: u64) -> u64 {
    let next = counter.load(Ordering::Relaxed) + count;
    counter.store(next, Ordering::Release);
    next
}

/// One less; never less than none, whatever was told twice.
fn take_one(gauge: &AtomicU64) {
    gauge.store(gauge.load(Ordering::Relaxed).saturating_sub(1), Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_there_is_sets_right_what_was_told() {
        let counters = Counters::default();
        (0..3).for_each(|_| counters.allocation_created(Transport::Udp));
        counters.allocation_ended(Transport::Tcp, EndReason::Expired);
        counters.permission_installed();
        (0..2).for_each(|_| counters.channel_ended());
        counters.set_right(Census { allocations: [1, 0, 2], permissions: 0, channels: 4 });
        let over = |transport| counters.allocations_over(transport);
        assert_eq!([over(Transport::Udp), over(Transport::Tcp), over(Transport::Tls)], [1, 0, 2]);
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        assert_eq!(read(&counters.ended[Transport::Udp as usize][EndReason::Fault as usize]), 2);
        assert_eq!((read(&counters.permissions), read(&counters.channels)), (0, 4));
        counters.set_right(Census::default());
        assert_eq!((counters.allocations(), read(&counters.channels)), (0, 0));
    }
}
