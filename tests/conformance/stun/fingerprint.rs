//! FINGERPRINT.

use turnserver::stun::{AttributeType, Method};

use crate::draft::Draft;
use crate::peer::Peer;
use crate::probe::Probe;
use crate::wire::Reply;

fn binding() -> Draft {
    Draft::request(Method::BINDING)
}

pub(super) fn stun_012_a_wrong_fingerprint_is_discarded() {
    for (_, mut probe) in Probe::over_each() {
        for draft in [binding(), Draft::allocate().bare(), Draft::allocate()] {
            let mut bytes = probe.bytes(&draft.fingerprint());
            let last = bytes.last_mut().expect("bytes");
            *last ^= 1;
            probe.is_mute(&bytes);
        }
    }
}

pub(super) fn stun_013_fingerprint_is_not_required() {
    let mut probe = Probe::udp();
    assert_eq!(probe.code(&binding()), 0);
    assert_eq!(probe.code(&Draft::allocate().bare()), 401);
    assert_eq!(probe.code(&Draft::allocate()), 0);
}

pub(super) fn stun_014_fingerprint_is_last_and_covers_the_length() {
    let (mut probe, peer) = (Probe::udp(), Peer::new());
    let drafts = [
        binding(),
        binding().with(AttributeType(0x7F00), b""),
        Draft::allocate().bare(),
        Draft::allocate().without(AttributeType::NONCE),
        Draft::allocate().instead(AttributeType::NONCE, b"nobody's"),
        Draft::allocate().with(AttributeType(0x7F00), b""),
        Draft::allocate(),
        Draft::allocate(),
        Draft::request(Method::CREATE_PERMISSION).peer(peer.addr()),
        Draft::request(Method::CHANNEL_BIND).channel(0x4000).peer(peer.addr()),
        Draft::request(Method::REFRESH).lifetime(0),
    ];
    let codes: Vec<u16> = drafts.into_iter().map(|draft| sealed_code(&mut probe, &draft)).collect();
    assert_eq!(codes, [0, 420, 401, 400, 438, 420, 0, 437, 0, 0, 0]);
}

/// The code of the answer to a draft with FINGERPRINT, whose own is computed anew.
fn sealed_code(probe: &mut Probe, draft: &Draft) -> u16 {
    let reply: Reply = probe.ask(&draft.clone().fingerprint());
    let message = reply.message();
    let bytes = message.bytes();
    let (covered, attribute) = bytes.split_at(bytes.len() - 8);
    assert_eq!(attribute[..4], [0x80, 0x28, 0, 4], "FINGERPRINT is the last attribute");
    assert_eq!(usize::from(u16::from_be_bytes([bytes[2], bytes[3]])), bytes.len() - 20);
    assert_eq!(attribute[4..], (crc32(covered) ^ 0x5354_554E).to_be_bytes(), "code {}", reply.code());
    reply.code()
}

/// CRC-32 of ITU V.42, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    let shift = |crc: u32| if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| shift(crc)))
}

pub(super) fn stun_015_nothing_stands_behind_fingerprint() {
    let mut probe = Probe::udp();
    // The value covers a length with and without what follows, so that only the order can be what is wrong.
    for counted in [8, 16] {
        let mut bytes = probe.bytes(&binding());
        bytes[3] = counted;
        let value = crc32(&bytes) ^ 0x5354_554E;
        bytes.extend([0x80, 0x28, 0, 4]);
        bytes.extend(value.to_be_bytes());
        bytes.extend([0x80, 0x22, 0, 4]);
        bytes.extend(b"name");
        bytes[3] = 16;
        probe.is_mute(&bytes);
    }
}
