//! Nonces without state: each says when it was made and for whom, under our key (RFC 8489 section 9.2).

use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::address::FiveTuple;
use super::limits::{NONCE_AHEAD_SECS, NONCE_OUTDONE_SECS};
use super::time::UnixTime;
use crate::config::Config;
use crate::stun::SecurityFeatures;

/// Length of a nonce in characters, without the features it may announce.
pub const NONCE_LEN: usize = 28;

/// Length of the longest nonce.
const NONCE_LEN_MAX: usize = SecurityFeatures::PREFIX_LEN + NONCE_LEN;

/// What the key of a fleet is derived with, so that its secret may serve another purpose as well.
const FLEET_KEY: &[u8] = b"turnserver nonce-secret";

const VERSION: u8 = 1;
const MAC_LEN: usize = 12;
const RAW_LEN: usize = 1 + 4 + 4 + MAC_LEN;

/// What a nonce turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NonceAge {
    /// Ours, of this client, and young enough.
    Fresh,
    /// Ours and of this client, but too old.
    Stale,
    /// Not ours, or of another client.
    Foreign,
}

/// A nonce.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Nonce {
    text: [u8; NONCE_LEN_MAX],
    len: usize,
}

impl Nonce {
    fn new(features: SecurityFeatures, own: &[u8; NONCE_LEN]) -> Nonce {
        let prefix = features.prefix();
        let prefix = if features == SecurityFeatures::NONE { &[][..] } else { &prefix };
        let mut nonce = Nonce { text: [0; NONCE_LEN_MAX], len: prefix.len() + own.len() };
        nonce.text[..prefix.len()].copy_from_slice(prefix);
        nonce.text[prefix.len()..nonce.len].copy_from_slice(own);
        nonce
    }
}

impl std::ops::Deref for Nonce {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.text[..self.len]
    }
}

impl std::fmt::Debug for Nonce {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Nonce({})", String::from_utf8_lossy(self))
    }
}

/// Former keys whose nonces are still accepted. Each costs a forger's nonce one more look.
const PREVIOUS_MAX: usize = 4;

/// Makes and judges nonces; every worker has the same keys.
#[derive(Clone)]
pub struct Nonces {
    current: Key,
    previous: Vec<Key>,
    realm: String,
    lifetime_secs: u32,
    features: SecurityFeatures,
}

/// What nonces are made with, and what they are bound to.
#[derive(Clone)]
struct Key {
    bytes: [u8; 32],
    keyed: Hmac<Sha256>,
    /// UDP clients may show them from another port.
    of_any_port: bool,
}

impl Key {
    fn new(bytes: &[u8; 32], of_any_port: bool) -> Key {
        let keyed = Hmac::new_from_slice(bytes).expect("HMAC takes keys of any length");
        Key { bytes: *bytes, keyed, of_any_port }
    }

    /// Whether the same nonces are made with it.
    fn is(&self, other: &Key) -> bool {
        self.bytes == other.bytes && self.of_any_port == other.of_any_port
    }
}

impl std::fmt::Debug for Nonces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Nonces(..)")
    }
}

impl Nonces {
    /// Nonces under `key`; what `previous` made is still accepted. A lifetime of 0 never ends.
    pub fn new(key: &[u8; 32], previous: Option<&[u8; 32]>, realm: &str, lifetime_secs: u32) -> Nonces {
        let (current, previous) = (Key::new(key, false), previous.map(|key| Key::new(key, false)));
        Nonces {
            current,
            previous: previous.into_iter().collect(),
            realm: realm.to_owned(),
            lifetime_secs,
            features: SecurityFeatures::NONE,
        }
    }

    /// Nonces as `config` wants them, under `key` unless it names the secret of a fleet.
    pub fn of_config(config: &Config, key: &[u8; 32], previous: Option<&[u8; 32]>) -> Nonces {
        let auth = &config.auth;
        let of_fleet = auth.nonce_secret.as_ref().map(|secret| fleet_key(secret));
        let (key, previous) = match &of_fleet {
            Some(shared) => (shared, Some(key)),
            None => (key, previous),
        };
        Nonces::new(key, previous, &auth.realm, auth.nonce_lifetime_secs)
            .listing_algorithms(auth.sha256)
            .of_any_port(config.redirect.is_on() || of_fleet.is_some())
    }

    /// The same, announcing a list of password algorithms or not. A nonce keeps its word, whatever later ones announce.
    pub fn listing_algorithms(self, lists: bool) -> Nonces {
        let features = if lists { SecurityFeatures::PASSWORD_ALGORITHMS } else { SecurityFeatures::NONE };
        Nonces { features, ..self }
    }

    /// What a nonce made now announces.
    pub fn features(&self) -> SecurityFeatures {
        self.features
    }

    /// The same bound to the client's IP address alone (if `on`), for servers that send clients to each other: a client
    /// shows the nonce it has to the next server, from a port of its choice.
    pub fn of_any_port(self, on: bool) -> Nonces {
        let rebound = |key: Key| Key { of_any_port: on, ..key };
        Nonces { current: rebound(self.current), previous: self.previous.into_iter().map(rebound).collect(), ..self }
    }

    /// The same in the place of `former`, whose nonces are still accepted: each key's are bound to what they were.
    pub fn in_place_of(mut self, former: &Nonces) -> Nonces {
        for key in std::iter::once(&former.current).chain(&former.previous) {
            let is_known = std::iter::once(&self.current).chain(&self.previous).any(|known| known.is(key));
            if !is_known && self.previous.len() < PREVIOUS_MAX {
                self.previous.push(key.clone());
            }
        }
        self
    }

    /// A nonce for a client; `salt` is random, so that no two are equal.
    pub fn mint(&self, now: UnixTime, salt: u32, tuple: &FiveTuple) -> Nonce {
        let mut raw = [0; RAW_LEN];
        raw[0] = VERSION;
        raw[1..5].copy_from_slice(&(now.0 as u32).to_be_bytes());
        raw[5..9].copy_from_slice(&salt.to_be_bytes());
        let mac = self.mac(&self.current, &raw, self.features, tuple).finalize().into_bytes();
        raw[9..].copy_from_slice(&mac[..MAC_LEN]);
        let mut text = [0; NONCE_LEN];
        let written = URL_SAFE_NO_PAD.encode_slice(raw, &mut text);
        debug_assert_eq!(written, Ok(NONCE_LEN));
        Nonce::new(self.features, &text)
    }

    /// Judges the NONCE of a request, without state.
    pub fn judge(&self, nonce: &[u8], now: UnixTime, tuple: &FiveTuple) -> NonceAge {
        let (features, nonce) = SecurityFeatures::split_off(nonce);
        let mut raw = [0; RAW_LEN + 2];
        let decoded = nonce.len() == NONCE_LEN && URL_SAFE_NO_PAD.decode_slice(nonce, &mut raw) == Ok(RAW_LEN);
        let raw = &raw[..RAW_LEN];
        let is_ours = |key: &Key| self.mac(key, raw, features, tuple).verify_truncated_left(&raw[9..]).is_ok();
        if !decoded || raw[0] != VERSION || !(is_ours(&self.current) || self.previous.iter().any(is_ours)) {
            return NonceAge::Foreign;
        }
        let issued = u64::from(u32::from_be_bytes([raw[1], raw[2], raw[3], raw[4]]));
        if issued > now.0 + NONCE_AHEAD_SECS {
            return NonceAge::Foreign;
        }
        let age = now.0.saturating_sub(issued);
        let is_stale = self.lifetime_secs != 0 && age > u64::from(self.lifetime_secs);
        // Whoever stands between could show a client one that promised less, for as long as it is taken.
        let is_outdone = !features.contain(self.features) && age > NONCE_OUTDONE_SECS;
        if is_stale || is_outdone { NonceAge::Stale } else { NonceAge::Fresh }
    }

    /// Binds a nonce to realm and client address; over UDP to the port as well, as a source address alone can be forged.
    /// Not over streams: one client's connections share a nonce (RFC 6062 opens a second one). And to what it announces, so
    /// that nobody takes that away (RFC 8489 section 16.1.3). No two of these have equal lengths.
    fn mac(&self, key: &Key, raw: &[u8], features: SecurityFeatures, tuple: &FiveTuple) -> Hmac<Sha256> {
        let mut mac = key.keyed.clone();
        mac.update(&raw[..9]);
        mac.update(&(self.realm.len() as u64).to_be_bytes());
        mac.update(self.realm.as_bytes());
        match tuple.client.ip() {
            IpAddr::V4(ip) => mac.update(&ip.octets()),
            IpAddr::V6(ip) => mac.update(&ip.octets()),
        }
        if !(tuple.transport.is_stream() || key.of_any_port) {
            mac.update(&tuple.client.port().to_be_bytes());
        }
        if features != SecurityFeatures::NONE {
            mac.update(&features.bits());
        }
        mac
    }
}

/// A secret is any text; the key of nonces is made of it.
fn fleet_key(secret: &str) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(FLEET_KEY);
    mac.finalize().into_bytes().into()
}
