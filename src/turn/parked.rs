//! Requests that wait for an answer of the world: bounded in number and time, and once each.

use hashbrown::{HashMap, HashSet};

use super::address::{FiveTuple, RequestId};
use super::allocation::Owner;
use super::answer::Head;
use super::io::ClientPath;
use super::limits::PARKED_MAX;
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
    User { datagram: Box<[u8]> },
    /// Relayed addresses.
    Relay { owner: Owner, lifetime_secs: u32, reserves: Option<super::address::ReservationToken> },
}

/// All requests of a worker that wait.
#[derive(Debug, Default)]
pub(super) struct ParkedRequests {
    requests: HashMap<RequestId, Parked, ahash::RandomState>,
    keys: HashSet<(FiveTuple, TransactionId), ahash::RandomState>,
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
    /// Has a request wait.
    pub(super) fn park(&mut self, parked: Parked) -> Result<RequestId, NoRoom> {
        if self.requests.len() >= PARKED_MAX {
            return Err(NoRoom::Full);
        }
        if !self.keys.insert((parked.path.tuple, parked.head.id)) {
            return Err(NoRoom::Retransmission);
        }
        let id = RequestId(self.next);
        self.next += 1;
        self.requests.insert(id, parked);
        Ok(id)
    }

    /// Takes a request out, answered or forgotten.
    pub(super) fn take(&mut self, id: RequestId) -> Option<Parked> {
        let parked = self.requests.remove(&id)?;
        self.keys.remove(&(parked.path.tuple, parked.head.id));
        Some(parked)
    }

    /// Takes out every request of a client, the oldest first.
    pub(super) fn take_all_of(&mut self, tuple: &FiveTuple) -> Vec<Parked> {
        if self.requests.is_empty() {
            return Vec::new();
        }
        let of_client = |_: &RequestId, parked: &mut Parked| parked.path.tuple == *tuple;
        let mut taken: Vec<(RequestId, Parked)> = self.requests.extract_if(of_client).collect();
        taken.sort_unstable_by_key(|(id, _)| *id);
        self.keys.retain(|(client, _)| client != tuple);
        taken.into_iter().map(|(_, parked)| parked).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.requests.len()
    }
}
