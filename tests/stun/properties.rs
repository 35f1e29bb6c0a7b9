//! Properties of the codec over arbitrary messages, against a model of RFC 8489 section 9 written down here a second time.

use crate::known::KNOWN;
use crate::raw;
use std::net::{IpAddr, SocketAddr};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use turnserver::stun::{
    AttributeType, ChannelData, ChannelNumber, Class, ErrorCode, Full, IntegrityKey, IntegrityKeySha256, Message,
    MessageType, Method, ParseError, TransactionId, Writer, address,
};

const INTEGRITY: AttributeType = AttributeType::MESSAGE_INTEGRITY;
const INTEGRITY_SHA256: AttributeType = AttributeType::MESSAGE_INTEGRITY_SHA256;
const FINGERPRINT: AttributeType = AttributeType::FINGERPRINT;

type Attributes = Vec<(AttributeType, Vec<u8>)>;

fn message_type() -> impl Strategy<Value = MessageType> {
    let class = select(vec![Class::Request, Class::Indication, Class::Success, Class::Error]);
    (0..0x1000_u16, class).prop_map(|(method, class)| MessageType { method: Method(method), class })
}

fn id() -> impl Strategy<Value = TransactionId> {
    any::<[u8; 12]>().prop_map(TransactionId)
}

fn attribute_type() -> impl Strategy<Value = AttributeType> {
    prop_oneof![
        4 => select(KNOWN.to_vec()),
        1 => select(vec![INTEGRITY, INTEGRITY_SHA256]),
        2 => any::<u16>().prop_map(AttributeType),
        1 => select(vec![AttributeType(0), AttributeType(0x7FFF), AttributeType(0x8005), AttributeType(0xFFFF)]),
    ]
}

/// Attributes as they may arrive, FINGERPRINT excepted, which has one place only.
fn attributes() -> impl Strategy<Value = Attributes> {
    let one = (attribute_type(), vec(any::<u8>(), 0..40))
        .prop_filter("FINGERPRINT ends a message", |(kind, _)| *kind != FINGERPRINT);
    vec(one, 0..12)
}

fn address() -> impl Strategy<Value = SocketAddr> {
    (any::<IpAddr>(), any::<u16>()).prop_map(|(ip, port)| SocketAddr::new(ip, port))
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 1..64)
}

fn write(kind: MessageType, id: TransactionId, attributes: &Attributes, with_fingerprint: bool) -> Vec<u8> {
    let mut buf = vec![0xAA; 4096];
    let mut writer = Writer::new(&mut buf, kind, id);
    attributes.iter().for_each(|(kind, value)| writer.attribute(*kind, value));
    if with_fingerprint {
        writer.fingerprint();
    }
    let len = writer.finish().expect("the buffer is large enough");
    buf.truncate(len);
    buf
}

/// A message sealed with MESSAGE-INTEGRITY, and where that attribute begins.
fn sealed(attributes: &Attributes, key: &[u8], behind: &Attributes) -> (Vec<u8>, usize) {
    let mut buf = vec![0xAA; 4096];
    let mut writer =
        Writer::new(&mut buf, MessageType { method: Method::REFRESH, class: Class::Request }, TransactionId(raw::ID));
    let front = attributes.iter().filter(|(kind, _)| *kind != INTEGRITY && *kind != INTEGRITY_SHA256);
    front.for_each(|(kind, value)| writer.attribute(*kind, value));
    writer.integrity(&IntegrityKey::new(key));
    behind.iter().for_each(|(kind, value)| writer.attribute(*kind, value));
    writer.fingerprint();
    let len = writer.finish().expect("the buffer is large enough");
    buf.truncate(len);
    let offset = Message::parse(&buf).expect("a message").offset(INTEGRITY).expect("it is sealed") - 4;
    (buf, offset)
}

/// What a reader may see of a list of attributes (RFC 8489 section 9): everything up to the first integrity attribute,
/// and behind MESSAGE-INTEGRITY the first MESSAGE-INTEGRITY-SHA256.
fn visible(attributes: &Attributes) -> (Attributes, Option<Vec<u8>>) {
    let seal = attributes.iter().position(|(kind, _)| *kind == INTEGRITY || *kind == INTEGRITY_SHA256);
    let Some(seal) = seal else { return (attributes.clone(), None) };
    let (front, behind) = attributes.split_at(seal + 1);
    let second = behind.iter().find(|(kind, _)| attributes[seal].0 == INTEGRITY && *kind == INTEGRITY_SHA256);
    (front.to_vec(), second.map(|(_, value)| value.clone()))
}

/// Calls everything that reads.
fn read_everything(bytes: &[u8]) {
    let _ = ChannelData::parse(bytes);
    let Ok(message) = Message::parse(bytes) else { return };
    assert_eq!(message.bytes(), bytes);
    for kind in KNOWN {
        assert_eq!(message.value(kind).is_some(), message.has(kind));
        assert_eq!(
            message.offset(kind).map(|at| &bytes[at..at + message.value(kind).map_or(0, <[u8]>::len)]),
            message.value(kind)
        );
        let _ = message.xor_address(kind);
        let _ = message.value(kind).map(|value| (address::decode(value), ErrorCode::decode(value)));
    }
    assert!(message.attributes().count() <= bytes.len() / 4);
    assert_eq!(message.has_unknown_required(), message.unknown_required().next().is_some());
    message.fingerprint_holds();
    assert!(!message.verify_integrity(&IntegrityKey::new(b"nobody's key")));
    assert!(!message.verify_integrity_sha256(&IntegrityKeySha256::new(b"nobody's key")));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read(kind in message_type(), id in id(), attributes in attributes(), fingerprint: bool) {
        let bytes = write(kind, id, &attributes, fingerprint);
        let message = Message::parse(&bytes).expect("what is written parses");
        prop_assert_eq!((message.kind(), message.id()), (kind, id));
        let (mut front, second) = visible(&attributes);
        let sealed = front.last().is_some_and(|(kind, _)| *kind == INTEGRITY || *kind == INTEGRITY_SHA256);
        if fingerprint && !sealed {
            front.push((FINGERPRINT, bytes[bytes.len() - 4..].to_vec()));
        }
        let shown: Attributes = message.attributes().map(|(kind, value)| (kind, value.to_vec())).collect();
        prop_assert_eq!(&shown, &front);
        for kind in KNOWN {
            let first = front.iter().find(|(known, _)| *known == kind).map(|(_, value)| value.as_slice());
            let expected = match kind {
                INTEGRITY_SHA256 => first.or(second.as_deref()),
                FINGERPRINT => fingerprint.then(|| &bytes[bytes.len() - 4..]),
                _ => first,
            };
            prop_assert_eq!(message.value(kind), expected, "{:?}", kind);
        }
        let unknown = |kind: &AttributeType| kind.is_comprehension_required() && !KNOWN.contains(kind);
        let expected: Vec<_> = front.iter().map(|(kind, _)| *kind).filter(unknown).collect();
        prop_assert_eq!(message.has_unknown_required(), !expected.is_empty());
        prop_assert_eq!(message.unknown_required().collect::<Vec<_>>(), expected);
        prop_assert_eq!(message.has(FINGERPRINT), fingerprint);
        prop_assert!(message.fingerprint_holds());
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in vec(any::<u8>(), 0..200)) {
        read_everything(&bytes);
    }

    #[test]
    fn an_arbitrary_body_never_panics(bits in 0..0x4000_u16, words in vec(any::<[u8; 4]>(), 0..64)) {
        read_everything(&raw::message(bits, words.len() as u16 * 4, &words.concat()));
    }

    /// Types and lengths are often right here, so that the reader gets far.
    #[test]
    fn a_body_of_plausible_attributes_never_panics(
        plausible in vec((attribute_type(), 0..48_u16, vec(any::<u8>(), 0..48)), 0..10),
    ) {
        let mut body = Vec::new();
        for (kind, len, value) in plausible {
            body.extend(kind.0.to_be_bytes());
            body.extend(len.to_be_bytes());
            body.extend(value);
            body.resize(body.len().next_multiple_of(4), 0);
        }
        read_everything(&raw::binding(&body));
    }

    #[test]
    fn a_mutated_message_never_panics(
        attributes in attributes(),
        key in key(),
        mutations in vec((any::<Index>(), any::<u8>()), 1..6),
        cut in any::<Index>(),
    ) {
        let (mut bytes, _) = sealed(&attributes, &key, &vec![]);
        for (index, value) in mutations {
            *index.get_mut(&mut bytes) = value;
            read_everything(&bytes);
        }
        read_everything(&bytes[..cut.index(bytes.len())]);
    }

    #[test]
    fn a_message_cut_short_is_rejected(attributes in attributes(), cut in any::<Index>()) {
        let bytes = write(MessageType { method: Method::SEND, class: Class::Indication }, TransactionId(raw::ID), &attributes, true);
        prop_assert!(Message::parse(&bytes[..cut.index(bytes.len())]).is_err());
    }

    #[test]
    fn fingerprint_in_the_middle_is_rejected(front in attributes(), behind in attributes(), last in attribute_type()) {
        let kind = MessageType { method: Method::BINDING, class: Class::Request };
        let all: Attributes = front.into_iter().chain([(FINGERPRINT, vec![0; 4])]).chain(behind).chain([(last, vec![])]).collect();
        let bytes = write(kind, TransactionId(raw::ID), &all, false);
        prop_assert_eq!(Message::parse(&bytes).err(), Some(ParseError::Attribute));
    }

    #[test]
    fn xored_addresses_come_back(address in address(), id in id(), kind in select(KNOWN.to_vec())) {
        prop_assume!(kind != FINGERPRINT);
        let mut buf = [0; 64];
        let mut writer = Writer::new(&mut buf, MessageType { method: Method::ALLOCATE, class: Class::Success }, id);
        writer.xor_address(kind, address);
        let len = writer.finish().expect("room for all");
        let message = Message::parse(&buf[..len]).expect("a message");
        prop_assert_eq!(message.xor_address(kind), Some(Ok(address)));
        let mut plain = [0; 20];
        let len = address::encode(address, &mut plain);
        prop_assert_eq!(address::decode(&plain[..len]), Ok(address));
        prop_assert_eq!(message.value(kind).map(<[u8]>::len), Some(len));
    }

    #[test]
    fn a_seal_verifies_with_its_key_only(attributes in attributes(), key in key(), other in key(), behind in attributes()) {
        let (bytes, _) = sealed(&attributes, &key, &behind);
        let message = Message::parse(&bytes).expect("a message");
        prop_assert!(message.verify_integrity(&IntegrityKey::new(&key)), "whatever stands behind it");
        // HMAC fills short keys with zeros, so two keys that differ in those alone are one.
        let filled = |key: &[u8]| [key, &[0; 64][key.len()..]].concat();
        prop_assert_eq!(message.verify_integrity(&IntegrityKey::new(&other)), filled(&key) == filled(&other));
        prop_assert!(!message.verify_integrity_sha256(&IntegrityKeySha256::new(&key)));
    }

    #[test]
    fn a_seal_breaks_with_any_bit_it_covers(attributes in attributes(), key in key(), bit in any::<Index>()) {
        let (bytes, offset) = sealed(&attributes, &key, &vec![]);
        let mut flipped = bytes.clone();
        let bit = bit.index((offset + 24) * 8);
        flipped[bit / 8] ^= 1 << (bit % 8);
        let key = IntegrityKey::new(&key);
        prop_assert!(Message::parse(&bytes).is_ok_and(|message| message.verify_integrity(&key)));
        prop_assert!(!Message::parse(&flipped).is_ok_and(|message| message.verify_integrity(&key)), "bit {}", bit);
    }

    #[test]
    fn a_fingerprint_breaks_with_any_bit(attributes in attributes(), key in key(), bit in any::<Index>()) {
        let (mut bytes, _) = sealed(&attributes, &key, &vec![]);
        let bit = bit.index(bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        // A flip may also turn FINGERPRINT into an attribute of another type, and then there is none.
        let held = Message::parse(&bytes).is_ok_and(|message| message.has(FINGERPRINT) && message.fingerprint_holds());
        prop_assert!(!held, "bit {}", bit);
    }

    #[test]
    fn what_does_not_fit_is_reported(attributes in attributes(), missing in any::<Index>()) {
        let kind = MessageType { method: Method::SEND, class: Class::Indication };
        let whole = write(kind, TransactionId(raw::ID), &attributes, true);
        let mut buf = vec![0; missing.index(whole.len())];
        let mut writer = Writer::new(&mut buf, kind, TransactionId(raw::ID));
        attributes.iter().for_each(|(kind, value)| writer.attribute(*kind, value));
        writer.fingerprint();
        prop_assert_eq!(writer.finish(), Err(Full));
    }

    #[test]
    fn unknown_attributes_are_named_once(types in vec(0..40_u16, 0..200)) {
        let mut buf = [0; 512];
        let mut writer = Writer::new(&mut buf, MessageType { method: Method::BINDING, class: Class::Error }, TransactionId(raw::ID));
        writer.unknown_attributes(types.iter().map(|kind| AttributeType(*kind)));
        let len = writer.finish().expect("room for all");
        let message = Message::parse(&buf[..len]).expect("a message");
        let value = message.value(AttributeType::UNKNOWN_ATTRIBUTES).expect("UNKNOWN-ATTRIBUTES");
        let named: Vec<u16> = value.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
        let mut once = Vec::new();
        types.iter().for_each(|kind| if !once.contains(kind) { once.push(*kind) });
        prop_assert_eq!(named, once);
    }

    #[test]
    fn channel_data_comes_back(number: u16, data in vec(any::<u8>(), 0..300), padding in 0..=3_usize, missing in any::<Index>()) {
        let len = u16::try_from(data.len()).expect("16 bits");
        let mut bytes = [ChannelData::header(ChannelNumber(number), len).as_slice(), &data].concat();
        let whole = bytes.len();
        bytes.resize(whole + padding, 0xEE);
        prop_assert_eq!(ChannelData::parse(&bytes), Some(ChannelData { number: ChannelNumber(number), data: &data }));
        prop_assert_eq!(ChannelData::parse(&bytes[..missing.index(whole)]), None);
    }
}

/// RFC 8489 section 14: a type is known, or required and reported, or optional and left alone. A type that the codec
/// learns belongs into `KNOWN`.
#[test]
fn every_type_is_known_or_reported_or_optional() {
    for kind in (0..=u16::MAX).map(AttributeType) {
        let bytes = raw::binding(&raw::body(&[(kind.0, &[0; 4])]));
        let message = Message::parse(&bytes).expect("a message");
        let known = KNOWN.contains(&kind);
        assert_eq!(message.has(kind), known, "{kind:?}");
        assert_eq!(kind.is_comprehension_required(), kind.0 < 0x8000);
        assert_eq!(message.has_unknown_required(), kind.0 < 0x8000 && !known, "{kind:?}");
    }
}

/// All of the bits of one message, where the property above takes one at a time.
#[test]
fn no_bit_of_a_sealed_message_may_change() {
    let attributes = vec![
        (AttributeType::USERNAME, b"user".to_vec()),
        (AttributeType::REALM, b"realm".to_vec()),
        (AttributeType::NONCE, b"nonce!".to_vec()),
        (AttributeType::LIFETIME, vec![0, 0, 2, 88]),
    ];
    let key = IntegrityKey::new(b"key");
    let (bytes, offset) = sealed(&attributes, b"key", &vec![]);
    for bit in 0..(offset + 24) * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(!Message::parse(&flipped).is_ok_and(|message| message.verify_integrity(&key)), "bit {bit}");
    }
    for bit in (offset + 24) * 8..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let parsed = Message::parse(&flipped);
        assert!(
            parsed.is_err() || parsed.is_ok_and(|message| message.verify_integrity(&key)),
            "bit {bit} is not covered"
        );
    }
}
