//! Error codes of RFC 8489 section 14.8 and RFC 8656 section 19, with their reason phrases.

use std::fmt;

/// An error code, 300 to 699.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ErrorCode(u16);

/// Declares the codes this server sends and their phrases.
macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $phrase:literal;)*) => {
        impl ErrorCode {
            $($(#[$doc])* pub const $name: ErrorCode = ErrorCode($code);)*

            /// The reason phrase, empty for codes this server does not send.
            pub fn phrase(self) -> &'static str {
                match self.0 {
                    $($code => $phrase,)*
                    _ => "",
                }
            }
        }
    };
}

codes! {
    /// Another server is to be asked (RFC 8489 section 10).
    TRY_ALTERNATE = 300, "Try Alternate";
    /// Malformed, or contradictory.
    BAD_REQUEST = 400, "Bad Request";
    /// No, or wrong, credentials.
    UNAUTHENTICATED = 401, "Unauthorized";
    /// A peer that may not be reached.
    FORBIDDEN = 403, "Forbidden";
    /// A comprehension-required attribute is not known.
    UNKNOWN_ATTRIBUTE = 420, "Unknown Attribute";
    /// No allocation on this 5-tuple, or one already.
    ALLOCATION_MISMATCH = 437, "Allocation Mismatch";
    /// The nonce is not valid any more.
    STALE_NONCE = 438, "Stale Nonce";
    /// The address family is not served.
    ADDRESS_FAMILY_NOT_SUPPORTED = 440, "Address Family not Supported";
    /// Not the user who made the allocation.
    WRONG_CREDENTIALS = 441, "Wrong Credentials";
    /// REQUESTED-TRANSPORT is not served.
    UNSUPPORTED_TRANSPORT = 442, "Unsupported Transport Protocol";
    /// The peer's family is not the relayed address's.
    PEER_ADDRESS_FAMILY_MISMATCH = 443, "Peer Address Family Mismatch";
    /// The user has as many allocations as allowed.
    ALLOCATION_QUOTA_REACHED = 486, "Allocation Quota Reached";
    /// Our fault.
    SERVER_ERROR = 500, "Server Error";
    /// No port, no pair, no such token, or a full table.
    INSUFFICIENT_CAPACITY = 508, "Insufficient Capacity";
}

impl ErrorCode {
    /// The code as a number.
    pub fn code(self) -> u16 {
        self.0
    }

    /// The code in a value of ERROR-CODE or ADDRESS-ERROR-CODE (bytes 2 and 3 of both: class and number).
    pub fn decode(value: &[u8]) -> Option<ErrorCode> {
        let &[_, _, class, number, ..] = value else { return None };
        let class = class & 0x07;
        ((3..=6).contains(&class) && number <= 99).then(|| ErrorCode(u16::from(class) * 100 + u16::from(number)))
    }

    /// Class and number as they stand in the attributes.
    pub fn class_and_number(self) -> [u8; 2] {
        [(self.0 / 100) as u8, (self.0 % 100) as u8]
    }
}

impl fmt::Debug for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0, self.phrase())
    }
}
