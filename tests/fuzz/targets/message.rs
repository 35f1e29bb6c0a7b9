//! STUN messages made from the fuzzer's bytes: the fuzzer chooses, this side does the arithmetic of lengths, XORed
//! addresses, FINGERPRINT and MESSAGE-INTEGRITY that no mutation gets right.

use std::net::SocketAddr;

use turnserver::auth::{LongTermKey, Scheme};
use turnserver::stun::{AttributeType, Class, Message, MessageType, Method, PasswordAlgorithm, TransactionId, Writer};

use super::input::Input;
use super::kit::REALM;
use super::known::KNOWN;

/// What a message is signed with, and what of former answers it repeats.
pub(super) struct Pen<'a> {
    pub(super) id: TransactionId,
    pub(super) user: &'a str,
    pub(super) key: &'a LongTermKey,
    pub(super) nonce: &'a [u8],
    pub(super) token: [u8; 8],
}

const METHODS: [Method; 8] = [
    Method::ALLOCATE,
    Method::REFRESH,
    Method::CREATE_PERMISSION,
    Method::CHANNEL_BIND,
    Method::SEND,
    Method::BINDING,
    Method::DATA,
    Method(0x00A),
];

/// What a nonce begins with that promises a list of password algorithms, and the list.
pub(super) const PROMISE: &[u8] = b"obMatJos2gAAA";
pub(super) const LIST: [u8; 8] = [0, 2, 0, 0, 0, 1, 0, 0];

const SHA256: Scheme = Scheme::Named(PasswordAlgorithm::Sha256);
const MD5: Scheme = Scheme::Named(PasswordAlgorithm::Md5);

/// Ways to sign: what is named, and the schemes whose integrity attributes follow.
const WAYS: [(Scheme, &[Scheme]); 8] = [
    (Scheme::Unnamed, &[Scheme::Unnamed]),
    (SHA256, &[SHA256]),
    (MD5, &[MD5]),
    (Scheme::Unnamed, &[MD5]),
    (Scheme::Unnamed, &[Scheme::Unnamed, MD5]),
    // Of two attributes the weaker is not looked at; here it is of another key.
    (SHA256, &[Scheme::Unnamed, SHA256]),
    (MD5, &[Scheme::Unnamed, MD5]),
    (MD5, &[Scheme::Unnamed]),
];

const LIFETIMES: [u32; 8] = [0, 1, 599, 600, 601, 3600, 3601, u32::MAX];

/// A peer of a small neighbourhood: hosts that may be reached, in both families, and hosts that may not, among them
/// the server itself.
pub(super) fn peer(byte: u8) -> SocketAddr {
    let port = [5000, 3478, 49_152, 49_153, 0, 53, 49_154, 65_535][usize::from(byte >> 5)];
    match byte & 0x1F {
        0 => ([130, 89, 1, 1], port).into(),
        1 => ([127, 0, 0, 1], port).into(),
        2 => ([10, 0, 0, 1], port).into(),
        3 => ([169, 254, 169, 254], port).into(),
        4 => ([239, 1, 2, 3], port).into(),
        5 => ([0x2a00, 0x1450, 0, 0, 0, 0, 0, 1], port).into(),
        6 => ([0, 0, 0, 0, 0, 0, 0, 1], port).into(),
        7 => ([0, 0, 0, 0, 0, 0xFFFF, 0x7F00, 1], port).into(),
        8 => ([0xFE80, 0, 0, 0, 0, 0, 0, 1], port).into(),
        host @ 9..=11 => ([0x2a02, 0x26f0, 0, 0, 0, 0, 0, u16::from(host)], port).into(),
        host => ([8, 8, 4, host], port).into(),
    }
}

/// Writes the message that the fuzzer describes.
///
/// One byte says method, class and credentials, one how many attributes follow and what stands at the end, and three bits
/// of both how it is signed; then the attributes.
pub(super) fn write(input: &mut Input<'_>, pen: &Pen<'_>) -> Vec<u8> {
    let head = input.byte();
    let tail = input.byte();
    let class = [Class::Request, Class::Indication, Class::Success, Class::Error][usize::from(head >> 3 & 3)];
    let kind = MessageType { method: METHODS[usize::from(head & 7)], class };
    let mut buf = vec![0; 24 * 1024];
    let mut writer = Writer::new(&mut buf, kind, pen.id);
    for _ in 0..tail & 0x0F {
        attribute(input, pen, &mut writer);
    }
    if head & 0x40 == 0 && class == Class::Request {
        writer.attribute(AttributeType::USERNAME, pen.user.as_bytes());
        writer.attribute(AttributeType::REALM, REALM.as_bytes());
        writer.attribute(AttributeType::NONCE, pen.nonce);
        pen.sign(usize::from(tail >> 6 | head >> 3 & 4), &mut writer);
    }
    if tail & 0x10 != 0 {
        attribute(input, pen, &mut writer);
    }
    if head & 0x80 != 0 {
        writer.fingerprint();
    }
    // What does not fit is cut off by the transport; here it is not sent.
    let len = writer.finish().unwrap_or_default();
    buf.truncate(len);
    if tail & 0x20 != 0 && len > 0 {
        let place = usize::from(input.word()) % len;
        buf[place] ^= input.byte();
    }
    buf
}

impl Pen<'_> {
    /// Names what the way says where the nonce promised that it may, and signs.
    fn sign(&self, way: usize, writer: &mut Writer<'_>) {
        let is_promised = self.nonce.starts_with(PROMISE);
        let (named, seals) = WAYS[if is_promised { way } else { way & 4 }];
        if let Scheme::Named(algorithm) = named {
            writer.attribute(AttributeType::PASSWORD_ALGORITHMS, &LIST);
            writer.attribute(AttributeType::PASSWORD_ALGORITHM, &algorithm.encode());
        }
        seals.iter().for_each(|scheme| self.key.seal(*scheme).sign(writer));
    }
}

/// What a request that was taken says of its key.
pub(super) fn scheme_of(request: &Message<'_>) -> Scheme {
    let is_promised = request.value(AttributeType::NONCE).is_some_and(|nonce| nonce.starts_with(PROMISE));
    match request.value(AttributeType::PASSWORD_ALGORITHM).filter(|_| is_promised) {
        Some(chosen) if request.value(AttributeType::PASSWORD_ALGORITHMS) == Some(&LIST) => match chosen {
            [0, 1, 0, 0] => MD5,
            [0, 2, 0, 0] => SHA256,
            _ => panic!("{chosen:?} is no password algorithm, and was taken"),
        },
        None if !is_promised || !request.has(AttributeType::PASSWORD_ALGORITHMS) => Scheme::Unnamed,
        _ => panic!("only one of two attributes, or another list, was taken"),
    }
}

fn attribute(input: &mut Input<'_>, pen: &Pen<'_>, writer: &mut Writer<'_>) {
    let code = input.byte();
    match code & 0x0F {
        0 => writer.attribute(AttributeType::REQUESTED_TRANSPORT, &[17, 0, 0, 0]),
        1 => writer.attribute_u32(AttributeType::LIFETIME, LIFETIMES[usize::from(code >> 4) % 8]),
        2 => writer.xor_address(AttributeType::XOR_PEER_ADDRESS, peer(input.byte())),
        3 => {
            for _ in 0..=code >> 4 {
                writer.xor_address(AttributeType::XOR_PEER_ADDRESS, peer(input.byte()));
            }
        }
        4 => writer.attribute_u32(AttributeType::CHANNEL_NUMBER, (0x4000 + u32::from(code >> 4)) << 16),
        5 => writer.attribute_u32(AttributeType::CHANNEL_NUMBER, u32::from(input.word()) << 16),
        6 => writer.attribute(AttributeType::DATA, input.bytes()),
        7 => writer.attribute(AttributeType::REQUESTED_ADDRESS_FAMILY, &[code >> 4, 0, 0, 0]),
        8 => writer.attribute(AttributeType::ADDITIONAL_ADDRESS_FAMILY, &[code >> 4, 0, 0, 0]),
        9 => writer.attribute(AttributeType::EVEN_PORT, &[code & 0x80]),
        10 => writer.attribute(AttributeType::RESERVATION_TOKEN, &pen.token),
        11 => writer.attribute(AttributeType::DONT_FRAGMENT, &[]),
        // Many peers at once, up to more than one request may name.
        12 => {
            let net = input.byte();
            (0..36 + (code >> 4) * 2).for_each(|host| {
                writer.xor_address(AttributeType::XOR_PEER_ADDRESS, ([8, 8, net, host], 5000).into());
            });
        }
        13 => writer.attribute(AttributeType::NONCE, pen.nonce),
        14 => writer.attribute(input.choose(&KNOWN), input.bytes()),
        _ => writer.attribute(AttributeType(input.word()), input.bytes()),
    }
}
