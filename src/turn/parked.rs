//! Requests that wait for an answer of the world: bounded in number and time, and once each.

use std::collections::BTreeMap;

use ahash::RandomState;
use hashbrown::{HashMap, HashSet};

use super::address::{FiveTuple, RequestId, ReservationToken};
use super::allocation::Owner;
use super::answer::Head;
use super::auth_failure::AuthFailure;
use super::budget::prefix;
use super::io::ClientPath;
use super::limits::{LOOK_UPS_MAX, LOOK_UPS_OF_SOURCE_MAX, PARKED_MAX, PARKED_SECS};
use super::time::Mono;
use crate::stun::TransactionId;

/// A request that waits.
#[derive(Debug)]
pub(super) struct Parked {
    pub(super) path: ClientPath,
    pub(super) head: Head,
    pub(super) waiting: Waiting,
}

/// What for.
#[derive(Debug)]
pub(super) enum Waiting {
    /// The user's keys; the request is read again when they come.
    User {
        datagram: Box<[u8]>,
        /// What it is refused for if nothing newer is known of the user; none: nothing was known of the user so far.
        refused: Option<AuthFailure>,
    },
    /// Relayed addresses.
    Relay { owner: Owner, lifetime_secs: u32, reserves: Option<ReservationToken> },
}

/// All requests of a worker that wait.
#[derive(Debug)]
pub(super) struct ParkedRequests {
    /// All wait equally long, so the order of their numbers is the order of their ends.
    requests: BTreeMap<RequestId, (Mono, Parked)>,
    keys: HashSet<(FiveTuple, TransactionId), RandomState>,
    /// How many of them wait for a user.
    look_ups: usize,
    /// The same by source.
    sources: HashMap<u128, usize, RandomState>,
    next: u64,
}

/// The request cannot wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoRoom {
    /// It waits already; this is its retransmission.
    Retransmission,
    /// Too many wait.
    Full,
}

impl ParkedRequests {
    /// None yet; `seed` keys the hash of 5-tuples, which clients choose.
    pub(super) fn new(seed: [u64; 4]) -> ParkedRequests {
        let keys = RandomState::with_seeds(seed[0], seed[1], seed[2], seed[3]);
        let sources = HashMap::with_hasher(keys.clone());
        ParkedRequests { requests: BTreeMap::new(), keys: HashSet::with_hasher(keys), look_ups: 0, sources, next: 0 }
    }

    /// Has a request wait, for [`PARKED_SECS`] at most.
    pub(super) fn park(&mut self, parked: Parked, now: Mono) -> Result<RequestId, NoRoom> {
        let is_look_up = matches!(parked.waiting, Waiting::User { .. });
        let source = prefix(parked.path.tuple.client.ip());
        if self.requests.len() >= PARKED_MAX || is_look_up && !self.has_room_for(source) {
            return Err(NoRoom::Full);
        }
        if !self.keys.insert((parked.path.tuple, parked.head.id)) {
            return Err(NoRoom::Retransmission);
        }
        let id = RequestId(self.next);
        self.next += 1;
        if is_look_up {
            self.look_ups += 1;
            *self.sources.entry(source).or_default() += 1;
        }
        self.requests.insert(id, (now.plus_secs(PARKED_SECS), parked));
        Ok(id)
    }

    fn has_room_for(&self, source: u128) -> bool {
        let of_source = self.sources.get(&source).copied().unwrap_or_default();
        self.look_ups < LOOK_UPS_MAX && of_source < LOOK_UPS_OF_SOURCE_MAX
    }

    /// Gives no number that `former` gave: answers to its requests may still come.
    pub(super) fn number_on_from(&mut self, former: &ParkedRequests) {
        self.next = former.next;
    }

    /// Whether a request of this client waits under this transaction id.
    pub(super) fn holds(&self, client: FiveTuple, id: TransactionId) -> bool {
        self.keys.contains(&(client, id))
    }

    /// A request that waits.
    pub(super) fn get(&self, id: RequestId) -> Option<&Parked> {
        self.requests.get(&id).map(|(_, parked)| parked)
    }

    /// Takes a request out because it is answered.
    pub(super) fn take(&mut self, id: RequestId) -> Option<Parked> {
        let (_, parked) = self.requests.remove(&id)?;
        if matches!(parked.waiting, Waiting::User { .. }) {
            self.look_ups -= 1;
            let source = prefix(parked.path.tuple.client.ip());
            self.sources.entry(source).and_replace_entry_with(|_, count| Some(count - 1).filter(|left| *left > 0));
        }
        self.keys.remove(&(parked.path.tuple, parked.head.id));
        Some(parked)
    }

    /// Takes out a request that waited too long.
    pub(super) fn take_overdue(&mut self, now: Mono) -> Option<Parked> {
        let (id, _) = self.requests.first_key_value().filter(|(_, (deadline, _))| *deadline <= now)?;
        self.take(*id)
    }

    /// Takes out every request of a client, the oldest first.
    pub(super) fn take_all_of(&mut self, tuple: &FiveTuple) -> Vec<Parked> {
        let of_client = self.requests.iter().filter(|(_, (_, parked))| parked.path.tuple == *tuple);
        let ids: Vec<RequestId> = of_client.map(|(id, _)| *id).collect();
        ids.into_iter().filter_map(|id| self.take(id)).collect()
    }

    /// When the first of them has waited too long.
    pub(super) fn next_deadline(&self) -> Option<Mono> {
        self.requests.first_key_value().map(|(_, (deadline, _))| *deadline)
    }

    /// Whether the look-ups of all sources are those that wait.
    #[allow(clippy::disallowed_methods, reason = "neither a sum nor a property of all has an order")]
    pub(super) fn counts_sources(&self) -> bool {
        self.sources.values().sum::<usize>() == self.look_ups && self.sources.values().all(|count| *count > 0)
    }

    /// How many clients and transactions are indexed.
    pub(super) fn keys(&self) -> usize {
        self.keys.len()
    }

    pub(super) fn len(&self) -> usize {
        self.requests.len()
    }
}
