//! What hostile clients do to messages.

use crate::client::Parts;
use crate::dice::Dice;
use crate::proof::{PROMISE, Proof, Scheme, Seal};
use crate::wire;

/// One way to spoil a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trick {
    Truncated,
    Flipped,
    Spliced,
    Reordered,
    Doubled,
    AppendedAfterIntegrity,
    OtherUser,
    OtherClass,
    OtherMethod,
    OddChannel,
    Oversized,
    Random,
    FromOurListener,
    UnknownAttribute,
    LeftOut,
    WrongFingerprint,
    WrongLength,
    WrongFirstByte,
    Userhash,
    OtherRealm,
    Quoted,
    LongName,
    OddSize,
    OtherList,
    ListAlone,
    ChosenAlone,
    UnknownAlgorithm,
    ShortIntegrity,
    WeakerWrong,
    OtherPromise,
    OtherScheme,
}

const TRICKS: [Trick; 31] = [
    Trick::Truncated,
    Trick::Flipped,
    Trick::Spliced,
    Trick::Reordered,
    Trick::Doubled,
    Trick::AppendedAfterIntegrity,
    Trick::OtherUser,
    Trick::OtherClass,
    Trick::OtherMethod,
    Trick::OddChannel,
    Trick::Oversized,
    Trick::Random,
    Trick::FromOurListener,
    Trick::UnknownAttribute,
    Trick::LeftOut,
    Trick::WrongFingerprint,
    Trick::WrongLength,
    Trick::WrongFirstByte,
    Trick::Userhash,
    Trick::OtherRealm,
    Trick::Quoted,
    Trick::LongName,
    Trick::OddSize,
    Trick::OtherList,
    Trick::ListAlone,
    Trick::ChosenAlone,
    Trick::UnknownAlgorithm,
    Trick::ShortIntegrity,
    Trick::WeakerWrong,
    Trick::OtherPromise,
    Trick::OtherScheme,
];

impl Trick {
    pub(crate) fn draw(dice: &mut Dice) -> Trick {
        dice.pick(&TRICKS)
    }

    /// Spoils a message before it is signed.
    pub(crate) fn spoil_parts(self, dice: &mut Dice, parts: &mut Parts) {
        let count = parts.attributes.len();
        match self {
            Trick::Reordered if count > 1 => {
                let (from, to) = (dice.below(count), dice.below(count));
                parts.attributes.swap(from, to);
            }
            Trick::Doubled if count > 0 => {
                let mut twin = parts.attributes[dice.below(count)].clone();
                if dice.percent(50) {
                    twin.1.iter_mut().for_each(|byte| *byte = byte.wrapping_add(1));
                }
                parts.attributes.insert(dice.below(count + 1), twin);
            }
            Trick::OddSize if count > 0 => {
                let value = &mut parts.attributes[dice.below(count)].1;
                value.resize(dice.below(24), 7);
            }
            Trick::LeftOut if count > 0 => drop(parts.attributes.remove(dice.below(count))),
            Trick::OtherClass => parts.class = 1 + dice.below(3) as u8,
            Trick::OtherMethod => parts.method = dice.pick(&[0, 2, 5, 6, 7, 0xA, 0xB, 0xC, 0xFF, 0x123, 0xFFF]),
            Trick::UnknownAttribute => {
                let kinds = [0x0002, 0x7FFF, 0x0021, 0x002A, 0x8FFF, 0x802B, 0x001B];
                (0..1 + dice.below(3)).for_each(|_| parts.attributes.push((dice.pick(&kinds), vec![1, 2, 3])));
            }
            Trick::Oversized => parts.attributes.push((0x8FFE, vec![0; 4000 + dice.below(400)])),
            Trick::OtherUser => {
                parts.name = Some(dice.pick(&[&b"alice"[..], b"bob", b"mallory", b"", b"17:eve"]).to_vec())
            }
            Trick::Userhash => parts.attributes.push((wire::USERHASH, vec![9; 32])),
            Trick::OtherRealm => {
                parts.realm = dice.pick(&[&b"example.com"[..], b"", b"example.org ", b"Example.org"]).to_vec();
            }
            Trick::LongName => {
                let len = dice.pick(&[763, 764, 900]);
                match dice.below(3) {
                    0 => parts.name = Some(vec![b'a'; len]),
                    1 => parts.realm = vec![b'r'; len],
                    _ => parts.nonce = Some(vec![b'n'; len]),
                }
            }
            Trick::WrongFingerprint => parts.fingerprint = true,
            Trick::OtherPromise => parts.nonce = parts.nonce.take().map(|nonce| Trick::promise(dice, &nonce)),
            _ => self.spoil_proof(dice, parts),
        }
    }

    /// Names another password algorithm than the client, or spoils what names one and what signs by it.
    fn spoil_proof(self, dice: &mut Dice, parts: &mut Parts) {
        let named = dice.pick(&[Scheme::Md5, Scheme::Sha256]);
        let proof = match self {
            Trick::OtherList => {
                let lists = [
                    &[0, 1, 0, 0][..],
                    &[0, 2, 0, 0],
                    &[0, 1, 0, 0, 0, 2, 0, 0],
                    &[0, 2, 0, 0, 0, 1, 0, 0, 0, 3, 0, 0],
                    b"",
                ];
                Proof { list: Some(dice.pick(&lists).to_vec()), ..Proof::of(named) }
            }
            Trick::ListAlone => Proof { chosen: None, ..Proof::of(named) },
            Trick::ChosenAlone => Proof { list: None, ..Proof::of(named) },
            Trick::UnknownAlgorithm => {
                let chosen =
                    dice.pick(&[&[0, 3, 0, 0][..], &[0, 0, 0, 0], &[0, 2, 0, 1], &[0, 2], &[0, 2, 0, 4, 9, 9, 9, 9]]);
                Proof { chosen: Some(chosen.to_vec()), ..Proof::of(named) }
            }
            Trick::ShortIntegrity => {
                let mut proof = Proof::of(named);
                proof.seals[0].len = dice.pick(&[16, 20, 28]);
                proof
            }
            Trick::WeakerWrong => {
                let wrong = Seal { is_right: false, ..Seal::whole(wire::INTEGRITY) };
                let proof = Proof::of(dice.pick(&[Scheme::Unnamed, named]));
                Proof { seals: vec![wrong, Seal::whole(wire::INTEGRITY_SHA256)], ..proof }
            }
            Trick::OtherScheme => Proof::of(dice.pick(&[Scheme::Unnamed, named])),
            _ => return,
        };
        parts.proof = proof;
    }

    /// A nonce without its promise, or with another.
    fn promise(dice: &mut Dice, nonce: &[u8]) -> Vec<u8> {
        let own = nonce.strip_prefix(PROMISE).unwrap_or(nonce);
        let promise =
            dice.pick(&[&b""[..], b"obMatJos2AAAA", b"obMatJos2wAAA", b"obMatJos2QAAA", b"obMatJos2gAA", PROMISE]);
        [promise, own].concat()
    }

    /// Writes a name in quotes, with NULs behind it, or with something else that is not quite that.
    pub(crate) fn quote(dice: &mut Dice, name: &[u8]) -> Vec<u8> {
        let (front, back) = dice.pick(&[
            (&b"\""[..], &b"\""[..]),
            (b"", b"\0"),
            (b"", b"\0\0\0"),
            (b"\"", b"\"\0\0"),
            (b"\"", b""),
            (b"\"", b"\0\""),
            (b"\"\"", b"\"\""),
            (b"'", b"'"),
            (b"\0", b""),
        ]);
        [front, name, back].concat()
    }

    /// Spoils the bytes.
    pub(crate) fn spoil_bytes(self, dice: &mut Dice, bytes: &mut Vec<u8>, last: &[u8]) {
        let len = bytes.len();
        match self {
            Trick::Truncated => {
                bytes.truncate(dice.below(len));
                if dice.percent(50) && bytes.len() > 20 {
                    bytes.truncate(bytes.len() / 4 * 4);
                    set_length(bytes);
                }
            }
            Trick::Flipped => {
                for _ in 0..1 + dice.below(3) {
                    bytes[dice.below(len)] ^= 1 << dice.below(8);
                }
            }
            Trick::Spliced if last.len() > 24 => {
                let cut = 20 + dice.below(last.len().min(len).saturating_sub(20).max(1)) / 4 * 4;
                bytes.truncate(cut);
                bytes.extend_from_slice(&last[cut.min(last.len())..]);
                set_length(bytes);
            }
            Trick::AppendedAfterIntegrity => {
                let (kind, value) = dice.pick(&[
                    (wire::LIFETIME, [0_u8; 4]),
                    (wire::TRANSPORT, [6, 0, 0, 0]),
                    (wire::USERNAME, *b"eve!"),
                    (0x7FFE, [0; 4]),
                    (wire::INTEGRITY_SHA256, [0; 4]),
                ]);
                bytes.extend_from_slice(&kind.to_be_bytes());
                bytes.extend_from_slice(&[0, 4]);
                bytes.extend_from_slice(&value);
                set_length(bytes);
            }
            Trick::WrongFingerprint => {
                let last = bytes.last_mut().expect("a message");
                *last ^= 1;
            }
            Trick::WrongLength => {
                let delta = dice.pick(&[1_u8, 2, 4, 0x80]);
                bytes[3] = bytes[3].wrapping_add(delta);
            }
            Trick::WrongFirstByte => {
                bytes[0] = dice.pick(&[0x04, 0x16, 0x3F, 0x80, 0xC0, 0xFF, 0x01, 0x03, 0x40, 0x5A])
            }
            Trick::OddChannel => {
                let number: u16 = dice.pick(&[0x4000, 0x4001, 0x5000, 0x6ABC, 0x7FFF, 0x4FFF]);
                let claimed: u16 = dice.pick(&[0, 3, 4, 35_510, 65_535]);
                *bytes = [number.to_be_bytes(), claimed.to_be_bytes()].concat();
                let tail = dice.below(8);
                bytes.extend_from_slice(&dice.bytes(tail));
                if dice.percent(20) {
                    bytes.truncate(dice.below(4) + 1);
                }
            }
            Trick::Random => {
                let count = dice.below(80);
                *bytes = dice.bytes(count);
                if dice.percent(60) && !bytes.is_empty() {
                    bytes[0] = dice.pick(&[0, 1, 0x40, 0x7F]);
                }
                if dice.percent(50) && bytes.len() > 20 {
                    bytes.truncate(bytes.len() / 4 * 4);
                    bytes[4..8].copy_from_slice(&[0x21, 0x12, 0xA4, 0x42]);
                    set_length(bytes);
                }
            }
            _ => {}
        }
    }
}

fn set_length(bytes: &mut [u8]) {
    if bytes.len() >= 20 {
        let length = ((bytes.len() - 20) as u16).to_be_bytes();
        bytes[2..4].copy_from_slice(&length);
    }
}
