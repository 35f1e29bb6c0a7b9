//! An answer of the server, taken apart.

use std::net::SocketAddr;

use turnserver::stun::address::{decode, decode_xor};
use turnserver::stun::{AttributeType, Class, ErrorCode, Message};

/// A success or error response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    bytes: Vec<u8>,
}

impl Reply {
    /// Whole messages only.
    pub(crate) fn new(bytes: Vec<u8>) -> Reply {
        assert!(Message::parse(&bytes).is_ok(), "the server sends well-formed STUN: {bytes:02x?}");
        Reply { bytes }
    }

    /// The message as it came.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The message.
    pub(crate) fn message(&self) -> Message<'_> {
        Message::parse(&self.bytes).expect("checked when it was made")
    }

    /// 0 for a success, else the number of ERROR-CODE.
    pub(crate) fn code(&self) -> u16 {
        match self.message().kind().class {
            Class::Success => 0,
            _ => self
                .value(AttributeType::ERROR_CODE)
                .and_then(|value| ErrorCode::decode(&value))
                .map_or(999, ErrorCode::code),
        }
    }

    /// The reason phrase of ERROR-CODE.
    pub(crate) fn phrase(&self) -> String {
        let value = self.value(AttributeType::ERROR_CODE).expect("an error");
        String::from_utf8(value[4..].to_vec()).expect("phrases are UTF-8")
    }

    /// Whether an attribute is there.
    pub(crate) fn has(&self, kind: AttributeType) -> bool {
        self.message().has(kind)
    }

    /// The value of an attribute.
    pub(crate) fn value(&self, kind: AttributeType) -> Option<Vec<u8>> {
        self.message().value(kind).map(<[u8]>::to_vec)
    }

    /// The value of an attribute that is text.
    pub(crate) fn text(&self, kind: AttributeType) -> String {
        String::from_utf8(self.value(kind).unwrap_or_default()).expect("UTF-8")
    }

    /// LIFETIME in seconds.
    pub(crate) fn lifetime(&self) -> u32 {
        let value = self.value(AttributeType::LIFETIME).expect("LIFETIME");
        u32::from_be_bytes(value.try_into().expect("LIFETIME has four bytes"))
    }

    /// XOR-RELAYED-ADDRESS.
    pub(crate) fn relayed(&self) -> SocketAddr {
        self.address(AttributeType::XOR_RELAYED_ADDRESS)
    }

    /// XOR-MAPPED-ADDRESS.
    pub(crate) fn mapped(&self) -> SocketAddr {
        self.address(AttributeType::XOR_MAPPED_ADDRESS)
    }

    /// Every ALTERNATE-SERVER, in order.
    pub(crate) fn alternates(&self) -> Vec<SocketAddr> {
        let message = self.message();
        let values = message.attributes().filter(|(kind, _)| *kind == AttributeType::ALTERNATE_SERVER);
        values.map(|(_, value)| decode(value).expect("a well-formed address")).collect()
    }

    fn address(&self, kind: AttributeType) -> SocketAddr {
        let value = self.value(kind).unwrap_or_else(|| panic!("{kind:?} is missing from an answer {}", self.code()));
        decode_xor(&value, &self.message().id()).expect("a well-formed address")
    }
}
