//! Framing of streams: wherever the network cuts the bytes, the same messages come out, and nothing else.

use bytes::{Bytes, BytesMut};
use turnserver::stream::framing::{Broken, Frame, FrameRules, carve, next_frame};
use turnserver::stream::limits::FRAME_LEN_MAX;
use turnserver::stream::sniff::{Start, sniff};

use super::input::Input;

/// The first byte says what the client may send, the next ones where reads end, the rest is what it sends.
pub(crate) fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let flags = input.byte();
    let rules = FrameRules::new(if flags & 1 == 0 { 0x4FFF } else { 0x7FFF }, flags & 2 != 0);
    let steps: Vec<usize> = input.take(usize::from(flags >> 4)).iter().map(|step| step_of(*step)).collect();
    let sent = input.rest();
    let uncut = read(sent, &[sent.len().max(1)], rules);
    let cut = read(sent, &steps, rules);
    let (expected, end) = read_by_hand(sent, rules);
    assert_eq!(uncut.end, end, "uncut");
    // An early look may find another fault than a late one, never none.
    assert_eq!(cut.end.ok(), end.ok(), "cut at {steps:?}");
    if end.is_ok() {
        assert_eq!(uncut.messages, expected);
        assert_eq!(cut.messages, expected, "cut at {steps:?}");
    } else {
        // What came whole before the reader saw that it is lost may be given out; never anything else.
        assert!(expected.starts_with(&cut.messages), "cut at {steps:?}");
        assert!(uncut.messages.is_empty());
    }
    check_first_bytes(sent);
}

/// Small reads mostly, and some long ones.
fn step_of(byte: u8) -> usize {
    if byte < 0xF0 { 1 + usize::from(byte) } else { usize::from(byte - 0xEF) * 4096 }
}

/// What a connection gave out, and whether it is over.
struct Outcome {
    messages: Vec<Bytes>,
    end: Result<usize, Broken>,
}

/// Reads as a connection does: what is left of a message is kept, put in front of what comes next, and the arena holds
/// more than was filled.
fn read(sent: &[u8], steps: &[usize], rules: FrameRules) -> Outcome {
    let mut outcome = Outcome { messages: Vec::new(), end: Ok(0) };
    let mut partial: Vec<u8> = Vec::new();
    let (mut rest, mut turn) = (sent, 0);
    while !rest.is_empty() {
        let step = steps.get(turn % steps.len().max(1)).copied().unwrap_or(1 + turn % 7);
        turn += 1;
        let (now, later) = rest.split_at(step.min(rest.len()));
        rest = later;
        let filled = partial.len() + now.len();
        let mut arena = BytesMut::with_capacity(filled + 32);
        arena.extend_from_slice(&partial);
        arena.extend_from_slice(now);
        // What former connections left behind must not be read: it looks like a message.
        arena.extend_from_slice(&[0x40, 0, 0, 0, 0x40, 0, 0, 0]);
        outcome.end = carve(&mut arena, filled, rules, &mut outcome.messages);
        let Ok(left) = outcome.end else { return outcome };
        partial = arena[..left].to_vec();
        assert!(partial.len() < rules.len_max && rules.len_max <= FRAME_LEN_MAX, "never more than one message is kept");
    }
    outcome
}

/// The same written down again: RFC 8489 section 6.2.2 and RFC 8656 section 12.5.
fn read_by_hand(sent: &[u8], rules: FrameRules) -> (Vec<Bytes>, Result<usize, Broken>) {
    let mut messages = Vec::new();
    let mut rest = sent;
    while let Some(first) = rest.first() {
        let highest = (rules.channel_number_max >> 8) as u8;
        let len = usize::from(u16::from_be_bytes([at(rest, 2), at(rest, 3)]));
        let whole = match first {
            0..4 => {
                let cookie = [0x21, 0x12, 0xA4, 0x42];
                if (4..8).any(|place| rest.get(place).is_some_and(|byte| *byte != cookie[place - 4])) {
                    return (messages, Err(Broken::Cookie));
                }
                if rest.len() >= 4 && len % 4 != 0 {
                    return (messages, Err(Broken::Unaligned));
                }
                20 + len
            }
            first if *first >= 0x40 && *first <= highest => 4 + len + (4 - len % 4) % 4,
            _ => return (messages, Err(Broken::FirstByte)),
        };
        if rest.len() >= 4 && whole > rules.len_max {
            return (messages, Err(Broken::TooLong));
        }
        if rest.len() < 4 || rest.len() < whole {
            assert_eq!(next_frame(rest, rules), Frame::Partial);
            break;
        }
        messages.push(Bytes::copy_from_slice(&rest[..whole]));
        rest = &rest[whole..];
    }
    let left = rest.len();
    (messages, Ok(left))
}

fn at(bytes: &[u8], place: usize) -> u8 {
    bytes.get(place).copied().unwrap_or_default()
}

/// A verdict on a connection's first bytes stands, however many more come.
fn check_first_bytes(sent: &[u8]) {
    let whole = sniff(sent);
    for len in 0..sent.len().min(4) {
        let early = sniff(&sent[..len]);
        assert!(early == Start::Undecided || early == whole, "{early:?} became {whole:?}");
    }
}
