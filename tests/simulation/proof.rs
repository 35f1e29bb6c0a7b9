//! How a request shows that it knows a password (RFC 8489 sections 9.2.4, 14.5, 14.6 and 18.5.1), written a second time.

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256};

use crate::wire;

/// What a server that offers algorithms lists: SHA-256, then MD5.
pub(crate) const LIST: [u8; 8] = [0, 2, 0, 0, 0, 1, 0, 0];
/// What a nonce begins with that promises the list: the cookie, and 24 bits of which the first is set.
pub(crate) const PROMISE: &[u8] = b"obMatJos2gAAA";

/// What a request says of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Unnamed,
    Md5,
    Sha256,
}

impl Scheme {
    /// PASSWORD-ALGORITHM of those that name one.
    pub(crate) fn of_chosen(chosen: &[u8]) -> Option<Scheme> {
        match chosen {
            [0, 1, 0, 0] => Some(Scheme::Md5),
            [0, 2, 0, 0] => Some(Scheme::Sha256),
            _ => None,
        }
    }

    fn chosen(self) -> Option<Vec<u8>> {
        match self {
            Scheme::Unnamed => None,
            Scheme::Md5 => Some(vec![0, 1, 0, 0]),
            Scheme::Sha256 => Some(vec![0, 2, 0, 0]),
        }
    }

    /// The attribute that signs answers.
    pub(crate) fn answer(self) -> u16 {
        if self == Scheme::Unnamed { wire::INTEGRITY } else { wire::INTEGRITY_SHA256 }
    }
}

/// What a password becomes.
#[derive(Clone)]
pub(crate) struct Key {
    /// By MD5; every key is known by it.
    pub(crate) raw: [u8; 16],
    sha256: [u8; 32],
}

impl Key {
    pub(crate) fn derive(name: &[u8], realm: &str, password: &[u8]) -> Key {
        let text = [name, b":", realm.as_bytes(), b":", password].concat();
        Key { raw: Md5::digest(&text).into(), sha256: Sha256::digest(&text).into() }
    }

    /// The password of a time-limited name, and the key it makes.
    pub(crate) fn timed(name: &[u8], realm: &str, secret: &str) -> Key {
        use base64::Engine;
        let mac = mac::<Hmac<Sha1>>(secret.as_bytes(), name);
        Key::derive(name, realm, base64::engine::general_purpose::STANDARD.encode(mac).as_bytes())
    }

    /// The bytes that sign.
    pub(crate) fn bytes(&self, scheme: Scheme) -> &[u8] {
        if scheme == Scheme::Sha256 { &self.sha256 } else { &self.raw }
    }
}

fn mac<M: Mac + KeyInit>(key: &[u8], covered: &[u8]) -> Vec<u8> {
    let mut mac = <M as KeyInit>::new_from_slice(key).expect("any length");
    mac.update(covered);
    mac.finalize().into_bytes().to_vec()
}

/// The value of an integrity attribute.
pub(crate) fn integrity(kind: u16, key: &[u8], covered: &[u8]) -> Vec<u8> {
    if kind == wire::INTEGRITY { mac::<Hmac<Sha1>>(key, covered) } else { mac::<Hmac<Sha256>>(key, covered) }
}

/// How long that is.
pub(crate) fn integrity_len(kind: u16) -> usize {
    if kind == wire::INTEGRITY { 20 } else { 32 }
}

/// An integrity attribute to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seal {
    pub(crate) kind: u16,
    pub(crate) len: usize,
    pub(crate) is_right: bool,
}

impl Seal {
    pub(crate) fn whole(kind: u16) -> Seal {
        Seal { kind, len: integrity_len(kind), is_right: true }
    }
}

/// What a request says of its key, and the attributes it is signed by.
#[derive(Clone, Debug)]
pub(crate) struct Proof {
    /// Which of its two keys signs.
    pub(crate) scheme: Scheme,
    pub(crate) list: Option<Vec<u8>>,
    pub(crate) chosen: Option<Vec<u8>>,
    pub(crate) seals: Vec<Seal>,
}

impl Proof {
    /// As clients do that know this much.
    pub(crate) fn of(scheme: Scheme) -> Proof {
        let chosen = scheme.chosen();
        Proof {
            scheme,
            list: chosen.as_ref().map(|_| LIST.to_vec()),
            chosen,
            seals: vec![Seal::whole(scheme.answer())],
        }
    }

    /// Signed by these attributes, under the same key.
    pub(crate) fn signed_by(self, kinds: &[u16]) -> Proof {
        Proof { seals: kinds.iter().copied().map(Seal::whole).collect(), ..self }
    }
}
