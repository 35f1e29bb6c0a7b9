//! STUN on the wire as clients and the model know it: written from the RFCs a second time, so that the server's codec is
//! not asked about itself.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::proof::{integrity, integrity_len};

const COOKIE: [u8; 4] = [0x21, 0x12, 0xA4, 0x42];

pub(crate) const REQUEST: u8 = 0;
pub(crate) const INDICATION: u8 = 1;
pub(crate) const SUCCESS: u8 = 2;
pub(crate) const ERROR: u8 = 3;

pub(crate) const BINDING: u16 = 1;
pub(crate) const ALLOCATE: u16 = 3;
pub(crate) const REFRESH: u16 = 4;
pub(crate) const SEND: u16 = 6;
pub(crate) const DATA_METHOD: u16 = 7;
pub(crate) const CREATE_PERMISSION: u16 = 8;
pub(crate) const CHANNEL_BIND: u16 = 9;

pub(crate) const USERNAME: u16 = 0x0006;
pub(crate) const INTEGRITY: u16 = 0x0008;
pub(crate) const ERROR_CODE: u16 = 0x0009;
pub(crate) const UNKNOWN_ATTRIBUTES: u16 = 0x000A;
pub(crate) const CHANNEL_NUMBER: u16 = 0x000C;
pub(crate) const LIFETIME: u16 = 0x000D;
pub(crate) const PEER_ADDRESS: u16 = 0x0012;
pub(crate) const DATA: u16 = 0x0013;
pub(crate) const REALM: u16 = 0x0014;
pub(crate) const NONCE: u16 = 0x0015;
pub(crate) const RELAYED_ADDRESS: u16 = 0x0016;
pub(crate) const FAMILY: u16 = 0x0017;
pub(crate) const EVEN_PORT: u16 = 0x0018;
pub(crate) const TRANSPORT: u16 = 0x0019;
pub(crate) const DONT_FRAGMENT: u16 = 0x001A;
pub(crate) const INTEGRITY_SHA256: u16 = 0x001C;
pub(crate) const PASSWORD_ALGORITHM: u16 = 0x001D;
pub(crate) const USERHASH: u16 = 0x001E;
pub(crate) const MAPPED_ADDRESS: u16 = 0x0020;
pub(crate) const TOKEN: u16 = 0x0022;
pub(crate) const ADDITIONAL_FAMILY: u16 = 0x8000;
pub(crate) const ADDRESS_ERROR: u16 = 0x8001;
pub(crate) const PASSWORD_ALGORITHMS: u16 = 0x8002;
pub(crate) const SOFTWARE: u16 = 0x8022;
pub(crate) const ALTERNATE_SERVER: u16 = 0x8023;
pub(crate) const FINGERPRINT: u16 = 0x8028;

/// The comprehension-required types a TURN server understands (RFC 8489 section 18.3, RFC 8656 section 18), but those of
/// RFC 3489 that nobody uses any more.
const UNDERSTOOD: &[u16] = &[
    0x0001, 0x0006, 0x0008, 0x0009, 0x000A, 0x000C, 0x000D, 0x0012, 0x0013, 0x0014, 0x0015, 0x0016, 0x0017, 0x0018,
    0x0019, 0x001A, 0x001C, 0x001D, 0x001E, 0x0020, 0x0022,
];

/// Class and method in their interleaved places.
pub(crate) fn kind(method: u16, class: u8) -> u16 {
    let (class, method) = (u16::from(class), method & 0xFFF);
    (method & 0xF) | (class & 1) << 4 | (method & 0x70) << 1 | (class & 2) << 7 | (method & 0xF80) << 2
}

fn method_of(kind: u16) -> u16 {
    (kind & 0xF) | (kind >> 1 & 0x70) | (kind >> 2 & 0xF80)
}

fn class_of(kind: u16) -> u8 {
    (kind >> 4 & 1 | kind >> 7 & 2) as u8
}

/// The value of an address that is not XORed.
pub(crate) fn plain(address: SocketAddr) -> Vec<u8> {
    let mut value = vec![0, if address.is_ipv4() { 1 } else { 2 }];
    value.extend_from_slice(&address.port().to_be_bytes());
    match address.ip() {
        IpAddr::V4(ip) => value.extend_from_slice(&ip.octets()),
        IpAddr::V6(ip) => value.extend_from_slice(&ip.octets()),
    }
    value
}

/// The value of an XORed address.
pub(crate) fn xored(address: SocketAddr, id: &[u8; 12]) -> Vec<u8> {
    let mut value = plain(address);
    mask(&mut value, id);
    value
}

/// The address in an XORed value; none when it is malformed.
pub(crate) fn unxored(value: &[u8], id: &[u8; 12]) -> Option<SocketAddr> {
    let mut plain = value.to_vec();
    if plain.len() < 4 {
        return None;
    }
    mask(&mut plain, id);
    let port = u16::from_be_bytes([plain[2], plain[3]]);
    let ip: IpAddr = match (plain[1], plain.len()) {
        (1, 8) => Ipv4Addr::from(<[u8; 4]>::try_from(&plain[4..]).ok()?).into(),
        (2, 20) => Ipv6Addr::from(<[u8; 16]>::try_from(&plain[4..]).ok()?).into(),
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

fn mask(value: &mut [u8], id: &[u8; 12]) {
    value[2] ^= COOKIE[0];
    value[3] ^= COOKIE[1];
    value[4..].iter_mut().zip(COOKIE.iter().chain(id)).for_each(|(byte, mask)| *byte ^= mask);
}

/// A message being written.
pub(crate) struct Draft {
    pub(crate) bytes: Vec<u8>,
}

impl Draft {
    pub(crate) fn new(method: u16, class: u8, id: &[u8; 12]) -> Draft {
        let mut bytes = Vec::with_capacity(256);
        bytes.extend_from_slice(&kind(method, class).to_be_bytes());
        bytes.extend_from_slice(&[0, 0]);
        bytes.extend_from_slice(&COOKIE);
        bytes.extend_from_slice(id);
        Draft { bytes }
    }

    pub(crate) fn attribute(&mut self, kind: u16, value: &[u8]) {
        self.bytes.extend_from_slice(&kind.to_be_bytes());
        self.bytes.extend_from_slice(&(value.len() as u16).to_be_bytes());
        self.bytes.extend_from_slice(value);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        self.set_length(self.bytes.len());
    }

    /// Appends an integrity attribute with as much of its value as `len` says; gives what it covers and its value.
    pub(crate) fn sign(&mut self, kind: u16, key: &[u8], len: usize) -> (Vec<u8>, Vec<u8>) {
        self.set_length(self.bytes.len() + 4 + len);
        let covered = self.bytes.clone();
        let value = integrity(kind, key, &covered);
        self.attribute(kind, &value[..len]);
        (covered, value)
    }

    pub(crate) fn fingerprint(&mut self) {
        self.set_length(self.bytes.len() + 8);
        let value = crc32fast::hash(&self.bytes) ^ 0x5354_554E;
        self.attribute(FINGERPRINT, &value.to_be_bytes());
    }

    fn set_length(&mut self, len: usize) {
        let length = ((len - 20) as u16).to_be_bytes();
        self.bytes[2..4].copy_from_slice(&length);
    }
}

/// Why bytes are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Junk {
    NotStun,
    Malformed,
}

/// A message taken apart.
pub(crate) struct View<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) method: u16,
    pub(crate) class: u8,
    pub(crate) id: [u8; 12],
    /// Those that count: up to the first integrity attribute, and the stronger of those behind the weaker.
    attributes: Vec<(u16, usize, usize)>,
    fingerprint: Option<usize>,
}

impl<'a> View<'a> {
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<View<'a>, Junk> {
        if bytes.len() < 20 || bytes[0] & 0xC0 != 0 || bytes[4..8] != COOKIE {
            return Err(Junk::NotStun);
        }
        let length = usize::from(u16::from_be_bytes([bytes[2], bytes[3]]));
        if length % 4 != 0 || 20 + length != bytes.len() {
            return Err(Junk::Malformed);
        }
        let kind = u16::from_be_bytes([bytes[0], bytes[1]]);
        let id = bytes[8..20].try_into().expect("twelve bytes");
        let (method, class) = (method_of(kind), class_of(kind));
        let mut view = View { bytes, method, class, id, attributes: Vec::new(), fingerprint: None };
        let (mut at, mut sealed) = (20, None);
        while at < bytes.len() {
            let kind = u16::from_be_bytes([bytes[at], bytes[at + 1]]);
            let len = usize::from(u16::from_be_bytes([bytes[at + 2], bytes[at + 3]]));
            let next = at + 4 + len.next_multiple_of(4);
            if next > bytes.len() || kind == FINGERPRINT && (len != 4 || next != bytes.len()) {
                return Err(Junk::Malformed);
            }
            if kind == FINGERPRINT {
                view.fingerprint = Some(at);
            } else if sealed.is_none() || sealed == Some(INTEGRITY) && kind == INTEGRITY_SHA256 {
                view.attributes.push((kind, at + 4, len));
                sealed = Some(kind).filter(|kind| [INTEGRITY, INTEGRITY_SHA256].contains(kind)).or(sealed);
            }
            at = next;
        }
        Ok(view)
    }

    /// Type and value of everything that counts, FINGERPRINT excepted.
    pub(crate) fn all(&self) -> impl Iterator<Item = (u16, &'a [u8])> + '_ {
        self.attributes.iter().map(|(kind, start, len)| (*kind, &self.bytes[*start..start + len]))
    }

    pub(crate) fn value(&self, kind: u16) -> Option<&'a [u8]> {
        self.all().find(|(held, _)| *held == kind).map(|(_, value)| value)
    }

    pub(crate) fn has(&self, kind: u16) -> bool {
        self.value(kind).is_some()
    }

    pub(crate) fn has_fingerprint(&self) -> bool {
        self.fingerprint.is_some()
    }

    pub(crate) fn fingerprint_holds(&self) -> bool {
        self.fingerprint.is_none_or(|at| {
            let value = crc32fast::hash(&self.bytes[..at]) ^ 0x5354_554E;
            self.bytes[at + 4..] == value.to_be_bytes()
        })
    }

    /// Comprehension-required types nobody understands, each once.
    pub(crate) fn unknown(&self) -> Vec<u16> {
        let mut unknown = Vec::new();
        for (kind, _) in self.all() {
            if kind < 0x8000 && !UNDERSTOOD.contains(&kind) && !unknown.contains(&kind) {
                unknown.push(kind);
            }
        }
        unknown
    }

    /// The integrity attribute that counts, what it covers, with the length field as it was signed, and its value.
    pub(crate) fn seal(&self) -> Option<(u16, Vec<u8>, &'a [u8])> {
        let of = |wanted: u16| self.attributes.iter().find(|(kind, ..)| *kind == wanted);
        let (kind, start, len) = of(INTEGRITY_SHA256).or_else(|| of(INTEGRITY))?;
        let value = &self.bytes[*start..start + len];
        let mut covered = self.bytes[..start - 4].to_vec();
        let length = ((start + len - 20) as u16).to_be_bytes();
        covered[2..4].copy_from_slice(&length);
        (*len == integrity_len(*kind)).then_some((*kind, covered, value))
    }

    /// Whether `key` signed it, by this attribute.
    pub(crate) fn is_signed_by(&self, kind: u16, key: &[u8]) -> bool {
        self.seal().is_some_and(|(found, covered, value)| found == kind && integrity(kind, key, &covered) == value)
    }
}
