//! Who may allocate, as the operator said.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// Who may allocate, and how long challenges live.
#[derive(Clone, PartialEq)]
pub struct Auth {
    /// The kind of credentials asked for.
    pub mode: AuthMode,
    /// The realm of challenges; never empty when credentials are asked for.
    pub realm: String,
    /// Static users.
    pub users: Vec<User>,
    /// Shared secrets of time-limited credentials; any of them may have signed.
    pub secrets: Vec<String>,
    /// Stands between timestamp and user in a time-limited name.
    pub separator: char,
    /// How far ahead the timestamp of a time-limited name may lie; none: no bound.
    pub timestamp_ahead_secs_max: Option<u64>,
    /// An allocation ends with the time-limited credential it was made with.
    pub strict_expiry: bool,
    /// Clients may prove themselves with SHA-256 (RFC 8489 section 9.2); not where a user's MD5 key is all that is known.
    pub sha256: bool,
    /// How long a nonce lives; 0: for ever.
    pub nonce_lifetime_secs: u32,
    /// What a fleet makes its nonces with; none: a key of this server.
    pub nonce_secret: Option<String>,
    /// A file that holds one more secret; made on first start when missing.
    pub secret_file: Option<PathBuf>,
}

impl std::fmt::Debug for Auth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Auth")
            .field("mode", &self.mode)
            .field("realm", &self.realm)
            .field("users", &self.users.len())
            .field("secrets", &self.secrets.len())
            .finish_non_exhaustive()
    }
}

/// What a client must show before it may allocate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthMode {
    /// Nobody may: the server answers Binding requests only.
    StunOnly,
    /// Anybody may (`no-auth`, said explicitly).
    Anonymous,
    /// Long-term credentials (RFC 8489 section 9.2) of static users.
    LongTerm,
    /// Time-limited credentials made from a shared secret (TURN REST).
    SharedSecret,
}

/// A static user.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    /// The USERNAME.
    pub name: String,
    /// What the user's key is made of.
    pub secret: UserSecret,
}

/// What a user's long-term key is made of.
#[derive(Clone, PartialEq, Eq)]
pub enum UserSecret {
    /// A password, wiped when it is dropped.
    Password(Zeroizing<String>),
    /// The keys themselves: one that was configured, or all that a password makes.
    Keys(Vec<RawKeys>),
}

/// What a password becomes under each algorithm (RFC 8489 section 18.5).
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RawKeys {
    /// MD5 of `username:realm:password`.
    pub md5: [u8; 16],
    /// SHA-256 of the same; none where only the other one is known.
    pub sha256: Option<[u8; 32]>,
}

impl RawKeys {
    /// Only the MD5 key is known, as of `user=name:0x...`.
    pub fn md5_only(md5: [u8; 16]) -> RawKeys {
        RawKeys { md5, sha256: None }
    }
}
