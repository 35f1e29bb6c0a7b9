//! Binding, and what a listener answers with silence (RFC 8489 sections 6.3 and 7, RFC 8656 sections 5 and 12).

use crate::world::{self, SERVER_V4, SERVER_V6, Setup, World, sock};
use turnserver::config::{AuthMode, Profile};
use turnserver::stun::{AttributeType, ErrorCode, Message, Method};
use turnserver::turn::DropReason;
use turnserver::turn::address::Transport;

const TRANSPORTS: [Transport; 3] = [Transport::Udp, Transport::Tcp, Transport::Tls];

/// A Binding request without attributes whose first two bytes are `kind`.
fn header(kind: u16) -> Vec<u8> {
    let mut bytes = kind.to_be_bytes().to_vec();
    bytes.extend_from_slice(&[0, 0, 0x21, 0x12, 0xA4, 0x42]);
    bytes.extend_from_slice(b"binding-test");
    bytes
}

/// `header` with a body and its length in the header.
fn message(kind: u16, body: &[u8]) -> Vec<u8> {
    let mut bytes = header(kind);
    bytes.extend_from_slice(body);
    bytes[2..4].copy_from_slice(&(body.len() as u16).to_be_bytes());
    bytes
}

// BIND-001, BIND-002, BIND-003, BIND-005, BIND-008, STUN-002, STUN-003
#[test]
fn binding_tells_every_client_its_address_and_nothing_else() {
    for profile in Profile::ALL {
        let world = World::of(profile);
        for transport in TRANSPORTS {
            for addr in ["203.0.113.9:4001", "[2a00:1::9]:4001"] {
                let client = world.client().over(transport).at(addr);
                let request = client.request(Method::BINDING).bare();
                let reply = request.once().expect("Binding is answered");
                assert_eq!(reply.code(), 200);
                assert_eq!(reply.kinds(), [AttributeType::XOR_MAPPED_ADDRESS]);
                assert_eq!(reply.mapped(), Some(sock(addr)));
                assert_eq!(reply.message().id(), request.transaction());
                assert_eq!(reply.bytes()[4..8], [0x21, 0x12, 0xA4, 0x42]);
                // Our rules: 32 bytes over IPv4, 44 over IPv6.
                assert_eq!(reply.bytes().len(), if sock(addr).is_ipv4() { 32 } else { 44 });
            }
        }
    }
}

// STUN-033, STUN-035
#[test]
fn the_same_binding_is_answered_the_same() {
    let client = World::of(Profile::Default).client();
    let request = client.request(Method::BINDING).bare();
    let first = request.once();
    assert_eq!(first, request.once());
    assert_eq!(first, request.once());
}

// BIND-006, STUN-013
#[test]
fn credentials_of_a_binding_are_not_looked_at() {
    let world = World::of(Profile::Default);
    let client = world.client().login(b"nobody", b"wrong");
    let reply = client.request(Method::BINDING).nonce(b"never issued").once().expect("an answer");
    assert_eq!((reply.code(), reply.is_signed()), (200, false));
    assert_eq!(world.lookups(), 0);
}

// BIND-011, STUN-014
#[test]
fn a_fingerprint_is_answered_with_a_fingerprint() {
    let client = World::of(Profile::Default).client();
    let reply = client.request(Method::BINDING).bare().fingerprint().once().expect("an answer");
    assert!(reply.has(AttributeType::FINGERPRINT) && reply.message().fingerprint_holds());
    assert_eq!(reply.bytes().len(), 40);
    let reply = client.request(Method::BINDING).bare().once().expect("an answer");
    assert!(!reply.has(AttributeType::FINGERPRINT));
}

// STUN-012
#[test]
fn a_wrong_fingerprint_is_met_with_silence() {
    let world = World::of(Profile::Default);
    let client = world.client();
    let mut bytes = client.request(Method::BINDING).bare().fingerprint().bytes();
    *bytes.last_mut().expect("a byte") ^= 1;
    client.datagram(&bytes);
    assert_eq!(client.frames(), Vec::<Vec<u8>>::new());
    assert_eq!(world.drops(), [DropReason::Fingerprint]);
}

// STUN-017, BIND-009, OLD-002, OLD-003, ALLOC-036
#[test]
fn unknown_required_attributes_of_a_binding_are_named() {
    let client = World::of(Profile::Default).client();
    for types in [vec![0x7F00], vec![0x7F00, 0x7F01, 0x7F02], vec![0x0024], vec![0x0025], vec![0x0002], vec![0x0003]] {
        let request = client.request(Method::BINDING).bare();
        let request =
            types.iter().fold(request, |request, kind| request.attribute(AttributeType(*kind), &[1, 2, 3, 4]));
        let reply = request.once().expect("an answer");
        assert_eq!(reply.code(), 420);
        assert_eq!(reply.kinds(), [AttributeType::ERROR_CODE, AttributeType::UNKNOWN_ATTRIBUTES]);
        let named: Vec<u8> = types.iter().flat_map(|kind: &u16| kind.to_be_bytes()).collect();
        assert_eq!(reply.value(AttributeType::UNKNOWN_ATTRIBUTES), Some(named));
    }
}

// STUN-016, STUN-020, BIND-009, BIND-012
#[test]
fn optional_and_unexpected_attributes_of_a_binding_are_ignored() {
    let client = World::of(Profile::Default).client();
    for kind in [0xC057, 0xFF05, 0xFFFF, 0x802A, 0x8025, 0x802F, 0x000C, 0x000D, 0x0018] {
        for len in [0, 1, 4, 500] {
            let request = client.request(Method::BINDING).bare().attribute(AttributeType(kind), &vec![7; len]);
            let reply = request.once().expect("an answer");
            assert_eq!((reply.code(), reply.bytes().len()), (200, 32), "{kind:#06x} of {len} bytes");
        }
    }
}

// BIND-010
#[test]
fn binding_beside_an_allocation_changes_nothing() {
    let world = World::of(Profile::Default);
    let client = world.client();
    client.allocate().expect("an allocation");
    world.advance(300);
    let before = world.export(0);
    assert_eq!(client.request(Method::BINDING).bare().fingerprint().code(), 200);
    assert!(world.export(0) == before);
    world.advance(301);
    assert_eq!(world.allocations(), 0, "600 seconds after it began");
}

// STUN-001, STUN-004, STUN-005, STUN-006, STUN-007, STUN-008, STUN-011, STUN-015, STUN-021, OLD-007, TRN-012
#[test]
fn what_is_no_request_of_ours_is_met_with_silence() {
    let fingerprint_then_more = {
        let client = World::of(Profile::Default).client();
        let mut bytes = client.request(Method::BINDING).bare().fingerprint().bytes();
        bytes.extend_from_slice(&[0x80, 0x22, 0, 0]);
        bytes[3] += 4;
        bytes
    };
    let truncated_attribute = message(1, &[0x80, 0x22, 0xFF, 0xFF, 0, 0, 0, 0]);
    let mut no_cookie = header(3);
    no_cookie[4] = 0;
    let mut odd_length = message(1, &[0, 0]);
    odd_length[3] = 2;
    let too_long = [header(1), vec![0; 4]].concat();
    let mut too_short = header(1);
    too_short[3] = 8;
    let mut cases: Vec<Vec<u8>> = vec![
        vec![],
        vec![0],
        header(1)[..19].to_vec(),
        no_cookie,
        odd_length,
        too_long,
        too_short,
        truncated_attribute,
    ];
    cases.push(fingerprint_then_more);
    for first in [4, 15, 16, 19, 20, 63, 80, 127, 128, 191, 192, 255] {
        let mut bytes = header(1);
        bytes[0] = first;
        cases.push(bytes);
    }
    // Binding indication and answers; methods that only differ in their high bits; indications that are requests
    // elsewhere, and the reverse.
    for kind in [0x0011, 0x0101, 0x0111, 0x0103, 0x0200, 0x3E0F, 0x0013, 0x0014, 0x0019, 0x0006, 0x0007, 0x0017] {
        cases.push(header(kind));
    }
    for profile in [Profile::Default, Profile::Hardened] {
        let world = World::of(profile);
        let client = world.client();
        client.allocate().expect("an allocation");
        for bytes in &cases {
            client.datagram(bytes);
            assert_eq!(client.frames(), Vec::<Vec<u8>>::new(), "{bytes:02x?}");
        }
        assert_eq!(world.drops().len(), cases.len() + 1, "each is counted; the Allocate waited for its user");
        assert_eq!(client.refresh(None), Ok(600), "and the allocation is as it was");
    }
}

// STUN-009; our rules: silence, coturn 400.
#[test]
fn unknown_methods_get_silence_and_400_from_the_coturn_profile() {
    for (profile, code) in [(Profile::Default, 0), (Profile::Hardened, 0), (Profile::Coturn, 400)] {
        let world = World::of(profile);
        let client = world.client();
        for method in [0x002, 0x005, 0x00D, 0x080, 0x00A, 0x00B, 0x0FF] {
            assert_eq!(client.request(Method(method)).bare().code(), code, "{method:#05x} bare");
            let signed = client.request(Method(method)).send();
            assert_eq!(signed.as_ref().map_or(0, world::Reply::code), code, "{method:#05x} signed");
            assert!(signed.is_none_or(|reply| !reply.is_signed()));
        }
    }
}

// Our rules; SEC-004: two servers, or one with itself, must not be made to talk.
#[test]
fn a_source_that_is_our_own_listener_gets_silence() {
    let world = World::of(Profile::Default);
    for addr in [SERVER_V4, SERVER_V6] {
        let client = world.client().at(addr);
        assert_eq!(client.request(Method::BINDING).bare().code(), 0);
        assert_eq!(client.request(Method::ALLOCATE).transport(17).bare().code(), 0);
    }
    assert_eq!(world.drops(), [DropReason::OwnListener; 4]);
}

// Our rules: no users, no secret: STUN only.
#[test]
fn without_users_only_binding_is_answered() {
    let world = Setup::of(Profile::Default).tune(|config| config.auth.mode = AuthMode::StunOnly).build();
    let client = world.client();
    assert_eq!(client.request(Method::BINDING).bare().code(), 200);
    for method in [Method::ALLOCATE, Method::REFRESH, Method::CREATE_PERMISSION, Method::CHANNEL_BIND] {
        assert_eq!(client.request(method).transport(17).bare().code(), 0, "{method:?}");
        assert_eq!(client.request(method).transport(17).nonce(b"x").code(), 0, "{method:?}");
    }
    assert_eq!(world.drops(), [DropReason::StunOnly; 8]);
}

// CONS-001, CONS-002, STUN-011: a STUN message that reaches a relayed address is data.
#[test]
fn a_binding_request_to_a_relayed_address_is_data() {
    let world = World::of(Profile::Default);
    let (client, peer) = (world.client(), world.peer("8.8.4.4:5000"));
    let relayed = client.allocate().expect("an allocation");
    assert_eq!(client.permit(&[peer.addr()]), 200);
    let binding = header(1);
    assert!(peer.send_to(relayed, &binding));
    assert_eq!(client.received(), [world::Received::Data { peer: peer.addr(), data: binding.clone() }]);
    assert_eq!(peer.received(), Vec::<Vec<u8>>::new());
    client.send_to(peer.addr(), &binding);
    assert_eq!(peer.received(), [binding]);
}

// SEC-019: linear time and no crash on 64 KiB of empty attributes; the 420 stays small.
#[test]
fn thousands_of_attributes_get_one_small_answer() {
    let client = World::of(Profile::Default).client();
    let many = |first: u16| {
        let request = client.request(Method::BINDING).bare();
        (0..16_000).fold(request, |request, kind| request.attribute(AttributeType(first + kind), &[]))
    };
    assert_eq!(many(0x9000).code(), 200);
    let reply = many(0x3000).once().expect("an answer");
    assert_eq!(reply.code(), 420);
    assert!(reply.bytes().len() <= 20 + 8 + 4 + 256, "{} bytes", reply.bytes().len());
    assert_eq!(
        ErrorCode::decode(&reply.value(AttributeType::ERROR_CODE).expect("a code")).map(ErrorCode::code),
        Some(420)
    );
    assert!(Message::parse(reply.bytes()).is_ok());
}
