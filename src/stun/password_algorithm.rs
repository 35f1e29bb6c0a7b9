//! How a key is made of a password (RFC 8489 section 18.5), and the two attributes that say so.

use serde::{Deserialize, Serialize};

/// A password algorithm. Neither of them has parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PasswordAlgorithm {
    /// MD5, what every client knows.
    Md5,
    /// SHA-256.
    Sha256,
}

impl PasswordAlgorithm {
    /// The value of PASSWORD-ALGORITHMS (RFC 8489 section 14.11): the first one that a client knows is the one it takes.
    pub const LIST: [u8; 8] = {
        let ([a, b, c, d], [e, f, g, h]) = (Self::Sha256.encode(), Self::Md5.encode());
        [a, b, c, d, e, f, g, h]
    };

    /// The value of PASSWORD-ALGORITHM (RFC 8489 section 14.12): number, and no parameters.
    pub const fn encode(self) -> [u8; 4] {
        match self {
            PasswordAlgorithm::Md5 => [0, 1, 0, 0],
            PasswordAlgorithm::Sha256 => [0, 2, 0, 0],
        }
    }

    /// Reads PASSWORD-ALGORITHM; none: it is of another number, or has parameters.
    pub fn decode(value: &[u8]) -> Option<PasswordAlgorithm> {
        [PasswordAlgorithm::Md5, PasswordAlgorithm::Sha256].into_iter().find(|known| known.encode() == *value)
    }
}
