//! Messages in a byte stream (RFC 8489 section 6.2.2, RFC 8656 section 12.5): each says its own length.

/// The stream holds something that is neither STUN nor ChannelData, so that nothing behind it can be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server sent bytes that are neither STUN nor ChannelData")]
pub(super) struct NotFramed;

/// Bytes received and not yet taken.
#[derive(Debug, Default)]
pub(super) struct Frames(Vec<u8>);

impl Frames {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// Takes the next whole message, with its padding; none while bytes of it are missing.
    pub(super) fn take(&mut self) -> Result<Option<Vec<u8>>, NotFramed> {
        let Some(&[first, _, l0, l1]) = self.0.first_chunk::<4>() else {
            // The first byte tells already, and a stream of nonsense may end behind it.
            return self.0.first().map_or(Ok(None), |first| kind(*first).map(|_| None));
        };
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        let whole = match kind(first)? {
            Kind::Stun => 20 + length,
            Kind::ChannelData => 4 + length.next_multiple_of(4),
        };
        if self.0.len() < whole {
            return Ok(None);
        }
        let rest = self.0.split_off(whole);
        Ok(Some(std::mem::replace(&mut self.0, rest)))
    }
}

enum Kind {
    Stun,
    ChannelData,
}

/// RFC 7983 section 7.
fn kind(first: u8) -> Result<Kind, NotFramed> {
    match first {
        0x00..=0x03 => Ok(Kind::Stun),
        0x40..=0x7F => Ok(Kind::ChannelData),
        _ => Err(NotFramed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A Binding request with eight bytes of attributes, and five bytes of ChannelData with their padding.
    fn messages() -> [Vec<u8>; 2] {
        let mut stun = vec![0x00, 0x01, 0x00, 0x08, 0x21, 0x12, 0xA4, 0x42];
        stun.resize(28, 0x55);
        [stun, vec![0x40, 0x00, 0x00, 0x05, b'h', b'e', b'l', b'l', b'o', 0, 0, 0]]
    }

    #[test]
    fn messages_are_cut_out_of_a_stream() {
        let messages = messages();
        let mut frames = Frames::default();
        frames.push(&[messages.concat(), messages.concat()].concat());
        for message in messages.iter().chain(&messages) {
            assert_eq!(frames.take().as_ref(), Ok(&Some(message.clone())));
        }
        assert_eq!(frames.take(), Ok(None));
    }

    #[test]
    fn messages_may_come_byte_by_byte() {
        let mut frames = Frames::default();
        for message in messages() {
            let (last, front) = message.split_last().expect("not empty");
            for byte in front {
                frames.push(&[*byte]);
                assert_eq!(frames.take(), Ok(None));
            }
            frames.push(&[*last]);
            assert_eq!(frames.take(), Ok(Some(message)));
        }
    }

    #[test]
    fn a_message_without_a_body_is_whole_with_its_header() {
        let mut frames = Frames::default();
        frames.push(&[0x40, 0x00, 0x00, 0x00]);
        assert_eq!(frames.take(), Ok(Some(vec![0x40, 0x00, 0x00, 0x00])));
        let mut stun = vec![0x01, 0x01, 0x00, 0x00];
        stun.resize(20, 7);
        frames.push(&stun);
        assert_eq!(frames.take(), Ok(Some(stun)));
    }

    #[test]
    fn other_bytes_are_told_at_the_first_one() {
        for first in [0x04, 0x14, 0x16, 0x3F, 0x80, 0xFF, b'H' | 0x80] {
            let mut frames = Frames::default();
            frames.push(&[first]);
            assert_eq!(frames.take(), Err(NotFramed), "{first:#04x}");
            frames.push(&[3, 0, 0, 0]);
            assert_eq!(frames.take(), Err(NotFramed), "{first:#04x}");
        }
    }
}
