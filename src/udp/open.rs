//! Opening relayed addresses: ports from the bitmap, sockets from the system, places from the quotas.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use super::relays::{RelaySocket, Relays};
use super::shared::Shared;
use super::socket;
use crate::poll::Poller;
use crate::stun::ErrorCode;
use crate::turn::Answer;
use crate::turn::address::{EvenPort, Families, Family};
use crate::turn::io::{Claim, OpenRelay, RelayGrant};
use crate::turn::ports::{Parity, RelayPorts};
use crate::turn::quota::QuotaLease;
use crate::turn::time::Mono;
use rand_chacha::ChaCha12Rng;

/// Ports tried when other programs have them.
const BIND_TRIES: usize = 16;

/// Why there is no relayed address of a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NoRelay {
    NotServed,
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
    /// Answers [`crate::turn::Output::OpenRelay`].
    pub(super) fn open(&mut self, open: OpenRelay) -> Answer {
        let request = open.request;
        let Some(lease) = self.shared.quotas.acquire(open.user.clone()) else {
            return Answer::QuotaReached { request };
        };
        let lease = Arc::new(lease);
        match open.families {
            Families::One(family) => match self.open_one(&open, family, &lease) {
                Ok(first) => Answer::Opened { request, first, second: None },
                Err(NoRelay::NotServed) => Answer::FamilyNotServed { request },
                Err(NoRelay::NoCapacity) => Answer::NoCapacity { request },
            },
            // RFC 8656 section 7.2 step 9: one of two is a success, and the answer says why the other is missing.
            Families::Both => {
                let v4 = self.open_one(&open, Family::V4, &lease);
                let v6 = self.open_one(&open, Family::V6, &lease);
                let missing = |family: Family, error: NoRelay| match error {
                    NoRelay::NotServed => Err((family, ErrorCode::ADDRESS_FAMILY_NOT_SUPPORTED)),
                    NoRelay::NoCapacity => Err((family, ErrorCode::INSUFFICIENT_CAPACITY)),
                };
                match (v4, v6) {
                    (Ok(first), v6) => {
                        let second = v6.or_else(|error| missing(Family::V6, error));
                        Answer::Opened { request, first, second: Some(second) }
                    }
                    (Err(error), Ok(first)) => {
                        Answer::Opened { request, first, second: Some(missing(Family::V4, error)) }
                    }
                    (Err(_), Err(_)) => Answer::NoCapacity { request },
                }
            }
        }
    }

    /// Answers [`crate::turn::Output::Claim`].
    pub(super) fn claim(&mut self, claim: Claim) -> Answer {
        let request = claim.request;
        let Some(lease) = self.shared.quotas.acquire(claim.user) else { return Answer::QuotaReached { request } };
        let Some(reserved) = self.shared.claim(claim.token) else { return Answer::Gone { request } };
        match self.relays.adopt(reserved, Arc::new(lease), self.shared, self.poller) {
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
        let (relay, reserved) =
            candidates.into_iter().find_map(|ports| self.bind(ports, parity)).ok_or(NoRelay::NoCapacity)?;
        if let (Some(EvenPort::EvenAndReserve(token)), Some(reserved)) = (open.even, reserved) {
            self.shared.reserve(token, reserved);
        }
        self.relays.adopt(relay, Arc::clone(lease), self.shared, self.poller).map_err(|refused| {
            self.shared.give_back(refused, self.now);
            NoRelay::NoCapacity
        })
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
                    let is_taken = |bound: &io::Result<RelaySocket>| {
                        bound.as_ref().err().is_some_and(|error| error.kind() == io::ErrorKind::AddrInUse)
                    };
                    let goes_on = is_taken(&first) || second.as_ref().is_some_and(is_taken);
                    for (bound, port) in [(Some(first), port), (second, port.wrapping_add(1))] {
                        match bound {
                            Some(Ok(bound)) => self.shared.give_back(bound, self.now),
                            Some(Err(_)) => ports.free(port, self.now),
                            None => {}
                        }
                    }
                    if !goes_on {
                        return None;
                    }
                }
            }
        }
        None
    }

    fn bind_one(&self, ports: &RelayPorts, port: u16) -> io::Result<RelaySocket> {
        if !self.shared.may_open() {
            return Err(io::Error::from(io::ErrorKind::QuotaExceeded));
        }
        let local = SocketAddr::new(ports.local(), port);
        let opened = socket::open_relay(local).map(|socket| RelaySocket { socket, local });
        if opened.is_err() {
            self.shared.not_opened();
        }
        opened
    }
}
