//! Time-limited credentials from a shared secret (TURN REST, draft-uberti-rtcweb-turn-rest-00 section 2.2).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

use super::LongTermKey;

/// A time-limited name taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimedName<'a> {
    /// When the credential ends, in seconds since 1970.
    pub expires_unix: u64,
    /// The user part; where there is none, the whole name.
    pub user: &'a [u8],
}

impl<'a> TimedName<'a> {
    /// Reads `timestamp:user`, `user:timestamp` (coturn takes both) or a bare timestamp. The user part is opaque and may
    /// hold the separator.
    pub fn parse(name: &'a [u8], separator: char) -> Option<TimedName<'a>> {
        let timed = |expires_unix: u64, user: &'a [u8]| TimedName {
            expires_unix,
            user: if user.is_empty() { name } else { user },
        };
        if let Some(expires_unix) = timestamp(name) {
            return Some(timed(expires_unix, name));
        }
        let mut encoded = [0; 4];
        let separator = separator.encode_utf8(&mut encoded).as_bytes();
        let is_separator = |window: &[u8]| window == separator;
        let first = name.windows(separator.len()).position(is_separator)?;
        let last = name.windows(separator.len()).rposition(is_separator)?;
        let split = |place: usize| (&name[..place], &name[place + separator.len()..]);
        let (front, user) = split(first);
        if let Some(expires_unix) = timestamp(front) {
            return Some(timed(expires_unix, user));
        }
        let (user, back) = split(last);
        timestamp(back).map(|expires_unix| timed(expires_unix, user))
    }

    /// Whether the credential may be used at `now_unix`; `ahead_secs_max` bounds how far away its end may lie.
    pub fn is_valid(&self, now_unix: u64, ahead_secs_max: Option<u64>) -> bool {
        let too_far = ahead_secs_max.is_some_and(|max| self.expires_unix > now_unix.saturating_add(max));
        self.expires_unix >= now_unix && !too_far
    }
}

/// The password of a time-limited name: base64 of HMAC-SHA1 under the shared secret.
pub fn password(secret: &[u8], name: &[u8]) -> String {
    let mut mac = Hmac::<Sha1>::new_from_slice(secret).expect("HMAC takes keys of any length");
    mac.update(name);
    STANDARD.encode(mac.finalize().into_bytes())
}

/// The long-term key a time-limited name has under `secret`.
pub fn key(secret: &[u8], name: &[u8], realm: &[u8]) -> LongTermKey {
    LongTermKey::derive(name, realm, password(secret, name).as_bytes())
}

/// Decimal digits and nothing else, within 64 bits.
fn timestamp(text: &[u8]) -> Option<u64> {
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    digits.then(|| std::str::from_utf8(text).ok()?.parse().ok()).flatten()
}
