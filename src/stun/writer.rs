//! Writing a STUN message into the caller's buffer.

use std::net::SocketAddr;

use super::address;
use super::attribute::AttributeType;
use super::error_code::ErrorCode;
use super::fingerprint::fingerprint;
use super::header::{HEADER_LEN, MAGIC_COOKIE, MessageType, TransactionId};
use super::integrity::{IntegrityKey, IntegrityKeySha256};

/// The buffer, or the 16-bit length field, cannot hold the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the message does not fit its buffer")]
pub struct Full;

/// A message being written. What does not fit is remembered and reported once, by [`Writer::finish`].
#[derive(Debug)]
pub struct Writer<'b> {
    buf: &'b mut [u8],
    id: TransactionId,
    len: usize,
    full: bool,
}

impl<'b> Writer<'b> {
    /// Begins a message.
    pub fn new(buf: &'b mut [u8], kind: MessageType, id: TransactionId) -> Writer<'b> {
        let mut writer = Writer { buf, id, len: 0, full: false };
        writer.put(&kind.bits().to_be_bytes());
        writer.put(&[0, 0]);
        writer.put(&MAGIC_COOKIE.to_be_bytes());
        writer.put(&id.0);
        writer
    }

    /// Appends an attribute; its padding is zero (RFC 8489 section 14).
    pub fn attribute(&mut self, kind: AttributeType, value: &[u8]) {
        let Ok(len) = u16::try_from(value.len()) else {
            self.full = true;
            return;
        };
        self.put(&kind.0.to_be_bytes());
        self.put(&len.to_be_bytes());
        self.put(value);
        let padding = value.len().next_multiple_of(4) - value.len();
        self.put(&[0; 3][..padding]);
    }

    /// Appends an attribute of 32 bits.
    pub fn attribute_u32(&mut self, kind: AttributeType, value: u32) {
        self.attribute(kind, &value.to_be_bytes());
    }

    /// Appends an XORed address.
    pub fn xor_address(&mut self, kind: AttributeType, value: SocketAddr) {
        let mut encoded = [0; 20];
        let len = address::encode_xor(value, &self.id, &mut encoded);
        self.attribute(kind, &encoded[..len]);
    }

    /// Appends an address as it is, as MAPPED-ADDRESS and ALTERNATE-SERVER have it (RFC 8489 sections 14.1 and 14.15).
    pub fn address(&mut self, kind: AttributeType, value: SocketAddr) {
        let mut encoded = [0; 20];
        let len = address::encode(value, &mut encoded);
        self.attribute(kind, &encoded[..len]);
    }

    /// Appends ERROR-CODE, with the code's phrase when asked.
    pub fn error_code(&mut self, code: ErrorCode, with_phrase: bool) {
        const PHRASE_LEN_MAX: usize = 60;
        let phrase = if with_phrase { code.phrase().as_bytes() } else { &[] };
        debug_assert!(phrase.len() <= PHRASE_LEN_MAX);
        let mut value = [0; 4 + PHRASE_LEN_MAX];
        value[2..4].copy_from_slice(&code.class_and_number());
        value[4..4 + phrase.len()].copy_from_slice(phrase);
        self.attribute(AttributeType::ERROR_CODE, &value[..4 + phrase.len()]);
    }

    /// Appends UNKNOWN-ATTRIBUTES naming each type once, in the order of `types`, as far as 128 of them among the first
    /// 512: a request of 64 KiB must not buy a long search.
    pub fn unknown_attributes(&mut self, types: impl Iterator<Item = AttributeType>) {
        const TYPES_MAX: usize = 128;
        const TYPES_READ_MAX: usize = 512;
        let mut value = [0; 2 * TYPES_MAX];
        let mut len = 0;
        for kind in types.take(TYPES_READ_MAX) {
            let code = kind.0.to_be_bytes();
            if len < value.len() && !value[..len].chunks_exact(2).any(|known| known == code) {
                value[len..len + 2].copy_from_slice(&code);
                len += 2;
            }
        }
        self.attribute(AttributeType::UNKNOWN_ATTRIBUTES, &value[..len]);
    }

    /// Appends MESSAGE-INTEGRITY over everything so far (RFC 8489 section 14.5).
    pub fn integrity(&mut self, key: &IntegrityKey) {
        if !self.full {
            let value = key.sign(&self.buf[..self.len], self.len);
            self.attribute(AttributeType::MESSAGE_INTEGRITY, &value);
        }
    }

    /// Appends MESSAGE-INTEGRITY-SHA256 over everything so far (RFC 8489 section 14.6).
    pub fn integrity_sha256(&mut self, key: &IntegrityKeySha256) {
        if !self.full {
            let value = key.sign(&self.buf[..self.len], self.len);
            self.attribute(AttributeType::MESSAGE_INTEGRITY_SHA256, &value);
        }
    }

    /// Appends FINGERPRINT, which must be the last attribute (RFC 8489 section 14.7).
    pub fn fingerprint(&mut self) {
        if !self.full {
            self.set_length(self.len + super::fingerprint::FINGERPRINT_LEN);
            let value = fingerprint([&self.buf[..self.len]]);
            self.attribute_u32(AttributeType::FINGERPRINT, value);
        }
    }

    /// Ends the message and returns its length in bytes.
    pub fn finish(mut self) -> Result<usize, Full> {
        if self.full || self.len - HEADER_LEN > usize::from(u16::MAX) {
            return Err(Full);
        }
        self.set_length(self.len);
        Ok(self.len)
    }

    fn set_length(&mut self, message_len: usize) {
        let length = (message_len - HEADER_LEN) as u16;
        self.buf[2..4].copy_from_slice(&length.to_be_bytes());
    }

    fn put(&mut self, bytes: &[u8]) {
        match self.buf.get_mut(self.len..self.len + bytes.len()) {
            Some(room) if !self.full => {
                room.copy_from_slice(bytes);
                self.len += bytes.len();
            }
            _ => self.full = true,
        }
    }
}
