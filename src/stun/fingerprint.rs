//! FINGERPRINT: CRC-32 of the message, XORed with "STUN" (RFC 8489 section 14.7).

use super::header::HEADER_LEN;

/// Bytes FINGERPRINT takes with its header.
pub const FINGERPRINT_LEN: usize = 8;

const XOR: u32 = 0x5354_554E;

/// The value of FINGERPRINT for a message whose bytes before the attribute are `covered`, in one piece or several; the
/// header's length field must already count the attribute.
pub fn fingerprint<'a>(covered: impl IntoIterator<Item = &'a [u8]>) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    covered.into_iter().for_each(|piece| crc.update(piece));
    crc.finalize() ^ XOR
}

/// Whether `value` is the FINGERPRINT of `message`, whose attribute begins at `offset` (its header, not its value).
pub(crate) fn verify(message: &[u8], offset: usize, value: &[u8]) -> bool {
    debug_assert!(offset >= HEADER_LEN);
    value == fingerprint([&message[..offset]]).to_be_bytes()
}
