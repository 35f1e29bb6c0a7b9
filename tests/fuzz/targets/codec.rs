//! The codec: any bytes are read without harm, what is read can be written again, and a second codec agrees.

use turnserver::stun::address::{decode, decode_xor, encode, encode_xor};
use turnserver::stun::header::MAGIC_COOKIE;
use turnserver::stun::{
    AttributeType, ChannelData, ErrorCode, IntegrityKey, IntegrityKeySha256, Message, MessageType, Writer,
};

use super::input::Input;
use super::known::KNOWN;

const SEALS: [AttributeType; 3] =
    [AttributeType::MESSAGE_INTEGRITY, AttributeType::MESSAGE_INTEGRITY_SHA256, AttributeType::FINGERPRINT];

/// The last byte says what is put right before reading, as few mutations would: length and cookie, FINGERPRINT.
pub(crate) fn run(data: &[u8]) {
    let Some((flags, bytes)) = data.split_last() else { return };
    let mut bytes = bytes.to_vec();
    if flags & 1 != 0 && bytes.len() >= 20 {
        put_right(&mut bytes, flags & 2 != 0);
    }
    check_channel_data(&bytes);
    check_values(&bytes);
    let Ok(message) = Message::parse(&bytes) else { return };
    check_reading(&message);
    check_writing(&message);
    check_sealing(&message);
    super::oracle::check(&message);
}

/// Makes a header of the first 20 bytes, and ends with a FINGERPRINT that holds.
fn put_right(bytes: &mut Vec<u8>, with_fingerprint: bool) {
    bytes.truncate(bytes.len() & !3);
    bytes[0] &= 0x3F;
    bytes[4..8].copy_from_slice(&MAGIC_COOKIE.to_be_bytes());
    let len = (bytes.len() - 20 + if with_fingerprint { 8 } else { 0 }) as u16;
    bytes[2..4].copy_from_slice(&len.to_be_bytes());
    if with_fingerprint {
        let value = turnserver::stun::fingerprint::fingerprint([&bytes[..]]);
        bytes.extend([0x80, 0x28, 0, 4]);
        bytes.extend(value.to_be_bytes());
    }
}

fn check_channel_data(bytes: &[u8]) {
    if let Some(ChannelData { number, data }) = ChannelData::parse(bytes) {
        let header = ChannelData::header(number, u16::try_from(data.len()).expect("16 bits of length"));
        assert!(bytes.starts_with(&header) && bytes[4..].starts_with(data), "what was read is what is written");
    }
}

/// The bytes as values of attributes, without a message around them.
fn check_values(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let bits = input.word();
    match MessageType::from_bits(bits) {
        Some(kind) => assert_eq!(kind.bits(), bits),
        None => assert!(bits >= 0x4000),
    }
    if let Some(code) = ErrorCode::decode(bytes) {
        let [class, number] = code.class_and_number();
        assert_eq!([class, number], [bytes[2] & 7, bytes[3]]);
        assert!((300..=699).contains(&code.code()) && code.phrase().len() < 60);
    }
}

fn check_reading(message: &Message<'_>) {
    let bytes = message.bytes();
    for kind in KNOWN {
        let value = message.value(kind);
        assert_eq!(message.has(kind), value.is_some());
        assert_eq!(message.offset(kind).map(|at| &bytes[at..at + value.map_or(0, <[u8]>::len)]), value);
        if let Some(value) = value {
            check_address(value, message);
            let _ = ErrorCode::decode(value);
            let shown = message.attributes().find(|(shown, _)| *shown == kind).map(|(_, value)| value);
            assert!(shown == Some(value) || (shown.is_none() && SEALS.contains(&kind)), "the first {kind:?} counts");
        }
    }
    assert!(message.attributes().count() <= bytes.len() / 4);
    assert_eq!(message.has_unknown_required(), message.unknown_required().next().is_some());
    assert!(message.unknown_required().all(|kind| kind.0 < 0x8000 && !KNOWN.contains(&kind)));
    message.fingerprint_holds();
    message.verify_integrity(&IntegrityKey::new(b"a key"));
    message.verify_integrity_sha256(&IntegrityKeySha256::new(b"a key"));
}

fn check_address(value: &[u8], message: &Message<'_>) {
    let mut written = [0; 20];
    if let Ok(address) = decode(value) {
        let len = encode(address, &mut written);
        assert_eq!(written[1..len], value[1..]);
        assert!(decode_xor(value, &message.id()).is_ok());
    }
    if let Ok(address) = decode_xor(value, &message.id()) {
        let len = encode_xor(address, &message.id(), &mut written);
        assert_eq!(written[1..len], value[1..]);
    }
}

/// What is visible, written anew, reads the same.
fn check_writing(message: &Message<'_>) {
    let mut buf = vec![0xAA; message.bytes().len()];
    let mut writer = Writer::new(&mut buf, message.kind(), message.id());
    let behind = |kind: &AttributeType| message.attributes().all(|(shown, _)| shown != *kind);
    for (kind, value) in message.attributes() {
        writer.attribute(kind, value);
    }
    for kind in SEALS.into_iter().filter(behind) {
        message.value(kind).into_iter().for_each(|value| writer.attribute(kind, value));
    }
    let len = writer.finish().expect("it fits where it came from");
    let again = Message::parse(&buf[..len]).expect("what is written can be read");
    assert_eq!((again.kind(), again.id()), (message.kind(), message.id()));
    assert!(again.attributes().eq(message.attributes()), "the same attributes in the same order");
    for kind in KNOWN {
        assert_eq!(again.value(kind), message.value(kind), "{kind:?}");
    }
}

/// Seals put on verify with their key, and with no other; an error that lists the unknown attributes can be written.
fn check_sealing(message: &Message<'_>) {
    let (key, other) = (IntegrityKey::new(b"a key"), IntegrityKey::new(b"another"));
    let key_sha256 = IntegrityKeySha256::new(b"a key");
    let mut buf = vec![0xAA; message.bytes().len() + 512];
    let mut writer = Writer::new(&mut buf, message.kind(), message.id());
    for (kind, value) in message.attributes().filter(|(kind, _)| !SEALS.contains(kind)) {
        writer.attribute(kind, value);
    }
    writer.unknown_attributes(message.unknown_required());
    writer.integrity(&key);
    writer.integrity_sha256(&key_sha256);
    writer.fingerprint();
    let Ok(len) = writer.finish() else {
        return assert!(message.bytes().len() > 65_000, "only the longest messages have no room for seals");
    };
    let sealed = Message::parse(&buf[..len]).expect("what is written can be read");
    assert!(sealed.verify_integrity(&key) && !sealed.verify_integrity(&other));
    assert!(sealed.verify_integrity_sha256(&key_sha256) && sealed.fingerprint_holds());
}
