//! Names and realms as they are compared, and what a time-limited name says. Everything the simulation sends is ASCII, or
//! no text at all, so of OpaqueString's mappings there is nothing to do.

use turnserver::config::AuthMode;

use super::{Clock, Model};

/// RFC 8489 sections 14.3 and 14.9: quotes around a name, and NULs behind it, are no part of it.
pub(crate) fn bare(text: &[u8]) -> &[u8] {
    let mut text = text;
    while let Some(shorter) = text.strip_suffix(&[0]) {
        text = shorter;
    }
    text.strip_prefix(b"\"").and_then(|text| text.strip_suffix(b"\"")).unwrap_or(text)
}

/// The end and the user of `end:user`, `user:end` or a bare `end`.
pub(super) fn timed(name: &[u8]) -> Option<(u64, Vec<u8>)> {
    let text = std::str::from_utf8(name).ok()?;
    let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    if let Some(ends) = number(text) {
        return Some((ends, name.to_vec()));
    }
    let (front, user) = text.split_once(':')?;
    let named = |user: &str| if user.is_empty() { name.to_vec() } else { user.as_bytes().to_vec() };
    if let Some(ends) = number(front) {
        return Some((ends, named(user)));
    }
    let (user, back) = text.rsplit_once(':')?;
    Some((number(back)?, named(user)))
}

impl Model {
    /// The name that a USERNAME stands for; a time-limited one is signed byte for byte.
    pub(crate) fn name_of(&self, sent: &[u8]) -> Vec<u8> {
        match self.rules.mode {
            AuthMode::SharedSecret => sent.to_vec(),
            _ => bare(sent).to_vec(),
        }
    }

    /// How long a user may have what it gets now, the last second of its credential included, where allocations end
    /// with credentials: 0 behind that.
    pub(super) fn secs_left(&self, clock: Clock, user: &[u8]) -> Option<u64> {
        let (ends, _) = timed(user).filter(|_| self.rules.is_strict && self.rules.mode == AuthMode::SharedSecret)?;
        Some((ends + 1).saturating_sub(clock.wall))
    }
}
