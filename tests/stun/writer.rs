//! What the codec writes: sizes, padding, errors and their limits.

use crate::raw;
use turnserver::stun::address::decode;
use turnserver::stun::{
    AttributeType, ChannelData, ChannelNumber, Class, ErrorCode, Full, IntegrityKey, IntegrityKeySha256, Message,
    MessageType, Method, TransactionId, Writer,
};

const REQUEST: MessageType = MessageType { method: Method::ALLOCATE, class: Class::Request };
const ID: TransactionId = TransactionId(raw::ID);
/// The largest multiple of four that the header's length field holds.
const BODY_LEN_MAX: usize = 65_532;

/// Writes a message that has one attribute of each kind of call.
fn write_everything(buf: &mut [u8]) -> Result<usize, Full> {
    let mut writer = Writer::new(buf, MessageType { method: Method::ALLOCATE, class: Class::Error }, ID);
    writer.error_code(ErrorCode::UNKNOWN_ATTRIBUTE, true);
    writer.unknown_attributes([AttributeType(0x7F00), AttributeType(0x7F01), AttributeType(0x7F02)].into_iter());
    writer.attribute_u32(AttributeType::LIFETIME, 600);
    writer.xor_address(AttributeType::XOR_MAPPED_ADDRESS, "[2001:db8::1]:3478".parse().expect("an address"));
    writer.address(AttributeType::ALTERNATE_SERVER, "[2001:db8::2]:3478".parse().expect("an address"));
    writer.attribute(AttributeType::SOFTWARE, b"tests");
    writer.integrity(&IntegrityKey::new(b"key"));
    writer.integrity_sha256(&IntegrityKeySha256::new(b"key"));
    writer.fingerprint();
    writer.finish()
}

fn one_attribute(buf: &mut [u8], kind: AttributeType, value: &[u8]) -> Result<usize, Full> {
    let mut writer = Writer::new(buf, REQUEST, ID);
    writer.attribute(kind, value);
    writer.finish()
}

#[test]
fn a_buffer_too_small_by_any_number_of_bytes_is_full() {
    let mut large = [0xAA; 512];
    let len = write_everything(&mut large).expect("512 bytes are enough");
    for size in 0..len {
        assert_eq!(write_everything(&mut vec![0xAA; size]), Err(Full), "{size} of {len} bytes");
    }
    let mut exact = vec![0; len];
    assert_eq!(write_everything(&mut exact), Ok(len));
    assert_eq!(exact, large[..len], "what stood in the buffer before leaves no trace");
}

#[test]
fn nothing_is_written_behind_the_message() {
    let mut buf = [0xAA; 512];
    let len = write_everything(&mut buf).expect("512 bytes are enough");
    assert!(buf[len..].iter().all(|byte| *byte == 0xAA));
}

#[test]
fn a_message_full_once_stays_full() {
    let mut buf = [0; 28];
    let mut writer = Writer::new(&mut buf, REQUEST, ID);
    writer.attribute(AttributeType::SOFTWARE, b"too long for it");
    writer.attribute(AttributeType::DONT_FRAGMENT, b"");
    assert_eq!(writer.finish(), Err(Full), "an attribute was lost, though the next one had room");
}

/// RFC 8489 section 5: the length field holds multiples of four up to 65,532.
#[test]
fn the_largest_message_is_written_and_read() {
    let mut buf = vec![0; 20 + BODY_LEN_MAX];
    let value: Vec<u8> = (0..BODY_LEN_MAX - 4).map(|i| (i % 251) as u8).collect();
    assert_eq!(one_attribute(&mut buf, AttributeType::DATA, &value), Ok(20 + BODY_LEN_MAX));
    let message = Message::parse(&buf).expect("the largest message");
    assert_eq!(message.value(AttributeType::DATA), Some(value.as_slice()));
}

#[test]
fn a_message_larger_than_its_length_field_is_full() {
    let mut buf = vec![0; 80_000];
    for len in [BODY_LEN_MAX - 3, BODY_LEN_MAX, 65_535, 65_536, 70_000] {
        assert_eq!(one_attribute(&mut buf, AttributeType::DATA, &vec![0; len]), Err(Full), "{len} bytes");
    }
    let mut writer = Writer::new(&mut buf, REQUEST, ID);
    writer.attribute(AttributeType::DATA, &[0; 60_000]);
    writer.attribute(AttributeType::SOFTWARE, &[0; 6_000]);
    writer.integrity(&IntegrityKey::new(b"key"));
    writer.integrity_sha256(&IntegrityKeySha256::new(b"key"));
    writer.fingerprint();
    assert_eq!(writer.finish(), Err(Full));
}

#[test]
fn seals_behind_a_large_body_hold() {
    let (key, key_sha256) = (IntegrityKey::new(b"key"), IntegrityKeySha256::new(b"key"));
    let mut buf = vec![0; 20 + BODY_LEN_MAX];
    let mut writer = Writer::new(&mut buf, REQUEST, ID);
    writer.attribute(AttributeType::DATA, &vec![0x55; BODY_LEN_MAX - 4 - 24 - 36 - 8]);
    writer.integrity(&key);
    writer.integrity_sha256(&key_sha256);
    writer.fingerprint();
    assert_eq!(writer.finish(), Ok(20 + BODY_LEN_MAX));
    let message = Message::parse(&buf).expect("the largest message");
    assert!(message.verify_integrity(&key) && message.verify_integrity_sha256(&key_sha256));
    assert!(message.has(AttributeType::FINGERPRINT) && message.fingerprint_holds());
    assert_eq!(message.offset(AttributeType::FINGERPRINT), Some(buf.len() - 4));
}

/// An attribute without a value may be the last thing in the largest message.
#[test]
fn an_empty_attribute_at_the_very_end_is_seen() {
    let mut buf = vec![0; 20 + BODY_LEN_MAX];
    let mut writer = Writer::new(&mut buf, REQUEST, ID);
    writer.attribute(AttributeType::DATA, &vec![0; BODY_LEN_MAX - 8]);
    writer.attribute(AttributeType::DONT_FRAGMENT, b"");
    assert_eq!(writer.finish(), Ok(20 + BODY_LEN_MAX));
    let message = Message::parse(&buf).expect("the largest message");
    assert_eq!(message.value(AttributeType::DONT_FRAGMENT), Some(b"".as_slice()));
}

/// STUN-022, RFC 8489 section 14.
#[test]
fn padding_is_zero_whatever_the_buffer_held() {
    for len in 0..=16_usize {
        let mut buf = [0xFF; 64];
        let end = one_attribute(&mut buf, AttributeType::SOFTWARE, &vec![0x55; len]).expect("room for all");
        assert_eq!(end, 24 + len.next_multiple_of(4));
        assert!(buf[24..24 + len].iter().all(|byte| *byte == 0x55));
        assert!(buf[24 + len..end].iter().all(|byte| *byte == 0), "{len} bytes");
    }
}

/// RFC 8489 section 14.8.
#[test]
fn an_error_code_has_its_phrase_when_asked() {
    for (with_phrase, value) in [(true, b"\0\0\x04\x01Unauthorized".as_slice()), (false, b"\0\0\x04\x01")] {
        let mut buf = [0; 64];
        let mut writer = Writer::new(&mut buf, REQUEST, ID);
        writer.error_code(ErrorCode::UNAUTHENTICATED, with_phrase);
        let len = writer.finish().expect("room for all");
        let message = Message::parse(&buf[..len]).expect("a message");
        assert_eq!(message.value(AttributeType::ERROR_CODE), Some(value));
    }
    assert_eq!(ErrorCode::UNAUTHENTICATED.to_string(), "401 Unauthorized");
}

/// RFC 8489 sections 14.8 and 14.13, RFC 8656 section 19.
#[test]
fn every_error_code_of_the_server_comes_back() {
    for (code, number) in [
        (ErrorCode::TRY_ALTERNATE, 300),
        (ErrorCode::BAD_REQUEST, 400),
        (ErrorCode::UNAUTHENTICATED, 401),
        (ErrorCode::FORBIDDEN, 403),
        (ErrorCode::UNKNOWN_ATTRIBUTE, 420),
        (ErrorCode::ALLOCATION_MISMATCH, 437),
        (ErrorCode::STALE_NONCE, 438),
        (ErrorCode::ADDRESS_FAMILY_NOT_SUPPORTED, 440),
        (ErrorCode::WRONG_CREDENTIALS, 441),
        (ErrorCode::UNSUPPORTED_TRANSPORT, 442),
        (ErrorCode::PEER_ADDRESS_FAMILY_MISMATCH, 443),
        (ErrorCode::ALLOCATION_QUOTA_REACHED, 486),
        (ErrorCode::SERVER_ERROR, 500),
        (ErrorCode::INSUFFICIENT_CAPACITY, 508),
    ] {
        assert_eq!(code.code(), number);
        assert!(!code.phrase().is_empty());
        let mut buf = [0; 128];
        let mut writer = Writer::new(&mut buf, REQUEST, ID);
        writer.error_code(code, true);
        let len = writer.finish().expect("room for all");
        let message = Message::parse(&buf[..len]).expect("a message");
        let value = message.value(AttributeType::ERROR_CODE).expect("ERROR-CODE");
        assert_eq!(ErrorCode::decode(value), Some(code));
        assert_eq!(&value[4..], code.phrase().as_bytes());
    }
}

/// RFC 8489 sections 14.1 and 14.15: as it is, not XORed.
#[test]
fn an_alternate_server_stands_there_as_it_is() {
    let v6: &[u8] = &[0, 2, 0x14, 0xE5, 0x20, 0x01, 0x0D, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x07];
    for (server, value) in [("198.51.100.7:3478", &[0, 1, 0x0D, 0x96, 198, 51, 100, 7][..]), ("[2001:db8::7]:5349", v6)]
    {
        let server = server.parse().expect("an address");
        let mut buf = [0xFF; 64];
        let mut writer = Writer::new(&mut buf, REQUEST, ID);
        writer.address(AttributeType::ALTERNATE_SERVER, server);
        let len = writer.finish().expect("room for all");
        let message = Message::parse(&buf[..len]).expect("a message");
        assert_eq!(message.value(AttributeType::ALTERNATE_SERVER), Some(value));
        assert_eq!(decode(value), Ok(server));
    }
}

fn unknown_attributes(types: &[u16]) -> Vec<u16> {
    let mut buf = [0; 512];
    let mut writer = Writer::new(&mut buf, REQUEST, ID);
    writer.unknown_attributes(types.iter().copied().map(AttributeType));
    let len = writer.finish().expect("room for all");
    let message = Message::parse(&buf[..len]).expect("a message");
    let value = message.value(AttributeType::UNKNOWN_ATTRIBUTES).expect("UNKNOWN-ATTRIBUTES");
    value.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect()
}

/// RFC 8489 section 14.13.
#[test]
fn unknown_attributes_names_each_type_once_in_order() {
    assert!(unknown_attributes(&[]).is_empty());
    assert_eq!(unknown_attributes(&[0x7F00]), [0x7F00]);
    assert_eq!(unknown_attributes(&[0x7F02, 0x7F00, 0x7F02, 0x7F01, 0x7F00]), [0x7F02, 0x7F00, 0x7F01]);
    // Two types whose bytes also stand across the border of two others.
    assert_eq!(unknown_attributes(&[0x0102, 0x0304, 0x0203]), [0x0102, 0x0304, 0x0203]);
}

#[test]
fn unknown_attributes_stops_at_128_types() {
    let types: Vec<u16> = (0x1000..0x1200).collect();
    assert_eq!(unknown_attributes(&types), types[..128]);
}

/// STUN-017 at codec level, RFC 8489 section 6.3.1.
#[test]
fn the_unknown_types_of_a_request_go_into_the_answer() {
    let bytes = raw::binding(&raw::body(&[
        (0x7F01, b"x"),
        (AttributeType::SOFTWARE.0, b"client"),
        (0xFF01, b"optional"),
        (0x7F00, b""),
        (0x7F01, b"again"),
    ]));
    let request = Message::parse(&bytes).expect("a message");
    assert_eq!(request.unknown_required().map(|kind| kind.0).collect::<Vec<_>>(), [0x7F01, 0x7F00, 0x7F01]);
    let mut buf = [0; 64];
    let mut writer = Writer::new(&mut buf, REQUEST, ID);
    writer.unknown_attributes(request.unknown_required());
    let len = writer.finish().expect("room for all");
    assert_eq!(buf[20..len], [0x00, 0x0A, 0x00, 0x04, 0x7F, 0x01, 0x7F, 0x00]);
}

/// RFC 8656 section 12.4.
#[test]
fn channel_data_headers_are_number_and_length() {
    assert_eq!(ChannelData::header(ChannelNumber(0x4001), 5), [0x40, 0x01, 0x00, 0x05]);
    assert_eq!(ChannelData::header(ChannelNumber(0x7FFF), u16::MAX), [0x7F, 0xFF, 0xFF, 0xFF]);
}
