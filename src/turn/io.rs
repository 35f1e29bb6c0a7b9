//! The shapes that pass between the core and the world.

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;

use super::address::{EvenPort, Families, Family, FiveTuple, LinkId, RelayId, RequestId, ReservationToken};
use super::drop_reason::DropReason;
use super::event::Event;
use super::gather::{Prefix, Suffix};
use crate::auth::LongTermKey;
use crate::stun::ErrorCode;

/// Where a datagram came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// A datagram, or one whole message of a stream, from a client.
    Client(ClientPath),
    /// A datagram that a relay socket received.
    Peer {
        /// The relay socket.
        relay: RelayId,
        /// Its sender; for the relay socket of another of our allocations, what the world calls that.
        from: SocketAddr,
    },
}

/// The way to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientPath {
    /// Who it is.
    pub tuple: FiveTuple,
    /// What the engine reaches it by.
    pub link: LinkId,
}

/// What becomes of a datagram.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verdict {
    /// Nothing is sent. The buffer can be let go, also for [`DropReason::Parked`].
    Drop(DropReason),
    /// The answer buffer goes back the way the datagram came.
    Respond(Credit),
    /// Part of the datagram goes on.
    Forward(Forward),
}

/// Whether an answer was earned: unauthenticated answers over UDP could hit a forged source, so they have a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credit {
    /// The client proved who it is.
    Authenticated,
    /// It did not; the engine sends the answer if the source's budget allows.
    Unauthenticated,
    /// It tried and failed: a wrong password, or a name that may not be used, which looks the same. Beyond the budget of
    /// such failures the engine keeps the answer to itself and closes a stream. What is right is never held back, so
    /// nobody can be locked out.
    Failed {
        /// CRC-32 of USERNAME: failures count per source and name.
        name: u32,
    },
}

/// The fast path: a range of the received bytes, with a few bytes before and behind it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Forward {
    /// Where it goes.
    pub to: Destination,
    /// Put before the payload.
    pub prefix: Prefix,
    /// The payload within the received bytes.
    pub range: ByteRange,
    /// Put behind the payload.
    pub suffix: Suffix,
}

/// A range of bytes that can be copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteRange {
    /// The first byte.
    pub start: u32,
    /// Behind the last byte.
    pub end: u32,
}

impl ByteRange {
    /// The range as an index.
    pub fn as_range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

impl From<Range<usize>> for ByteRange {
    fn from(range: Range<usize>) -> ByteRange {
        ByteRange { start: range.start as u32, end: range.end as u32 }
    }
}

/// Where relayed data goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Destination {
    /// To a client.
    Client(ClientPath),
    /// To a peer, from a relayed address.
    Peer {
        /// The relay socket it leaves by.
        relay: RelayId,
        /// The peer as the client named it.
        to: SocketAddr,
        /// Whether `to` is an address of this server, which the engine then resolves.
        own: OwnPeer,
        /// The client asked for it to go unfragmented (RFC 8656 section 18.9).
        dont_fragment: bool,
    },
}

/// How the engine treats a peer address that may be one of this server's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum OwnPeer {
    /// It is not: send.
    No,
    /// It is: only to the port of a live allocation.
    LiveOnly,
    /// It is: to the live allocation of that port if there is one, else as addressed.
    LiveFirst,
}

/// What the core asks of the world, or tells it.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// An answer to a request that had to wait.
    Transmit(Transmit),
    /// Open a relayed address, or two; answered by `Opened`, `QuotaReached`, `NoCapacity` or `FamilyNotServed`: once, and
    /// sooner than a reservation ends.
    OpenRelay(OpenRelay),
    /// Close a relay socket; its port and quota are free again.
    CloseRelay(RelayId),
    /// Find a user; answered by `User`, `LookUpFailed` or `Unheard`.
    LookUpUser(LookUpUser),
    /// Take over the relay socket reserved under a token, wherever it is; answered by `Claimed`, `Gone` or
    /// `QuotaReached`.
    Claim(Claim),
    /// The reservation's time is over: close its socket, unless it was claimed.
    Release(ReservationToken),
    /// Something happened that others may want to know.
    Event(Event),
}

/// Which way data went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To the client of an allocation.
    ToClient(FiveTuple),
    /// From a relayed address to a peer.
    ToPeer(RelayId),
}

/// A datagram or stream message for a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// Who it is for.
    pub to: ClientPath,
    /// The message.
    pub bytes: Box<[u8]>,
    /// Whether it was earned.
    pub credit: Credit,
}

/// Asks for relayed addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenRelay {
    /// To be named in the answer.
    pub request: RequestId,
    /// Whose quota it counts for; none: nobody's.
    pub user: Option<Arc<[u8]>>,
    /// The server address the client reached, which may become the relayed one.
    pub server: SocketAddr,
    /// The families.
    pub families: Families,
    /// EVEN-PORT.
    pub even: Option<EvenPort>,
}

/// Asks for a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookUpUser {
    /// To be named in the answer.
    pub request: RequestId,
    /// USERNAME as it came.
    pub name: Box<[u8]>,
    /// The record that came before is renewable, and none of its keys verified; what is found now is final.
    pub again: bool,
    /// Where it came from, if that is no client with an allocation: nobody need be asked for whoever would hear nothing.
    pub stranger: Option<ClientPath>,
}

/// Asks for a reserved relay socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// To be named in the answer.
    pub request: RequestId,
    /// Its token.
    pub token: ReservationToken,
    /// Whose quota it counts for.
    pub user: Option<Arc<[u8]>>,
}

/// What the world answers, or tells.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Relay sockets are open.
    Opened {
        /// The request.
        request: RequestId,
        /// The relayed address, or the first of two.
        first: RelayGrant,
        /// The second of two; or why there is none although it was asked for (ADDRESS-ERROR-CODE).
        second: Option<Result<RelayGrant, (Family, ErrorCode)>>,
    },
    /// The user, or the server, has as many allocations as allowed.
    QuotaReached {
        /// The request.
        request: RequestId,
    },
    /// No port, no pair of ports, no descriptor.
    NoCapacity {
        /// The request.
        request: RequestId,
    },
    /// No relay address of that family.
    FamilyNotServed {
        /// The request.
        request: RequestId,
    },
    /// What is known of a user.
    User {
        /// The request.
        request: RequestId,
        /// None: there is no such user.
        record: Option<UserRecord>,
    },
    /// Whether there is such a user cannot be found out now.
    LookUpFailed {
        /// The request.
        request: RequestId,
    },
    /// Nobody was asked, as no answer would be sent: the request is forgotten.
    Unheard {
        /// The request.
        request: RequestId,
    },
    /// The reserved socket is this worker's now.
    Claimed {
        /// The request.
        request: RequestId,
        /// The relayed address.
        relay: RelayGrant,
    },
    /// No such reservation.
    Gone {
        /// The request.
        request: RequestId,
    },
    /// The client's connection ended.
    Disconnected {
        /// Whose.
        tuple: FiveTuple,
    },
}

/// An open relay socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RelayGrant {
    /// The engine's name for it.
    pub relay: RelayId,
    /// The address it is bound to.
    pub local: SocketAddr,
    /// What the world calls that address.
    pub external: SocketAddr,
}

/// What is known of a user.
#[derive(Clone, Debug)]
pub struct UserRecord {
    /// The keys the user may sign with: one of a password, one per shared secret.
    pub keys: Vec<Arc<LongTermKey>>,
    /// Whose quota the user's allocations count for.
    pub quota: Arc<[u8]>,
    /// Whether the user may be let in now; an expired credential has keys, so that it costs what a good one costs.
    pub usable: bool,
    /// Whether another look-up may find something newer. To be said of a name that nobody has as of any other, so that a
    /// wrong password costs the same look-ups whoever is named.
    pub renewable: bool,
}
