//! Allocations and the one index that finds them.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use ahash::RandomState;
use hashbrown::HashMap;
use slab::Slab;

use super::address::{Family, FiveTuple, LinkId, RelayId};
use super::bandwidth::{Share, Way};
use super::channel::Channels;
use super::event::Traffic;
use super::io::{ClientPath, RelayGrant};
use super::permission::Permissions;
use super::time::Mono;
use crate::auth::{LongTermKey, Scheme, Seal};
use crate::stun::TransactionId;

/// Names an allocation of one worker; a later one in the same place has another generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AllocationId {
    index: u32,
    generation: u32,
}

impl fmt::Display for AllocationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.index, self.generation)
    }
}

/// One client's allocation (RFC 8656 section 3.2): one relayed address, or one of each family.
#[derive(Clone, Debug)]
pub struct Allocation {
    pub(super) tuple: FiveTuple,
    pub(super) link: LinkId,
    pub(super) owner: Owner,
    pub(super) relays: [Option<Relay>; 2],
    pub(super) permissions: Permissions,
    pub(super) channels: Channels,
    /// The answer that made it, for retransmissions of the request.
    pub(super) replay: Option<Replay>,
    pub(super) created: Mono,
    pub(super) traffic: Traffic,
    /// What it may still relay; none: all.
    pub(super) bandwidth: Option<Box<Share>>,
    /// When its timer fires next; earlier entries of the wheel are leftovers.
    pub(super) armed: Mono,
    /// When its bucket of new peers is full again.
    pub(super) peers_full_at: Mono,
    /// The user database is not asked again before this, however many wrong passwords come.
    pub(super) key_reread_at: Mono,
}

/// Who made an allocation.
#[derive(Clone, Debug)]
pub struct Owner {
    /// USERNAME; empty when anonymous.
    pub user: Arc<[u8]>,
    /// The key; none when anonymous.
    pub key: Option<Arc<LongTermKey>>,
    /// How the request was signed with it.
    pub scheme: Scheme,
    /// Whose quota it counts for.
    pub quota: Option<Arc<[u8]>>,
    /// Until then the key is enough; then the user database is asked again, where there is one.
    pub vouched_until: Mono,
}

impl Owner {
    /// Signs answers to the request; none when anonymous.
    pub fn seal(&self) -> Option<Seal<'_>> {
        self.key.as_ref().map(|key| key.seal(self.scheme))
    }
}

/// A relayed transport address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Relay {
    /// Its socket and addresses.
    pub grant: RelayGrant,
    /// When it ends.
    pub expires: Mono,
}

/// A remembered answer.
#[derive(Clone, Debug)]
pub struct Replay {
    /// Of the request that was answered.
    pub id: TransactionId,
    /// The answer.
    pub answer: Box<[u8]>,
    /// When it is forgotten.
    pub until: Mono,
}

impl Relay {
    /// Its family.
    pub fn family(&self) -> Family {
        Family::of(self.grant.local.ip())
    }
}

impl Allocation {
    /// One that begins now.
    pub(super) fn new(
        path: ClientPath,
        owner: Owner,
        relays: [Option<Relay>; 2],
        replay: Replay,
        now: Mono,
    ) -> Allocation {
        Allocation {
            tuple: path.tuple,
            link: path.link,
            owner,
            relays,
            permissions: Permissions::default(),
            channels: Channels::default(),
            replay: Some(replay),
            created: now,
            traffic: Traffic::default(),
            bandwidth: None,
            armed: Mono(u64::MAX),
            peers_full_at: Mono(0),
            key_reread_at: Mono(0),
        }
    }

    /// The way to its client.
    pub fn path(&self) -> ClientPath {
        ClientPath { tuple: self.tuple, link: self.link }
    }

    /// Its live relayed address of a family.
    pub fn relay_of(&self, family: Family, now: Mono) -> Option<&Relay> {
        self.live_relays(now).find(|relay| relay.family() == family)
    }

    /// Its live relayed addresses.
    pub fn live_relays(&self, now: Mono) -> impl Iterator<Item = &Relay> {
        self.relays.iter().flatten().filter(move |relay| now < relay.expires)
    }

    /// Whether no relayed address is left.
    pub fn is_expired(&self, now: Mono) -> bool {
        self.live_relays(now).next().is_none()
    }

    /// Whether `peer`'s family is served.
    pub fn serves(&self, peer: SocketAddr, now: Mono) -> bool {
        self.relay_of(Family::of(peer.ip()), now).is_some()
    }

    /// Counts a payload that is about to be relayed; false: it is beyond a limit and must be dropped.
    pub(super) fn let_pass(&mut self, way: Way, len: usize, now: Mono) -> bool {
        if self.bandwidth.as_mut().is_some_and(|share| !share.take(way, len, now)) {
            return false;
        }
        let (packets, bytes) = self.traffic.of(way);
        *packets += 1;
        *bytes += len as u64;
        true
    }

    /// When something of it ends next.
    pub fn next_expiry(&self) -> Option<Mono> {
        let relays = self.relays.iter().flatten().map(|relay| relay.expires);
        let replay = self.replay.as_ref().map(|replay| replay.until);
        relays.chain(replay).chain(self.permissions.next_expiry()).chain(self.channels.next_expiry()).min()
    }
}

/// All allocations of a worker. Only [`Allocations::insert`] and the `remove`s touch the indexes.
#[derive(Debug)]
pub struct Allocations {
    slab: Slab<(u32, Allocation)>,
    by_tuple: HashMap<FiveTuple, u32, RandomState>,
    by_relay: Vec<Option<u32>>,
    generation: u32,
}

impl Allocations {
    /// None yet; `seed` keys the hash of 5-tuples, which clients choose.
    pub fn new(seed: [u64; 4]) -> Allocations {
        let keys = RandomState::with_seeds(seed[0], seed[1], seed[2], seed[3]);
        Allocations { slab: Slab::new(), by_tuple: HashMap::with_hasher(keys), by_relay: Vec::new(), generation: 0 }
    }

    /// Takes an allocation in.
    pub fn insert(&mut self, allocation: Allocation) -> AllocationId {
        self.generation = self.generation.wrapping_add(1);
        let entry = self.slab.vacant_entry();
        let index = entry.key() as u32;
        let former = self.by_tuple.insert(allocation.tuple, index);
        debug_assert!(former.is_none(), "one allocation a 5-tuple");
        index_relays(&mut self.by_relay, &allocation, index);
        entry.insert((self.generation, allocation));
        AllocationId { index, generation: self.generation }
    }

    /// Lets one go.
    pub fn remove(&mut self, id: AllocationId) -> Option<Allocation> {
        self.get(id)?;
        let (_, allocation) = self.slab.remove(id.index as usize);
        self.by_tuple.remove(&allocation.tuple);
        for relay in allocation.relays.iter().flatten() {
            if let Some(slot) = self.by_relay.get_mut(relay.grant.relay.0 as usize) {
                *slot = None;
            }
        }
        Some(allocation)
    }

    /// Lets one of two relayed addresses go.
    pub fn remove_relay(&mut self, id: AllocationId, relay: RelayId) {
        if let Some(allocation) = self.get_mut(id) {
            let slot = allocation.relays.iter_mut().find(|slot| slot.is_some_and(|held| held.grant.relay == relay));
            if let Some(slot) = slot {
                *slot = None;
                self.by_relay[relay.0 as usize] = None;
            }
        }
    }

    /// Builds the indexes from the allocations themselves.
    pub fn index_anew(&mut self) {
        self.by_tuple.clear();
        self.by_relay.clear();
        for (index, (_, allocation)) in &self.slab {
            self.by_tuple.insert(allocation.tuple, index as u32);
            index_relays(&mut self.by_relay, allocation, index as u32);
        }
    }

    /// The allocation of a handle.
    pub fn get(&self, id: AllocationId) -> Option<&Allocation> {
        self.slab.get(id.index as usize).filter(|(generation, _)| *generation == id.generation).map(|(_, held)| held)
    }

    /// The allocation of a handle.
    pub fn get_mut(&mut self, id: AllocationId) -> Option<&mut Allocation> {
        let entry = self.slab.get_mut(id.index as usize);
        entry.filter(|(generation, _)| *generation == id.generation).map(|(_, held)| held)
    }

    /// The allocation of a 5-tuple.
    pub fn of_tuple(&self, tuple: &FiveTuple) -> Option<AllocationId> {
        self.by_tuple.get(tuple).map(|index| self.id_of(*index))
    }

    /// The allocation of a relay socket.
    pub fn of_relay(&self, relay: RelayId) -> Option<AllocationId> {
        self.by_relay.get(relay.0 as usize).copied().flatten().map(|index| self.id_of(index))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.slab.len()
    }

    /// How many 5-tuples are indexed.
    pub(super) fn tuples(&self) -> usize {
        self.by_tuple.len()
    }

    /// How many relay sockets could be indexed.
    pub(super) fn relay_places(&self) -> usize {
        self.by_relay.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.slab.is_empty()
    }

    /// The handle of every allocation, in the order of its place.
    pub fn ids(&self) -> Vec<AllocationId> {
        self.slab
            .iter()
            .map(|(index, (generation, _))| AllocationId { index: index as u32, generation: *generation })
            .collect()
    }

    /// Every allocation, in the order of its place.
    pub fn iter(&self) -> impl Iterator<Item = &Allocation> {
        self.slab.iter().map(|(_, (_, allocation))| allocation)
    }

    fn id_of(&self, index: u32) -> AllocationId {
        let (generation, _) = self.slab[index as usize];
        AllocationId { index, generation }
    }
}

fn index_relays(by_relay: &mut Vec<Option<u32>>, allocation: &Allocation, index: u32) {
    for relay in allocation.relays.iter().flatten() {
        let slot = relay.grant.relay.0 as usize;
        if by_relay.len() <= slot {
            by_relay.resize(slot + 1, None);
        }
        by_relay[slot] = Some(index);
    }
}
