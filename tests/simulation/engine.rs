//! What the engine of `src/udp` does for the core, without sockets: the same order of checks over the same tables of
//! ports, quotas and budgets, with a system below it that refuses when the simulation says so.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::SeedableRng;
use turnserver::stun::ErrorCode;
use turnserver::turn::Answer;
use turnserver::turn::address::{EvenPort, Families, Family, RelayId, ReservationToken};
use turnserver::turn::budget::Budget;
use turnserver::turn::io::{Claim, OpenRelay, RelayGrant};
use turnserver::turn::ports::{Parity, RelayAddresses, RelayPorts};
use turnserver::turn::quota::{QuotaLease, Quotas};
use turnserver::turn::time::Mono;
use turnserver::userdb::Users;

use crate::dice::Dice;
use crate::guesses::Guesses;
use crate::mail::ON_STREAMS;
use crate::plan::Plan;

/// Ports tried when other programs have them.
const BIND_TRIES: usize = 16;

/// An open relay socket.
pub(crate) struct Socket {
    pub(crate) local: SocketAddr,
    pub(crate) external: SocketAddr,
    lease: Arc<QuotaLease>,
}

struct Reserved {
    local: SocketAddr,
    lease: QuotaLease,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum NoRelay {
    NotServed,
    QuotaReached,
    NoCapacity,
}

/// Shared by all workers.
pub(crate) struct Engine {
    pub(crate) relays: RelayAddresses,
    pub(crate) quotas: Arc<Quotas>,
    pub(crate) budget: Option<Budget>,
    pub(crate) guesses: Option<Guesses>,
    pub(crate) users: Users,
    pub(crate) epoll_refuses: bool,
    /// The relay sockets of each worker, by their numbers.
    pub(crate) sockets: Vec<Vec<Option<Socket>>>,
    squatted: BTreeSet<SocketAddr>,
    descriptors_max: usize,
    pub(crate) descriptors: usize,
    reservations: BTreeMap<ReservationToken, Reserved>,
    rng: ChaCha12Rng,
}

impl Engine {
    pub(crate) fn new(plan: &Plan, dice: &mut Dice) -> Engine {
        let (limits, sources) = (&plan.config.limits, sources(plan));
        let ports = plan.relays.iter().map(|(local, external)| RelayPorts::new(*local, *external, plan.ports.clone()));
        Engine {
            relays: RelayAddresses::new(ports.collect()),
            quotas: Quotas::new(limits.user_quota, limits.total_quota),
            budget: limits.unauthorized.map(|rate| Budget::new(rate, collision_free(&sources, dice))),
            guesses: match limits.auth_failures_per_minute {
                0 => None,
                count => Some(Guesses::new(count, &sources, dice)),
            },
            users: Users::new(&plan.config.auth),
            epoll_refuses: false,
            sockets: (0..plan.workers).map(|_| Vec::new()).collect(),
            squatted: plan.squatted.iter().copied().collect(),
            descriptors_max: plan.descriptors_max,
            descriptors: 0,
            reservations: BTreeMap::new(),
            rng: ChaCha12Rng::from_seed(dice.seed()),
        }
    }

    pub(crate) fn reservations(&self) -> usize {
        self.reservations.len()
    }

    pub(crate) fn reserved_local(&self, token: ReservationToken) -> Option<SocketAddr> {
        self.reservations.get(&token).map(|reserved| reserved.local)
    }

    /// Family, quota, port: in this order.
    pub(crate) fn open(&mut self, now: Mono, worker: usize, open: &OpenRelay) -> Answer {
        let request = open.request;
        let serves = |family: Family| self.relays.iter().any(|ports| Family::of(ports.local()) == family);
        if matches!(open.families, Families::One(family) if !serves(family)) {
            return Answer::FamilyNotServed { request };
        }
        let Some(lease) = self.quotas.acquire(open.user.clone()) else { return Answer::QuotaReached { request } };
        let lease = Arc::new(lease);
        if let Families::One(family) = open.families {
            return match self.open_one(now, worker, open, family, &lease) {
                Ok(first) => Answer::Opened { request, first, second: None },
                Err(NoRelay::NotServed) => Answer::FamilyNotServed { request },
                Err(NoRelay::QuotaReached) => Answer::QuotaReached { request },
                Err(NoRelay::NoCapacity) => Answer::NoCapacity { request },
            };
        }
        let v4 = self.open_one(now, worker, open, Family::V4, &lease);
        let v6 = self.open_one(now, worker, open, Family::V6, &lease);
        let missing = |family: Family, error: NoRelay| match error {
            NoRelay::NotServed => Err((family, ErrorCode::ADDRESS_FAMILY_NOT_SUPPORTED)),
            NoRelay::QuotaReached | NoRelay::NoCapacity => Err((family, ErrorCode::INSUFFICIENT_CAPACITY)),
        };
        match (v4, v6) {
            (Ok(first), v6) => {
                Answer::Opened { request, first, second: Some(v6.or_else(|error| missing(Family::V6, error))) }
            }
            (Err(error), Ok(first)) => Answer::Opened { request, first, second: Some(missing(Family::V4, error)) },
            (Err(_), Err(_)) => Answer::NoCapacity { request },
        }
    }

    fn open_one(
        &mut self,
        now: Mono,
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
        if !self.relays.iter().any(|ports| Family::of(ports.local()) == family) {
            return Err(NoRelay::NotServed);
        }
        let reserved_lease = match parity {
            Parity::EvenPair => Some(self.quotas.acquire(open.user.clone()).ok_or(NoRelay::QuotaReached)?),
            Parity::Any | Parity::Even => None,
        };
        let local = self.bind(now, family, parity).ok_or(NoRelay::NoCapacity)?;
        let second = SocketAddr::new(local.ip(), local.port() + 1);
        let adopted = self.adopt(worker, local, Arc::clone(lease));
        match (adopted, open.even, reserved_lease) {
            (Some(grant), Some(EvenPort::EvenAndReserve(token)), Some(lease)) => {
                self.reservations.insert(token, Reserved { local: second, lease });
                Ok(grant)
            }
            (Some(grant), ..) => Ok(grant),
            (None, ..) => {
                self.give_back(local, now);
                if parity == Parity::EvenPair {
                    self.give_back(second, now);
                }
                Err(NoRelay::NoCapacity)
            }
        }
    }

    /// Binds a port, or a pair; one that another program has rests and the next is tried.
    fn bind(&mut self, now: Mono, family: Family, parity: Parity) -> Option<SocketAddr> {
        let Engine { relays, squatted, descriptors, descriptors_max, rng, .. } = self;
        let mut bind = |ports: &RelayPorts| {
            for _ in 0..BIND_TRIES {
                let port = ports.take(parity, rng, now)?;
                let mut one = |port: u16| {
                    let local = SocketAddr::new(ports.local(), port);
                    match (*descriptors < *descriptors_max, squatted.contains(&local)) {
                        (false, _) => Err(false),
                        (true, true) => Err(true),
                        (true, false) => {
                            *descriptors += 1;
                            Ok(local)
                        }
                    }
                };
                let first = one(port);
                let second = (parity == Parity::EvenPair).then(|| one(port + 1));
                if let (Ok(local), None | Some(Ok(_))) = (first, second) {
                    return Some(local);
                }
                let goes_on = first == Err(true) || second == Some(Err(true));
                for (place, bound) in [Some(first), second].into_iter().flatten().enumerate() {
                    *descriptors -= usize::from(bound.is_ok());
                    ports.free(port + place as u16, now);
                }
                if !goes_on {
                    return None;
                }
            }
            None
        };
        relays.iter().filter(|ports| Family::of(ports.local()) == family).find_map(&mut bind)
    }

    /// Token, then quota: a reservation is not lost to a user who has no place left.
    pub(crate) fn claim(&mut self, now: Mono, worker: usize, claim: Claim) -> Answer {
        let request = claim.request;
        let Some(reserved) = self.reservations.remove(&claim.token) else { return Answer::Gone { request } };
        let Reserved { local, lease } = reserved;
        let lease = match lease.is_of(claim.user.as_deref()) {
            true => lease,
            false => match self.quotas.acquire(claim.user) {
                Some(own) => own,
                None => {
                    self.reservations.insert(claim.token, Reserved { local, lease });
                    return Answer::QuotaReached { request };
                }
            },
        };
        match self.adopt(worker, local, Arc::new(lease)) {
            Some(relay) => Answer::Claimed { request, relay },
            None => {
                self.give_back(local, now);
                Answer::NoCapacity { request }
            }
        }
    }

    fn adopt(&mut self, worker: usize, local: SocketAddr, lease: Arc<QuotaLease>) -> Option<RelayGrant> {
        if self.epoll_refuses {
            return None;
        }
        let ports = self.relays.of_local(local.ip()).expect("ports come from here");
        ports.set_live(local.port(), true);
        let external = SocketAddr::new(ports.external(), local.port());
        let relay = self.place(worker, Socket { local, external, lease });
        Some(RelayGrant { relay, local, external })
    }

    fn place(&mut self, worker: usize, socket: Socket) -> RelayId {
        let sockets = &mut self.sockets[worker];
        let place = sockets.iter().position(Option::is_none).unwrap_or(sockets.len());
        if place == sockets.len() {
            sockets.push(None);
        }
        sockets[place] = Some(socket);
        RelayId(place as u32)
    }

    /// Hands a socket to another worker, or to another place.
    pub(crate) fn move_socket(&mut self, from: usize, relay: RelayId, to: usize) -> Option<RelayId> {
        let socket = self.sockets[from].get_mut(relay.0 as usize)?.take()?;
        Some(self.place(to, socket))
    }

    pub(crate) fn close(&mut self, now: Mono, worker: usize, relay: RelayId) -> Option<SocketAddr> {
        let Socket { local, lease, .. } = self.sockets[worker].get_mut(relay.0 as usize)?.take()?;
        drop(lease);
        self.give_back(local, now);
        Some(local)
    }

    pub(crate) fn release(&mut self, now: Mono, token: ReservationToken) {
        if let Some(reserved) = self.reservations.remove(&token) {
            self.give_back(reserved.local, now);
        }
    }

    fn give_back(&mut self, local: SocketAddr, now: Mono) {
        self.descriptors -= 1;
        self.relays.of_local(local.ip()).expect("ports come from here").free(local.port(), now);
    }

    pub(crate) fn socket(&self, worker: usize, relay: RelayId) -> Option<&Socket> {
        self.sockets[worker].get(relay.0 as usize)?.as_ref()
    }

    /// Who has the socket bound to an address, or, where a NAT maps it, called so.
    pub(crate) fn socket_at(&self, address: SocketAddr) -> Option<(usize, RelayId)> {
        let is_it = |socket: &Option<Socket>| {
            socket.as_ref().is_some_and(|socket| socket.local == address || socket.external == address)
        };
        let of_worker = |(worker, sockets): (usize, &Vec<Option<Socket>>)| {
            Some((worker, RelayId(sockets.iter().position(is_it)? as u32)))
        };
        self.sockets.iter().enumerate().find_map(of_worker)
    }
}

/// Where clients of the plan come from, each customer once.
fn sources(plan: &Plan) -> Vec<IpAddr> {
    let mut sources: Vec<IpAddr> = plan.clients.iter().map(|client| client.address.ip()).collect();
    sources.extend(crate::client::OTHER_SOURCES.map(crate::plan::ip));
    let prefix = |ip: &IpAddr| match ip {
        IpAddr::V4(_) => *ip,
        IpAddr::V6(ip) => Ipv6Addr::from(u128::from(*ip) >> 64 << 64).into(),
    };
    sources.sort_by_key(prefix);
    sources.dedup_by_key(|ip| prefix(ip));
    sources
}

/// Keys under which no two of them share a bucket, which no model could foretell.
fn collision_free(sources: &[IpAddr], dice: &mut Dice) -> [u64; 4] {
    let one = turnserver::config::Rate { per_sec: 1, burst: 1 };
    loop {
        let keys = std::array::from_fn(|_| dice.next());
        let budget = Budget::new(one, keys);
        let is_apart = |ip: &IpAddr| budget.take(*ip, Mono(1)) && budget.take_of(*ip, ON_STREAMS, Mono(1));
        if sources.iter().all(is_apart) {
            return keys;
        }
    }
}
