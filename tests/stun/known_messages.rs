//! The codec reads, verifies and writes every message of the test vectors (RFC 5769, RFC 8489 appendix B.1, and the
//! Allocate requests derived from them).

use crate::vectors::{self, Vector};
use turnserver::stun::attribute::AttributeType;
use turnserver::stun::{
    Class, IntegrityKey, IntegrityKeySha256, Message, MessageType, Method, ParseError, TransactionId, Writer,
};

/// Rows whose bytes are a message that a conforming reader takes.
const MESSAGES: [&str; 10] = [
    "rfc5769-2.1-request",
    "rfc5769-2.2-ipv4-response",
    "rfc5769-2.3-ipv6-response",
    "rfc5769-2.4-long-term-request",
    "rfc8489-B.1-corrected-length",
    "derived-allocate-sha256-username",
    "derived-allocate-sha256-userhash",
    "derived-allocate-sha256-both-integrities",
    "derived-allocate-md5-chosen",
    "derived-allocate-legacy-md5",
];

/// Rows whose bytes are no message.
const REJECTED: [&str; 1] = ["rfc8489-B.1-as-printed"];

/// The row with the message types.
const TYPES: &str = "message-types";

/// Rows that a codec has no part in, and why.
const NOT_CODEC: [(&str, &str); 5] = [
    ("rfc8489-9.2.2-md5-key", "keys are derived in auth::long_term; the codec takes them as bytes"),
    ("nonce-cookies", "the server's nonce writes the cookie; to the codec NONCE is bytes"),
    ("turn-rest-credential", "passwords of time-limited names are derived in auth::rest"),
    ("rfc7635-A-aes-256-gcm", "access tokens are opened in auth"),
    ("rfc7635-A-aes-128-gcm", "access tokens are opened in auth"),
];

/// The messages that are padded with spaces, as RFC 5769 sections 2.1 to 2.3 do so that readers cannot rely on zeros.
const SPACE_PADDED: [&str; 3] = ["rfc5769-2.1-request", "rfc5769-2.2-ipv4-response", "rfc5769-2.3-ipv6-response"];

const SEALS: [AttributeType; 3] =
    [AttributeType::MESSAGE_INTEGRITY, AttributeType::MESSAGE_INTEGRITY_SHA256, AttributeType::FINGERPRINT];

fn messages() -> Vec<(Vector, Vec<u8>)> {
    let rows = MESSAGES.into_iter().map(vectors::named);
    rows.map(|row| (row.message().expect("the row is a message"), row)).map(|(bytes, row)| (row, bytes)).collect()
}

/// Everything that counts in a message: what stands before the integrity attribute, that itself, and the two seals that
/// may follow it.
fn attributes(message: &Message<'_>) -> Vec<(u16, Vec<u8>)> {
    let mut all: Vec<_> = message.attributes().map(|(kind, value)| (kind.0, value.to_vec())).collect();
    for kind in SEALS {
        let listed = all.iter().any(|(known, _)| *known == kind.0);
        all.extend(message.value(kind).filter(|_| !listed).map(|value| (kind.0, value.to_vec())));
    }
    all
}

/// The message with its padding set to zero.
fn without_padding(bytes: &[u8]) -> Vec<u8> {
    let mut clean = bytes.to_vec();
    let mut offset = 20;
    while offset < clean.len() {
        let len = usize::from(u16::from_be_bytes([clean[offset + 2], clean[offset + 3]]));
        let end = offset + 4 + len;
        offset += 4 + len.next_multiple_of(4);
        clean[end..offset].fill(0);
    }
    clean
}

#[test]
fn every_row_of_the_file_is_used_or_named_with_a_reason() {
    let mut expected: Vec<&str> = MESSAGES.into_iter().chain(REJECTED).chain([TYPES]).collect();
    expected.extend(NOT_CODEC.map(|(name, _reason)| name));
    let rows = vectors::all();
    let mut found: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
    expected.sort_unstable();
    found.sort_unstable();
    assert_eq!(found, expected);
}

#[test]
fn every_message_parses_to_its_attributes() {
    for (row, bytes) in messages() {
        let message = Message::parse(&bytes).unwrap_or_else(|error| panic!("{}: {error}", row.name));
        assert_eq!(Some(bytes.len()), row.length, "{}", row.name);
        assert_eq!(message.bytes(), bytes, "{}", row.name);
        if let Some(id) = row.transaction_id() {
            assert_eq!(message.id().0.as_slice(), id, "{}", row.name);
        }
        if let Some(expected) = row.attributes() {
            assert_eq!(attributes(&message), expected, "{}", row.name);
            let lengths: Vec<usize> = expected.iter().map(|(_, value)| value.len()).collect();
            assert_eq!(lengths, row.attribute_lengths(), "{}", row.name);
        }
    }
}

#[test]
fn every_message_has_the_texts_of_its_row() {
    for (row, bytes) in messages() {
        let message = Message::parse(&bytes).expect("every message parses");
        let text = |kind| message.value(kind).map(|value| String::from_utf8(value.to_vec()).expect("UTF-8"));
        let hashed = message.has(AttributeType::USERHASH);
        if row.credential.as_deref() != Some("short-term") {
            assert_eq!(text(AttributeType::REALM), row.realm, "{}", row.name);
            assert_eq!(text(AttributeType::USERNAME), row.username.clone().filter(|_| !hashed), "{}", row.name);
        }
        if let Some(nonce) = row.nonce.as_ref() {
            assert_eq!(text(AttributeType::NONCE).as_ref(), Some(nonce), "{}", row.name);
        }
        if let Some(userhash) = row.userhash() {
            assert_eq!(message.value(AttributeType::USERHASH), Some(userhash.as_slice()), "{}", row.name);
        }
        let address = message.xor_address(AttributeType::XOR_MAPPED_ADDRESS);
        assert_eq!(address.map(|address| address.expect("well formed")), row.xor_mapped_address(), "{}", row.name);
    }
}

/// RFC 8489 sections 14.5 to 14.7.
#[test]
fn every_seal_verifies_with_its_key_and_with_no_other() {
    for (row, bytes) in messages() {
        let message = Message::parse(&bytes).expect("every message parses");
        let key = row.hmac_key().expect("the row has a key");
        let mut other = key.clone();
        other[0] ^= 1;
        for (key, right) in [(&key, true), (&other, false)] {
            let sha1 = message.has(AttributeType::MESSAGE_INTEGRITY);
            assert_eq!(message.verify_integrity(&IntegrityKey::new(key)), sha1 && right, "{}", row.name);
            let sha256 = message.has(AttributeType::MESSAGE_INTEGRITY_SHA256);
            assert_eq!(message.verify_integrity_sha256(&IntegrityKeySha256::new(key)), sha256 && right, "{}", row.name);
            assert!(sha1 || sha256, "{} is sealed", row.name);
        }
        for (kind, stated) in [
            (AttributeType::MESSAGE_INTEGRITY, row.message_integrity()),
            (AttributeType::MESSAGE_INTEGRITY_SHA256, row.message_integrity_sha256()),
            (AttributeType::FINGERPRINT, row.fingerprint()),
        ] {
            if let Some(stated) = stated {
                assert_eq!(message.value(kind), Some(stated.as_slice()), "{} {kind:?}", row.name);
            }
        }
        assert!(message.fingerprint_holds(), "{}", row.name);
        if let Some(offset) = message.offset(AttributeType::FINGERPRINT) {
            let mut wrong = bytes.clone();
            wrong[offset] ^= 1;
            assert!(!Message::parse(&wrong).expect("still a message").fingerprint_holds(), "{}", row.name);
        }
    }
}

#[test]
fn a_copy_attribute_by_attribute_differs_in_padding_only() {
    for (row, bytes) in messages() {
        let message = Message::parse(&bytes).expect("every message parses");
        let mut buf = [0xAA; 256];
        let mut writer = Writer::new(&mut buf, message.kind(), message.id());
        for (kind, value) in attributes(&message) {
            writer.attribute(AttributeType(kind), &value);
        }
        let len = writer.finish().expect("the buffer is large enough");
        assert_eq!(buf[..len], without_padding(&bytes), "{}", row.name);
        assert_eq!(buf[..len] != bytes, SPACE_PADDED.contains(&row.name.as_str()), "{}", row.name);
    }
}

#[test]
fn a_message_sealed_anew_is_the_same_byte_for_byte() {
    for (row, bytes) in messages().into_iter().filter(|(row, _)| !SPACE_PADDED.contains(&row.name.as_str())) {
        let message = Message::parse(&bytes).expect("every message parses");
        let key = row.hmac_key().expect("the row has a key");
        let mut buf = [0xAA; 256];
        let mut writer = Writer::new(&mut buf, message.kind(), message.id());
        for (kind, value) in attributes(&message) {
            match AttributeType(kind) {
                AttributeType::MESSAGE_INTEGRITY => writer.integrity(&IntegrityKey::new(&key)),
                AttributeType::MESSAGE_INTEGRITY_SHA256 => writer.integrity_sha256(&IntegrityKeySha256::new(&key)),
                AttributeType::FINGERPRINT => writer.fingerprint(),
                kind => writer.attribute(kind, &value),
            }
        }
        let len = writer.finish().expect("the buffer is large enough");
        assert_eq!(buf[..len], bytes, "{}", row.name);
    }
}

#[test]
fn xored_addresses_are_written_as_the_vectors_have_them() {
    let addressed = messages().into_iter().filter_map(|(row, bytes)| Some((row.xor_mapped_address()?, bytes)));
    let mut seen = 0;
    for (address, bytes) in addressed {
        let message = Message::parse(&bytes).expect("every message parses");
        let mut buf = [0; 64];
        let mut writer = Writer::new(&mut buf, message.kind(), message.id());
        writer.xor_address(AttributeType::XOR_MAPPED_ADDRESS, address);
        let len = writer.finish().expect("the buffer is large enough");
        let copy = Message::parse(&buf[..len]).expect("what is written parses");
        let kind = AttributeType::XOR_MAPPED_ADDRESS;
        assert_eq!(copy.value(kind), message.value(kind));
        seen += 1;
    }
    assert_eq!(seen, 2, "one of each family");
}

/// RFC 8489 appendix B.1 as printed has a header length of 156, the size with the header, over a body of 136.
#[test]
fn the_printed_message_of_rfc_8489_is_rejected() {
    for name in REJECTED {
        let bytes = vectors::named(name).message().expect("the row is a message");
        assert_eq!(Message::parse(&bytes).err(), Some(ParseError::Length), "{name}");
    }
}

/// RFC 8489 section 5 and appendix A.
#[test]
fn message_types_are_read_and_written_as_the_table_has_them() {
    let method = |name: &str| match name {
        "Binding" => Method::BINDING,
        "Allocate" => Method::ALLOCATE,
        "Refresh" => Method::REFRESH,
        "Send" => Method::SEND,
        "Data" => Method::DATA,
        "CreatePermission" => Method::CREATE_PERMISSION,
        "ChannelBind" => Method::CHANNEL_BIND,
        // RFC 6062 has no names in the codec yet.
        "Connect" => Method(0x00A),
        "ConnectionBind" => Method(0x00B),
        "ConnectionAttempt" => Method(0x00C),
        other => panic!("unknown method {other}"),
    };
    let class = |name: &str| match name {
        "request" => Class::Request,
        "indication" => Class::Indication,
        "success" => Class::Success,
        "error" => Class::Error,
        other => panic!("unknown class {other}"),
    };
    let types = vectors::named(TYPES).types.expect("the row is a table");
    assert_eq!(types.len(), 40);
    for (name, bits) in types {
        let (m, c) = name.split_once('-').expect("method and class");
        let kind = MessageType { method: method(m), class: class(c) };
        assert_eq!(kind.bits(), vectors::number(&bits), "{name}");
        assert_eq!(MessageType::from_bits(vectors::number(&bits)), Some(kind), "{name}");
    }
}

/// Every 14-bit type stands for one method and class, and comes back from them.
#[test]
fn message_types_are_one_to_one() {
    for bits in 0..=u16::MAX {
        match MessageType::from_bits(bits) {
            Some(kind) => {
                assert!(kind.method.0 <= 0xFFF && bits <= 0x3FFF);
                assert_eq!(kind.bits(), bits);
            }
            None => assert!(bits > 0x3FFF),
        }
    }
}

#[test]
fn transaction_ids_are_shown_in_hexadecimal() {
    let id = TransactionId(*b"\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae");
    assert_eq!(format!("{id:?}"), "b7e7a701bc34d686fa87dfae");
}
