//! Transports, 5-tuples, families and the handles by which core and engine name things to each other.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::stun::address::{FAMILY_IPV4, FAMILY_IPV6};

/// How a client reaches the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// A byte stream.
    Tcp,
    /// A byte stream inside TLS.
    Tls,
}

impl Transport {
    /// Every transport, in the order of their numbers.
    pub const ALL: [Transport; 3] = [Transport::Udp, Transport::Tcp, Transport::Tls];

    /// Whether messages are delimited by their length fields and ChannelData is padded.
    pub fn is_stream(self) -> bool {
        !matches!(self, Transport::Udp)
    }

    /// The name used in logs.
    pub fn name(self) -> &'static str {
        match self {
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
            Transport::Tls => "tls",
        }
    }
}

/// What identifies a client (RFC 8656 section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FiveTuple {
    /// The transport between client and server.
    pub transport: Transport,
    /// The client's address as the server sees it.
    pub client: SocketAddr,
    /// The server's address as the client reached it.
    pub server: SocketAddr,
}

/// The engine's name of the listener socket or connection that a client is reached by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LinkId(pub u32);

/// The engine's name of a relay socket; small and dense, as the core indexes by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RelayId(pub u32);

/// Which worker a [`crate::turn::Server`] belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkerId(pub u8);

/// Names a request that waits for an answer of the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub u64);

/// Names a reserved port (RFC 8656 section 18.10).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ReservationToken(pub [u8; 8]);

/// An address family of relayed addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The family of an address.
    pub fn of(ip: IpAddr) -> Family {
        if ip.is_ipv4() { Family::V4 } else { Family::V6 }
    }

    /// The family named by the first byte of REQUESTED-ADDRESS-FAMILY and its kin.
    pub fn from_code(code: u8) -> Option<Family> {
        match code {
            FAMILY_IPV4 => Some(Family::V4),
            FAMILY_IPV6 => Some(Family::V6),
            _ => None,
        }
    }

    /// Its code on the wire.
    pub fn code(self) -> u8 {
        match self {
            Family::V4 => FAMILY_IPV4,
            Family::V6 => FAMILY_IPV6,
        }
    }
}

/// Which relayed addresses an Allocate asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Families {
    /// One.
    One(Family),
    /// IPv4, and IPv6 beside it (ADDITIONAL-ADDRESS-FAMILY).
    Both,
}

/// What EVEN-PORT asks for (RFC 8656 section 18.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EvenPort {
    /// An even port.
    Even,
    /// An even port, and the next higher one reserved under this token.
    EvenAndReserve(ReservationToken),
}
