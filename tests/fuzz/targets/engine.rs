//! What the engine does for the core: it opens relays, keeps reserved ports and finds users, as well or as badly as the
//! fuzzer wants.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use turnserver::stun::ErrorCode;
use turnserver::turn::address::{EvenPort, Families, Family, RelayId, ReservationToken};
use turnserver::turn::io::{OpenRelay, RelayGrant, UserRecord};
use turnserver::turn::time::{Mono, Now};
use turnserver::turn::{Answer, Output};

use super::kit::{self, Kit};

/// How an answer turns out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// As asked for.
    Well,
    /// Of two relayed addresses there is one.
    Half,
    /// The quota is used up; the user may not be let in.
    Quota,
    /// No port is free; there is no such user.
    Nothing,
    /// The family is not served; the user has another password.
    Other,
}

impl Manner {
    pub(super) const ALL: [Manner; 5] = [Manner::Well, Manner::Half, Manner::Quota, Manner::Nothing, Manner::Other];
}

/// Relay sockets, reserved ports, and what was asked and not answered yet.
pub(super) struct Engine {
    kit: &'static Kit,
    open: BTreeMap<u32, RelayGrant>,
    reserved: BTreeMap<ReservationToken, SocketAddr>,
    port: u16,
    pub(super) asked: Vec<(Mono, Output)>,
    /// Everything is answered at once, and well.
    pub(super) is_prompt: bool,
}

impl Engine {
    pub(super) fn new(kit: &'static Kit) -> Engine {
        let (open, reserved) = (BTreeMap::new(), BTreeMap::new());
        Engine { kit, open, reserved, port: 50_000, asked: Vec::new(), is_prompt: true }
    }

    /// The numbers of the open relay sockets.
    pub(super) fn open(&self) -> Vec<u32> {
        self.open.keys().copied().collect()
    }

    pub(super) fn grant(&self, relay: RelayId) -> RelayGrant {
        *self.open.get(&relay.0).expect("the core names open relay sockets only")
    }

    pub(super) fn reserved(&self) -> usize {
        self.reserved.len()
    }

    pub(super) fn close(&mut self, relay: RelayId) {
        self.open.remove(&relay.0).expect("the core closes open relay sockets, once");
    }

    pub(super) fn release(&mut self, token: ReservationToken) {
        self.reserved.remove(&token);
    }

    /// The answer to what the core asked.
    pub(super) fn answer(&mut self, now: Now, asked: &Output, manner: Manner) -> Answer {
        match asked {
            Output::LookUpUser(look_up) => {
                let known = self.kit.users.look_up(&look_up.name, now.wall);
                let record = match manner {
                    Manner::Well | Manner::Half => known,
                    Manner::Quota => known.map(|record| UserRecord { usable: false, ..record }),
                    Manner::Nothing => None,
                    Manner::Other => known.map(|record| UserRecord { keys: Vec::new(), ..record }),
                };
                Answer::User { request: look_up.request, record }
            }
            Output::Claim(claim) => {
                let request = claim.request;
                match self.reserved.remove(&claim.token) {
                    None => Answer::Gone { request },
                    Some(local) if manner == Manner::Quota => {
                        self.reserved.insert(claim.token, local);
                        Answer::QuotaReached { request }
                    }
                    Some(local) => Answer::Claimed { request, relay: self.adopt(local) },
                }
            }
            Output::OpenRelay(open) => self.open_relay(open, manner),
            other => panic!("{other:?} asks nothing"),
        }
    }

    fn open_relay(&mut self, open: &OpenRelay, manner: Manner) -> Answer {
        let request = open.request;
        match (open.families, manner) {
            (_, Manner::Quota) => Answer::QuotaReached { request },
            (_, Manner::Nothing) => Answer::NoCapacity { request },
            (Families::One(_), Manner::Other) => Answer::FamilyNotServed { request },
            (Families::One(family), _) => {
                Answer::Opened { request, first: self.open_one(family, open.even), second: None }
            }
            (Families::Both, Manner::Well) => {
                let first = self.open_one(Family::V4, open.even);
                Answer::Opened { request, first, second: Some(Ok(self.open_one(Family::V6, open.even))) }
            }
            (Families::Both, Manner::Half) => {
                let missing = Err((Family::V6, ErrorCode::INSUFFICIENT_CAPACITY));
                Answer::Opened { request, first: self.open_one(Family::V4, open.even), second: Some(missing) }
            }
            (Families::Both, Manner::Other) => {
                let missing = Err((Family::V4, ErrorCode::ADDRESS_FAMILY_NOT_SUPPORTED));
                Answer::Opened { request, first: self.open_one(Family::V6, open.even), second: Some(missing) }
            }
        }
    }

    fn open_one(&mut self, family: Family, even: Option<EvenPort>) -> RelayGrant {
        // Even ones only, so that the next is free to be reserved.
        self.port = if self.port > 65_000 { 50_000 } else { self.port + 2 };
        let ip = kit::listeners()[usize::from(family == Family::V6)].ip();
        if let Some(EvenPort::EvenAndReserve(token)) = even {
            self.reserved.insert(token, SocketAddr::new(ip, self.port + 1));
        }
        self.adopt(SocketAddr::new(ip, self.port))
    }

    fn adopt(&mut self, local: SocketAddr) -> RelayGrant {
        let relay = (0..).find(|relay| !self.open.contains_key(relay)).expect("numbers do not run out");
        let grant = RelayGrant { relay: RelayId(relay), local, external: local };
        self.open.insert(relay, grant);
        grant
    }
}
