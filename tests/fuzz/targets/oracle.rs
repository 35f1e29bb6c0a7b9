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
    let seal = AttributeType::MESSAGE_INTEGRITY.0;
    let ours = up_to(message.attributes().map(|(kind, _)| kind.0), seal);
    let counted = up_to(theirs.attributes().iter().map(|theirs| theirs.attribute_type().as_u16()), seal);
    assert_eq!(ours, counted, "as many attributes up to MESSAGE-INTEGRITY");
    // Theirs shows repeated attributes as they come, and what may stand behind MESSAGE-INTEGRITY.
    for ((kind, value), theirs) in message.attributes().zip(theirs.attributes()) {
        assert_eq!(theirs.attribute_type().as_u16(), kind.0);
        compare(message, value, theirs);
    }
}

/// How many there are up to the first of one kind, which is counted.
fn up_to(kinds: impl Iterator<Item = u16>, last: u16) -> usize {
    let mut kinds = kinds.peekable();
    let before = std::iter::from_fn(|| kinds.next_if(|kind| *kind != last)).count();
    before + usize::from(kinds.peek().is_some())
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
