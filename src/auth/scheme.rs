//! How a request proves that it knows a password, and how its answer proves the same (RFC 8489 section 9.2.4).

use serde::{Deserialize, Serialize};

use crate::stun::{IntegrityKey, IntegrityKeySha256, PasswordAlgorithm, Writer};

/// What a request says of the key it is signed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Scheme {
    /// Nothing, as before RFC 8489: an MD5 key, and MESSAGE-INTEGRITY in the answer.
    Unnamed,
    /// Its password algorithm: MESSAGE-INTEGRITY-SHA256 in the answer.
    Named(PasswordAlgorithm),
}

impl Scheme {
    /// How the key is made of the password.
    pub fn algorithm(self) -> PasswordAlgorithm {
        match self {
            Scheme::Unnamed => PasswordAlgorithm::Md5,
            Scheme::Named(algorithm) => algorithm,
        }
    }

    /// Whether this is a step back from `former`: somebody may have made the client take it.
    pub fn is_downgrade_from(self, former: Scheme) -> bool {
        self.algorithm() == PasswordAlgorithm::Md5 && former.algorithm() == PasswordAlgorithm::Sha256
    }
}

/// Signs an answer.
#[derive(Clone, Debug)]
pub enum Seal<'k> {
    /// By MESSAGE-INTEGRITY.
    Sha1(&'k IntegrityKey),
    /// By MESSAGE-INTEGRITY-SHA256.
    Sha256(IntegrityKeySha256),
}

impl Seal<'_> {
    /// Appends the integrity attribute.
    pub fn sign(&self, writer: &mut Writer<'_>) {
        match self {
            Seal::Sha1(key) => writer.integrity(key),
            Seal::Sha256(key) => writer.integrity_sha256(key),
        }
    }
}
