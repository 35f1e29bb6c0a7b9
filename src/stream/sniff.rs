//! What a connection is, told from its first bytes: every port takes TLS and plain TCP alike.

/// What the first bytes say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// STUN in plain TCP.
    Plain,
    /// A TLS record with a handshake.
    Tls,
    /// Nothing that is served here.
    Garbage,
    /// Too few bytes to tell.
    Undecided,
}

/// Looks at the first bytes of a connection.
///
/// A client begins with a STUN request (RFC 8656 section 5). ChannelData cannot come first, as nothing is bound; this
/// also tells HTTP, whose methods begin with bytes of channel numbers.
pub fn sniff(bytes: &[u8]) -> Start {
    match bytes {
        [] | [0x16] => Start::Undecided,
        [0..=3, ..] => Start::Plain,
        [0x16, 0x03, ..] => Start::Tls,
        _ => Start::Garbage,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_bytes_tell_the_kind() {
        let cases: &[(&[u8], Start)] = &[
            (b"", Start::Undecided),
            (&[0x00], Start::Plain),
            (&[0x03, 0xFF], Start::Plain),
            (&[0x04], Start::Garbage),
            (&[0x16], Start::Undecided),
            (&[0x16, 0x03], Start::Tls),
            (&[0x16, 0x03, 0x01, 0x00], Start::Tls),
            (&[0x16, 0x02], Start::Garbage),
            (&[0x15, 0x03], Start::Garbage),
            (&[0x17, 0x03], Start::Garbage),
            (&[0x40, 0x00, 0x00, 0x00], Start::Garbage),
            (&[0x80, 0x2E], Start::Garbage),
            (&[0xFF], Start::Garbage),
            (b"GET / HTTP/1.1\r\n", Start::Garbage),
            (b"POST /", Start::Garbage),
            (b"SSH-2.0", Start::Garbage),
        ];
        for (bytes, start) in cases {
            assert_eq!(sniff(bytes), *start, "{bytes:02x?}");
        }
    }
}
