//! One description of a message, and both codecs' ways from and to it: ours, and stun-rs, which shares no line with it.

use std::net::SocketAddr;

use stun_rs::attributes::{stun, turn};
use stun_rs::{
    Algorithm, AlgorithmId, DecoderContextBuilder, HMACKey, MessageClass, MessageDecoderBuilder, MessageEncoderBuilder,
    MessageMethod, StunAttribute, StunMessage, StunMessageBuilder,
};
use turnserver::stun::{
    AttributeType, Class, ErrorCode, IntegrityKey, IntegrityKeySha256, Message, MessageType, TransactionId, Writer,
    address,
};

/// An attribute by its meaning.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Attribute {
    Username(String),
    Realm(String),
    Nonce(String),
    Software(String),
    Userhash([u8; 32]),
    PasswordAlgorithm(u16),
    PasswordAlgorithms(Vec<u16>),
    MappedAddress(SocketAddr),
    AlternateServer(SocketAddr),
    XorMappedAddress(SocketAddr),
    XorRelayedAddress(SocketAddr),
    XorPeerAddress(SocketAddr),
    Lifetime(u32),
    ChannelNumber(u16),
    Data(Vec<u8>),
    RequestedTransportUdp,
    RequestedAddressFamily(u8),
    AdditionalAddressFamily(u8),
    EvenPort(bool),
    ReservationToken([u8; 8]),
    DontFragment,
    ErrorCode(u16, String),
    AddressErrorCode(u8, u16, String),
    UnknownAttributes(Vec<u16>),
    Integrity,
    IntegritySha256,
    Fingerprint,
    /// Of a type that the reader does not know; stun-rs cannot write these.
    Other(u16, Vec<u8>),
}

/// A message by its meaning.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Described {
    pub(crate) kind: u16,
    pub(crate) id: [u8; 12],
    pub(crate) attributes: Vec<Attribute>,
}

const UDP: u8 = 17;

fn class_theirs(class: Class) -> MessageClass {
    match class {
        Class::Request => MessageClass::Request,
        Class::Indication => MessageClass::Indication,
        Class::Success => MessageClass::SuccessResponse,
        Class::Error => MessageClass::ErrorResponse,
    }
}

/// Four bytes for each algorithm: its number and the length of its parameters, of which none has any.
fn algorithms(numbers: &[u16]) -> Vec<u8> {
    numbers.iter().flat_map(|number| u32::from(*number).rotate_left(16).to_be_bytes()).collect()
}

fn error_value(first: u8, code: u16, phrase: &str) -> Vec<u8> {
    let mut value = vec![first, 0, (code / 100) as u8, (code % 100) as u8];
    value.extend(phrase.as_bytes());
    value
}

/// Writes with our codec.
pub(crate) fn write_ours(described: &Described, key: &[u8]) -> Vec<u8> {
    let mut buf = vec![0xAA; 8192];
    let kind = MessageType::from_bits(described.kind).expect("14 bits");
    let id = TransactionId(described.id);
    let mut writer = Writer::new(&mut buf, kind, id);
    described.attributes.iter().for_each(|attribute| append_ours(&mut writer, attribute, key));
    let len = writer.finish().expect("the buffer is large enough");
    buf.truncate(len);
    buf
}

fn append_ours(writer: &mut Writer<'_>, attribute: &Attribute, key: &[u8]) {
    use AttributeType as Type;
    let mut plain = |kind, address| {
        let mut value = [0; 20];
        let len = address::encode(address, &mut value);
        writer.attribute(kind, &value[..len]);
    };
    match attribute {
        Attribute::MappedAddress(address) => plain(Type::MAPPED_ADDRESS, *address),
        Attribute::AlternateServer(address) => plain(Type::ALTERNATE_SERVER, *address),
        Attribute::Username(text) => writer.attribute(Type::USERNAME, text.as_bytes()),
        Attribute::Realm(text) => writer.attribute(Type::REALM, text.as_bytes()),
        Attribute::Nonce(text) => writer.attribute(Type::NONCE, text.as_bytes()),
        Attribute::Software(text) => writer.attribute(Type::SOFTWARE, text.as_bytes()),
        Attribute::Userhash(hash) => writer.attribute(Type::USERHASH, hash),
        Attribute::PasswordAlgorithm(number) => writer.attribute(Type::PASSWORD_ALGORITHM, &algorithms(&[*number])),
        Attribute::PasswordAlgorithms(numbers) => writer.attribute(Type::PASSWORD_ALGORITHMS, &algorithms(numbers)),
        Attribute::XorMappedAddress(address) => writer.xor_address(Type::XOR_MAPPED_ADDRESS, *address),
        Attribute::XorRelayedAddress(address) => writer.xor_address(Type::XOR_RELAYED_ADDRESS, *address),
        Attribute::XorPeerAddress(address) => writer.xor_address(Type::XOR_PEER_ADDRESS, *address),
        Attribute::Lifetime(seconds) => writer.attribute_u32(Type::LIFETIME, *seconds),
        Attribute::ChannelNumber(number) => writer.attribute_u32(Type::CHANNEL_NUMBER, u32::from(*number) << 16),
        Attribute::Data(data) => writer.attribute(Type::DATA, data),
        Attribute::RequestedTransportUdp => writer.attribute(Type::REQUESTED_TRANSPORT, &[UDP, 0, 0, 0]),
        Attribute::RequestedAddressFamily(family) => {
            writer.attribute(Type::REQUESTED_ADDRESS_FAMILY, &[*family, 0, 0, 0]);
        }
        Attribute::AdditionalAddressFamily(family) => {
            writer.attribute(Type::ADDITIONAL_ADDRESS_FAMILY, &[*family, 0, 0, 0]);
        }
        Attribute::EvenPort(reserve) => writer.attribute(Type::EVEN_PORT, &[u8::from(*reserve) << 7]),
        Attribute::ReservationToken(token) => writer.attribute(Type::RESERVATION_TOKEN, token),
        Attribute::DontFragment => writer.attribute(Type::DONT_FRAGMENT, &[]),
        Attribute::ErrorCode(code, phrase) => {
            let value = error_value(0, *code, phrase);
            match ErrorCode::decode(&value).filter(|code| code.phrase() == phrase) {
                Some(code) => writer.error_code(code, true),
                None => writer.attribute(Type::ERROR_CODE, &value),
            }
        }
        Attribute::AddressErrorCode(family, code, phrase) => {
            writer.attribute(Type::ADDRESS_ERROR_CODE, &error_value(*family, *code, phrase));
        }
        Attribute::UnknownAttributes(types) => writer.unknown_attributes(types.iter().copied().map(AttributeType)),
        Attribute::Integrity => writer.integrity(&IntegrityKey::new(key)),
        Attribute::IntegritySha256 => writer.integrity_sha256(&IntegrityKeySha256::new(key)),
        Attribute::Fingerprint => writer.fingerprint(),
        Attribute::Other(kind, value) => writer.attribute(AttributeType(*kind), value),
    }
}

/// Reads with our codec and verifies the seals.
pub(crate) fn read_ours(bytes: &[u8], key: &[u8]) -> Described {
    let message = Message::parse(bytes).expect("a message");
    let mut attributes: Vec<_> =
        message.attributes().map(|(kind, value)| describe_ours(&message, kind, value)).collect();
    for kind in [AttributeType::MESSAGE_INTEGRITY_SHA256, AttributeType::FINGERPRINT] {
        if message.has(kind) && !message.attributes().any(|(shown, _)| shown == kind) {
            attributes.push(describe_ours(&message, kind, &[]));
        }
    }
    for attribute in &attributes {
        match attribute {
            Attribute::Integrity => assert!(message.verify_integrity(&IntegrityKey::new(key))),
            Attribute::IntegritySha256 => assert!(message.verify_integrity_sha256(&IntegrityKeySha256::new(key))),
            Attribute::Fingerprint => assert!(message.fingerprint_holds()),
            _ => {}
        }
    }
    Described { kind: message.kind().bits(), id: message.id().0, attributes }
}

fn describe_ours(message: &Message<'_>, kind: AttributeType, value: &[u8]) -> Attribute {
    use AttributeType as Type;
    let text = || String::from_utf8(value.to_vec()).expect("UTF-8");
    let words = || value.chunks_exact(2).map(|word| u16::from_be_bytes([word[0], word[1]]));
    let plain = || address::decode(value).expect("an address");
    let xored = || address::decode_xor(value, &message.id()).expect("an address");
    let error = || (ErrorCode::decode(value).expect("an error").code(), text_of(&value[4..]));
    match kind {
        Type::USERNAME => Attribute::Username(text()),
        Type::REALM => Attribute::Realm(text()),
        Type::NONCE => Attribute::Nonce(text()),
        Type::SOFTWARE => Attribute::Software(text()),
        Type::USERHASH => Attribute::Userhash(value.try_into().expect("32 bytes")),
        Type::PASSWORD_ALGORITHM => Attribute::PasswordAlgorithm(words().next().expect("a number")),
        Type::PASSWORD_ALGORITHMS => Attribute::PasswordAlgorithms(words().step_by(2).collect()),
        Type::MAPPED_ADDRESS => Attribute::MappedAddress(plain()),
        Type::ALTERNATE_SERVER => Attribute::AlternateServer(plain()),
        Type::XOR_MAPPED_ADDRESS => Attribute::XorMappedAddress(xored()),
        Type::XOR_RELAYED_ADDRESS => Attribute::XorRelayedAddress(xored()),
        Type::XOR_PEER_ADDRESS => Attribute::XorPeerAddress(xored()),
        Type::LIFETIME => Attribute::Lifetime(u32::from_be_bytes(value.try_into().expect("4 bytes"))),
        Type::CHANNEL_NUMBER => Attribute::ChannelNumber(words().next().expect("a number")),
        Type::DATA => Attribute::Data(value.to_vec()),
        Type::REQUESTED_TRANSPORT if value == [UDP, 0, 0, 0] => Attribute::RequestedTransportUdp,
        Type::REQUESTED_ADDRESS_FAMILY => Attribute::RequestedAddressFamily(value[0]),
        Type::ADDITIONAL_ADDRESS_FAMILY => Attribute::AdditionalAddressFamily(value[0]),
        Type::EVEN_PORT => Attribute::EvenPort(value[0] == 0x80),
        Type::RESERVATION_TOKEN => Attribute::ReservationToken(value.try_into().expect("8 bytes")),
        Type::DONT_FRAGMENT => Attribute::DontFragment,
        Type::ERROR_CODE => Attribute::ErrorCode(error().0, error().1),
        Type::ADDRESS_ERROR_CODE => Attribute::AddressErrorCode(value[0], error().0, error().1),
        Type::UNKNOWN_ATTRIBUTES => Attribute::UnknownAttributes(words().collect()),
        Type::MESSAGE_INTEGRITY => Attribute::Integrity,
        Type::MESSAGE_INTEGRITY_SHA256 => Attribute::IntegritySha256,
        Type::FINGERPRINT => Attribute::Fingerprint,
        other => Attribute::Other(other.0, value.to_vec()),
    }
}

fn text_of(value: &[u8]) -> String {
    String::from_utf8(value.to_vec()).expect("UTF-8")
}

/// Writes with stun-rs.
pub(crate) fn write_theirs(described: &Described, key: &HMACKey) -> Vec<u8> {
    let kind = MessageType::from_bits(described.kind).expect("14 bits");
    let method = MessageMethod::try_from(kind.method.0).expect("12 bits");
    let message = StunMessageBuilder::new(method, class_theirs(kind.class)).with_transaction_id(described.id.into());
    let message = described
        .attributes
        .iter()
        .fold(message, |message, attribute| message.with_attribute(attribute_theirs(attribute, key)))
        .build();
    let mut buf = vec![0xAA; 8192];
    let len = MessageEncoderBuilder::default().build().encode(&mut buf, &message).expect("stun-rs writes it");
    buf.truncate(len);
    buf
}

fn attribute_theirs(attribute: &Attribute, key: &HMACKey) -> StunAttribute {
    let algorithm = |number: u16| stun::PasswordAlgorithm::new(Algorithm::from(AlgorithmId::from(number)));
    let family = |family: u8| stun_rs::AddressFamily::try_from(family).expect("a family");
    let error = |code, phrase: &str| stun_rs::ErrorCode::new(code, phrase).expect("a code");
    match attribute {
        Attribute::Username(text) => stun::UserName::new(text).expect("a name").into(),
        Attribute::Realm(text) => stun::Realm::new(text).expect("a realm").into(),
        Attribute::Nonce(text) => stun::Nonce::new(text).expect("a nonce").into(),
        Attribute::Software(text) => stun::Software::new(text).expect("a text").into(),
        Attribute::Userhash(_) => panic!("stun-rs makes USERHASH from a name only"),
        Attribute::Other(kind, _) => panic!("stun-rs cannot write {kind:#06x}"),
        Attribute::PasswordAlgorithm(number) => algorithm(*number).into(),
        Attribute::PasswordAlgorithms(numbers) => {
            stun::PasswordAlgorithms::from(numbers.iter().copied().map(algorithm).collect::<Vec<_>>()).into()
        }
        Attribute::MappedAddress(address) => stun::MappedAddress::from(*address).into(),
        Attribute::AlternateServer(address) => stun::AlternateServer::from(*address).into(),
        Attribute::XorMappedAddress(address) => stun::XorMappedAddress::from(*address).into(),
        Attribute::XorRelayedAddress(address) => turn::XorRelayedAddress::from(*address).into(),
        Attribute::XorPeerAddress(address) => turn::XorPeerAddress::from(*address).into(),
        Attribute::Lifetime(seconds) => turn::LifeTime::from(*seconds).into(),
        Attribute::ChannelNumber(number) => turn::ChannelNumber::new(*number).into(),
        Attribute::Data(data) => turn::Data::new(data).into(),
        Attribute::RequestedTransportUdp => turn::RequestedTrasport::default().into(),
        Attribute::RequestedAddressFamily(number) => turn::RequestedAddressFamily::new(family(*number)).into(),
        Attribute::AdditionalAddressFamily(number) => turn::AdditionalAddressFamily::new(family(*number)).into(),
        Attribute::EvenPort(reserve) => turn::EvenPort::new(*reserve).into(),
        Attribute::ReservationToken(token) => turn::ReservationToken::from(token).into(),
        Attribute::DontFragment => turn::DontFragment::default().into(),
        Attribute::ErrorCode(code, phrase) => stun::ErrorCode::new(error(*code, phrase)).into(),
        Attribute::AddressErrorCode(number, code, phrase) => {
            turn::AddressErrorCode::new(family(*number), error(*code, phrase)).into()
        }
        Attribute::UnknownAttributes(types) => stun::UnknownAttributes::from(types.as_slice()).into(),
        Attribute::Integrity => stun::MessageIntegrity::new(key.clone()).into(),
        Attribute::IntegritySha256 => stun::MessageIntegritySha256::new(key.clone()).into(),
        Attribute::Fingerprint => stun::Fingerprint::default().into(),
    }
}

/// Decodes with stun-rs, which verifies MESSAGE-INTEGRITY, MESSAGE-INTEGRITY-SHA256 and FINGERPRINT on the way.
pub(crate) fn decode_theirs(bytes: &[u8], key: Option<&HMACKey>) -> Result<StunMessage, String> {
    let context = DecoderContextBuilder::default().with_unknown_data().with_validation();
    let context = key.into_iter().fold(context, |context, key| context.with_key(key.clone())).build();
    let decoder = MessageDecoderBuilder::default().with_context(context).build();
    let (message, len) = decoder.decode(bytes).map_err(|error| error.to_string())?;
    if len == bytes.len() { Ok(message) } else { Err(format!("{len} of {} bytes taken", bytes.len())) }
}

/// Reads with stun-rs, seals verified.
pub(crate) fn read_theirs(bytes: &[u8], key: &HMACKey) -> Described {
    let message = decode_theirs(bytes, Some(key)).expect("stun-rs reads and verifies it");
    let kind = stun_rs::MessageType::new(message.method(), message.class()).as_u16();
    let attributes = message.attributes().iter().map(describe_theirs).collect();
    Described { kind, id: *message.transaction_id().as_bytes(), attributes }
}

fn describe_theirs(attribute: &StunAttribute) -> Attribute {
    let family = |family| match family {
        stun_rs::AddressFamily::IPv4 => address::FAMILY_IPV4,
        stun_rs::AddressFamily::IPv6 => address::FAMILY_IPV6,
    };
    match attribute {
        StunAttribute::UserName(name) => Attribute::Username(name.as_str().to_owned()),
        StunAttribute::Realm(realm) => Attribute::Realm(realm.as_str().to_owned()),
        StunAttribute::Nonce(nonce) => Attribute::Nonce(nonce.as_str().to_owned()),
        StunAttribute::Software(software) => Attribute::Software(software.as_str().to_owned()),
        StunAttribute::UserHash(hash) => Attribute::Userhash(hash.hash().try_into().expect("32 bytes")),
        StunAttribute::PasswordAlgorithm(algorithm) => Attribute::PasswordAlgorithm(algorithm.algorithm().into()),
        StunAttribute::PasswordAlgorithms(algorithms) => {
            Attribute::PasswordAlgorithms(algorithms.iter().map(|algorithm| algorithm.algorithm().into()).collect())
        }
        StunAttribute::MappedAddress(address) => Attribute::MappedAddress(*address.socket_address()),
        StunAttribute::AlternateServer(address) => Attribute::AlternateServer(*address.socket_address()),
        StunAttribute::XorMappedAddress(address) => Attribute::XorMappedAddress(*address.socket_address()),
        StunAttribute::XorRelayedAddress(address) => Attribute::XorRelayedAddress(*address.socket_address()),
        StunAttribute::XorPeerAddress(address) => Attribute::XorPeerAddress(*address.socket_address()),
        StunAttribute::LifeTime(seconds) => Attribute::Lifetime(seconds.as_u32()),
        StunAttribute::ChannelNumber(number) => Attribute::ChannelNumber(number.number()),
        StunAttribute::Data(data) => Attribute::Data(data.as_bytes().to_vec()),
        StunAttribute::RequestedTrasport(transport) if transport.protocol() == UDP => Attribute::RequestedTransportUdp,
        StunAttribute::RequestedAddressFamily(value) => Attribute::RequestedAddressFamily(family(value.family())),
        StunAttribute::AdditionalAddressFamily(value) => Attribute::AdditionalAddressFamily(family(value.family())),
        StunAttribute::EvenPort(even) => Attribute::EvenPort(even.reserve()),
        StunAttribute::ReservationToken(token) => {
            Attribute::ReservationToken(token.token().try_into().expect("8 bytes"))
        }
        StunAttribute::DontFragment(_) => Attribute::DontFragment,
        StunAttribute::ErrorCode(error) => {
            Attribute::ErrorCode(error.error_code().error_code(), error.error_code().reason().to_owned())
        }
        StunAttribute::AddressErrorCode(error) => Attribute::AddressErrorCode(
            family(error.family()),
            error.error_code().error_code(),
            error.error_code().reason().to_owned(),
        ),
        StunAttribute::UnknownAttributes(types) => Attribute::UnknownAttributes(types.iter().copied().collect()),
        StunAttribute::MessageIntegrity(_) => Attribute::Integrity,
        StunAttribute::MessageIntegritySha256(_) => Attribute::IntegritySha256,
        StunAttribute::Fingerprint(_) => Attribute::Fingerprint,
        StunAttribute::Unknown(unknown) => {
            Attribute::Other(unknown.attribute_type().as_u16(), unknown.attribute_data().unwrap_or_default().to_vec())
        }
        other => panic!("{other:?} is described nowhere"),
    }
}
