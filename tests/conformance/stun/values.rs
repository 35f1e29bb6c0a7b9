//! The values of attributes: names of any length, addresses, reserved bits.

use turnserver::stun::{AttributeType, ErrorCode, Method};

use crate::draft::Draft;
use crate::peer::Peer;
use crate::probe::Probe;
use crate::target::Target;
use crate::wire::Launch;

pub(super) fn stun_026_long_user_names_are_parsed() {
    let mut probe = Probe::udp();
    let reply = probe.ask(&Draft::allocate().instead(AttributeType::USERNAME, &[b'u'; 763]));
    assert_eq!(reply.code(), 401);
    assert!(!reply.has(AttributeType::USERNAME), "a server sends none, so none of 509 bytes");
    for len in [764, 765, 1000, 1300] {
        let reply = probe.ask(&Draft::allocate().instead(AttributeType::USERNAME, &[b'u'; 1300][..len]));
        assert!(matches!(reply.code(), 400 | 401), "{len} bytes: {}", reply.code());
        assert!(!reply.has(AttributeType::USERNAME));
    }
    assert!(!probe.ask(&Draft::allocate()).has(AttributeType::USERNAME));
}

pub(super) fn stun_027_long_realms_and_nonces_are_parsed() {
    let mut probe = Probe::udp();
    let code = probe.code(&Draft::allocate().instead(AttributeType::NONCE, &[b'n'; 763]));
    assert!(matches!(code, 401 | 438), "{code}");
    assert_eq!(Probe::udp().code(&Draft::allocate().instead(AttributeType::REALM, &[b'r'; 763])), 401);
    for _ in 0..1000 {
        let reply = probe.ask(&Draft::allocate().bare());
        for kind in [AttributeType::REALM, AttributeType::NONCE] {
            let text = reply.text(kind);
            let is_qdtext = |c: char| c != '"' && c != '\\' && !c.is_control();
            assert!(!text.is_empty() && text.chars().count() < 128 && text.chars().all(is_qdtext), "{text:?}");
        }
    }
}

pub(super) fn stun_029_reserved_bits_are_ignored() {
    let (mut probe, peer) = (Probe::udp(), Peer::new());
    let relayed = probe.allocate();
    let draft = Draft::request(Method::CREATE_PERMISSION).peer(peer.addr());
    let mut value = xor_peer(&draft);
    value[0] = 0xFF;
    let mut marked = Draft::request(Method::CREATE_PERMISSION);
    marked.id = draft.id;
    assert_eq!(probe.code(&marked.with(AttributeType::XOR_PEER_ADDRESS, &value)), 0);
    peer.send(relayed, b"let in");
    assert_eq!(probe.receive(), crate::wire::Received::Indication(peer.addr(), b"let in".to_vec()));
    // A server receives no errors; the reader is the client tool's as well.
    let marked = ErrorCode::decode(&[0xFF, 0xFF, 0xF8 | 4, 38]);
    assert_eq!(marked, Some(ErrorCode::STALE_NONCE));
}

/// The first XOR-PEER-ADDRESS of a draft.
fn xor_peer(draft: &Draft) -> Vec<u8> {
    let bytes = draft.bytes(None);
    crate::probe::reparse(&bytes).value(AttributeType::XOR_PEER_ADDRESS).expect("a peer").to_vec()
}

pub(super) fn stun_030_an_address_has_the_length_of_its_family() {
    let mut probe = Probe::udp();
    probe.allocate();
    let v4 = |family: u8| [&[0, family, 0x33, 0x33][..], &[0x55; 4]].concat();
    let v6 = |family: u8| [&[0, family, 0x33, 0x33][..], &[0x55; 16]].concat();
    let values = [v4(0), v4(3), v4(0xFF), v6(1), v6(0), v6(3), v6(0xFF), v4(2)];
    for value in values {
        let draft = Draft::request(Method::CREATE_PERMISSION).with(AttributeType::XOR_PEER_ADDRESS, &value);
        assert_eq!(probe.code(&draft), 400, "{value:02x?}");
    }
}

pub(super) fn stun_037_a_known_value_of_a_wrong_size_is_refused() {
    let mut probe = Probe::udp();
    for len in [3, 8] {
        let draft = Draft::allocate().with(AttributeType::LIFETIME, &[0, 0, 2, 0x58, 0, 0, 0, 0][..len]);
        assert_eq!(probe.code(&draft), 400, "LIFETIME of {len} bytes");
    }
    let draft = Draft::request(Method::ALLOCATE).with(AttributeType::REQUESTED_TRANSPORT, &[17]);
    assert_eq!(probe.code(&draft), 400);
    // ALLOC-022: of EVEN-PORT the first byte counts, since a client sent it with four.
    let draft = Draft::allocate().with(AttributeType::EVEN_PORT, &[0; 4]);
    let reply = probe.ask(&draft);
    if Target::get().is_ours() {
        assert_eq!((reply.code(), reply.relayed().port() % 2), (0, 0));
    } else {
        assert!(matches!(reply.code(), 0 | 400), "{}", reply.code());
    }
}

pub(super) fn stun_034_answers_fit_any_path() {
    const IPV4_MAX: usize = 548;
    // Challenges that offer algorithms, and tickets of mobility, are still to come: what they will take stays free.
    const RESERVED: usize = 40 + 4 + 32;
    let realm = "r".repeat(127);
    let file = format!(
        "realm = {realm:?}\nuser = [\"alice:wonderland-7\"]\nsoftware-attribute = true\ninclude-reason-string = true\n\
         fingerprint = true\nallowed-peer-ip = [\"127.0.0.1\", \"::1\"]"
    );
    let server = Launch::new(&[]).with_file(&file).listening_on(&["127.0.0.1", "::1"]).start();
    let v6 = (std::net::Ipv6Addr::LOCALHOST, server.addr.port()).into();
    for (addr, most) in [(server.addr, IPV4_MAX), (v6, 1232)] {
        let mut probe = Probe::over(crate::wire::Link::udp(addr));
        let many = |draft: Draft| (0x7000..0x7100).fold(draft, |draft, kind| draft.with(AttributeType(kind), b""));
        let drafts = [
            (0, Draft::request(Method::BINDING)),
            (420, many(Draft::request(Method::BINDING))),
            (401, Draft::allocate().bare()),
            (438, Draft::allocate().instead(AttributeType::NONCE, b"nobody's")),
            (420, many(Draft::allocate())),
            (0, Draft::allocate().with(AttributeType::ADDITIONAL_ADDRESS_FAMILY, &[2, 0, 0, 0])),
            (437, Draft::allocate()),
            (0, Draft::request(Method::REFRESH).lifetime(0)),
        ];
        for (code, draft) in drafts {
            let reply = probe.ask(&draft);
            assert_eq!(reply.code(), code);
            let len = reply.message().bytes().len();
            assert!(len + RESERVED <= most, "an answer {code} of {len} bytes to {addr}");
        }
    }
}
