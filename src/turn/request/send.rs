//! Send indications (RFC 8656 section 11.2). Firefox sends all its media this way: this is a hot path.

use crate::stun::{AttributeType, Message};
use crate::turn::address::Family;
use crate::turn::bandwidth::Way;
use crate::turn::drop_reason::DropReason;
use crate::turn::gather::{Prefix, Suffix};
use crate::turn::io::{ClientPath, Destination, Forward, Verdict};
use crate::turn::server::Server;
use crate::turn::time::Now;

impl Server {
    /// Sends data to a peer that has a permission. Whatever is wrong: silence.
    pub(in crate::turn) fn handle_send(&mut self, now: Now, path: ClientPath, message: &Message<'_>) -> Verdict {
        if message.has_unknown_required() {
            return Verdict::Drop(DropReason::UnknownAttribute);
        }
        let Some(id) = self.allocations.of_tuple(&path.tuple) else {
            return Verdict::Drop(DropReason::NoAllocation);
        };
        let Some(start) = message.offset(AttributeType::DATA) else {
            return Verdict::Drop(DropReason::Incomplete);
        };
        let Some(Ok(peer)) = message.xor_address(AttributeType::XOR_PEER_ADDRESS) else {
            return Verdict::Drop(DropReason::Incomplete);
        };
        let len = message.value(AttributeType::DATA).map_or(0, <[u8]>::len);
        let allocation = self.allocations.get_mut(id).expect("the index names live allocations");
        let Some(relay) = allocation.relay_of(Family::of(peer.ip()), now.mono).copied() else {
            return Verdict::Drop(DropReason::Family);
        };
        if !allocation.permissions.allows(peer.ip(), now.mono) {
            return Verdict::Drop(DropReason::NoPermission);
        }
        let Some(own) = self.settings.policy.reach(peer) else {
            return Verdict::Drop(DropReason::Forbidden);
        };
        if !allocation.let_pass(Way::ToPeer, len, now.mono) {
            return Verdict::Drop(DropReason::Bandwidth);
        }
        // RFC 8656 section 13.3: between families, and between IPv6 hosts, DONT-FRAGMENT is ignored, not refused.
        let is_ipv4_path =
            relay.family() == Family::V4 && (path.tuple.transport.is_stream() || path.tuple.client.is_ipv4());
        let dont_fragment = is_ipv4_path && message.has(AttributeType::DONT_FRAGMENT);
        let to = Destination::Peer { relay: relay.grant.relay, to: peer, own, dont_fragment };
        Verdict::Forward(Forward {
            to,
            prefix: Prefix::EMPTY,
            range: (start..start + len).into(),
            suffix: Suffix::EMPTY,
        })
    }
}
