//! What happened, for logs, metrics, accounting and the in-kernel path; the core knows none of them.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::address::{FiveTuple, RelayId};
use super::allocation::AllocationId;
use super::auth_failure::AuthFailure;
use super::bandwidth::Way;
use super::io::{ClientPath, RelayGrant};
use crate::stun::{ChannelNumber, ErrorCode, Method};

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// An allocation began.
    AllocationCreated {
        /// Its handle.
        allocation: AllocationId,
        /// The way to its client.
        path: ClientPath,
        /// The user; empty when anonymous.
        user: Arc<[u8]>,
        /// Its relayed address, and the second one.
        relays: [Option<RelayGrant>; 2],
        /// The lifetime granted.
        lifetime_secs: u32,
    },
    /// A Refresh moved its end.
    AllocationRefreshed {
        /// Its handle.
        allocation: AllocationId,
        /// The lifetime granted.
        lifetime_secs: u32,
    },
    /// One of two relayed addresses ended, the other lives on.
    RelayEnded {
        /// The allocation.
        allocation: AllocationId,
        /// The relay socket.
        relay: RelayId,
    },
    /// An allocation ended.
    AllocationEnded {
        /// Its handle.
        allocation: AllocationId,
        /// The way to its client.
        path: ClientPath,
        /// The user.
        user: Arc<[u8]>,
        /// Its first relayed address.
        relayed: SocketAddr,
        /// Why.
        reason: EndReason,
        /// How long it lived.
        secs: u64,
        /// What it relayed.
        traffic: Traffic,
    },
    /// A permission was installed; refreshing one is silent.
    PermissionInstalled {
        /// The allocation.
        allocation: AllocationId,
        /// The peer's address.
        peer: IpAddr,
    },
    /// A permission ended.
    PermissionExpired {
        /// The allocation.
        allocation: AllocationId,
        /// The peer's address.
        peer: IpAddr,
    },
    /// A channel was bound or bound again.
    ChannelBound {
        /// The allocation.
        allocation: AllocationId,
        /// The channel.
        number: ChannelNumber,
        /// The peer.
        peer: SocketAddr,
        /// It was not bound before.
        is_new: bool,
    },
    /// A channel ended.
    ChannelUnbound {
        /// The allocation.
        allocation: AllocationId,
        /// The channel.
        number: ChannelNumber,
        /// The peer.
        peer: SocketAddr,
    },
    /// An allocation asked for new peers faster than it, or all of its user, may.
    NewPeersLimited {
        /// Its handle.
        allocation: AllocationId,
        /// The way to its client.
        path: ClientPath,
        /// The user; empty when anonymous.
        user: Arc<[u8]>,
    },
    /// A request was refused after, or for want of, authentication.
    Refused {
        /// By whom it came.
        tuple: FiveTuple,
        /// What it asked.
        method: Method,
        /// The answer's code.
        code: ErrorCode,
        /// USERNAME, when it named an existing user or not.
        user: Option<Arc<[u8]>>,
        /// Why it is not taken as that user's; none: it is, but may not have what it asks.
        why: Option<AuthFailure>,
    },
}

/// Why an allocation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// Nobody refreshed it.
    Expired,
    /// The client deleted it.
    Deleted,
    /// The client's connection ended.
    Disconnected,
    /// The server ended.
    Stopped,
    /// The server failed in handling something of it.
    Fault,
}

impl EndReason {
    /// Every reason, in the order of their numbers.
    pub const ALL: [EndReason; 5] =
        [EndReason::Expired, EndReason::Deleted, EndReason::Disconnected, EndReason::Stopped, EndReason::Fault];

    /// The name used in logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            EndReason::Expired => "expired",
            EndReason::Deleted => "deleted",
            EndReason::Disconnected => "disconnected",
            EndReason::Stopped => "stopped",
            EndReason::Fault => "fault",
        }
    }
}

/// Packets and bytes of payload relayed for one allocation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Traffic {
    /// From client to peers.
    pub to_peer_packets: u64,
    /// From client to peers.
    pub to_peer_bytes: u64,
    /// From peers to client.
    pub to_client_packets: u64,
    /// From peers to client.
    pub to_client_bytes: u64,
}

impl Traffic {
    /// Packets and bytes of one way.
    pub(super) fn of(&mut self, way: Way) -> (&mut u64, &mut u64) {
        match way {
            Way::ToPeer => (&mut self.to_peer_packets, &mut self.to_peer_bytes),
            Way::ToClient => (&mut self.to_client_packets, &mut self.to_client_bytes),
        }
    }
}
