//! Reading a STUN message: one pass, no copies.

use std::net::SocketAddr;

use super::address::{self, BadAddress};
use super::attribute::{AttributeType, SLOTS, slot_of};
use super::fingerprint;
use super::header::{HEADER_LEN, MAGIC_COOKIE, MessageType, TransactionId};
use super::integrity::{IntegrityKey, IntegrityKeySha256};

/// Why bytes are not a STUN message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Too short for a header, the top bits are not zero, or the cookie is not there.
    #[error("not a STUN message")]
    NotStun,
    /// The length field is not a multiple of four, or not what the datagram holds.
    #[error("length does not match the datagram")]
    Length,
    /// An attribute runs over the end, or stands behind FINGERPRINT.
    #[error("malformed attribute")]
    Attribute,
}

/// Where an attribute's value lies, counted from the end of the header so that 16 bits always hold it; no value begins
/// at 0, which therefore says "absent".
#[derive(Clone, Copy, Default)]
struct Place {
    offset: u16,
    len: u16,
}

/// A parsed message: the datagram and the places of its visible attributes.
#[derive(Clone)]
pub struct Message<'a> {
    bytes: &'a [u8],
    kind: MessageType,
    id: TransactionId,
    slots: [Place; SLOTS],
    /// Where visible attributes end: behind the first integrity attribute, or behind the last attribute.
    visible_end: usize,
    unknown_required: bool,
}

impl<'a> Message<'a> {
    /// Reads a whole datagram or stream message.
    ///
    /// Of repeated attributes the first counts (RFC 8489 section 14); attributes behind MESSAGE-INTEGRITY are not seen,
    /// MESSAGE-INTEGRITY-SHA256 and FINGERPRINT excepted (section 9); nothing may stand behind FINGERPRINT. FINGERPRINT is
    /// checked by [`Message::fingerprint_holds`].
    pub fn parse(bytes: &'a [u8]) -> Result<Message<'a>, ParseError> {
        let (header, body) = bytes.split_first_chunk::<HEADER_LEN>().ok_or(ParseError::NotStun)?;
        let [t0, t1, l0, l1, c0, c1, c2, c3, id @ ..] = *header;
        let kind = MessageType::from_bits(u16::from_be_bytes([t0, t1])).ok_or(ParseError::NotStun)?;
        if u32::from_be_bytes([c0, c1, c2, c3]) != MAGIC_COOKIE {
            return Err(ParseError::NotStun);
        }
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        if length % 4 != 0 || length != body.len() {
            return Err(ParseError::Length);
        }
        let mut message = Message {
            bytes,
            kind,
            id: TransactionId(id),
            slots: [Place::default(); SLOTS],
            visible_end: bytes.len(),
            unknown_required: false,
        };
        message.index()?;
        Ok(message)
    }

    fn index(&mut self) -> Result<(), ParseError> {
        let mut offset = HEADER_LEN;
        let mut sealed: Option<AttributeType> = None;
        while offset < self.bytes.len() {
            let (kind, value, next) = read_attribute(self.bytes, offset).ok_or(ParseError::Attribute)?;
            if kind == AttributeType::FINGERPRINT {
                if value.len() != 4 || next != self.bytes.len() {
                    return Err(ParseError::Attribute);
                }
                self.record(kind, offset, value);
                break;
            }
            match sealed {
                None => {
                    self.record(kind, offset, value);
                    if kind == AttributeType::MESSAGE_INTEGRITY || kind == AttributeType::MESSAGE_INTEGRITY_SHA256 {
                        sealed = Some(kind);
                        self.visible_end = next;
                    }
                }
                // RFC 8489 section 9: behind MESSAGE-INTEGRITY only MESSAGE-INTEGRITY-SHA256 still counts.
                Some(AttributeType::MESSAGE_INTEGRITY) if kind == AttributeType::MESSAGE_INTEGRITY_SHA256 => {
                    self.record(kind, offset, value);
                    sealed = Some(kind);
                }
                Some(_) => {}
            }
            offset = next;
        }
        Ok(())
    }

    fn record(&mut self, kind: AttributeType, offset: usize, value: &[u8]) {
        match slot_of(kind) {
            Some(slot) if self.slots[slot].offset == 0 => {
                self.slots[slot] = Place { offset: (offset + 4 - HEADER_LEN) as u16, len: value.len() as u16 };
            }
            Some(_) => {}
            None => self.unknown_required |= kind.is_comprehension_required(),
        }
    }

    /// Method and class.
    pub fn kind(&self) -> MessageType {
        self.kind
    }

    /// The transaction id.
    pub fn id(&self) -> TransactionId {
        self.id
    }

    /// The bytes the message was parsed from.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The value of the first visible attribute of a known type.
    pub fn value(&self, kind: AttributeType) -> Option<&'a [u8]> {
        let place = self.slots[slot_of(kind)?];
        let start = HEADER_LEN + usize::from(place.offset);
        (place.offset != 0).then(|| &self.bytes[start..start + usize::from(place.len)])
    }

    /// Whether an attribute of a known type is there.
    pub fn has(&self, kind: AttributeType) -> bool {
        self.value(kind).is_some()
    }

    /// Where the value of [`Message::value`] begins in the datagram.
    pub fn offset(&self, kind: AttributeType) -> Option<usize> {
        let offset = self.slots[slot_of(kind)?].offset;
        (offset != 0).then_some(HEADER_LEN + usize::from(offset))
    }

    /// The first XORed address of a type; none when it is absent.
    pub fn xor_address(&self, kind: AttributeType) -> Option<Result<SocketAddr, BadAddress>> {
        self.value(kind).map(|value| address::decode_xor(value, &self.id))
    }

    /// Every visible attribute in order, repeated ones included.
    pub fn attributes(&self) -> Attributes<'a> {
        Attributes { bytes: &self.bytes[..self.visible_end], offset: HEADER_LEN }
    }

    /// Whether a visible comprehension-required attribute is of no type this crate knows.
    pub fn has_unknown_required(&self) -> bool {
        self.unknown_required
    }

    /// The types of those attributes, in order, repeated ones included.
    pub fn unknown_required(&self) -> impl Iterator<Item = AttributeType> + use<'a> {
        self.attributes()
            .map(|(kind, _)| kind)
            .filter(|kind| kind.is_comprehension_required() && slot_of(*kind).is_none())
    }

    /// Whether FINGERPRINT is absent, or right.
    pub fn fingerprint_holds(&self) -> bool {
        let Some(offset) = self.offset(AttributeType::FINGERPRINT) else { return true };
        fingerprint::verify(self.bytes, offset - 4, &self.bytes[offset..offset + 4])
    }

    /// Whether MESSAGE-INTEGRITY is there and was made with `key`.
    pub fn verify_integrity(&self, key: &IntegrityKey) -> bool {
        let kind = AttributeType::MESSAGE_INTEGRITY;
        match (self.offset(kind), self.value(kind)) {
            (Some(offset), Some(value)) => key.verify(self.bytes, offset - 4, value),
            _ => false,
        }
    }

    /// Whether MESSAGE-INTEGRITY-SHA256 is there, whole, and was made with `key`.
    pub fn verify_integrity_sha256(&self, key: &IntegrityKeySha256) -> bool {
        let kind = AttributeType::MESSAGE_INTEGRITY_SHA256;
        match (self.offset(kind), self.value(kind)) {
            (Some(offset), Some(value)) => key.verify(self.bytes, offset - 4, value),
            _ => false,
        }
    }
}

/// Iterates over the visible attributes of a [`Message`].
#[derive(Clone)]
pub struct Attributes<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (AttributeType, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (kind, value, next) = read_attribute(self.bytes, self.offset)?;
        self.offset = next;
        Some((kind, value))
    }
}

/// Type, value and the offset of what follows; none when the attribute does not fit.
fn read_attribute(bytes: &[u8], offset: usize) -> Option<(AttributeType, &[u8], usize)> {
    let (&[t0, t1, l0, l1], rest) = bytes.get(offset..)?.split_first_chunk::<4>()?;
    let len = usize::from(u16::from_be_bytes([l0, l1]));
    let value = rest.get(..len)?;
    Some((AttributeType(u16::from_be_bytes([t0, t1])), value, offset + 4 + len.next_multiple_of(4)))
}
