//! Refresh (RFC 8656 section 8.2).

use super::family_code;
use crate::stun::{AttributeType, ErrorCode};
use crate::turn::address::{Family, RelayId};
use crate::turn::allocation::Owner;
use crate::turn::answer::{Reject, Success};
use crate::turn::client::Request;
use crate::turn::event::{EndReason, Event};
use crate::turn::server::Server;
use crate::turn::time::Now;

/// Moves the end of an allocation, or of one of its two relayed addresses; a lifetime of 0 is the end.
pub(super) fn handle(
    server: &mut Server,
    now: Now,
    request: &Request<'_, '_>,
    caller: &Owner,
) -> Result<Success, Reject> {
    let id = server.allocation_of(now, request, ErrorCode::ALLOCATION_MISMATCH)?;
    let is_delete = request.message.value(AttributeType::LIFETIME) == Some(&[0; 4]);
    let lifetime_secs = server.negotiate_lifetime(now, request.message, &caller.user)?;
    // The allocation goes with its credential: whoever refreshes it every second must not keep it for ever.
    let is_over = server.credential_secs_left(now, &caller.user) == Some(0);
    let family = match family_code(request.message, AttributeType::REQUESTED_ADDRESS_FAMILY)? {
        None => None,
        Some(code) => Some(Family::from_code(code).ok_or(ErrorCode::PEER_ADDRESS_FAMILY_MISMATCH)?),
    };
    let allocation = server.allocations.get_mut(id).expect("allocation_of names live allocations");
    let is_meant = |held: Family| family.is_none_or(|family| family == held);
    let meant: Vec<RelayId> = allocation
        .live_relays(now.mono)
        .filter(|relay| is_meant(relay.family()))
        .map(|relay| relay.grant.relay)
        .collect();
    if meant.is_empty() {
        return Err(ErrorCode::PEER_ADDRESS_FAMILY_MISMATCH.into());
    }
    if !is_delete {
        let expires = now.mono.plus_secs(lifetime_secs);
        for relay in allocation.relays.iter_mut().flatten().filter(|relay| meant.contains(&relay.grant.relay)) {
            relay.expires = if is_over { relay.expires.min(expires) } else { expires };
        }
        server.arm(id);
        server.tell(Event::AllocationRefreshed { allocation: id, lifetime_secs });
        return Ok(Success::Lifetime(lifetime_secs));
    }
    match allocation.live_relays(now.mono).count() > meant.len() {
        true => meant.into_iter().for_each(|relay| server.end_relay(id, relay, now)),
        false => server.end(id, now, EndReason::Deleted),
    }
    Ok(Success::Lifetime(0))
}
