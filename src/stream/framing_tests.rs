//! Framing: a table of fronts, and that cuts between reads change nothing.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const UNALLOCATED: FrameRules = FrameRules { channel_number_max: 0x4FFF, len_max: FRAME_LEN_MAX_UNALLOCATED };
const ALLOCATED: FrameRules = FrameRules { channel_number_max: 0x4FFF, len_max: FRAME_LEN_MAX };
const OLD_CHANNELS: FrameRules = FrameRules { channel_number_max: 0x7FFF, ..ALLOCATED };

/// A Binding request with `len` bytes behind its header.
fn stun(len: u16) -> Vec<u8> {
    let mut message = vec![0, 1];
    message.extend(len.to_be_bytes());
    message.extend(MAGIC_COOKIE.to_be_bytes());
    message.extend([7; 12]);
    message.resize(HEADER_LEN + usize::from(len), 0xEE);
    message
}

/// ChannelData of `len` bytes, padded as streams have it.
fn channel_data(number: u16, len: u16) -> Vec<u8> {
    let mut message = number.to_be_bytes().to_vec();
    message.extend(len.to_be_bytes());
    message.resize(CHANNEL_HEADER_LEN + usize::from(len).next_multiple_of(4), 0xDD);
    message
}

#[test]
fn the_front_tells_how_long_a_message_is() {
    let cookie_wrong = {
        let mut bytes = stun(0);
        bytes[7] = 0x43;
        bytes
    };
    let cases: Vec<(Vec<u8>, FrameRules, Frame)> = vec![
        (vec![], UNALLOCATED, Frame::Partial),
        (stun(0), UNALLOCATED, Frame::Whole(20)),
        (stun(0)[..19].to_vec(), UNALLOCATED, Frame::Partial),
        ([stun(8), stun(0)].concat(), UNALLOCATED, Frame::Whole(28)),
        (vec![0x03], UNALLOCATED, Frame::Partial),
        (vec![0x04], UNALLOCATED, Frame::Broken(Broken::FirstByte)),
        (stun(4076), UNALLOCATED, Frame::Whole(4096)),
        (stun(4080)[..4].to_vec(), UNALLOCATED, Frame::Broken(Broken::TooLong)),
        (stun(65_532), ALLOCATED, Frame::Whole(65_552)),
        (stun(65_532)[..4].to_vec(), UNALLOCATED, Frame::Broken(Broken::TooLong)),
        (stun(2), ALLOCATED, Frame::Broken(Broken::Unaligned)),
        (stun(65_535)[..4].to_vec(), ALLOCATED, Frame::Broken(Broken::Unaligned)),
        (vec![0, 1, 0, 0, 0x21], UNALLOCATED, Frame::Partial),
        (vec![0, 1, 0, 0, 0x22], UNALLOCATED, Frame::Broken(Broken::Cookie)),
        (cookie_wrong, UNALLOCATED, Frame::Broken(Broken::Cookie)),
        (vec![0; 20], UNALLOCATED, Frame::Broken(Broken::Cookie)),
        (channel_data(0x4000, 0), UNALLOCATED, Frame::Whole(4)),
        (channel_data(0x4000, 1), UNALLOCATED, Frame::Whole(8)),
        (channel_data(0x4FFF, 5), UNALLOCATED, Frame::Whole(12)),
        (channel_data(0x4FFF, 5)[..11].to_vec(), UNALLOCATED, Frame::Partial),
        (channel_data(0x4000, 8), UNALLOCATED, Frame::Whole(12)),
        (channel_data(0x4000, 4092), UNALLOCATED, Frame::Whole(4096)),
        (channel_data(0x4000, 4093), UNALLOCATED, Frame::Broken(Broken::TooLong)),
        (channel_data(0x4000, 65_535), ALLOCATED, Frame::Whole(65_540)),
        (channel_data(0x5000, 0), ALLOCATED, Frame::Broken(Broken::FirstByte)),
        (channel_data(0x5000, 0), OLD_CHANNELS, Frame::Whole(4)),
        (channel_data(0x7FFF, 0), OLD_CHANNELS, Frame::Whole(4)),
        (channel_data(0x8000, 0), OLD_CHANNELS, Frame::Broken(Broken::FirstByte)),
        (vec![0x16, 0x03], ALLOCATED, Frame::Broken(Broken::FirstByte)),
        (vec![0x3F], OLD_CHANNELS, Frame::Broken(Broken::FirstByte)),
        (vec![0xFF], OLD_CHANNELS, Frame::Broken(Broken::FirstByte)),
    ];
    for (bytes, rules, frame) in cases {
        assert_eq!(next_frame(&bytes, rules), frame, "{:02x?} {rules:?}", &bytes[..bytes.len().min(24)]);
    }
}

fn message() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        (0..300u16).prop_map(|words| stun(words * 4)),
        (0x4000..=0x4FFFu16, 0..1200u16).prop_map(|(number, len)| channel_data(number, len)),
    ]
}

/// What a reader does who gets the bytes in pieces that end at `cuts`.
fn frames_of(bytes: &[u8], mut cuts: Vec<usize>) -> Vec<Vec<u8>> {
    cuts.push(bytes.len());
    cuts.sort_unstable();
    let (mut frames, mut held, mut from) = (Vec::new(), Vec::new(), 0);
    for cut in cuts {
        held.extend_from_slice(&bytes[from..cut]);
        from = cut;
        while let Frame::Whole(len) = next_frame(&held, UNALLOCATED) {
            frames.push(held.drain(..len).collect());
        }
    }
    assert_eq!(held, [0; 0]);
    frames
}

proptest! {
    #[test]
    fn cuts_change_nothing(messages in vec(message(), 0..12), cuts in vec(any::<prop::sample::Index>(), 0..40)) {
        let bytes = messages.concat();
        let cuts = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        prop_assert_eq!(frames_of(&bytes, cuts), messages);
    }

    #[test]
    fn byte_by_byte_changes_nothing(messages in vec(message(), 0..4)) {
        let bytes = messages.concat();
        prop_assert_eq!(frames_of(&bytes, (0..bytes.len()).collect()), messages);
    }

    /// More bytes never turn a refusal into a message, nor one length into another.
    #[test]
    fn a_verdict_stands(bytes in vec(any::<u8>(), 0..64), more in vec(any::<u8>(), 0..64), first in 0..0x60u8) {
        let bytes = [vec![first], bytes].concat();
        let all = [&bytes[..], &more].concat();
        let later = next_frame(&all, UNALLOCATED);
        match next_frame(&bytes, UNALLOCATED) {
            Frame::Partial => {}
            Frame::Whole(len) => prop_assert_eq!(later, Frame::Whole(len)),
            Frame::Broken(_) => prop_assert!(matches!(later, Frame::Broken(_)), "{later:?}"),
        }
    }
}
