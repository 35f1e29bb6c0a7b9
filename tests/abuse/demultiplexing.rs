//! T24, T26, T44: bytes that are no message, or nearly one.

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use turnserver::config::Profile;
use turnserver::stun::{AttributeType, Method};
use turnserver::turn::DropReason;

use crate::world::{TestClient, World};

fn bound(world: &World) -> TestClient {
    let client = world.client();
    client.allocate().expect("an allocation");
    assert_eq!(client.bind(0x4000, world.peer("8.8.4.4:5000").addr()), 200);
    world.drops();
    client
}

/// What becomes of a datagram that nobody answers and nobody gets.
fn dropped(world: &World, client: &TestClient, datagram: &[u8]) -> DropReason {
    client.datagram(datagram);
    assert_eq!((client.frames().len(), world.peer("8.8.4.4:5000").received().len()), (0, 0), "{datagram:02x?}");
    world.drops()[0]
}

/// Over UDP; `slow_streams.rs` has the streams.
#[test]
fn t24_frames_that_do_not_fit_their_datagram_are_dropped() {
    let world = World::of(Profile::Default);
    let client = bound(&world);
    let channel = |len: u16, data: &[u8]| [&[0x40, 0x00][..], &len.to_be_bytes(), data].concat();
    // 35,510 bytes announced and 3 there: what leaked memory elsewhere.
    for datagram in [channel(35_510, b"abc"), channel(4, b"abc"), channel(65_535, b""), channel(1, b"")] {
        assert_eq!(dropped(&world, &client, &datagram), DropReason::Malformed);
    }
    for number in [0x4001, 0x4FFF, 0x5000, 0x7FFF_u16] {
        let datagram = [&number.to_be_bytes()[..], &[0, 1, b'x']].concat();
        assert_eq!(dropped(&world, &client, &datagram), DropReason::NoChannel, "{number:#x}");
    }
    let mut request = client.request(Method::BINDING).bare().bytes();
    for len in [1_u16, 2, 3, 4, 400, 65_532, 65_535] {
        request[2..4].copy_from_slice(&len.to_be_bytes());
        assert_eq!(dropped(&world, &client, &request), DropReason::Malformed, "a length of {len}");
    }
    // Sent without padding, with some, and empty: these are good.
    let peer = world.peer("8.8.4.4:5000");
    for (datagram, data) in [(channel(3, b"abc"), &b"abc"[..]), (channel(3, b"abc\0"), b"abc"), (channel(0, b""), b"")]
    {
        client.datagram(&datagram);
        assert_eq!(peer.received(), [data.to_vec()]);
    }
}

/// Every attribute at every length, at odd places, cut off at every byte. Beyond: the same on aarch64, which forgives
/// less.
#[test]
fn t26_no_attribute_is_too_odd() {
    let world = World::of(Profile::Default);
    let client = bound(&world);
    let mut rng = ChaCha12Rng::from_seed([26; 32]);
    for kind in (0..0x30).chain(0x8000..0x8033) {
        for len in (0..25).chain([63, 64, 255, 256, 763, 764]) {
            let mut value = vec![0; len];
            rng.fill_bytes(&mut value);
            for method in [Method::BINDING, Method::ALLOCATE, Method::CREATE_PERMISSION, Method::CHANNEL_BIND] {
                client.request(method).attribute(AttributeType(kind), &value).bare().dispatch();
            }
            client.indication(Method::SEND).attribute(AttributeType(kind), &value).data(b"x").dispatch();
        }
        client.request(Method::CHANNEL_BIND).attribute(AttributeType(kind), &[0xFF; 20]).dispatch();
    }
    let whole = client.request(Method::CREATE_PERMISSION).peer(world.peer("8.8.8.8:1").addr()).fingerprint().bytes();
    for end in 0..whole.len() {
        // At another place in memory each time.
        let shifted = [&vec![0; end % 4][..], &whole[..end]].concat();
        client.datagram(&shifted[end % 4..]);
        let mut announced = whole[..end].to_vec();
        if let Some(len) = end.checked_sub(20) {
            announced[2..4].copy_from_slice(&(len as u16).to_be_bytes());
        }
        client.datagram(&announced);
        // Each length field of the message, wrapped around.
        let mut wrapped = whole.clone();
        wrapped[end] = 0xFF;
        client.datagram(&wrapped);
    }
    client.frames();
    world.events();
    assert_eq!(client.refresh(None), Ok(600), "the client and its allocation are as they were");
}

/// RFC 7983 section 7: the first byte tells what a datagram is, whatever follows. The row has ten million random
/// datagrams; here it is 100,000 per profile, some 390 of each first byte.
#[test]
fn t44_the_first_byte_decides() {
    const DATAGRAMS: u32 = 100_000;
    for profile in [Profile::Default, Profile::Coturn] {
        let world = World::of(profile);
        let client = bound(&world);
        let mut rng = ChaCha12Rng::from_seed([44; 32]);
        let mut bytes = [0; 64];
        for round in 0..DATAGRAMS {
            rng.fill_bytes(&mut bytes);
            bytes[0] = round as u8;
            let datagram = &bytes[..1 + rng.next_u32() as usize % bytes.len()];
            client.datagram(datagram);
            let reasons = world.drops();
            let expected: &[DropReason] = match datagram[0] {
                0x00..=0x03 => &[DropReason::NotStun, DropReason::Malformed, DropReason::Fingerprint],
                0x40..=0x7F => &[DropReason::Malformed, DropReason::NoChannel],
                _ => &[DropReason::NotStun],
            };
            assert!(reasons.len() == 1 && expected.contains(&reasons[0]), "{reasons:?} for {datagram:02x?}");
        }
        assert_eq!((client.frames().len(), client.refresh(None)), (0, Ok(600)), "{profile}");
    }
}
