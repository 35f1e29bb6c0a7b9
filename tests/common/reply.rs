//! An answer as a client reads it.

use std::net::SocketAddr;

use turnserver::auth::{LongTermKey, Scheme};
use turnserver::stun::address::{decode, decode_xor};
use turnserver::stun::{AttributeType, Class, ErrorCode, Message, Method};

/// An answer to a request.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    bytes: Vec<u8>,
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {:?}", self.code(), self.kinds())
    }
}

impl Reply {
    pub(super) fn new(bytes: Vec<u8>) -> Reply {
        Message::parse(&bytes).expect("answers are well-formed");
        Reply { bytes }
    }

    pub(crate) fn message(&self) -> Message<'_> {
        Message::parse(&self.bytes).expect("checked by new")
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn method(&self) -> Method {
        self.message().kind().method
    }

    /// 200 for a success, else the code.
    pub(crate) fn code(&self) -> u16 {
        match self.message().kind().class {
            Class::Success => 200,
            Class::Error => self.error().expect("an error says which").code(),
            class => panic!("{class:?} is no answer"),
        }
    }

    fn error(&self) -> Option<ErrorCode> {
        ErrorCode::decode(&self.value(AttributeType::ERROR_CODE)?)
    }

    /// What stands behind the code in ERROR-CODE.
    pub(crate) fn phrase(&self) -> String {
        let value = self.value(AttributeType::ERROR_CODE).expect("an error says which");
        String::from_utf8(value[4..].to_vec()).expect("a phrase is UTF-8")
    }

    pub(crate) fn value(&self, kind: AttributeType) -> Option<Vec<u8>> {
        self.message().value(kind).map(<[u8]>::to_vec)
    }

    pub(crate) fn has(&self, kind: AttributeType) -> bool {
        self.message().has(kind)
    }

    /// The types of its attributes in order, MESSAGE-INTEGRITY included, FINGERPRINT not.
    pub(crate) fn kinds(&self) -> Vec<AttributeType> {
        self.message().attributes().map(|(kind, _)| kind).filter(|kind| *kind != AttributeType::FINGERPRINT).collect()
    }

    pub(crate) fn lifetime(&self) -> Option<u32> {
        let value = self.value(AttributeType::LIFETIME)?;
        Some(u32::from_be_bytes(value.try_into().expect("LIFETIME has 4 bytes")))
    }

    pub(crate) fn mapped(&self) -> Option<SocketAddr> {
        self.addresses(AttributeType::XOR_MAPPED_ADDRESS).first().copied()
    }

    /// Its relayed addresses in order.
    pub(crate) fn relayed(&self) -> Vec<SocketAddr> {
        self.addresses(AttributeType::XOR_RELAYED_ADDRESS)
    }

    /// The servers it names in order.
    pub(crate) fn alternates(&self) -> Vec<SocketAddr> {
        let message = self.message();
        let values = message.attributes().filter(|(held, _)| *held == AttributeType::ALTERNATE_SERVER);
        values.map(|(_, value)| decode(value).expect("an address")).collect()
    }

    pub(crate) fn token(&self) -> Option<[u8; 8]> {
        let value = self.value(AttributeType::RESERVATION_TOKEN)?;
        Some(value.try_into().expect("RFC 8656 section 18.10: 8 bytes"))
    }

    pub(crate) fn nonce(&self) -> Option<Vec<u8>> {
        self.value(AttributeType::NONCE)
    }

    pub(crate) fn realm(&self) -> Option<Vec<u8>> {
        self.value(AttributeType::REALM)
    }

    /// Whether MESSAGE-INTEGRITY is there.
    pub(crate) fn is_signed(&self) -> bool {
        self.has(AttributeType::MESSAGE_INTEGRITY)
    }

    pub(crate) fn is_signed_by(&self, key: &LongTermKey) -> bool {
        self.message().verify_integrity(key.integrity())
    }

    /// Whether an integrity attribute is there that the answer to a request of `scheme` has, and no other one.
    pub(crate) fn is_sealed(&self, key: &LongTermKey, scheme: Scheme) -> bool {
        let integrities = [AttributeType::MESSAGE_INTEGRITY, AttributeType::MESSAGE_INTEGRITY_SHA256];
        let expected = match scheme {
            Scheme::Unnamed => [true, false],
            Scheme::Named(_) => [false, true],
        };
        integrities.map(|kind| self.has(kind)) == expected && key.verifies(&self.message(), scheme)
    }

    fn addresses(&self, kind: AttributeType) -> Vec<SocketAddr> {
        let message = self.message();
        let values = message.attributes().filter(|(held, _)| *held == kind);
        values.map(|(_, value)| decode_xor(value, &message.id()).expect("an address")).collect()
    }
}
