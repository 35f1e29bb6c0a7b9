//! What the codec takes for a message, what it shows of it and what it leaves out.

use crate::raw::{self, BINDING_REQUEST, binding, body, body_padded_with, message};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use turnserver::stun::address::{self, BadAddress};
use turnserver::stun::{
    AttributeType, ChannelData, ChannelNumber, Class, ErrorCode, IntegrityKey, IntegrityKeySha256, Message, Method,
    ParseError, TransactionId,
};

const USERNAME: u16 = AttributeType::USERNAME.0;
const LIFETIME: u16 = AttributeType::LIFETIME.0;
const SOFTWARE: u16 = AttributeType::SOFTWARE.0;
const INTEGRITY: u16 = AttributeType::MESSAGE_INTEGRITY.0;
const INTEGRITY_SHA256: u16 = AttributeType::MESSAGE_INTEGRITY_SHA256.0;
const FINGERPRINT: u16 = AttributeType::FINGERPRINT.0;
const EVEN_PORT: u16 = AttributeType::EVEN_PORT.0;
/// A comprehension-required type that nothing defines.
const UNKNOWN: u16 = 0x7F00;

fn error(bytes: &[u8]) -> Option<ParseError> {
    Message::parse(bytes).err()
}

fn parsed(bytes: &[u8]) -> Message<'_> {
    Message::parse(bytes).expect("a well-formed message")
}

fn shown(message: &Message<'_>) -> Vec<u16> {
    message.attributes().map(|(kind, _)| kind.0).collect()
}

/// STUN-001, RFC 8489 section 5.
#[test]
fn a_first_byte_with_one_of_the_two_top_bits_is_not_stun() {
    let good = binding(&[]);
    assert_eq!(error(&good), None);
    for top in 1..=3 {
        let mut bytes = good.clone();
        bytes[0] |= top << 6;
        assert_eq!(error(&bytes), Some(ParseError::NotStun), "top bits {top:02b}");
    }
}

/// RFC 8489 section 5: without the cookie it is RFC 3489, which TURN never was.
#[test]
fn a_message_without_the_magic_cookie_is_not_stun() {
    for bit in 0..32 {
        let mut bytes = binding(&[]);
        bytes[4 + bit / 8] ^= 1 << (bit % 8);
        assert_eq!(error(&bytes), Some(ParseError::NotStun), "bit {bit}");
    }
}

/// STUN-004, RFC 8489 section 5.
#[test]
fn a_length_that_is_no_multiple_of_four_is_rejected() {
    for len in (1..64_u16).filter(|len| len % 4 != 0) {
        let bytes = message(BINDING_REQUEST, len, &vec![0; usize::from(len)]);
        assert_eq!(error(&bytes), Some(ParseError::Length), "length {len}");
    }
}

/// STUN-005, RFC 8489 section 6.3.
#[test]
fn a_length_larger_than_the_datagram_is_rejected() {
    for (len, held) in [(8, 0), (8, 4), (4, 0), (u16::MAX - 3, 8), (12, 8)] {
        let bytes = message(BINDING_REQUEST, len, &body(&[(SOFTWARE, b"test")])[..held]);
        assert_eq!(error(&bytes), Some(ParseError::Length), "length {len} over {held} bytes");
    }
}

/// STUN-006, RFC 8489 section 6.3.
#[test]
fn a_datagram_longer_than_its_length_is_rejected() {
    for tail in 1..=8 {
        let mut bytes = binding(&body(&[(SOFTWARE, b"test")]));
        bytes.resize(bytes.len() + tail, 0);
        assert_eq!(error(&bytes), Some(ParseError::Length), "{tail} bytes behind the message");
    }
}

/// STUN-007, RFC 8489 section 6.3.
#[test]
fn fewer_bytes_than_a_header_are_no_message() {
    for first in 0..4 {
        let mut bytes = binding(&[]);
        bytes[0] = first;
        for len in 0..bytes.len() {
            assert_eq!(error(&bytes[..len]), Some(ParseError::NotStun), "{len} bytes");
        }
    }
}

/// STUN-008, RFC 8489 section 5 and appendix A.
#[test]
fn the_bits_of_method_and_class_are_interleaved() {
    for (bits, method, class) in [
        (0x0001, Method::BINDING, Class::Request),
        (0x0011, Method::BINDING, Class::Indication),
        (0x0101, Method::BINDING, Class::Success),
        (0x0111, Method::BINDING, Class::Error),
        (0x0016, Method::SEND, Class::Indication),
        (0x0113, Method::ALLOCATE, Class::Error),
        (0x0200, Method(0x080), Class::Request),
        (0x00E0, Method(0x070), Class::Request),
        (0x3E0F, Method(0xF8F), Class::Request),
        (0x3FFF, Method(0xFFF), Class::Error),
    ] {
        let bytes = message(bits, 0, &[]);
        let kind = parsed(&bytes).kind();
        assert_eq!((kind.method, kind.class), (method, class), "{bits:#06x}");
    }
}

/// STUN-015, RFC 8489 section 14.7: FINGERPRINT is the last attribute.
#[test]
fn an_attribute_behind_fingerprint_makes_the_message_malformed() {
    for follower in [SOFTWARE, UNKNOWN, INTEGRITY, INTEGRITY_SHA256, FINGERPRINT, 0xFFFF] {
        let bytes = binding(&body(&[(FINGERPRINT, &[0; 4]), (follower, &[0; 4])]));
        assert_eq!(error(&bytes), Some(ParseError::Attribute), "{follower:#06x}");
    }
    assert_eq!(error(&binding(&body(&[(SOFTWARE, &[0; 4]), (FINGERPRINT, &[0; 4])]))), None);
}

/// RFC 8489 section 14.7.
#[test]
fn a_fingerprint_is_four_bytes_long() {
    for len in (0..12).filter(|len| *len != 4) {
        let bytes = binding(&body(&[(FINGERPRINT, &vec![0; len])]));
        assert_eq!(error(&bytes), Some(ParseError::Attribute), "{len} bytes");
    }
}

/// RFC 8489 section 14.7.
#[test]
fn a_wrong_fingerprint_is_told_from_an_absent_one() {
    assert!(parsed(&binding(&[])).fingerprint_holds());
    assert!(!parsed(&binding(&body(&[(FINGERPRINT, &[0; 4])]))).fingerprint_holds());
}

/// STUN-021, RFC 8489 section 14.
#[test]
fn an_attribute_running_over_the_end_makes_the_message_malformed() {
    for (len, held) in [(0xFFFF_u16, 4), (5, 4), (8, 4), (1, 0), (9, 8), (0xFFFC, 8), (0xFFFD, 16)] {
        let mut bytes = body(&[(SOFTWARE, &vec![0; held])]);
        bytes[2..4].copy_from_slice(&len.to_be_bytes());
        assert_eq!(error(&binding(&bytes)), Some(ParseError::Attribute), "length {len} over {held} bytes");
        let behind = [body(&[(LIFETIME, &[0; 4])]), bytes].concat();
        assert_eq!(error(&binding(&behind)), Some(ParseError::Attribute), "length {len} behind another attribute");
    }
}

/// STUN-021: what is left out is still framed.
#[test]
fn an_attribute_running_over_the_end_is_found_behind_the_seal() {
    let mut behind = body(&[(SOFTWARE, &[0; 4])]);
    behind[2..4].copy_from_slice(&5_u16.to_be_bytes());
    let sealed = [body(&[(INTEGRITY, &[0; 20])]), behind].concat();
    assert_eq!(error(&binding(&sealed)), Some(ParseError::Attribute));
}

/// STUN-022, RFC 8489 section 14.
#[test]
fn padding_may_be_anything_and_belongs_to_no_value() {
    for pad in [0x00, 0x20, 0x80, 0xFF] {
        for len in 0..9 {
            let value = vec![0x55; len];
            let bytes = binding(&body_padded_with(pad, &[(USERNAME, &value), (LIFETIME, &[0, 0, 2, 88])]));
            let message = parsed(&bytes);
            assert_eq!(message.value(AttributeType::USERNAME), Some(value.as_slice()), "{len} bytes, {pad:#x}");
            assert_eq!(message.value(AttributeType::LIFETIME), Some([0, 0, 2, 88].as_slice()));
        }
    }
}

/// STUN-023, RFC 8489 section 14.
#[test]
fn of_repeated_attributes_the_first_counts() {
    for (first, second) in [([0, 0, 0, 0], [0, 0, 2, 88]), ([0, 0, 2, 88], [0, 0, 0, 0])] {
        let bytes = binding(&body(&[(LIFETIME, &first), (SOFTWARE, b"x"), (LIFETIME, &second)]));
        let message = parsed(&bytes);
        assert_eq!(message.value(AttributeType::LIFETIME), Some(first.as_slice()));
        assert_eq!(message.offset(AttributeType::LIFETIME), Some(24));
        assert_eq!(shown(&message), [LIFETIME, SOFTWARE, LIFETIME], "peers of a CreatePermission are all shown");
    }
    let bytes = binding(&body(&[(USERNAME, b""), (USERNAME, b"second")]));
    assert_eq!(parsed(&bytes).value(AttributeType::USERNAME), Some(b"".as_slice()), "an empty one counts as well");
}

/// STUN-023 for the seal itself: a second MESSAGE-INTEGRITY stands behind the first one.
#[test]
fn of_two_seals_the_first_is_checked() {
    let bytes = binding(&body(&[(INTEGRITY, &[1; 20]), (INTEGRITY, &[2; 20])]));
    assert_eq!(parsed(&bytes).value(AttributeType::MESSAGE_INTEGRITY), Some([1; 20].as_slice()));
    assert_eq!(shown(&parsed(&bytes)), [INTEGRITY]);
}

/// STUN-024, RFC 8489 section 9.
#[test]
fn attributes_behind_message_integrity_do_not_exist() {
    let bytes = binding(&body(&[
        (USERNAME, b"user"),
        (INTEGRITY, &[0; 20]),
        (LIFETIME, &[0; 4]),
        (UNKNOWN, &[0; 4]),
        (INTEGRITY_SHA256, &[7; 32]),
        (EVEN_PORT, &[0x80]),
        (FINGERPRINT, &[9; 4]),
    ]));
    let message = parsed(&bytes);
    assert_eq!(shown(&message), [USERNAME, INTEGRITY]);
    for hidden in [AttributeType::LIFETIME, AttributeType::EVEN_PORT] {
        assert!(!message.has(hidden) && message.value(hidden).is_none() && message.offset(hidden).is_none());
    }
    assert!(!message.has_unknown_required());
    assert_eq!(message.unknown_required().count(), 0);
    assert_eq!(message.value(AttributeType::MESSAGE_INTEGRITY_SHA256), Some([7; 32].as_slice()));
    assert_eq!(message.value(AttributeType::FINGERPRINT), Some([9; 4].as_slice()));
}

/// STUN-024: the same attributes in front of the seal are there.
#[test]
fn attributes_in_front_of_message_integrity_exist() {
    let bytes = binding(&body(&[(LIFETIME, &[0; 4]), (UNKNOWN, &[0; 4]), (0xFF00, b""), (INTEGRITY, &[0; 20])]));
    let message = parsed(&bytes);
    assert_eq!(shown(&message), [LIFETIME, UNKNOWN, 0xFF00, INTEGRITY]);
    assert!(message.has(AttributeType::LIFETIME) && message.has_unknown_required());
    assert_eq!(message.unknown_required().collect::<Vec<_>>(), [AttributeType(UNKNOWN)]);
}

/// STUN-025, RFC 8489 section 9.
#[test]
fn nothing_but_fingerprint_exists_behind_message_integrity_sha256() {
    let bytes = binding(&body(&[
        (USERNAME, b"user"),
        (INTEGRITY_SHA256, &[7; 32]),
        (EVEN_PORT, &[0x80]),
        (INTEGRITY, &[8; 20]),
        (UNKNOWN, b""),
        (INTEGRITY_SHA256, &[6; 32]),
        (FINGERPRINT, &[9; 4]),
    ]));
    let message = parsed(&bytes);
    assert_eq!(shown(&message), [USERNAME, INTEGRITY_SHA256]);
    assert!(!message.has(AttributeType::EVEN_PORT) && !message.has(AttributeType::MESSAGE_INTEGRITY));
    assert!(!message.verify_integrity(&IntegrityKey::new(b"key")));
    assert!(!message.has_unknown_required());
    assert_eq!(message.value(AttributeType::MESSAGE_INTEGRITY_SHA256), Some([7; 32].as_slice()));
    assert_eq!(message.value(AttributeType::FINGERPRINT), Some([9; 4].as_slice()));
}

/// RFC 8489 section 14.6 lets usages truncate MESSAGE-INTEGRITY-SHA256; TURN is none of them.
#[test]
fn a_seal_that_is_not_whole_never_verifies() {
    for len in (0..=32_u16).step_by(4) {
        let mut bytes = message(BINDING_REQUEST, 4 + len, &[]);
        let mut mac = Hmac::<Sha256>::new_from_slice(b"key").expect("any length");
        mac.update(&bytes);
        let value = &mac.finalize().into_bytes()[..usize::from(len)];
        bytes.extend(body(&[(INTEGRITY_SHA256, value)]));
        let holds = parsed(&bytes).verify_integrity_sha256(&IntegrityKeySha256::new(b"key"));
        assert_eq!(holds, len == 32, "{len} bytes");
    }
}

/// STUN-026, RFC 8489 section 14.3, and sections 14.9 and 14.10 for REALM and NONCE.
#[test]
fn long_texts_are_read_whole() {
    for kind in [AttributeType::USERNAME, AttributeType::REALM, AttributeType::NONCE] {
        for len in [0, 1, 508, 509, 762, 763, 764, 1024, 65_528] {
            let value = vec![b'u'; len];
            let bytes = binding(&body(&[(kind.0, &value)]));
            assert_eq!(parsed(&bytes).value(kind), Some(value.as_slice()), "{kind:?} of {len} bytes");
        }
    }
}

/// STUN-029, RFC 8489 section 14.8.
#[test]
fn reserved_bits_of_an_error_code_are_ignored() {
    for reserved in [[0, 0, 0], [0xFF, 0xFF, 0xF8], [1, 2, 0x08], [0x80, 0, 0x80]] {
        let value = [reserved[0], reserved[1], reserved[2] | 4, 1, b'N', b'o'];
        assert_eq!(ErrorCode::decode(&value), Some(ErrorCode::UNAUTHENTICATED), "{reserved:?}");
    }
}

/// RFC 8489 section 14.8: class 3 to 6, number 0 to 99.
#[test]
fn error_codes_are_300_to_699() {
    for class in 0..8 {
        for number in 0..=u8::MAX {
            let code = ErrorCode::decode(&[0, 0, class, number]);
            let valid = (3..=6).contains(&class) && number <= 99;
            assert_eq!(code.map(ErrorCode::code), valid.then(|| u16::from(class) * 100 + u16::from(number)));
            assert!(code.is_none_or(|code| code.class_and_number() == [class, number]));
        }
    }
    for len in 0..4 {
        assert_eq!(ErrorCode::decode(&[0, 0, 4, 1][..len]), None, "{len} bytes");
    }
}

/// STUN-029, RFC 8489 section 14.1.
#[test]
fn the_first_byte_of_an_address_is_ignored() {
    let id = TransactionId(raw::ID);
    let value = |first| [first, 0x01, 0xA1, 0x47, 0xE1, 0x12, 0xA6, 0x43];
    let expected = "192.0.2.1:32853".parse().expect("an address");
    for first in 0..=u8::MAX {
        assert_eq!(address::decode_xor(&value(first), &id), Ok(expected));
    }
}

/// STUN-030, RFC 8489 sections 14.1 and 14.2.
#[test]
fn an_address_has_a_known_family_and_the_length_of_it() {
    let id = TransactionId(raw::ID);
    for family in 0..=u8::MAX {
        for len in 0..=24 {
            let mut value = vec![0; len];
            if let Some(byte) = value.get_mut(1) {
                *byte = family;
            }
            let fits = (family, len) == (address::FAMILY_IPV4, 8) || (family, len) == (address::FAMILY_IPV6, 20);
            assert_eq!(address::decode(&value).is_ok(), fits, "family {family}, {len} bytes");
            assert_eq!(address::decode_xor(&value, &id).is_ok(), fits, "family {family}, {len} bytes");
        }
    }
}

/// STUN-030: a malformed address is told from an absent one.
#[test]
fn a_malformed_address_is_reported_as_such() {
    let kind = AttributeType::XOR_PEER_ADDRESS;
    let bytes = binding(&body(&[(kind.0, &[0, 3, 0, 80, 1, 2, 3, 4])]));
    assert_eq!(parsed(&bytes).xor_address(kind), Some(Err(BadAddress)));
    assert_eq!(parsed(&bytes).xor_address(AttributeType::XOR_MAPPED_ADDRESS), None);
}

/// RFC 8656 section 12.4: a datagram shorter than it says is no ChannelData.
#[test]
fn channel_data_shorter_than_its_length_is_rejected() {
    let whole = [0x40, 0x01, 0x00, 0x05, b'h', b'e', b'l', b'l', b'o'];
    for len in 0..whole.len() {
        assert_eq!(ChannelData::parse(&whole[..len]), None, "{len} bytes");
    }
    let expected = ChannelData { number: ChannelNumber(0x4001), data: b"hello" };
    assert_eq!(ChannelData::parse(&whole), Some(expected));
}

/// RFC 8656 section 12.5.
#[test]
fn channel_data_may_be_padded_and_may_be_empty() {
    for padding in 0..4 {
        let mut bytes = vec![0x4F, 0xFF, 0x00, 0x01, b'x'];
        bytes.resize(5 + padding, 0xEE);
        assert_eq!(ChannelData::parse(&bytes).map(|channel_data| channel_data.data), Some(b"x".as_slice()));
    }
    let empty = ChannelData { number: ChannelNumber(0x7FFF), data: b"" };
    assert_eq!(ChannelData::parse(&[0x7F, 0xFF, 0, 0]), Some(empty));
}
