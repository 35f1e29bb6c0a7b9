//! ChannelData (RFC 8656 section 12.4): channel number, length, application data.

use std::ops::RangeInclusive;

/// Length of a ChannelData header.
pub const CHANNEL_HEADER_LEN: usize = 4;

/// A channel number as it stands in ChannelData and CHANNEL-NUMBER.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct ChannelNumber(pub u16);

impl ChannelNumber {
    /// The numbers of RFC 8656 section 12.
    pub const RFC8656: RangeInclusive<u16> = 0x4000..=0x4FFF;
    /// The numbers of RFC 5766, which older clients use.
    pub const RFC5766: RangeInclusive<u16> = 0x4000..=0x7FFF;
}

/// A ChannelData message in its buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelData<'a> {
    /// The channel.
    pub number: ChannelNumber,
    /// The application data, without padding.
    pub data: &'a [u8],
}

impl<'a> ChannelData<'a> {
    /// Reads a datagram, or a stream message, that begins with a channel number. Bytes behind the data are padding
    /// (RFC 8656 section 12.5); a datagram shorter than it says is none.
    pub fn parse(bytes: &'a [u8]) -> Option<ChannelData<'a>> {
        let (&[n0, n1, l0, l1], rest) = bytes.split_first_chunk::<CHANNEL_HEADER_LEN>()?;
        let data = rest.get(..usize::from(u16::from_be_bytes([l0, l1])))?;
        Some(ChannelData { number: ChannelNumber(u16::from_be_bytes([n0, n1])), data })
    }

    /// The header in front of `len` bytes of application data.
    pub fn header(number: ChannelNumber, len: u16) -> [u8; CHANNEL_HEADER_LEN] {
        let [n0, n1] = number.0.to_be_bytes();
        let [l0, l1] = len.to_be_bytes();
        [n0, n1, l0, l1]
    }
}
