//! Where one message ends and the next begins: RFC 8489 section 6.2.2, RFC 8656 section 12.5.

use bytes::{Bytes, BytesMut};

use super::limits::{FRAME_LEN_MAX, FRAME_LEN_MAX_UNALLOCATED};
use crate::stun::channel_data::CHANNEL_HEADER_LEN;
use crate::stun::header::{HEADER_LEN, MAGIC_COOKIE};

/// What one connection may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameRules {
    /// The highest channel number (0x4FFF, or 0x7FFF).
    pub channel_number_max: u16,
    /// The longest message.
    pub len_max: usize,
}

impl FrameRules {
    /// The rules for a client that has an allocation, or has none.
    pub fn new(channel_number_max: u16, allocated: bool) -> FrameRules {
        FrameRules { channel_number_max, len_max: if allocated { FRAME_LEN_MAX } else { FRAME_LEN_MAX_UNALLOCATED } }
    }
}

/// What stands at the front of the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A whole message of this length, padding included.
    Whole(usize),
    /// The beginning of one, or nothing.
    Partial,
    /// No message. Nothing says where the next one would begin, so the connection is over.
    Broken(Broken),
}

/// Why bytes begin no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// The first byte.
    #[error("neither STUN nor ChannelData")]
    FirstByte,
    /// The magic cookie; classic STUN knows no streams.
    #[error("no magic cookie")]
    Cookie,
    /// A STUN length that is no multiple of four.
    #[error("STUN length is not a multiple of four")]
    Unaligned,
    /// Longer than this client may send.
    #[error("message too long")]
    TooLong,
}

/// Looks at the front of `bytes`. A message is refused as early as its bytes tell.
pub fn next_frame(bytes: &[u8], rules: FrameRules) -> Frame {
    let Some(&first) = bytes.first() else { return Frame::Partial };
    let len = match first {
        0..=3 => stun_len(bytes),
        0x40.. if u16::from(first) <= rules.channel_number_max >> 8 => Ok(channel_data_len(bytes)),
        _ => Err(Broken::FirstByte),
    };
    match len {
        Err(broken) => Frame::Broken(broken),
        Ok(Some(len)) if len > rules.len_max => Frame::Broken(Broken::TooLong),
        Ok(Some(len)) if len <= bytes.len() => Frame::Whole(len),
        Ok(_) => Frame::Partial,
    }
}

/// Cuts the first `filled` bytes of `arena` into messages and says how many are left at its front. Where one of them is
/// broken, those before it are not given out either.
///
/// # Errors
/// The connection is over.
pub fn carve(
    arena: &mut BytesMut,
    filled: usize,
    rules: FrameRules,
    messages: &mut Vec<Bytes>,
) -> Result<usize, Broken> {
    let before = messages.len();
    let mut left = filled;
    loop {
        match next_frame(&arena[..left], rules) {
            Frame::Whole(len) => {
                left -= len;
                messages.push(arena.split_to(len).freeze());
            }
            Frame::Partial => return Ok(left),
            Frame::Broken(broken) => {
                messages.truncate(before);
                return Err(broken);
            }
        }
    }
}

fn stun_len(bytes: &[u8]) -> Result<Option<usize>, Broken> {
    let cookie = MAGIC_COOKIE.to_be_bytes();
    let seen = bytes.get(4..).unwrap_or_default();
    if !seen.iter().zip(cookie).all(|(seen, expected)| *seen == expected) {
        return Err(Broken::Cookie);
    }
    let Some(&[_, _, l0, l1]) = bytes.first_chunk() else { return Ok(None) };
    let len = usize::from(u16::from_be_bytes([l0, l1]));
    if len % 4 != 0 { Err(Broken::Unaligned) } else { Ok(Some(HEADER_LEN + len)) }
}

// RFC 8656 section 12.5: on a stream ChannelData is padded to a multiple of four, which its length does not count.
fn channel_data_len(bytes: &[u8]) -> Option<usize> {
    let &[_, _, l0, l1] = bytes.first_chunk()?;
    Some(CHANNEL_HEADER_LEN + usize::from(u16::from_be_bytes([l0, l1])).next_multiple_of(4))
}

#[cfg(test)]
#[path = "framing_tests.rs"]
mod tests;
