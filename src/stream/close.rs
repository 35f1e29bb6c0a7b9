//! Why connections end, counted.

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[repr(u8)]
pub enum CloseReason {
    /// The client closed it.
    #[error("closed by the client")]
    ClientEnded,
    /// The connection broke.
    #[error("connection error")]
    Io,
    /// The first bytes begin nothing that is served here.
    #[error("neither STUN nor TLS")]
    Garbage,
    /// Plain TCP or TLS is switched off, or there is no certificate.
    #[error("transport not served")]
    NotServed,
    /// Bytes that are no message, or one that is too long.
    #[error("not a STUN or ChannelData message, or too long")]
    BadMessage,
    /// The TLS handshake failed.
    #[error("TLS handshake failed")]
    BadHandshake,
    /// A TLS record that cannot be decrypted, is misplaced or too long.
    #[error("TLS record broken or too long")]
    BadRecord,
    /// Too many handshakes.
    #[error("too many TLS handshakes")]
    Busy,
    /// The TLS handshake took too long.
    #[error("TLS handshake too slow")]
    SlowHandshake,
    /// No whole message came in time.
    #[error("no message in time")]
    SlowFirstMessage,
    /// A message began and did not end in time.
    #[error("unfinished message")]
    SlowMessage,
    /// Nothing was heard, and there is no allocation.
    #[error("idle without allocation")]
    Idle,
    /// The client reads nothing.
    #[error("client does not read")]
    Stuck,
    /// The client lets too many answers lie.
    #[error("too many unread answers")]
    Overfull,
    /// Too many wrong passwords.
    #[error("too many wrong passwords")]
    Guessing,
    /// The server ended it.
    #[error("closed by the server")]
    Server,
}

impl CloseReason {
    /// How many reasons there are.
    pub const COUNT: usize = CloseReason::Server as usize + 1;

    /// Every reason, in the order of their numbers.
    pub const ALL: [CloseReason; CloseReason::COUNT] = [
        CloseReason::ClientEnded,
        CloseReason::Io,
        CloseReason::Garbage,
        CloseReason::NotServed,
        CloseReason::BadMessage,
        CloseReason::BadHandshake,
        CloseReason::BadRecord,
        CloseReason::Busy,
        CloseReason::SlowHandshake,
        CloseReason::SlowFirstMessage,
        CloseReason::SlowMessage,
        CloseReason::Idle,
        CloseReason::Stuck,
        CloseReason::Overfull,
        CloseReason::Guessing,
        CloseReason::Server,
    ];

    /// Whether the client still understands a farewell.
    pub(super) fn is_orderly(self) -> bool {
        use CloseReason::{BadMessage, ClientEnded, Guessing, Idle, Server, SlowFirstMessage, SlowMessage};
        matches!(self, ClientEnded | Server | Guessing | Idle | SlowFirstMessage | SlowMessage | BadMessage)
    }

    /// The name used in logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            CloseReason::ClientEnded => "client_ended",
            CloseReason::Io => "io",
            CloseReason::Garbage => "garbage",
            CloseReason::NotServed => "not_served",
            CloseReason::BadMessage => "bad_message",
            CloseReason::BadHandshake => "bad_handshake",
            CloseReason::BadRecord => "bad_record",
            CloseReason::Busy => "busy",
            CloseReason::SlowHandshake => "slow_handshake",
            CloseReason::SlowFirstMessage => "slow_first_message",
            CloseReason::SlowMessage => "slow_message",
            CloseReason::Idle => "idle",
            CloseReason::Stuck => "stuck",
            CloseReason::Overfull => "overfull",
            CloseReason::Guessing => "guessing",
            CloseReason::Server => "server",
        }
    }
}

/// Counts of one worker's streams since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Connections taken.
    pub opened: u64,
    /// Connections refused, as their source or all together had too many.
    pub refused: u64,
    /// TLS handshakes completed.
    pub handshakes: u64,
    /// Relayed messages dropped, as the client reads too slowly.
    pub relayed_dropped: u64,
    closed: [u64; CloseReason::COUNT],
}

impl Tally {
    /// Connections that ended for `reason`.
    pub fn closed(&self, reason: CloseReason) -> u64 {
        self.closed[reason as usize]
    }

    pub(super) fn count_closed(&mut self, reason: CloseReason) {
        self.closed[reason as usize] += 1;
    }
}
