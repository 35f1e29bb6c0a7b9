//! One file per method. A handler changes the allocation or says why not; it never writes an answer.

mod allocate;
mod binding;
mod channel_bind;
mod create_permission;
mod new_peers;
mod refresh;
mod send;

use super::allocation::{AllocationId, Owner};
use super::answer::{AnswerBuf, Reject, Success};
use super::client::Request;
use super::limits::LIFETIME_SECS_DEFAULT;
use super::server::Server;
use super::time::Now;
use crate::auth::rest::TimedName;
use crate::config::AuthMode;
use crate::stun::{AttributeType, ErrorCode, Message, Method};

/// Calls the handler of an authenticated request.
pub(super) fn dispatch(
    server: &mut Server,
    now: Now,
    request: &Request<'_, '_>,
    caller: &Owner,
    answer: &mut AnswerBuf,
) -> Result<Success, Reject> {
    match request.message.kind().method {
        Method::BINDING => Ok(Success::Mapped(request.path.tuple.client)),
        Method::ALLOCATE => allocate::handle(server, now, request, caller, answer),
        Method::REFRESH => refresh::handle(server, now, request, caller),
        Method::CREATE_PERMISSION => create_permission::handle(server, now, request),
        Method::CHANNEL_BIND => channel_bind::handle(server, now, request),
        method => unreachable!("{method:?} is not let through to here"),
    }
}

impl Server {
    /// The live allocation a request other than Allocate is about (RFC 8656 section 5: else 437).
    fn allocation_of(&self, now: Now, request: &Request<'_, '_>, missing: ErrorCode) -> Result<AllocationId, Reject> {
        let id = self.allocations.of_tuple(&request.path.tuple);
        let is_live = |id: &AllocationId| self.allocations.get(*id).is_some_and(|held| !held.is_expired(now.mono));
        id.filter(is_live).ok_or(Reject::Code(missing))
    }

    /// What CreatePermission and ChannelBind answer without an allocation.
    fn missing_allocation(&self) -> ErrorCode {
        if self.settings.config.protocol.coturn_errors {
            ErrorCode::BAD_REQUEST
        } else {
            ErrorCode::ALLOCATION_MISMATCH
        }
    }

    /// The lifetime a request gets (RFC 8656 section 7.2): what it asks, not below the default or what the operator put
    /// in its place, not above the maximum, and with `strict-expiry` not beyond the end of the credential.
    fn negotiate_lifetime(&self, now: Now, message: &Message<'_>, user: &[u8]) -> Result<u32, Reject> {
        let limits = &self.settings.config.limits;
        let (min, max) = (limits.allocate_lifetime_secs_min, limits.allocate_lifetime_secs_max);
        let asked = match message.value(AttributeType::LIFETIME) {
            None => 0,
            Some(value) => u32::from_be_bytes(value.try_into().map_err(|_| ErrorCode::BAD_REQUEST)?),
        };
        let granted = if asked == 0 { LIFETIME_SECS_DEFAULT } else { asked.max(min) }.min(max);
        // A lifetime of 0 would say that the client asked for the end.
        Ok(self.credential_secs_left(now, user).map_or(granted, |left| granted.min(left.max(1))))
    }

    /// How long a time-limited name is still good, its last second included, 0 behind that; none when that does not
    /// matter.
    fn credential_secs_left(&self, now: Now, user: &[u8]) -> Option<u32> {
        let auth = &self.settings.config.auth;
        let asks = auth.strict_expiry && auth.mode == AuthMode::SharedSecret;
        let timed = TimedName::parse(user, auth.separator).filter(|_| asks)?;
        let left = timed.expires_unix.saturating_add(1).saturating_sub(now.wall.0);
        Some(u32::try_from(left).unwrap_or(u32::MAX))
    }
}

/// The family byte of REQUESTED-ADDRESS-FAMILY and ADDITIONAL-ADDRESS-FAMILY; what follows it is reserved.
fn family_code(message: &Message<'_>, kind: AttributeType) -> Result<Option<u8>, Reject> {
    match message.value(kind) {
        None => Ok(None),
        Some(&[code, _, _, _]) => Ok(Some(code)),
        Some(_) => Err(ErrorCode::BAD_REQUEST.into()),
    }
}
