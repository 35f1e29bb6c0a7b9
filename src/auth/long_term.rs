//! Keys of the long-term credential mechanism (RFC 8489 section 9.2.2).

use std::fmt;

use md5::{Digest, Md5};

use super::opaque_string::{prepare, unquoted};
use crate::stun::IntegrityKey;

/// A user's key: MD5 of `username:realm:password`, ready to sign and to verify.
#[derive(Clone)]
pub struct LongTermKey {
    raw: [u8; 16],
    integrity: IntegrityKey,
}

impl LongTermKey {
    /// Derives the key from a password.
    pub fn derive(username: &[u8], realm: &[u8], password: &[u8]) -> LongTermKey {
        let mut md5 = Md5::new();
        md5.update(username);
        md5.update(b":");
        md5.update(realm);
        md5.update(b":");
        md5.update(password);
        LongTermKey::from_raw(md5.finalize().into())
    }

    /// The keys that clients derive from a password, each once: as RFC 8489 says, as RFC 5389 said (SASLprep, which folds
    /// more), and from the password as it is written. Plain ASCII has one. Name and realm are prepared already.
    pub fn candidates(username: &[u8], realm: &[u8], password: &str) -> Vec<LongTermKey> {
        let bare = unquoted(password.as_bytes());
        let folded = std::str::from_utf8(bare).ok().and_then(|bare| stringprep::saslprep(bare).ok());
        let folded = folded.as_ref().map(|folded| folded.as_bytes());
        let mut keys: Vec<LongTermKey> = Vec::with_capacity(1);
        for password in [Some(&*prepare(bare)), folded, Some(password.as_bytes())].into_iter().flatten() {
            let key = LongTermKey::derive(username, realm, password);
            if keys.iter().all(|known| known.raw != key.raw) {
                keys.push(key);
            }
        }
        keys
    }

    /// Takes a key that was derived before, as coturn's databases and `user=name:0x...` hold it.
    pub fn from_raw(raw: [u8; 16]) -> LongTermKey {
        LongTermKey { raw, integrity: IntegrityKey::new(&raw) }
    }

    /// The 16 bytes.
    pub fn raw(&self) -> &[u8; 16] {
        &self.raw
    }

    /// The key of MESSAGE-INTEGRITY.
    pub fn integrity(&self) -> &IntegrityKey {
        &self.integrity
    }
}

impl fmt::Debug for LongTermKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LongTermKey(..)")
    }
}
