//! The test vectors of `vectors.json`, read once for every suite that uses them.
//!
//! Byte strings are hexadecimal in the file; fields that a row does not have are `None` here.
#![allow(dead_code, reason = "each suite uses the fields that concern it")]

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use serde::Deserialize;

/// One row of the file: a message, a table or a derived key.
#[derive(Deserialize)]
pub(crate) struct Vector {
    pub(crate) name: String,
    /// The message, where the row is one.
    #[serde(default, rename = "hex")]
    message: Option<String>,
    pub(crate) length: Option<usize>,
    transaction_id: Option<String>,
    hmac_key: Option<String>,
    #[serde(default)]
    pub(crate) credential: Option<String>,
    pub(crate) username: Option<String>,
    pub(crate) realm: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) password_algorithm: Option<String>,
    pub(crate) nonce: Option<String>,
    userhash: Option<String>,
    message_integrity: Option<String>,
    message_integrity_sha256: Option<String>,
    fingerprint: Option<String>,
    xor_mapped_address: Option<Endpoint>,
    attributes: Option<Vec<Attribute>>,
    /// Names and numbers of the message types.
    pub(crate) types: Option<BTreeMap<String, String>>,
    /// What the keys of RFC 8489 section 9.2.2 are derived from, `user:realm:pass`.
    pub(crate) input: Option<String>,
    md5: Option<String>,
    sha256: Option<String>,
    userhash_user_realm: Option<String>,
    /// The shared secret of a time-limited credential, its password, and the key that these make in a realm.
    pub(crate) secret: Option<String>,
    pub(crate) password_hmac_sha1_base64: Option<String>,
    hmac_key_md5_realm_example_org: Option<String>,
    /// What a NONCE with security features begins with.
    pub(crate) prefix: Option<String>,
    pub(crate) bit0_leftmost_as_in_18_1: Option<BTreeMap<String, String>>,
    token: Option<String>,
}

#[derive(Deserialize)]
struct Endpoint {
    ip: IpAddr,
    port: u16,
}

#[derive(Deserialize)]
struct Attribute {
    #[serde(rename = "type")]
    kind: String,
    length: usize,
    value: String,
}

/// Declares the readers of hexadecimal fields.
macro_rules! bytes_of {
    ($($name:ident => $field:ident),* $(,)?) => {
        impl Vector {
            $(pub(crate) fn $name(&self) -> Option<Vec<u8>> {
                self.$field.as_deref().map(bytes)
            })*
        }
    };
}

bytes_of! {
    message => message,
    transaction_id => transaction_id,
    hmac_key => hmac_key,
    userhash => userhash,
    message_integrity => message_integrity,
    message_integrity_sha256 => message_integrity_sha256,
    fingerprint => fingerprint,
    md5_key => md5,
    sha256_key => sha256,
    userhash_of_input => userhash_user_realm,
    rest_md5_key => hmac_key_md5_realm_example_org,
    token => token,
}

impl Vector {
    pub(crate) fn xor_mapped_address(&self) -> Option<SocketAddr> {
        self.xor_mapped_address.as_ref().map(|address| SocketAddr::new(address.ip, address.port))
    }

    /// Type and value of every attribute, in the order of the message.
    pub(crate) fn attributes(&self) -> Option<Vec<(u16, Vec<u8>)>> {
        let attributes = self.attributes.as_ref()?;
        Some(attributes.iter().map(|a| (number(&a.kind), bytes(&a.value))).collect())
    }

    /// The lengths that the row states apart from the values.
    pub(crate) fn attribute_lengths(&self) -> Vec<usize> {
        self.attributes.iter().flatten().map(|attribute| attribute.length).collect()
    }
}

/// Every row of the file.
pub(crate) fn all() -> Vec<Vector> {
    #[derive(Deserialize)]
    struct File {
        vectors: Vec<Vector>,
    }
    let file: File = serde_json::from_str(include_str!("vectors.json")).expect("the file holds vectors");
    file.vectors
}

/// The row of a name.
pub(crate) fn named(name: &str) -> Vector {
    all().into_iter().find(|vector| vector.name == name).unwrap_or_else(|| panic!("no vector {name}"))
}

/// `0x0101` as a number.
pub(crate) fn number(text: &str) -> u16 {
    let digits = text.strip_prefix("0x").expect("numbers begin with 0x");
    u16::from_str_radix(digits, 16).expect("sixteen bits")
}

fn bytes(text: &str) -> Vec<u8> {
    hex::decode(text).expect("byte strings are hexadecimal")
}
