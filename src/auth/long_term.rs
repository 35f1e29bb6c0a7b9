//! Keys of the long-term credential mechanism (RFC 8489 sections 9.2.2 and 18.5.1).

use std::fmt;

use md5::Md5;
use sha2::{Digest, Sha256};

use super::opaque_string::{prepare, unquoted};
use super::scheme::{Scheme, Seal};
use crate::config::RawKeys;
use crate::stun::{AttributeType, IntegrityKey, IntegrityKeySha256, Message, PasswordAlgorithm};

/// A user's key, ready to sign and to verify.
#[derive(Clone)]
pub struct LongTermKey {
    raw: RawKeys,
    integrity: IntegrityKey,
}

impl LongTermKey {
    /// Derives the key from a password.
    pub fn derive(username: &[u8], realm: &[u8], password: &[u8]) -> LongTermKey {
        let parts = [username, b":", realm, b":", password];
        let sha256 = parts.iter().fold(Sha256::new(), Digest::chain_update).finalize().into();
        let md5 = parts.iter().fold(Md5::new(), Digest::chain_update).finalize().into();
        LongTermKey::from_raws(RawKeys { md5, sha256: Some(sha256) })
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

    /// Takes an MD5 key that was derived before, as coturn's databases hold it.
    pub fn from_raw(md5: [u8; 16]) -> LongTermKey {
        LongTermKey::from_raws(RawKeys::md5_only(md5))
    }

    /// Takes keys that were derived before.
    pub fn from_raws(raw: RawKeys) -> LongTermKey {
        LongTermKey { raw, integrity: IntegrityKey::new(&raw.md5) }
    }

    /// The 16 bytes of the MD5 key.
    pub fn raw(&self) -> &[u8; 16] {
        &self.raw.md5
    }

    /// The bytes of every key.
    pub fn raws(&self) -> &RawKeys {
        &self.raw
    }

    /// The key of MESSAGE-INTEGRITY where no algorithm is named.
    pub fn integrity(&self) -> &IntegrityKey {
        &self.integrity
    }

    /// Whether `message` was signed with this key (RFC 8489 section 9.2.4): MESSAGE-INTEGRITY-SHA256 is what counts where
    /// it is there. That a key is not known takes as long to find out as that it is wrong.
    pub fn verifies(&self, message: &Message<'_>, scheme: Scheme) -> bool {
        let algorithm = scheme.algorithm();
        let is_right = if message.has(AttributeType::MESSAGE_INTEGRITY_SHA256) {
            message.verify_integrity_sha256(&IntegrityKeySha256::new(self.bytes(algorithm)))
        } else if algorithm == PasswordAlgorithm::Md5 {
            message.verify_integrity(&self.integrity)
        } else {
            message.verify_integrity(&IntegrityKey::new(self.bytes(algorithm)))
        };
        is_right & self.knows(algorithm)
    }

    /// Signs the answer to a request of this scheme.
    pub fn seal(&self, scheme: Scheme) -> Seal<'_> {
        match scheme {
            Scheme::Unnamed => Seal::Sha1(&self.integrity),
            Scheme::Named(algorithm) => Seal::Sha256(IntegrityKeySha256::new(self.bytes(algorithm))),
        }
    }

    fn knows(&self, algorithm: PasswordAlgorithm) -> bool {
        algorithm == PasswordAlgorithm::Md5 || self.raw.sha256.is_some()
    }

    fn bytes(&self, algorithm: PasswordAlgorithm) -> &[u8] {
        match algorithm {
            PasswordAlgorithm::Md5 => &self.raw.md5,
            PasswordAlgorithm::Sha256 => self.raw.sha256.as_ref().unwrap_or(&[0; 32]),
        }
    }
}

impl fmt::Debug for LongTermKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LongTermKey(..)")
    }
}
