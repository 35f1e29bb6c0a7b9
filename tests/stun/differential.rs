//! The codec against stun-rs, an independent one: each reads what the other writes, and both mean the same.

use crate::raw;
use std::net::{IpAddr, SocketAddr};

use crate::oracle::{Attribute, Described, decode_theirs, read_ours, read_theirs, write_ours, write_theirs};
use crate::vectors::{self, Vector};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use stun_rs::attributes::stun::{Nonce, UserHash, nonce_cookie::StunSecurityFeatures};
use stun_rs::{Algorithm, AlgorithmId, HMACKey, StunAttribute, StunAttributeType};
use turnserver::stun::{AttributeType, Class, IntegrityKey, Message, MessageType, Method, ParseError};

/// Rows of the vectors that stun-rs has no part in, and why.
const NOT_IN_ORACLE: [(&str, &str); 2] = [
    ("rfc7635-A-aes-256-gcm", "ACCESS-TOKEN is of no type it knows, and keys of raw bytes cannot be made"),
    ("rfc7635-A-aes-128-gcm", "ACCESS-TOKEN is of no type it knows, and keys of raw bytes cannot be made"),
];

/// RFC 7635 section 6.2.
const ACCESS_TOKEN: u16 = 0x001B;

fn long_term(username: &str, realm: &str, password: &str, algorithm: AlgorithmId) -> HMACKey {
    HMACKey::new_long_term(username, realm, password, Algorithm::from(algorithm)).expect("a key")
}

/// The key of a row, derived by stun-rs.
fn key_of(row: &Vector) -> HMACKey {
    let password = row.password.as_deref().expect("the row has a password");
    if row.credential.as_deref() == Some("short-term") {
        return HMACKey::new_short_term(password).expect("a key");
    }
    let algorithm = match row.hmac_key().expect("the row has a key").len() {
        32 => AlgorithmId::SHA256,
        _ => AlgorithmId::MD5,
    };
    let text = |field: &Option<String>| field.clone().expect("the row has long-term credentials");
    long_term(&text(&row.username), &text(&row.realm), password, algorithm)
}

fn check_message(row: &Vector, bytes: &[u8]) {
    let key = key_of(row);
    if Message::parse(bytes).is_err() {
        assert!(decode_theirs(bytes, Some(&key)).is_err(), "{} is rejected by both", row.name);
        return;
    }
    assert_eq!(Some(key.as_bytes().to_vec()), row.hmac_key(), "{}", row.name);
    assert_eq!(read_theirs(bytes, &key), read_ours(bytes, key.as_bytes()), "{}", row.name);
    let other = long_term("no", "such", "user", AlgorithmId::MD5);
    assert!(decode_theirs(bytes, Some(&other)).is_err(), "{} verifies with its key only", row.name);
}

fn check_types(row: &Vector) {
    let types = row.types.as_ref().expect("the row is a table");
    for bits in types.values().map(|bits| vectors::number(bits)) {
        let (ours, theirs) = (MessageType::from_bits(bits), stun_rs::MessageType::from(bits));
        assert_eq!(ours.map(|kind| kind.method.0), Some(theirs.method().as_u16()));
        assert_eq!(ours.map(MessageType::bits), Some(theirs.as_u16()));
    }
}

fn check_keys(row: &Vector) {
    let input = row.input.as_deref().expect("user:realm:pass");
    let [user, realm, pass] = input.split(':').collect::<Vec<_>>().try_into().expect("three parts");
    let key = |algorithm| Some(long_term(user, realm, pass, algorithm).as_bytes().to_vec());
    assert_eq!(key(AlgorithmId::MD5), row.md5_key());
    assert_eq!(key(AlgorithmId::SHA256), row.sha256_key());
    assert_eq!(UserHash::new(user, realm).ok().map(|hash| hash.hash().to_vec()), row.userhash_of_input());
}

/// RFC 8489 sections 9.2 and 18.1.
fn check_nonce_cookies(row: &Vector) {
    let prefix = row.prefix.as_deref().expect("the row has a prefix");
    let codes = row.bit0_leftmost_as_in_18_1.as_ref().expect("the row is a table");
    let (algorithms, anonymity) = (StunSecurityFeatures::PasswordAlgorithms, StunSecurityFeatures::UserNameAnonymity);
    let features = |name: &str| match name {
        "none" => None,
        "password_algorithms" => Some(algorithms.into()),
        "username_anonymity" => Some(anonymity.into()),
        "both" => Some(algorithms | anonymity),
        other => panic!("unknown feature {other}"),
    };
    assert_eq!(codes.len(), 4);
    for (name, code) in codes {
        let nonce = Nonce::new_nonce_cookie("rest", features(name)).expect("a nonce");
        assert_eq!(nonce.as_str(), format!("{prefix}{code}rest"), "{name}");
    }
}

/// How the password comes from the secret is no part of a codec.
fn check_rest_key(row: &Vector) {
    let username = row.username.as_deref().expect("a name with a timestamp");
    let password = row.password_hmac_sha1_base64.as_deref().expect("a password");
    let key = long_term(username, "example.org", password, AlgorithmId::MD5);
    assert_eq!(Some(key.as_bytes().to_vec()), row.rest_md5_key());
}

/// A row listed as beyond stun-rs must still be beyond it.
fn check_unknown(row: &Vector) {
    let token = row.token().expect("the row has a token");
    let bytes = raw::binding(&raw::body(&[(ACCESS_TOKEN, &token)]));
    let message = decode_theirs(&bytes, None).expect("an unknown attribute is skipped");
    assert!(message.attributes()[0].is_unknown(), "{}: stun-rs knows ACCESS-TOKEN: use it", row.name);
    assert_eq!(
        Message::parse(&bytes).map(|message| message.attributes().next()),
        Ok(Some((AttributeType(ACCESS_TOKEN), token.as_slice())))
    );
}

#[test]
fn every_vector_means_the_same_to_both_codecs() {
    for row in vectors::all() {
        match (row.name.as_str(), row.message()) {
            (name, _) if NOT_IN_ORACLE.iter().any(|(listed, _reason)| *listed == name) => check_unknown(&row),
            (_, Some(bytes)) => check_message(&row, &bytes),
            ("message-types", _) => check_types(&row),
            ("rfc8489-9.2.2-md5-key", _) => check_keys(&row),
            ("nonce-cookies", _) => check_nonce_cookies(&row),
            ("turn-rest-credential", _) => check_rest_key(&row),
            (other, _) => panic!("{other} is neither checked nor listed"),
        }
    }
}

/// Messages that the server must take as bytes, because coturn's clients send them, and that stun-rs rejects as a whole.
/// Each with the reason; when stun-rs learns to take one, its line goes into the properties below.
#[test]
fn messages_beyond_the_oracle_are_still_beyond_it() {
    let key = long_term("user", "realm", "pass", AlgorithmId::SHA256);
    let sealed = |kind: u16, value: &[u8]| {
        let attributes = vec![Attribute::Other(kind, value.to_vec()), Attribute::Integrity];
        write_ours(&Described { kind: 0x0001, id: raw::ID, attributes }, key.as_bytes())
    };
    let behind_seal = |kind: u16, value: &[u8]| {
        let attributes = vec![Attribute::Integrity, Attribute::Other(kind, value.to_vec())];
        write_ours(&Described { kind: 0x0001, id: raw::ID, attributes }, key.as_bytes())
    };
    let (username, realm, nonce) = (AttributeType::USERNAME.0, AttributeType::REALM.0, AttributeType::NONCE.0);
    for (reason, bytes) in [
        ("USERNAME must be an OpaqueString: not empty", sealed(username, b"")),
        ("USERNAME must be an OpaqueString: no control character", sealed(username, b"a\0b")),
        ("USERNAME must be an OpaqueString: no code point unassigned in its tables", sealed(username, "🦀".as_bytes())),
        ("USERNAME must be UTF-8", sealed(username, b"\xFF")),
        ("REALM must be quotable: no backslash at its end", sealed(realm, b"realm\\")),
        ("REALM must be quotable, by a grammar without RFC 3261's UTF8-NONASCII", sealed(realm, "é".as_bytes())),
        ("NONCE must be quotable: no double quote", sealed(nonce, b"a\"b")),
        ("SOFTWARE must be UTF-8", sealed(AttributeType::SOFTWARE.0, b"\xFF")),
        ("LIFETIME must be four bytes, where the server answers 400", sealed(AttributeType::LIFETIME.0, b"12")),
        ("what stands behind the seal is decoded before it is ignored", behind_seal(nonce, b"a\"b")),
        ("MESSAGE-INTEGRITY-SHA256 must be whole, where the server answers 401", sealed(0x001C, &[0; 16])),
    ] {
        let message = Message::parse(&bytes).unwrap_or_else(|error| panic!("{reason}: {error}"));
        assert!(message.bytes() == bytes, "{reason}");
        assert!(decode_theirs(&bytes, Some(&key)).is_err(), "{reason}: stun-rs takes it");
    }
}

fn address() -> impl Strategy<Value = SocketAddr> {
    (any::<IpAddr>(), any::<u16>()).prop_map(|(ip, port)| SocketAddr::new(ip, port))
}

fn family() -> impl Strategy<Value = u8> {
    select(vec![0x01, 0x02])
}

fn username() -> impl Strategy<Value = String> {
    prop_oneof!["[a-zA-Z0-9:@._~/+=-]{1,60}", "[a-zéüñマトリ]{1,20}"]
}

fn error() -> impl Strategy<Value = (u16, String)> {
    let listed = select(vec![(401, "Unauthorized"), (438, "Stale Nonce"), (508, "Insufficient Capacity")]);
    prop_oneof![listed.prop_map(|(code, phrase)| (code, phrase.to_owned())), (300..700_u16, "[ -~]{0,40}")]
}

type Part = BoxedStrategy<Vec<Attribute>>;

fn one(attribute: impl Strategy<Value = Attribute> + 'static) -> Part {
    attribute.prop_map(|attribute| vec![attribute]).boxed()
}

fn maybe(attribute: impl Strategy<Value = Attribute> + 'static) -> Part {
    option::of(attribute).prop_map(|attribute| attribute.into_iter().collect()).boxed()
}

fn password_algorithms() -> impl Strategy<Value = Attribute> {
    vec(any::<u16>(), 1..4).prop_map(Attribute::PasswordAlgorithms)
}

fn credentials() -> Vec<Part> {
    vec![
        one(username().prop_map(Attribute::Username)),
        one("[a-zA-Z0-9.-]{1,60}".prop_map(Attribute::Realm)),
        one("[a-zA-Z0-9+/=-]{1,120}".prop_map(Attribute::Nonce)),
        maybe(password_algorithms()),
        maybe(any::<u16>().prop_map(Attribute::PasswordAlgorithm)),
    ]
}

fn seals() -> Part {
    let integrity = select(vec![
        vec![],
        vec![Attribute::Integrity],
        vec![Attribute::IntegritySha256],
        vec![Attribute::Integrity, Attribute::IntegritySha256],
    ]);
    (integrity, any::<bool>())
        .prop_map(|(mut seals, fingerprint)| {
            seals.extend(fingerprint.then_some(Attribute::Fingerprint));
            seals
        })
        .boxed()
}

fn unknown_types() -> impl Strategy<Value = Attribute> {
    vec(any::<u16>(), 0..20).prop_map(|types| {
        let mut once = Vec::new();
        types.iter().for_each(|kind| {
            if !once.contains(kind) {
                once.push(*kind)
            }
        });
        Attribute::UnknownAttributes(once)
    })
}

fn peer() -> impl Strategy<Value = Attribute> {
    address().prop_map(Attribute::XorPeerAddress)
}

fn data() -> impl Strategy<Value = Attribute> {
    vec(any::<u8>(), 0..1500).prop_map(Attribute::Data)
}

/// What a request of a method says, without credentials.
fn request_parts(method: Method) -> Vec<Part> {
    match method {
        Method::ALLOCATE => vec![
            one(Just(Attribute::RequestedTransportUdp)),
            maybe(any::<u32>().prop_map(Attribute::Lifetime)),
            maybe(family().prop_map(Attribute::RequestedAddressFamily)),
            maybe(family().prop_map(Attribute::AdditionalAddressFamily)),
            maybe(any::<bool>().prop_map(Attribute::EvenPort)),
            maybe(any::<[u8; 8]>().prop_map(Attribute::ReservationToken)),
            maybe(Just(Attribute::DontFragment)),
        ],
        Method::REFRESH => vec![
            maybe(any::<u32>().prop_map(Attribute::Lifetime)),
            maybe(family().prop_map(Attribute::RequestedAddressFamily)),
        ],
        Method::CREATE_PERMISSION => vec![vec(peer(), 1..6).boxed()],
        Method::CHANNEL_BIND => vec![one(any::<u16>().prop_map(Attribute::ChannelNumber)), one(peer())],
        Method::SEND | Method::DATA => vec![one(peer()), one(data()), maybe(Just(Attribute::DontFragment))],
        _ => vec![],
    }
}

/// What an answer that succeeded says.
fn success_parts(method: Method) -> Vec<Part> {
    match method {
        Method::BINDING => vec![
            one(address().prop_map(Attribute::XorMappedAddress)),
            maybe(address().prop_map(Attribute::MappedAddress)),
        ],
        Method::ALLOCATE => vec![
            vec(address().prop_map(Attribute::XorRelayedAddress), 1..3).boxed(),
            one(address().prop_map(Attribute::XorMappedAddress)),
            one(any::<u32>().prop_map(Attribute::Lifetime)),
            maybe(any::<[u8; 8]>().prop_map(Attribute::ReservationToken)),
            maybe(
                (family(), error()).prop_map(|(family, (code, text))| Attribute::AddressErrorCode(family, code, text)),
            ),
        ],
        Method::REFRESH => vec![one(any::<u32>().prop_map(Attribute::Lifetime))],
        _ => vec![],
    }
}

/// What an answer that failed says.
fn error_parts() -> Vec<Part> {
    vec![
        one(error().prop_map(|(code, phrase)| Attribute::ErrorCode(code, phrase))),
        maybe(unknown_types()),
        maybe(address().prop_map(Attribute::AlternateServer)),
        maybe("[a-z.]{1,40}".prop_map(Attribute::Realm)),
        maybe("[a-zA-Z0-9+/]{1,40}".prop_map(Attribute::Nonce)),
        maybe(password_algorithms()),
    ]
}

/// A message that server and client exchange, with any valid values.
fn message() -> impl Strategy<Value = Described> {
    let methods = [
        Method::BINDING,
        Method::ALLOCATE,
        Method::REFRESH,
        Method::CREATE_PERMISSION,
        Method::CHANNEL_BIND,
        Method::SEND,
        Method::DATA,
    ];
    let classes = [Class::Request, Class::Indication, Class::Success, Class::Error];
    (select(methods.to_vec()), select(classes.to_vec()), any::<bool>()).prop_flat_map(
        |(method, class, authenticated)| {
            let mut parts = match class {
                Class::Request | Class::Indication => request_parts(method),
                Class::Success => success_parts(method),
                Class::Error => error_parts(),
            };
            if authenticated && class == Class::Request {
                parts.extend(credentials());
            }
            parts.push(maybe("[ -~]{0,60}".prop_map(Attribute::Software)));
            parts.push(seals());
            let kind = MessageType { method, class }.bits();
            (parts, any::<[u8; 12]>()).prop_map(move |(parts, id)| Described { kind, id, attributes: parts.concat() })
        },
    )
}

fn key() -> impl Strategy<Value = HMACKey> {
    let algorithm = select(vec![AlgorithmId::MD5, AlgorithmId::SHA256]);
    (username(), "[a-z.]{1,30}", "[!-~]{1,60}", algorithm)
        .prop_map(|(username, realm, password, algorithm)| long_term(&username, &realm, &password, algorithm))
}

/// Whether FINGERPRINT stands anywhere but whole and at the end, which stun-rs lets pass.
fn misplaced_fingerprint(message: &stun_rs::StunMessage, bytes: &[u8]) -> bool {
    let kind = stun_rs::attributes::stun::Fingerprint::get_type();
    let fingerprints = message.attributes().iter().filter(|attribute| attribute.attribute_type() == kind).count();
    let at_end = bytes.len() >= 28 && bytes[bytes.len() - 8..][..4] == [0x80, 0x28, 0x00, 0x04];
    fingerprints > usize::from(at_end)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn both_codecs_write_the_same_bytes(message in message(), key in key()) {
        prop_assert_eq!(hex::encode(write_ours(&message, key.as_bytes())), hex::encode(write_theirs(&message, &key)));
    }

    #[test]
    fn stun_rs_reads_and_verifies_what_we_write(message in message(), key in key()) {
        prop_assert_eq!(read_theirs(&write_ours(&message, key.as_bytes()), &key), message);
    }

    #[test]
    fn we_read_and_verify_what_stun_rs_writes(message in message(), key in key()) {
        prop_assert_eq!(read_ours(&write_theirs(&message, &key), key.as_bytes()), message);
    }

    /// stun-rs is the stricter reader, FINGERPRINT excepted; what it takes we take, and we see the same attributes.
    #[test]
    fn both_readers_see_the_same_of_a_mutated_message(
        message in message(),
        key in key(),
        mutations in vec((any::<Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = write_ours(&message, key.as_bytes());
        mutations.iter().for_each(|(index, value)| *index.get_mut(&mut bytes) = *value);
        let decoder = stun_rs::MessageDecoderBuilder::default().build();
        let Ok((theirs, len)) = decoder.decode(&bytes) else { return Ok(()) };
        prop_assume!(len == bytes.len());
        match Message::parse(&bytes) {
            Ok(ours) => {
                let shown = ours.attributes().map(|(kind, _)| kind);
                let seals = [AttributeType::MESSAGE_INTEGRITY_SHA256, AttributeType::FINGERPRINT];
                let behind = seals.into_iter().filter(|kind| ours.has(*kind) && ours.attributes().all(|(shown, _)| shown != *kind));
                let expected: Vec<u16> = theirs.attributes().iter().map(|attribute| attribute.attribute_type().as_u16()).collect();
                prop_assert_eq!(shown.chain(behind).map(|kind| kind.0).collect::<Vec<_>>(), expected);
            }
            Err(error) => {
                prop_assert_eq!(error, ParseError::Attribute);
                prop_assert!(misplaced_fingerprint(&theirs, &bytes));
            }
        }
    }

    /// What one of them verifies, the other verifies.
    #[test]
    fn both_verify_a_mutated_message_or_neither(message in message(), key in key(), bit in any::<Index>()) {
        let mut message = message;
        let seals = [Attribute::Integrity, Attribute::IntegritySha256, Attribute::Fingerprint];
        message.attributes.retain(|attribute| !seals.contains(attribute));
        message.attributes.push(Attribute::Integrity);
        let mut bytes = write_ours(&message, key.as_bytes());
        let bit = bit.index(bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        let ours = IntegrityKey::new(key.as_bytes());
        let ours = Message::parse(&bytes).is_ok_and(|message| message.verify_integrity(&ours));
        let theirs = decode_theirs(&bytes, Some(&key));
        let theirs = theirs.is_ok_and(|message| message.attributes().iter().any(StunAttribute::is_message_integrity));
        prop_assert_eq!(ours, theirs);
    }
}
