//! MESSAGE-INTEGRITY and the key it is made with.

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use turnserver::auth::LongTermKey;
use turnserver::stun::{AttributeType, IntegrityKey, Message, Method, Writer};

use crate::draft::Draft;
use crate::probe::Probe;
use crate::stun::vectors;
use crate::target::Target;

/// HMAC-SHA1 over `message` up to MESSAGE-INTEGRITY, with a length in the header that ends behind its `len` bytes.
fn integrity_of(message: &[u8], len: usize, key: &[u8]) -> Vec<u8> {
    let mut covered = message.to_vec();
    let length = u16::try_from(message.len() - 20 + 4 + len).expect("a short message");
    covered[2..4].copy_from_slice(&length.to_be_bytes());
    let mut mac = Hmac::<Sha1>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(&covered);
    mac.finalize().into_bytes().to_vec()
}

pub(super) fn auth_014_integrity_is_followed_by_fingerprint() {
    let mut probe = Probe::udp();
    let key = probe.challenged().key();
    let drafts = [
        (0, Draft::allocate()),
        (437, Draft::allocate()),
        (420, Draft::request(Method::REFRESH).with(AttributeType(0x7F00), b"")),
        (0, Draft::request(Method::REFRESH).lifetime(0)),
    ];
    for (code, draft) in drafts {
        let reply = probe.ask(&draft.fingerprint());
        let message = reply.message();
        let at = message.offset(AttributeType::MESSAGE_INTEGRITY).expect("signed") - 4;
        assert_eq!((reply.code(), message.bytes().len()), (code, at + 24 + 8), "FINGERPRINT follows, and nothing else");
        let expected = integrity_of(&message.bytes()[..at], 20, key.raw());
        assert_eq!(reply.value(AttributeType::MESSAGE_INTEGRITY), Some(expected));
        assert!(reply.has(AttributeType::FINGERPRINT) && message.fingerprint_holds());
    }
    ["rfc5769-2.2-ipv4-response", "rfc5769-2.3-ipv6-response"].into_iter().for_each(passes_through_our_encoder);
}

/// The vectors are padded with spaces and our writer pads with zeros: that is the one difference before the seals, and
/// the seals are the vector's own when made over its bytes.
fn passes_through_our_encoder(name: &str) {
    let row = vectors::named(name);
    let (bytes, key) = (row.message().expect("a message"), row.hmac_key().expect("a key"));
    let message = Message::parse(&bytes).expect("a message");
    let mut written = [0; 200];
    let mut writer = Writer::new(&mut written, message.kind(), message.id());
    writer.attribute(AttributeType::SOFTWARE, message.value(AttributeType::SOFTWARE).expect("it has one"));
    writer.xor_address(AttributeType::XOR_MAPPED_ADDRESS, row.xor_mapped_address().expect("it has one"));
    writer.integrity(&IntegrityKey::new(&key));
    writer.fingerprint();
    let len = writer.finish().expect("room");
    let seals = message.offset(AttributeType::MESSAGE_INTEGRITY).expect("signed") - 4;
    assert_eq!(len, bytes.len(), "{name}");
    let padding: Vec<usize> = (0..seals).filter(|at| written[*at] != bytes[*at]).collect();
    assert_eq!(padding, [35], "{name}: the pad byte of an 11 byte name");
    assert_eq!((written[35], bytes[35]), (0, b' '), "{name}");
    assert_eq!(row.message_integrity(), Some(integrity_of(&bytes[..seals], 20, &key)), "{name}");
    assert!(message.verify_integrity(&IntegrityKey::new(&key)) && message.fingerprint_holds(), "{name}");
    let ours = Message::parse(&written[..len]).expect("a message");
    assert_eq!(ours.value(AttributeType::MESSAGE_INTEGRITY), Some(&integrity_of(&written[..seals], 20, &key)[..]));
    assert!(ours.fingerprint_holds());
}

pub(super) fn auth_015_the_key_of_md5() {
    let row = vectors::named("rfc8489-9.2.2-md5-key");
    assert_eq!(row.input.as_deref(), Some("user:realm:pass"));
    let key = LongTermKey::derive(b"user", b"realm", b"pass");
    assert_eq!(hex::encode(key.raw()), "8493fbc53ba582fb4c044c456bdc40eb");
    assert_eq!(row.md5_key().as_deref(), Some(&key.raw()[..]));
    let row = vectors::named("rfc5769-2.4-long-term-request");
    let text = |text: &Option<String>| text.clone().expect("the row has it").into_bytes();
    let key = LongTermKey::derive(&text(&row.username), &text(&row.realm), &text(&row.password));
    assert_eq!(hex::encode(key.raw()), "e8ca7ad59d5eb0518e312911d2dab2a9");
    let bytes = row.message().expect("a message");
    assert!(Message::parse(&bytes).expect("a message").verify_integrity(key.integrity()));
    // And on the wire: key and integrity of this row are made without a line of ours.
    let mut probe = Probe::udp();
    let credentials = probe.challenged().clone();
    let person = &Target::get().user;
    let parts = [person.name.as_bytes(), &credentials.realm, person.password.as_bytes()].join(&b':');
    let key: [u8; 16] = <md5::Md5 as md5::Digest>::digest(parts).into();
    let draft = Draft::allocate().without(AttributeType::MESSAGE_INTEGRITY);
    let mac = integrity_of(&draft.bytes(Some(&credentials)), 20, &key);
    let bytes = draft.behind(AttributeType::MESSAGE_INTEGRITY, &mac).bytes(Some(&credentials));
    assert_eq!(probe.ask_bytes(&bytes).map(|reply| reply.code()), Some(0));
}

pub(super) fn auth_029_integrity_has_twenty_bytes() {
    let mut probe = Probe::udp();
    let credentials = probe.challenged().clone();
    for len in [16_usize, 19, 21, 32] {
        let unsigned = Draft::allocate().without(AttributeType::MESSAGE_INTEGRITY);
        let before = unsigned.bytes(Some(&credentials));
        // Right as far as it goes, whichever length the header is thought to have.
        for counted in [len.next_multiple_of(4), 20] {
            let mut mac = integrity_of(&before, counted, credentials.key().raw());
            mac.resize(len, 0);
            let draft = unsigned.clone().behind(AttributeType::MESSAGE_INTEGRITY, &mac);
            let code = probe.ask_bytes(&draft.bytes(Some(&credentials))).map(|reply| reply.code());
            assert!(matches!(code, Some(400 | 401)), "{len} bytes: {code:?}");
        }
    }
}
