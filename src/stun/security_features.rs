//! What a nonce says of the server that made it: the nonce cookie and its feature bits (RFC 8489 sections 9.2 and 18.1).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// What a nonce with features begins with.
const NONCE_COOKIE: &[u8] = b"obMatJos2";

/// STUN Security Features.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SecurityFeatures(u32);

impl SecurityFeatures {
    /// Length of cookie and features in characters.
    pub const PREFIX_LEN: usize = NONCE_COOKIE.len() + 4;

    /// None: what a server of RFC 5389 has.
    pub const NONE: SecurityFeatures = SecurityFeatures(0);

    /// The server lists password algorithms. Bit 0 of 24 is the leftmost one.
    pub const PASSWORD_ALGORITHMS: SecurityFeatures = SecurityFeatures(1 << 23);

    /// Whether all of `others` are among these.
    pub fn contain(self, others: SecurityFeatures) -> bool {
        self.0 & others.0 == others.0
    }

    /// The 24 bits.
    pub fn bits(self) -> [u8; 3] {
        let [_, bits @ ..] = self.0.to_be_bytes();
        bits
    }

    /// What a nonce begins with that announces them.
    pub fn prefix(self) -> [u8; Self::PREFIX_LEN] {
        let mut prefix = [0; Self::PREFIX_LEN];
        let (cookie, features) = prefix.split_at_mut(NONCE_COOKIE.len());
        cookie.copy_from_slice(NONCE_COOKIE);
        let written = STANDARD.encode_slice(self.bits(), features);
        debug_assert_eq!(written, Ok(features.len()));
        prefix
    }

    /// Takes the prefix off a nonce. One without it announces nothing, and is a nonce as well; a prefix that announces
    /// nothing is none, so that a nonce has one spelling.
    pub fn split_off(nonce: &[u8]) -> (SecurityFeatures, &[u8]) {
        let Some((features, rest)) = nonce.strip_prefix(NONCE_COOKIE).and_then(|rest| rest.split_at_checked(4)) else {
            return (SecurityFeatures::NONE, nonce);
        };
        let mut bits = [0; 4];
        match STANDARD.decode_slice(features, &mut bits[1..]) {
            Ok(3) if bits != [0; 4] => (SecurityFeatures(u32::from_be_bytes(bits)), rest),
            _ => (SecurityFeatures::NONE, nonce),
        }
    }
}
