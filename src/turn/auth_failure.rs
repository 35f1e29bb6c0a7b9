//! Why a request did not prove who asks: told in logs and counted. The answer follows from it, and says less: what is
//! wrong with a name or a password looks the same to whoever tries them.

use super::answer::Reject;
use crate::stun::ErrorCode;

/// Why a request is not taken as that of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum AuthFailure {
    /// It is not signed: the first request of every client.
    Unsigned,
    /// It is signed, but USERNAME, REALM or NONCE is missing, doubled in sense, or too long.
    Incomplete,
    /// The nonce is not ours, or another client's.
    ForeignNonce,
    /// All is well but the age of the nonce.
    StaleNonce,
    /// The list of password algorithms is not the one that was offered: somebody shortened it, or does not keep to it.
    AlteredOffer,
    /// The realm is another one.
    WrongRealm,
    /// The name comes hashed, which was not offered.
    HashedName,
    /// Nobody has this name, or it is no time-limited one where those are asked for.
    UnknownUser,
    /// The time-limited name is over.
    Expired,
    /// The time-limited name ends later than names may.
    TooFarAhead,
    /// The password is wrong.
    WrongPassword,
    /// The allocation is another user's.
    OtherUser,
    /// The allocation was made with a stronger password algorithm.
    Downgrade,
    /// Who the user is could not be found out.
    LookUpFailed,
}

impl AuthFailure {
    /// Every reason, in the order of their numbers.
    pub const ALL: [AuthFailure; 14] = [
        AuthFailure::Unsigned,
        AuthFailure::Incomplete,
        AuthFailure::ForeignNonce,
        AuthFailure::StaleNonce,
        AuthFailure::AlteredOffer,
        AuthFailure::WrongRealm,
        AuthFailure::HashedName,
        AuthFailure::UnknownUser,
        AuthFailure::Expired,
        AuthFailure::TooFarAhead,
        AuthFailure::WrongPassword,
        AuthFailure::OtherUser,
        AuthFailure::Downgrade,
        AuthFailure::LookUpFailed,
    ];

    /// The name used in logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            AuthFailure::Unsigned => "unsigned",
            AuthFailure::Incomplete => "incomplete",
            AuthFailure::ForeignNonce => "foreign_nonce",
            AuthFailure::StaleNonce => "stale_nonce",
            AuthFailure::AlteredOffer => "altered_offer",
            AuthFailure::WrongRealm => "wrong_realm",
            AuthFailure::HashedName => "hashed_name",
            AuthFailure::UnknownUser => "unknown_user",
            AuthFailure::Expired => "expired",
            AuthFailure::TooFarAhead => "too_far_ahead",
            AuthFailure::WrongPassword => "wrong_password",
            AuthFailure::OtherUser => "other_user",
            AuthFailure::Downgrade => "downgrade",
            AuthFailure::LookUpFailed => "look_up_failed",
        }
    }
}

/// RFC 8489 section 9.2.4, RFC 8656 section 5.
impl From<AuthFailure> for Reject {
    fn from(why: AuthFailure) -> Reject {
        match why {
            AuthFailure::Incomplete | AuthFailure::AlteredOffer => Reject::Code(ErrorCode::BAD_REQUEST),
            AuthFailure::ForeignNonce | AuthFailure::StaleNonce => Reject::Challenge(ErrorCode::STALE_NONCE),
            AuthFailure::OtherUser | AuthFailure::Downgrade => Reject::Code(ErrorCode::WRONG_CREDENTIALS),
            // Our fault, not the user's, so that the client tries again with the same password (RFC 8489 section 14.8).
            AuthFailure::LookUpFailed => Reject::Code(ErrorCode::SERVER_ERROR),
            AuthFailure::Unsigned
            | AuthFailure::WrongRealm
            | AuthFailure::HashedName
            | AuthFailure::UnknownUser
            | AuthFailure::Expired
            | AuthFailure::TooFarAhead
            | AuthFailure::WrongPassword => Reject::Challenge(ErrorCode::UNAUTHENTICATED),
        }
    }
}

/// How many requests failed, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AuthFailures([u64; AuthFailure::ALL.len()]);

impl AuthFailures {
    /// The count of one reason.
    pub fn of(&self, why: AuthFailure) -> u64 {
        self.0[why as usize]
    }

    /// Every reason that occurred, with its count.
    pub fn iter(&self) -> impl Iterator<Item = (AuthFailure, u64)> {
        let counts = AuthFailure::ALL.map(|why| (why, self.of(why)));
        counts.into_iter().filter(|(_, count)| *count > 0)
    }

    pub(super) fn count(&mut self, why: AuthFailure) {
        self.0[why as usize] += 1;
    }
}
