//! Data from peers (RFC 8656 sections 11.3 and 12.7).

use std::net::SocketAddr;

use rand_chacha::rand_core::RngCore;

use super::address::RelayId;
use super::bandwidth::Way;
use super::drop_reason::DropReason;
use super::gather;
use super::io::{Destination, Forward, Verdict};
use super::limits::UDP_PAYLOAD_MAX;
use super::server::Server;
use super::time::Now;
use crate::stun::TransactionId;

impl Server {
    /// Whatever a peer sends is data, STUN included. Without a permission it goes nowhere, silently.
    pub(super) fn handle_peer(&mut self, now: Now, relay: RelayId, from: SocketAddr, data: &[u8]) -> Verdict {
        let Some(id) = self.allocations.of_relay(relay) else {
            return Verdict::Drop(DropReason::NoAllocation);
        };
        let allocation = self.allocations.get_mut(id).expect("the index names live allocations");
        if !allocation.live_relays(now.mono).any(|held| held.grant.relay == relay) {
            return Verdict::Drop(DropReason::NoAllocation);
        }
        if !allocation.permissions.allows(from.ip(), now.mono) {
            return Verdict::Drop(DropReason::NoPermission);
        }
        let is_stream = allocation.tuple.transport.is_stream();
        let framed = match (allocation.channels.of_peer(from, now.mono), u16::try_from(data.len())) {
            (_, Err(_)) => None,
            (Some(channel), Ok(len)) => Some(gather::channel_data(channel.number, len, is_stream)),
            (None, Ok(_)) => {
                let mut id = TransactionId([0; 12]);
                self.rng.fill_bytes(&mut id.0);
                gather::data_indication(from, id, data, self.settings.config.protocol.fingerprint)
            }
        };
        let fits = |len: usize| is_stream || len <= UDP_PAYLOAD_MAX;
        match framed {
            Some((prefix, suffix)) if fits(prefix.as_slice().len() + data.len() + suffix.as_slice().len()) => {
                if !allocation.let_pass(Way::ToClient, data.len(), now.mono) {
                    return Verdict::Drop(DropReason::Bandwidth);
                }
                let to = Destination::Client(allocation.path());
                Verdict::Forward(Forward { to, prefix, range: (0..data.len()).into(), suffix })
            }
            _ => Verdict::Drop(DropReason::TooLarge),
        }
    }
}
