//! stun-rs as a second opinion: what both codecs read, they read alike. It is stricter than ours in most respects and
//! knows fewer types; what it refuses says nothing.

use std::net::SocketAddr;

use stun_rs::{DecoderContextBuilder, MessageDecoderBuilder, StunAttribute};
use turnserver::stun::address::{BadAddress, decode, decode_xor};
use turnserver::stun::{AttributeType, ErrorCode, Message};

/// Reads the message with stun-rs, seals not verified, and compares.
pub(super) fn check(message: &Message<'_>) {
    let context = DecoderContextBuilder::default().with_unknown_data().build();
    let decoder = MessageDecoderBuilder::default().with_context(context).build();
    let Ok((theirs, len)) = decoder.decode(message.bytes()) else { return };
    assert_eq!(len, message.bytes().len());
    assert_eq!(theirs.transaction_id().as_bytes(), &message.id().0);
    let kind = stun_rs::MessageType::new(theirs.method(), theirs.class()).as_u16();
    assert_eq!(kind, message.kind().bits());
    let ours = before_seals(message.attributes().map(|(kind, _)| kind));
    let counted =
        before_seals(theirs.attributes().iter().map(|theirs| AttributeType(theirs.attribute_type().as_u16())));
    assert_eq!(ours, counted, "as many attributes up to MESSAGE-INTEGRITY");
    // Theirs shows repeated attributes as they come, and what may stand behind MESSAGE-INTEGRITY.
    for ((kind, value), theirs) in message.attributes().zip(theirs.attributes()) {
        assert_eq!(theirs.attribute_type().as_u16(), kind.0);
        compare(message, value, theirs);
    }
}

/// How many there are before MESSAGE-INTEGRITY, and before FINGERPRINT, which ours does not list.
fn before_seals(kinds: impl Iterator<Item = AttributeType>) -> usize {
    kinds.take_while(|kind| ![AttributeType::MESSAGE_INTEGRITY, AttributeType::FINGERPRINT].contains(kind)).count()
}

/// Theirs overlooks what stands behind a value; our readers refuse it.
fn compare(message: &Message<'_>, value: &[u8], theirs: &StunAttribute) {
    let xored = |theirs: &SocketAddr| is_exact(decode_xor(value, &message.id()), *theirs, value);
    match theirs {
        StunAttribute::XorMappedAddress(address) => xored(address.socket_address()),
        StunAttribute::XorRelayedAddress(address) => xored(address.socket_address()),
        StunAttribute::XorPeerAddress(address) => xored(address.socket_address()),
        StunAttribute::MappedAddress(address) => is_exact(decode(value), *address.socket_address(), value),
        StunAttribute::LifeTime(secs) => assert!(value.starts_with(&secs.as_u32().to_be_bytes())),
        StunAttribute::ChannelNumber(number) => assert_eq!(value[..2], number.number().to_be_bytes()),
        StunAttribute::Data(data) => assert_eq!(value, data.as_bytes()),
        StunAttribute::ReservationToken(token) => assert!(value.starts_with(token.token())),
        StunAttribute::ErrorCode(error) => {
            let ours = ErrorCode::decode(value).map(|code| code.code());
            assert_eq!(ours, Some(error.error_code().error_code()));
        }
        StunAttribute::Unknown(unknown) => assert_eq!(value, unknown.attribute_data().unwrap_or_default()),
        _ => {}
    }
}

fn is_exact(ours: Result<SocketAddr, BadAddress>, theirs: SocketAddr, value: &[u8]) {
    match ours {
        Ok(ours) => assert_eq!(ours, theirs),
        Err(BadAddress) => assert!(value.len() > if theirs.is_ipv4() { 8 } else { 20 }, "{theirs} was refused"),
    }
}
