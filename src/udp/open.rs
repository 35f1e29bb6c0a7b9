//! Opening relayed addresses: ports from the bitmap, sockets from the system, places from the quotas.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rand_chacha::ChaCha12Rng;

use super::relays::{RelaySocket, Relays};
use super::shared::{Reserved, Shared};
use super::socket;
use crate::poll::Poller;
use crate::stun::ErrorCode;
use crate::turn::Answer;
use crate::turn::address::{EvenPort, Families, Family};
use crate::turn::io::{Claim, OpenRelay, RelayGrant};
use crate::turn::ports::{Parity, RelayPorts};
use crate::turn::quota::QuotaLease;
use crate::turn::time::Mono;

/// Ports tried when other programs have them.
const BIND_TRIES: usize = 16;

/// Why there is no relayed address of a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NoRelay {
    NotServed,
    QuotaReached,
    NoCapacity,
}

/// Opens relay sockets for one worker.
pub(super) struct Opener<'a> {
    pub(super) shared: &'a Shared,
    pub(super) relays: &'a mut Relays,
    pub(super) poller: &'a Poller,
    pub(super) rng: &'a mut ChaCha12Rng,
    pub(super) now: Mono,
}

impl Opener<'_> {
    /// Answers [`crate::turn::Output::OpenRelay`]: family, quota, port, in this order.
    pub(super) fn open(&mut self, open: OpenRelay) -> Answer {
        let request = open.request;
        let is_served = |family: Family| !self.shared.candidates(family, open.server.ip()).is_empty();
        if matches!(open.families, Families::One(family) if !is_served(family)) {
            return Answer::FamilyNotServed { request };
        }
        let Some(lease) = self.shared.quotas.acquire(open.user.clone()) else {
            return Answer::QuotaReached { request };
        };
        let lease = Arc::new(lease);
        match open.families {
            Families::One(family) => match self.open_one(&open, family, &lease) {
                Ok(first) => Answer::Opened { request, first, second: None },
                Err(NoRelay::NotServed) => Answer::FamilyNotServed { request },
                Err(NoRelay::QuotaReached) => Answer::QuotaReached { request },
                Err(NoRelay::NoCapacity) => Answer::NoCapacity { request },
            },
            Families::Both => self.open_both(&open, &lease),
        }
    }

    /// RFC 8656 section 7.2 step 9: one of two is a success, and the answer says why the other is missing.
    fn open_both(&mut self, open: &OpenRelay, lease: &Arc<QuotaLease>) -> Answer {
        let request = open.request;
        let v4 = self.open_one(open, Family::V4, lease);
        let v6 = self.open_one(open, Family::V6, lease);
        let missing = |family: Family, error: NoRelay| match error {
            NoRelay::NotServed => Err((family, ErrorCode::ADDRESS_FAMILY_NOT_SUPPORTED)),
            NoRelay::QuotaReached | NoRelay::NoCapacity => Err((family, ErrorCode::INSUFFICIENT_CAPACITY)),
        };
        match (v4, v6) {
            (Ok(first), v6) => {
                let second = v6.or_else(|error| missing(Family::V6, error));
                Answer::Opened { request, first, second: Some(second) }
            }
            (Err(error), Ok(first)) => Answer::Opened { request, first, second: Some(missing(Family::V4, error)) },
            (Err(_), Err(_)) => Answer::NoCapacity { request },
        }
    }

    /// Answers [`crate::turn::Output::Claim`]: token, quota. A reservation is not lost to a user who has no place left.
    pub(super) fn claim(&mut self, claim: Claim) -> Answer {
        let request = claim.request;
        let Some(reserved) = self.shared.claim(claim.token) else { return Answer::Gone { request } };
        // The place the reservation took is the allocation's, if it is the same user's.
        let (relay, lease) = match reserved {
            Reserved { relay, lease } if lease.is_of(claim.user.as_deref()) => (relay, lease),
            Reserved { relay, lease } => match self.shared.quotas.acquire(claim.user) {
                Some(own) => (relay, own),
                None => {
                    self.shared.reserve(claim.token, Reserved { relay, lease });
                    return Answer::QuotaReached { request };
                }
            },
        };
        match self.relays.adopt(relay, Arc::new(lease), self.shared, self.poller) {
            Ok(relay) => Answer::Claimed { request, relay },
            Err(refused) => {
                self.shared.give_back(refused, self.now);
                Answer::NoCapacity { request }
            }
        }
    }

    fn open_one(&mut self, open: &OpenRelay, family: Family, lease: &Arc<QuotaLease>) -> Result<RelayGrant, NoRelay> {
        let candidates = self.shared.candidates(family, open.server.ip());
        if candidates.is_empty() {
            return Err(NoRelay::NotServed);
        }
        let parity = match open.even {
            None => Parity::Any,
            Some(EvenPort::Even) => Parity::Even,
            Some(EvenPort::EvenAndReserve(_)) => Parity::EvenPair,
        };
        // A reserved port is a port taken: it has a place of its own, or one user could take them all.
        let reserved_lease = match parity {
            Parity::EvenPair => Some(self.shared.quotas.acquire(open.user.clone()).ok_or(NoRelay::QuotaReached)?),
            Parity::Any | Parity::Even => None,
        };
        let (relay, second) =
            candidates.into_iter().find_map(|ports| self.bind(ports, parity)).ok_or(NoRelay::NoCapacity)?;
        let adopted = self.relays.adopt(relay, Arc::clone(lease), self.shared, self.poller);
        match (adopted, open.even, second, reserved_lease) {
            (Ok(grant), Some(EvenPort::EvenAndReserve(token)), Some(relay), Some(lease)) => {
                self.shared.reserve(token, Reserved { relay, lease });
                Ok(grant)
            }
            (Ok(grant), ..) => Ok(grant),
            (Err(refused), _, second, _) => {
                [Some(refused), second].into_iter().flatten().for_each(|held| self.shared.give_back(held, self.now));
                Err(NoRelay::NoCapacity)
            }
        }
    }

    /// Binds a port, or a pair of ports; one that another program has rests like a freed one and the next is tried.
    fn bind(&mut self, ports: &RelayPorts, parity: Parity) -> Option<(RelaySocket, Option<RelaySocket>)> {
        for _ in 0..BIND_TRIES {
            let port = ports.take(parity, self.rng, self.now)?;
            let first = self.bind_one(ports, port);
            let second = (parity == Parity::EvenPair).then(|| self.bind_one(ports, port + 1));
            match (first, second) {
                (Ok(first), None) => return Some((first, None)),
                (Ok(first), Some(Ok(second))) => return Some((first, Some(second))),
                (first, second) => {
                    let goes_on = is_taken(&first) || second.as_ref().is_some_and(is_taken);
                    self.undo(ports, port, first);
                    second.into_iter().for_each(|second| self.undo(ports, port + 1, second));
                    if !goes_on {
                        return None;
                    }
                }
            }
        }
        None
    }

    fn bind_one(&self, ports: &RelayPorts, port: u16) -> io::Result<RelaySocket> {
        if !self.shared.descriptors.take() {
            return Err(io::Error::from(io::ErrorKind::QuotaExceeded));
        }
        let local = SocketAddr::new(ports.local(), port);
        let opened = socket::open_relay(local).map(|socket| RelaySocket { socket, local });
        if opened.is_err() {
            self.shared.descriptors.give_back();
        }
        opened
    }

    fn undo(&self, ports: &RelayPorts, port: u16, bound: io::Result<RelaySocket>) {
        match bound {
            Ok(bound) => self.shared.give_back(bound, self.now),
            Err(_) => ports.free(port, self.now),
        }
    }
}

fn is_taken(bound: &io::Result<RelaySocket>) -> bool {
    bound.as_ref().err().is_some_and(|error| error.kind() == io::ErrorKind::AddrInUse)
}
