//! Keys and passwords against published and derived vectors (RFC 8489 section 9.2.2, RFC 5769 section 2.4, TURN REST).

use serde_json::Value;
use turnserver::auth::{LongTermKey, Scheme, rest};
use turnserver::stun::{AttributeType, IntegrityKey, Message, PasswordAlgorithm, Writer};

/// Every row of the shared file.
fn vectors() -> Vec<Value> {
    let file: Value = serde_json::from_str(include_str!("../vectors/vectors.json")).expect("JSON");
    file["vectors"].as_array().expect("rows").clone()
}

fn named(name: &str) -> Value {
    vectors().into_iter().find(|row| row["name"] == name).unwrap_or_else(|| panic!("no vector {name}"))
}

fn text<'a>(row: &'a Value, field: &str) -> &'a str {
    row[field].as_str().unwrap_or_else(|| panic!("{} has no {field}", row["name"]))
}

fn bytes(row: &Value, field: &str) -> Vec<u8> {
    hex::decode(text(row, field)).expect("hexadecimal")
}

// AUTH-015, and RFC 8489 section 18.5.1.
#[test]
fn the_keys_are_digests_of_name_realm_and_password() {
    let row = named("rfc8489-9.2.2-md5-key");
    let [name, realm, password] = text(&row, "input").split(':').collect::<Vec<_>>()[..] else { panic!("three parts") };
    let key = LongTermKey::derive(name.as_bytes(), realm.as_bytes(), password.as_bytes());
    assert_eq!(key.raw()[..], bytes(&row, "md5"));
    assert_eq!(key.raws().sha256.expect("of a password")[..], bytes(&row, "sha256"));
}

// AUTH-015: RFC 5769 section 2.4, whose password is given as SASLprep leaves it, and every derived message of an MD5 key.
#[test]
fn messages_of_md5_users_verify_and_nobody_elses_key_does() {
    let mut seen = Vec::new();
    for row in vectors() {
        let is_md5 = row["hmac_key"].as_str().is_some_and(|key| key.len() == 32);
        if !is_md5 || row["username"].is_null() {
            continue;
        }
        let message = bytes(&row, "hex");
        let message = Message::parse(&message).expect("a message");
        if !message.has(AttributeType::MESSAGE_INTEGRITY) {
            continue;
        }
        let (name, realm) = (text(&row, "username").as_bytes(), text(&row, "realm").as_bytes());
        let key = LongTermKey::derive(name, realm, text(&row, "password").as_bytes());
        assert_eq!(key.raw()[..], bytes(&row, "hmac_key"), "{}", row["name"]);
        assert!(message.verify_integrity(key.integrity()), "{}", row["name"]);
        for wrong in [
            LongTermKey::derive(name, realm, b"wrong"),
            LongTermKey::derive(name, b"elsewhere", text(&row, "password").as_bytes()),
            LongTermKey::derive(b"nobody", realm, text(&row, "password").as_bytes()),
            LongTermKey::from_raw([0; 16]),
        ] {
            assert!(!message.verify_integrity(wrong.integrity()), "{}", row["name"]);
        }
        seen.push(text(&row, "name").to_owned());
    }
    assert_eq!(seen, ["rfc5769-2.4-long-term-request", "derived-allocate-legacy-md5"]);
}

/// How the message of a row is signed. Of the one without PASSWORD-ALGORITHM it is known from elsewhere.
fn scheme_of(row: &Value) -> Scheme {
    match (text(row, "name"), row["password_algorithm"].as_str()) {
        (_, Some("SHA-256")) | ("rfc8489-B.1-corrected-length", None) => Scheme::Named(PasswordAlgorithm::Sha256),
        (_, Some("MD5")) => Scheme::Named(PasswordAlgorithm::Md5),
        (_, None) => Scheme::Unnamed,
        (name, other) => panic!("{name}: {other:?}"),
    }
}

/// The message up to its last integrity attribute, sealed anew; FINGERPRINT if it has one.
fn sealed(message: &Message<'_>, key: &LongTermKey, scheme: Scheme) -> Vec<u8> {
    let seal = match scheme {
        Scheme::Unnamed => AttributeType::MESSAGE_INTEGRITY,
        Scheme::Named(_) => AttributeType::MESSAGE_INTEGRITY_SHA256,
    };
    let mut bytes = vec![0; 1000];
    let mut writer = Writer::new(&mut bytes, message.kind(), message.id());
    let before = message.attributes().take_while(|(kind, _)| *kind != seal);
    before.for_each(|(kind, value)| writer.attribute(kind, value));
    key.seal(scheme).sign(&mut writer);
    if message.has(AttributeType::FINGERPRINT) {
        writer.fingerprint();
    }
    let len = writer.finish().expect("it fits");
    bytes.truncate(len);
    bytes
}

// RFC 8489 sections 9.2.2 and 9.2.4: every long-term message of the file, of either algorithm.
#[test]
fn messages_verify_under_their_algorithm_and_are_sealed_alike() {
    let mut seen = Vec::new();
    for row in vectors() {
        let (Some(name), Some(_)) = (row["username"].as_str(), row["hmac_key"].as_str()) else { continue };
        let (realm, password) = (text(&row, "realm").as_bytes(), text(&row, "password").as_bytes());
        let key = LongTermKey::derive(name.as_bytes(), realm, password);
        let vector = bytes(&row, "hex");
        let name = text(&row, "name");
        let Ok(message) = Message::parse(&vector) else {
            // Its length is wrong, but not its key.
            assert_eq!(key.raws().sha256.expect("of a password")[..], bytes(&row, "hmac_key"), "{name}");
            continue;
        };
        let scheme = scheme_of(&row);
        assert_eq!(key_bytes(&key, scheme), bytes(&row, "hmac_key"), "{name}");
        for other in [Scheme::Unnamed, Scheme::Named(PasswordAlgorithm::Md5), Scheme::Named(PasswordAlgorithm::Sha256)]
        {
            // To name nothing is to name MD5.
            let is_right = other.algorithm() == scheme.algorithm();
            assert_eq!(key.verifies(&message, other), is_right, "{name}: {other:?}");
            let wrong = LongTermKey::derive(text(&row, "username").as_bytes(), realm, b"wrong");
            assert!(!wrong.verifies(&message, other), "{name}: {other:?}");
        }
        if message.has(AttributeType::MESSAGE_INTEGRITY) {
            assert!(message.verify_integrity(&IntegrityKey::new(&key_bytes(&key, scheme))), "{name}: the older one");
        }
        assert_eq!(sealed(&message, &key, scheme), vector, "{name}");
        seen.push(name.to_owned());
    }
    let expected = [
        "rfc5769-2.4-long-term-request",
        "rfc8489-B.1-corrected-length",
        "derived-allocate-sha256-username",
        "derived-allocate-sha256-userhash",
        "derived-allocate-sha256-both-integrities",
        "derived-allocate-md5-chosen",
        "derived-allocate-legacy-md5",
    ];
    assert_eq!(seen, expected);
}

/// The key that a scheme is about.
fn key_bytes(key: &LongTermKey, scheme: Scheme) -> Vec<u8> {
    match scheme.algorithm() {
        PasswordAlgorithm::Md5 => key.raw().to_vec(),
        PasswordAlgorithm::Sha256 => key.raws().sha256.expect("of a password").to_vec(),
    }
}

// RFC 8489 section 9.2.2 and RFC 5389 section 15.4: one password, the keys of clients of both.
#[test]
fn a_password_beyond_ascii_has_the_keys_of_all_clients() {
    let row = named("rfc5769-2.4-long-term-request");
    let (name, realm) = (text(&row, "username").as_bytes(), text(&row, "realm").as_bytes());
    let raw = |keys: Vec<LongTermKey>| keys.iter().map(|key| *key.raw()).collect::<Vec<_>>();
    let of = |password: &str| *LongTermKey::derive(name, realm, password.as_bytes()).raw();
    let unprepared = "The\u{AD}M\u{AA}tr\u{2168}";
    let keys = raw(LongTermKey::candidates(name, realm, unprepared));
    assert_eq!(keys, [of(unprepared), of("TheMatrIX")]);
    assert_eq!(keys[1][..], bytes(&row, "hmac_key"));
    for (password, expected) in [
        ("wonderland-7", vec![of("wonderland-7")]),
        ("n\u{303}\u{A0}o", vec![of("\u{F1} o"), of("n\u{303}\u{A0}o")]),
        ("\"quoted\"", vec![of("quoted"), of("\"quoted\"")]),
        // SASLprep forbids control characters, so there is no key of it.
        ("a\u{1}\u{E9}", vec![of("a\u{1}\u{E9}")]),
    ] {
        assert_eq!(raw(LongTermKey::candidates(name, realm, password)), expected, "{password:?}");
    }
}

// coturn's databases, and `user=name:0x...`, hold the key itself.
#[test]
fn a_key_taken_over_is_the_key_derived() {
    let derived = LongTermKey::derive(b"user", b"realm", b"pass");
    assert_eq!(LongTermKey::from_raw(*derived.raw()).raw(), derived.raw());
}

// AUTH-020, SEC-018
#[test]
fn a_key_is_not_shown() {
    let key = LongTermKey::derive(b"user", b"realm", b"pass");
    assert_eq!(format!("{key:?} {:?}", key.integrity()), "LongTermKey(..) IntegrityKey(..)");
}

// REST-002
#[test]
fn a_rest_password_is_the_base64_of_an_hmac_over_the_name() {
    let row = named("turn-rest-credential");
    let (secret, name) = (text(&row, "secret").as_bytes(), text(&row, "username").as_bytes());
    assert_eq!(rest::password(secret, name), text(&row, "password_hmac_sha1_base64"));
    assert_eq!(rest::key(secret, name, b"example.org").raw()[..], bytes(&row, "hmac_key_md5_realm_example_org"));
    assert_ne!(rest::password(b"south", name), text(&row, "password_hmac_sha1_base64"));
}
