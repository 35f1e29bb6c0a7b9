//! What a request claims of its sender (RFC 8489 section 9.2.4): checks that need no key.

use std::borrow::Cow;

use super::auth_failure::AuthFailure;
use super::client::Request;
use super::limits::NAME_LEN_MAX;
use super::nonce::NonceAge;
use super::server::Server;
use super::time::Now;
use crate::auth::Scheme;
use crate::auth::opaque_string::prepare;
use crate::config::AuthMode;
use crate::stun::{AttributeType, Message, PasswordAlgorithm, SecurityFeatures};

/// What a request claims, before anything is looked up.
pub(super) struct Claimed<'a> {
    pub(super) user: Cow<'a, [u8]>,
    pub(super) scheme: Scheme,
    pub(super) age: NonceAge,
}

impl Server {
    /// Steps that need no look-up: what is missing, and whose the nonce is.
    pub(super) fn claims<'a>(&self, request: &Request<'_, 'a>, now: Now) -> Result<Claimed<'a>, AuthFailure> {
        let message = request.message;
        let is_signed = |kind: &AttributeType| message.has(*kind);
        if ![AttributeType::MESSAGE_INTEGRITY, AttributeType::MESSAGE_INTEGRITY_SHA256].iter().any(is_signed) {
            return Err(AuthFailure::Unsigned);
        }
        let value = |kind: AttributeType| message.value(kind).filter(|value| value.len() <= NAME_LEN_MAX);
        let (Some(realm), Some(nonce)) = (value(AttributeType::REALM), value(AttributeType::NONCE)) else {
            return Err(AuthFailure::Incomplete);
        };
        let user = match (message.has(AttributeType::USERNAME), message.has(AttributeType::USERHASH)) {
            (true, false) => Some(value(AttributeType::USERNAME).ok_or(AuthFailure::Incomplete)?),
            (false, true) => None,
            _ => return Err(AuthFailure::Incomplete),
        };
        // No state, and no look-up, before the client showed that it gets what is sent to its address.
        let age = self.settings.nonces.judge(nonce, now.wall, &request.path.tuple);
        if age == NonceAge::Foreign {
            return Err(AuthFailure::ForeignNonce);
        }
        let scheme = scheme_of(message, nonce)?;
        if *prepare(realm) != *self.settings.config.auth.realm.as_bytes() {
            return Err(AuthFailure::WrongRealm);
        }
        // User names are not offered hashed, so no hash names a user.
        let user = user.ok_or(AuthFailure::HashedName)?;
        Ok(Claimed { user: self.name_of(user), scheme, age })
    }

    /// The name a USERNAME stands for. A time-limited one is what its maker signed, byte for byte; any other is compared
    /// as RFC 8489 section 14.3 says.
    fn name_of<'a>(&self, user: &'a [u8]) -> Cow<'a, [u8]> {
        match self.settings.config.auth.mode {
            AuthMode::SharedSecret => Cow::Borrowed(user),
            _ => prepare(user),
        }
    }
}

/// Which key a request says it is signed with (RFC 8489 section 9.2.4). Its nonce tells what it was offered.
fn scheme_of(message: &Message<'_>, nonce: &[u8]) -> Result<Scheme, AuthFailure> {
    let (features, _) = SecurityFeatures::split_off(nonce);
    if !features.contain(SecurityFeatures::PASSWORD_ALGORITHMS) {
        return Ok(Scheme::Unnamed);
    }
    let list = message.value(AttributeType::PASSWORD_ALGORITHMS);
    match (list, message.value(AttributeType::PASSWORD_ALGORITHM)) {
        (None, None) => Ok(Scheme::Unnamed),
        // RFC 8489 section 9.2.5: who was given a list signs by nothing else. The answer would be signed by it, which one
        // that knows MESSAGE-INTEGRITY alone must not be sent.
        _ if !message.has(AttributeType::MESSAGE_INTEGRITY_SHA256) => Err(AuthFailure::AlteredOffer),
        // Another list than ours is one that somebody shortened.
        (Some(list), Some(chosen)) if *list == PasswordAlgorithm::LIST => {
            let algorithm = PasswordAlgorithm::decode(chosen).ok_or(AuthFailure::AlteredOffer)?;
            Ok(Scheme::Named(algorithm))
        }
        _ => Err(AuthFailure::AlteredOffer),
    }
}
