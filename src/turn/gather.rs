//! The few bytes around relayed data: small enough to travel inside a verdict, so that the fast path allocates nothing.

use std::fmt;
use std::net::SocketAddr;

use crate::stun::address::encode_xor;
use crate::stun::channel_data::ChannelData;
use crate::stun::fingerprint::{FINGERPRINT_LEN, fingerprint};
use crate::stun::header::{HEADER_LEN, MAGIC_COOKIE};
use crate::stun::{AttributeType, ChannelNumber, Class, MessageType, Method, TransactionId};

/// Room before the payload: a Data indication to an IPv6 peer takes all of it.
pub const PREFIX_LEN_MAX: usize = 48;
/// Room behind it: 3 bytes of padding and FINGERPRINT.
pub const SUFFIX_LEN_MAX: usize = 12;

/// Up to `N` bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Inline<const N: usize> {
    len: u8,
    bytes: [u8; N],
}

/// Bytes before a payload.
pub type Prefix = Inline<PREFIX_LEN_MAX>;
/// Bytes behind a payload.
pub type Suffix = Inline<SUFFIX_LEN_MAX>;

impl<const N: usize> Inline<N> {
    /// None.
    pub const EMPTY: Inline<N> = Inline { len: 0, bytes: [0; N] };

    fn push(&mut self, bytes: &[u8]) {
        let start = usize::from(self.len);
        self.bytes[start..start + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len() as u8;
    }

    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl<const N: usize> fmt::Debug for Inline<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x?}", self.as_slice())
    }
}

/// What stands around `len` bytes sent as ChannelData; streams are padded to four (RFC 8656 section 12.5).
pub(crate) fn channel_data(number: ChannelNumber, len: u16, pad: bool) -> (Prefix, Suffix) {
    let mut prefix = Prefix::EMPTY;
    prefix.push(&ChannelData::header(number, len));
    let mut suffix = Suffix::EMPTY;
    if pad {
        suffix.push(&[0; 3][..padding_of(usize::from(len))]);
    }
    (prefix, suffix)
}

/// What stands around `data` sent as a Data indication (RFC 8656 section 11.4); none when a STUN message cannot hold it.
pub(crate) fn data_indication(
    peer: SocketAddr,
    id: TransactionId,
    data: &[u8],
    with_fingerprint: bool,
) -> Option<(Prefix, Suffix)> {
    let mut address = [0; 20];
    let address_len = encode_xor(peer, &id, &mut address);
    let padding = padding_of(data.len());
    let fingerprint_len = if with_fingerprint { FINGERPRINT_LEN } else { 0 };
    let body_len = u16::try_from(4 + address_len + 4 + data.len() + padding + fingerprint_len).ok()?;
    let data_len = data.len() as u16;

    let kind = MessageType { method: Method::DATA, class: Class::Indication };
    let mut prefix = Prefix::EMPTY;
    prefix.push(&kind.bits().to_be_bytes());
    prefix.push(&body_len.to_be_bytes());
    prefix.push(&MAGIC_COOKIE.to_be_bytes());
    prefix.push(&id.0);
    prefix.push(&AttributeType::XOR_PEER_ADDRESS.0.to_be_bytes());
    prefix.push(&(address_len as u16).to_be_bytes());
    prefix.push(&address[..address_len]);
    prefix.push(&AttributeType::DATA.0.to_be_bytes());
    prefix.push(&data_len.to_be_bytes());

    let mut suffix = Suffix::EMPTY;
    suffix.push(&[0; 3][..padding]);
    if with_fingerprint {
        let value = fingerprint([prefix.as_slice(), data, suffix.as_slice()]);
        suffix.push(&AttributeType::FINGERPRINT.0.to_be_bytes());
        suffix.push(&4u16.to_be_bytes());
        suffix.push(&value.to_be_bytes());
    }
    Some((prefix, suffix))
}

fn padding_of(len: usize) -> usize {
    len.next_multiple_of(4) - len
}

const _: () = assert!(PREFIX_LEN_MAX == HEADER_LEN + 4 + 20 + 4);
