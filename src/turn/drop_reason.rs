//! Why a datagram went nowhere: counted by the engine, never logged one by one.

/// Why nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum DropReason {
    /// The answer waits for the world and will come as [`Output::Transmit`].
    Parked,
    /// Neither STUN nor ChannelData.
    NotStun,
    /// STUN by its first bits, but malformed.
    Malformed,
    /// FINGERPRINT is wrong.
    Fingerprint,
    /// The source is one of our own listeners.
    OwnListener,
    /// A class or method that is not answered.
    Unexpected,
    /// TURN is not served, as nobody may use it.
    StunOnly,
    /// Binding is not served.
    NoStun,
    /// No allocation on this 5-tuple or relay socket.
    NoAllocation,
    /// Channel number not bound.
    NoChannel,
    /// No permission for the peer's address.
    NoPermission,
    /// An indication without peer or data, as pjnath's keep-alive is.
    Incomplete,
    /// The peer is of another family than the relayed address.
    Family,
    /// The peer may not be reached.
    Forbidden,
    /// The data does not fit the message that would carry it.
    TooLarge,
    /// A comprehension-required attribute in an indication.
    UnknownAttribute,
    /// Too many requests wait already.
    Busy,
    /// Data beyond a bandwidth limit.
    Bandwidth,
}

impl DropReason {
    /// Every reason, in the order of their numbers.
    pub const ALL: [DropReason; 18] = [
        DropReason::Parked,
        DropReason::NotStun,
        DropReason::Malformed,
        DropReason::Fingerprint,
        DropReason::OwnListener,
        DropReason::Unexpected,
        DropReason::StunOnly,
        DropReason::NoStun,
        DropReason::NoAllocation,
        DropReason::NoChannel,
        DropReason::NoPermission,
        DropReason::Incomplete,
        DropReason::Family,
        DropReason::Forbidden,
        DropReason::TooLarge,
        DropReason::UnknownAttribute,
        DropReason::Busy,
        DropReason::Bandwidth,
    ];

    /// The name used in logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            DropReason::Parked => "parked",
            DropReason::NotStun => "not_stun",
            DropReason::Malformed => "malformed",
            DropReason::Fingerprint => "fingerprint",
            DropReason::OwnListener => "own_listener",
            DropReason::Unexpected => "unexpected",
            DropReason::StunOnly => "stun_only",
            DropReason::NoStun => "no_stun",
            DropReason::NoAllocation => "no_allocation",
            DropReason::NoChannel => "no_channel",
            DropReason::NoPermission => "no_permission",
            DropReason::Incomplete => "incomplete",
            DropReason::Family => "family",
            DropReason::Forbidden => "forbidden",
            DropReason::TooLarge => "too_large",
            DropReason::UnknownAttribute => "unknown_attribute",
            DropReason::Busy => "busy",
            DropReason::Bandwidth => "bandwidth",
        }
    }
}
