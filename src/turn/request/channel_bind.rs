//! ChannelBind (RFC 8656 section 12.2).

use crate::stun::{AttributeType, ChannelNumber, ErrorCode};
use crate::turn::answer::{Reject, Success};
use crate::turn::channel::{BindError, Channel};
use crate::turn::client::Request;
use crate::turn::event::Event;
use crate::turn::server::Server;
use crate::turn::time::Now;

/// Binds a channel to a peer, or moves the binding's end; the peer gets a permission as well. A request that fails
/// leaves everything as it was.
pub(super) fn handle(server: &mut Server, now: Now, request: &Request<'_, '_>) -> Result<Success, Reject> {
    let missing = server.missing_allocation();
    let id = server.allocation_of(now, request, missing)?;
    server.sweep(id, now);
    let allocation = server.allocations.get(id).expect("allocation_of names live allocations");

    let message = request.message;
    // The two bytes behind the number are reserved (RFC 8656 section 18.1).
    let Some(&[high, low, _, _]) = message.value(AttributeType::CHANNEL_NUMBER) else {
        return Err(ErrorCode::BAD_REQUEST.into());
    };
    let number = ChannelNumber(u16::from_be_bytes([high, low]));
    let Some(Ok(peer)) = message.xor_address(AttributeType::XOR_PEER_ADDRESS) else {
        return Err(ErrorCode::BAD_REQUEST.into());
    };
    let config = &server.settings.config;
    let numbers = *ChannelNumber::RFC8656.start()..=config.protocol.channel_number_max;
    if !numbers.contains(&number.0) || peer.port() == 0 {
        return Err(ErrorCode::BAD_REQUEST.into());
    }
    if !allocation.serves(peer, now.mono) {
        return Err(ErrorCode::PEER_ADDRESS_FAMILY_MISMATCH.into());
    }
    let own = server.settings.policy.reach(peer).ok_or(ErrorCode::FORBIDDEN)?;
    let limits = &config.limits;
    allocation.channels.check(number, peer, now.mono, usize::from(limits.channels_max)).map_err(
        |error| match error {
            BindError::Conflict => ErrorCode::BAD_REQUEST,
            BindError::TableFull => ErrorCode::INSUFFICIENT_CAPACITY,
        },
    )?;

    let expires = now.mono.plus_secs(limits.channel_lifetime_secs);
    let permitted_until = match config.protocol.channel_extends_permission {
        true => expires,
        false => now.mono.plus_secs(limits.permission_lifetime_secs),
    };
    server.admit(now, id, &[peer.ip()])?;
    let allocation = server.allocations.get_mut(id).expect("allocation_of names live allocations");
    let is_new_permission = allocation.permissions.install(peer.ip(), permitted_until, now.mono);
    let channels = allocation.channels.len();
    allocation.channels.bind(Channel { number, peer, own, expires });
    let is_new = allocation.channels.len() > channels;
    if is_new_permission {
        server.tell(Event::PermissionInstalled { allocation: id, peer: peer.ip() });
    }
    server.tell(Event::ChannelBound { allocation: id, number, peer, is_new });
    server.arm(id);
    Ok(Success::Plain)
}
