//! MESSAGE-INTEGRITY and MESSAGE-INTEGRITY-SHA256 (RFC 8489 sections 14.5 and 14.6) over raw keys.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::Sha256;

use super::header::HEADER_LEN;

/// Length of the value of MESSAGE-INTEGRITY.
pub const INTEGRITY_LEN: usize = 20;
/// Length of the value of MESSAGE-INTEGRITY-SHA256; TURN does not truncate it.
pub const INTEGRITY_SHA256_LEN: usize = 32;

/// Declares a key of one integrity attribute.
macro_rules! integrity_key {
    ($(#[$doc:meta])* $name:ident, $digest:ty, $len:ident) => {
        $(#[$doc])*
        ///
        /// The key's first block is hashed already, so that each message costs only its own bytes.
        #[derive(Clone)]
        pub struct $name(Hmac<$digest>);

        impl $name {
            /// A key from its raw bytes: the 16 of an MD5 long-term key, the 32 of a SHA-256 one, a short-term password.
            pub fn new(key: &[u8]) -> $name {
                $name(Hmac::new_from_slice(key).expect("HMAC takes keys of any length"))
            }

            pub(crate) fn sign(&self, message: &[u8], offset: usize) -> [u8; $len] {
                feed(self.0.clone(), message, offset, $len).finalize().into_bytes().into()
            }

            /// Compares in constant time; a value of another length is wrong.
            pub(crate) fn verify(&self, message: &[u8], offset: usize, value: &[u8]) -> bool {
                value.len() == $len && feed(self.0.clone(), message, offset, $len).verify_slice(value).is_ok()
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }
    };
}

integrity_key! {
    /// A key of MESSAGE-INTEGRITY.
    IntegrityKey, Sha1, INTEGRITY_LEN
}

integrity_key! {
    /// A key of MESSAGE-INTEGRITY-SHA256.
    IntegrityKeySha256, Sha256, INTEGRITY_SHA256_LEN
}

/// Hashes the message before the attribute at `offset`, with the header's length as if the attribute were the last one.
fn feed<M: Mac>(mut mac: M, message: &[u8], offset: usize, value_len: usize) -> M {
    let length = (offset + 4 + value_len - HEADER_LEN) as u16;
    mac.update(&message[..2]);
    mac.update(&length.to_be_bytes());
    mac.update(&message[4..offset]);
    mac
}
