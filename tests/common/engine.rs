//! What the engine does for the core, without sockets: ports from the bitmap, places from the quotas, reservations in a
//! table that all workers share, users from theirs.

use std::net::SocketAddr;
use std::sync::Arc;

use turnserver::stun::ErrorCode;
use turnserver::turn::address::{EvenPort, Families, Family, RelayId, ReservationToken};
use turnserver::turn::io::{Claim, OpenRelay, RelayGrant};
use turnserver::turn::ports::{Parity, RelayPorts};
use turnserver::turn::quota::QuotaLease;
use turnserver::turn::{Answer, Output};

use super::net::Inner;

/// How fast the world answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// At once.
    Prompt,
    /// When [`super::World::answer_held`] is called.
    Held,
    /// At once, but users cannot be looked up.
    Failing,
    /// At once, but too many look-ups wait already.
    Full,
}

/// A datagram that reached a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Packet {
    /// The relayed address, as the world sees it.
    pub(crate) from: SocketAddr,
    pub(crate) data: Vec<u8>,
    pub(crate) dont_fragment: bool,
}

/// An open relay socket.
pub(crate) struct Socket {
    pub(super) local: SocketAddr,
    pub(super) external: SocketAddr,
    /// The two relayed addresses of one allocation share a place.
    _lease: Arc<QuotaLease>,
}

/// The reserved half of a pair of ports.
pub(super) struct Reserved {
    local: SocketAddr,
    /// A reserved port is a port taken: it has a place of its own.
    lease: QuotaLease,
}

/// Why there is no relayed address of a family.
enum NoRelay {
    NotServed,
    QuotaReached,
    NoCapacity,
}

impl Inner {
    /// Does what a core asks until it asks nothing more.
    pub(super) fn drain(&mut self, worker: usize) {
        while let Some(output) = self.workers[worker].poll_output() {
            if let Output::LookUpUser(look_up) = &output
                && let Some(answer) = self.memory.as_ref().and_then(|memory| memory.recall(look_up, self.now.wall))
            {
                self.workers[worker].handle_answer(self.now, answer);
                continue;
            }
            let pace = match output {
                Output::LookUpUser(_) => {
                    self.lookup_count += 1;
                    self.lookups
                }
                Output::OpenRelay(_) | Output::Claim(_) => self.openings,
                _ => Pace::Prompt,
            };
            match pace {
                Pace::Prompt => self.answer(worker, output),
                Pace::Held => self.held.push((worker, output)),
                Pace::Failing | Pace::Full => self.fail(worker, &output),
            }
        }
    }

    fn fail(&mut self, worker: usize, output: &Output) {
        let Output::LookUpUser(look_up) = output else { panic!("only look-ups fail: {output:?}") };
        let answer = match &mut self.memory {
            Some(memory) if self.lookups == Pace::Failing => memory.fail(look_up, self.now.wall),
            _ => Answer::LookUpFailed { request: look_up.request },
        };
        self.workers[worker].handle_answer(self.now, answer);
    }

    pub(super) fn answer(&mut self, worker: usize, output: Output) {
        let answer = match output {
            Output::Transmit(transmit) => return self.answer_client(&transmit.to, transmit.credit, &transmit.bytes),
            Output::Event(event) => return self.events.push(event),
            Output::CloseRelay(relay) => return self.close(worker, relay),
            Output::Release(token) => return self.release(token),
            Output::LookUpUser(look_up) => {
                let record = self.users.look_up(&look_up.name, self.now.wall);
                match &mut self.memory {
                    Some(memory) => memory.learn(&look_up, record, self.now.wall),
                    None => Answer::User { request: look_up.request, record },
                }
            }
            Output::OpenRelay(open) => self.open(worker, &open),
            Output::Claim(claim) => self.claim(worker, claim),
        };
        self.workers[worker].handle_answer(self.now, answer);
    }

    /// The order of our rules: family, quota, port.
    fn open(&mut self, worker: usize, open: &OpenRelay) -> Answer {
        let request = open.request;
        let serves = |family: Family| self.relays.iter().any(|ports| Family::of(ports.local()) == family);
        if matches!(open.families, Families::One(family) if !serves(family)) {
            return Answer::FamilyNotServed { request };
        }
        let Some(lease) = self.quotas.acquire(open.user.clone()) else { return Answer::QuotaReached { request } };
        let lease = Arc::new(lease);
        match open.families {
            Families::One(family) => match self.open_one(worker, open, family, &lease) {
                Ok(first) => Answer::Opened { request, first, second: None },
                Err(NoRelay::NotServed) => Answer::FamilyNotServed { request },
                Err(NoRelay::QuotaReached) => Answer::QuotaReached { request },
                Err(NoRelay::NoCapacity) => Answer::NoCapacity { request },
            },
            Families::Both => {
                let v4 = self.open_one(worker, open, Family::V4, &lease);
                let v6 = self.open_one(worker, open, Family::V6, &lease);
                match (v4, v6) {
                    (Ok(first), Ok(second)) => Answer::Opened { request, first, second: Some(Ok(second)) },
                    (Ok(first), Err(why)) => {
                        Answer::Opened { request, first, second: Some(Err((Family::V6, code_of(&why)))) }
                    }
                    (Err(why), Ok(first)) => {
                        Answer::Opened { request, first, second: Some(Err((Family::V4, code_of(&why)))) }
                    }
                    (Err(_), Err(_)) => Answer::NoCapacity { request },
                }
            }
        }
    }

    fn open_one(
        &mut self,
        worker: usize,
        open: &OpenRelay,
        family: Family,
        lease: &Arc<QuotaLease>,
    ) -> Result<RelayGrant, NoRelay> {
        let parity = match open.even {
            None => Parity::Any,
            Some(EvenPort::Even) => Parity::Even,
            Some(EvenPort::EvenAndReserve(_)) => Parity::EvenPair,
        };
        let Inner { relays, quotas, rng, now, .. } = self;
        let candidates: Vec<_> = relays.iter().filter(|ports| Family::of(ports.local()) == family).collect();
        if candidates.is_empty() {
            return Err(NoRelay::NotServed);
        }
        let reserved_lease = match parity {
            Parity::EvenPair => Some(quotas.acquire(open.user.clone()).ok_or(NoRelay::QuotaReached)?),
            Parity::Any | Parity::Even => None,
        };
        let take = |ports: &&RelayPorts| Some((ports.local(), ports.take(parity, rng, now.mono)?));
        let (ip, port) = candidates.iter().find_map(take).ok_or(NoRelay::NoCapacity)?;
        if let (Some(EvenPort::EvenAndReserve(token)), Some(lease)) = (open.even, reserved_lease) {
            self.reservations.insert(token, Reserved { local: SocketAddr::new(ip, port + 1), lease });
        }
        Ok(self.adopt(worker, SocketAddr::new(ip, port), Arc::clone(lease)))
    }

    /// Token before quota: a reservation is not lost to a user who has no place left. The place it took is the
    /// allocation's, if it is the same user's.
    fn claim(&mut self, worker: usize, claim: Claim) -> Answer {
        let request = claim.request;
        let Some(reserved) = self.reservations.remove(&claim.token) else { return Answer::Gone { request } };
        if reserved.lease.is_of(claim.user.as_deref()) {
            let relay = self.adopt(worker, reserved.local, Arc::new(reserved.lease));
            return Answer::Claimed { request, relay };
        }
        match self.quotas.acquire(claim.user) {
            Some(own) => Answer::Claimed { request, relay: self.adopt(worker, reserved.local, Arc::new(own)) },
            None => {
                self.reservations.insert(claim.token, reserved);
                Answer::QuotaReached { request }
            }
        }
    }

    fn adopt(&mut self, worker: usize, local: SocketAddr, lease: Arc<QuotaLease>) -> RelayGrant {
        let ports = self.relays.of_local(local.ip()).expect("ports come from here");
        ports.set_live(local.port(), true);
        let external = SocketAddr::new(ports.external(), local.port());
        let sockets = &mut self.sockets[worker];
        let place = sockets.iter().position(Option::is_none).unwrap_or(sockets.len());
        if place == sockets.len() {
            sockets.push(None);
        }
        sockets[place] = Some(Socket { local, external, _lease: lease });
        RelayGrant { relay: RelayId(place as u32), local, external }
    }

    fn close(&mut self, worker: usize, relay: RelayId) {
        let socket = self.sockets[worker][relay.0 as usize].take().expect("the core closes open sockets, once");
        self.give_back(socket.local);
    }

    fn release(&mut self, token: ReservationToken) {
        if let Some(reserved) = self.reservations.remove(&token) {
            self.give_back(reserved.local);
        }
    }

    fn give_back(&mut self, local: SocketAddr) {
        let ports = self.relays.of_local(local.ip()).expect("ports come from here");
        ports.free(local.port(), self.now.mono);
    }

    /// The relay socket bound to, or called, an address.
    pub(super) fn socket_at(&self, addr: SocketAddr) -> Option<(usize, RelayId)> {
        let is_there = |socket: &Option<Socket>| {
            socket.as_ref().is_some_and(|socket| socket.local == addr || socket.external == addr)
        };
        let places = self.sockets.iter().enumerate();
        places
            .filter_map(|(worker, sockets)| Some((worker, sockets.iter().position(is_there)?)))
            .next()
            .map(|(worker, place)| (worker, RelayId(place as u32)))
    }
}

fn code_of(why: &NoRelay) -> ErrorCode {
    match why {
        NoRelay::NotServed => ErrorCode::ADDRESS_FAMILY_NOT_SUPPORTED,
        NoRelay::QuotaReached | NoRelay::NoCapacity => ErrorCode::INSUFFICIENT_CAPACITY,
    }
}
