//! T12, T13, T25: what a message holds twice, behind its seal, or between its attributes.

use turnserver::auth::Scheme;
use turnserver::config::Profile;
use turnserver::stun::{AttributeType, Method, PasswordAlgorithm, TransactionId};
use turnserver::turn::DropReason;
use turnserver::turn::address::Transport;

use crate::world::{ALICE, Setup, TestClient, World, sock};

/// ORIGIN, a draft's.
const ORIGIN: AttributeType = AttributeType(0x802F);

fn allocated(world: &World) -> TestClient {
    let client = world.client();
    client.allocate().expect("an allocation");
    client
}

#[test]
fn t12_what_stands_behind_message_integrity_does_not_exist() {
    for profile in Profile::ALL {
        let world = World::of(profile);
        let client = allocated(&world);
        let peer = world.peer("8.8.4.4:5000");
        // The longer lifetime, the end of the allocation, a peer: all unsigned.
        for lifetime in [0, 3600] {
            let refresh = client.request(Method::REFRESH).behind(AttributeType::LIFETIME, &u32::to_be_bytes(lifetime));
            let reply = refresh.behind(ORIGIN, b"x").fingerprint().once().expect("an answer");
            assert_eq!((reply.code(), reply.lifetime()), (200, Some(600)), "{profile}");
        }
        let encoded = client.request(Method::CREATE_PERMISSION).peer(peer.addr());
        let id = encoded.transaction();
        let mut value = [0; 20];
        let len = turnserver::stun::address::encode_xor(peer.addr(), &id, &mut value);
        let smuggled = client.request(Method::CREATE_PERMISSION).id(id);
        let smuggled = smuggled.behind(AttributeType::XOR_PEER_ADDRESS, &value[..len]).fingerprint();
        assert_eq!(smuggled.code(), 400, "{profile}: no peer that counts");
        peer.send_to(client.relayed(), b"x");
        assert_eq!(client.received(), [], "{profile}");
        // A comprehension-required attribute that nobody knows is not seen there either.
        assert_eq!(client.request(Method::REFRESH).behind(AttributeType(0x7F00), &[]).code(), 200, "{profile}");
        // RFC 8489 sections 9.2.4 and 14.5: MESSAGE-INTEGRITY-SHA256 may stand there, and then is what counts.
        let both = client.request(Method::REFRESH).signed_as(&[Scheme::Unnamed, Scheme::Named(PasswordAlgorithm::Md5)]);
        assert_eq!(both.code(), 200, "{profile}");
        let wrong = client.request(Method::REFRESH).behind(AttributeType::MESSAGE_INTEGRITY_SHA256, &[7; 32]);
        assert_eq!(wrong.code(), 401, "{profile}");
    }
}

#[test]
fn t12_nothing_stands_behind_fingerprint() {
    let world = World::of(Profile::Default);
    let client = allocated(&world);
    let mut bytes = client.request(Method::REFRESH).fingerprint().bytes();
    bytes.extend_from_slice(&[0x00, 0x0D, 0x00, 0x04, 0, 0, 0, 0]);
    let len = (bytes.len() - 20) as u16;
    bytes[2..4].copy_from_slice(&len.to_be_bytes());
    world.drops();
    client.datagram(&bytes);
    assert_eq!((client.frames().len(), world.drops()), (0, vec![DropReason::Malformed]));
    assert_eq!(client.refresh(None), Ok(600));
}

#[test]
fn t13_of_two_attributes_the_first_counts() {
    let world = World::of(Profile::Default);
    let client = allocated(&world);
    let (first, second) = (world.peer("8.8.4.4:5000"), world.peer("8.8.8.8:5000"));
    assert_eq!(client.permit(&[first.addr(), second.addr()]), 200);
    client.indication(Method::SEND).peer(first.addr()).peer(second.addr()).data(b"1").data(b"2").dispatch();
    assert_eq!((first.received(), second.received().len()), (vec![b"1".to_vec()], 0));

    let lifetimes = client.request(Method::REFRESH).lifetime(700).lifetime(0).once().expect("an answer");
    assert_eq!((lifetimes.code(), lifetimes.lifetime()), (200, Some(700)));
    let name = |name: &str| client.request(Method::REFRESH).attribute(AttributeType::USERNAME, name.as_bytes());
    assert_eq!(name(ALICE.name).username(b"mallory").key(client.key()).code(), 200);
    assert_eq!(name("mallory").key(client.key()).code(), 401);
    let seal = AttributeType::MESSAGE_INTEGRITY;
    assert_eq!(client.request(Method::REFRESH).behind(seal, &[7; 20]).code(), 200);
    let forged = client.request(Method::REFRESH).attribute(seal, &[7; 20]).once().expect("an answer");
    assert_eq!(forged.code(), 400, "names behind the first seal do not exist");
    let bound = client.request(Method::CHANNEL_BIND).channel(0x4000).channel(0x4001).peer(first.addr());
    assert_eq!(bound.peer(second.addr()).code(), 200);
    client.channel_send(0x4000, b"x");
    client.channel_send(0x4001, b"x");
    assert_eq!((first.received().len(), second.received().len()), (1, 0));
}

/// The bytes between the attributes of a message, which nobody reads.
fn padding(message: &[u8]) -> Vec<u8> {
    let mut padding = Vec::new();
    let mut rest = &message[20..];
    while let &[_, _, high, low, ref value @ ..] = rest {
        let len = usize::from(u16::from_be_bytes([high, low]));
        let end = len.next_multiple_of(4);
        padding.extend_from_slice(&value[len..end]);
        rest = &value[end..];
    }
    padding
}

/// Every kind of answer, twice from equal servers: what differs would be memory that nobody wrote.
#[test]
fn t25_answers_hold_nothing_but_what_was_put_there() {
    let answers = |filler: u8| -> Vec<Vec<u8>> {
        let setup = Setup::with(Profile::Coturn, "include-reason-string = true\nsoftware-attribute = true");
        let world = setup.tune(|config| config.auth.realm = "r.org".to_owned()).build();
        // What went through before leaves no trace in what comes after.
        world.client().at("203.0.113.250:9").datagram(&[filler; 1200]);
        let client = world.client().at("203.0.113.9:9");
        let mut answers = Vec::new();
        for round in 0..2500u32 {
            let mut id = [0; 12];
            id[..4].copy_from_slice(&round.to_be_bytes());
            for method in [Method::BINDING, Method::ALLOCATE, Method::REFRESH] {
                client.request(method).id(TransactionId(id)).bare().dispatch();
            }
            client
                .request(Method::BINDING)
                .id(TransactionId(id))
                .attribute(AttributeType(0x7F00), &[])
                .bare()
                .dispatch();
            answers.extend(client.frames());
        }
        answers
    };
    let (first, second) = (answers(0x55), answers(0xAA));
    assert_eq!(first.len(), 10_000);
    assert!(first == second, "the same requests get the same bytes");
    let padding: Vec<u8> = first.iter().flat_map(|answer| padding(answer)).collect();
    assert!(padding.len() > 10_000 && padding.iter().all(|byte| *byte == 0), "{} bytes of padding", padding.len());
}

#[test]
fn t25_channel_data_is_padded_with_zeros() {
    let world = World::of(Profile::Default);
    let client = world.client().over(Transport::Tcp);
    client.allocate().expect("an allocation");
    let peer = world.peer("8.8.4.4:5000");
    assert_eq!(client.bind(0x4000, peer.addr()), 200);
    for len in 0..9 {
        peer.send_to(client.relayed(), &vec![0xEE; len]);
        let frame = client.frames().remove(0);
        assert_eq!(frame.len(), 4 + len.next_multiple_of(4));
        assert!(frame[4 + len..].iter().all(|byte| *byte == 0), "{len} bytes: {frame:02x?}");
    }
    assert_eq!(client.permit(&[sock("8.8.8.8:1")]), 200);
    for len in 0..9 {
        world.peer("8.8.8.8:1").send_to(client.relayed(), &vec![0xEE; len]);
        assert!(padding(&client.frames().remove(0)).iter().all(|byte| *byte == 0), "{len} bytes in an indication");
    }
}
