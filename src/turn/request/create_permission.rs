//! CreatePermission (RFC 8656 section 10.2).

use std::net::IpAddr;

use crate::stun::address::decode_xor;
use crate::stun::{AttributeType, ErrorCode};
use crate::turn::answer::{Reject, Success};
use crate::turn::client::Request;
use crate::turn::event::Event;
use crate::turn::limits::PEERS_PER_REQUEST_MAX;
use crate::turn::server::Server;
use crate::turn::time::Now;

/// Installs or refreshes a permission for every XOR-PEER-ADDRESS, or for none.
pub(super) fn handle(server: &mut Server, now: Now, request: &Request<'_, '_>) -> Result<Success, Reject> {
    let missing = server.missing_allocation();
    let id = server.allocation_of(now, request, missing)?;
    server.sweep(id, now);
    let allocation = server.allocations.get(id).expect("allocation_of names live allocations");

    let message = request.message;
    let addresses = message.attributes().filter(|(kind, _)| *kind == AttributeType::XOR_PEER_ADDRESS);
    let mut peers: Vec<IpAddr> = Vec::new();
    for (_, value) in addresses {
        let peer = decode_xor(value, &message.id()).map_err(|_| ErrorCode::BAD_REQUEST)?;
        if peers.len() == PEERS_PER_REQUEST_MAX {
            return Err(ErrorCode::INSUFFICIENT_CAPACITY.into());
        }
        peers.push(peer.ip());
    }
    if peers.is_empty() {
        return Err(ErrorCode::BAD_REQUEST.into());
    }
    if peers.iter().any(|peer| !allocation.serves((*peer, 0).into(), now.mono)) {
        return Err(ErrorCode::PEER_ADDRESS_FAMILY_MISMATCH.into());
    }
    if peers.iter().any(|peer| !server.settings.policy.permits(*peer)) {
        return Err(ErrorCode::FORBIDDEN.into());
    }
    server.admit(now, id, &peers)?;
    let expires = now.mono.plus_secs(server.settings.config.limits.permission_lifetime_secs);
    let allocation = server.allocations.get_mut(id).expect("allocation_of names live allocations");
    peers.retain(|peer| allocation.permissions.install(*peer, expires, now.mono));
    for peer in peers {
        server.tell(Event::PermissionInstalled { allocation: id, peer });
    }
    server.arm(id);
    Ok(Success::Plain)
}
