//! How many bytes may be relayed: by each allocation, by all allocations of a user, by the server, each way for itself.
//!
//! What is beyond is discarded, never queued (RFC 8656 section 5): a late packet harms a call more than a lost one. Counted
//! is the payload, as in the traffic of an allocation, and nothing of the messages that carry it; requests and their
//! answers never count.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use hashbrown::HashMap;

use super::customer::Customer;
use super::limits::{PACKET_BYTES, USERS_KEPT_MIN};
use super::time::Mono;
use crate::config::Limits;

/// What the headers of IPv4 and UDP take: nothing is cheaper, or empty datagrams would be free and two servers could be
/// made to send one to each other as fast as they can (RFC 8656 section 21.1.7).
const DATAGRAM_BYTES_MIN: u64 = 28;
const NANOS: u64 = 1_000_000_000;
/// So much of a rate comes at once: a picture of a video, and 4 % of what the rate makes in 5 s.
const BURST_NANOS: u64 = NANOS / 5;

/// Which way data goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From a client to a peer.
    ToPeer,
    /// From a peer to a client.
    ToClient,
}

/// How a bucket of bytes fills (the generic cell rate algorithm): all that is known of a bucket is when it is full again.
#[derive(Clone, Copy, Debug)]
pub struct Flow {
    bytes_per_sec: u64,
    /// How long an empty bucket takes to be full.
    burst_nanos: u64,
}

impl Flow {
    /// So many bytes a second, and a fifth of a second's worth at once, but no less than a full packet; none: no bound.
    pub fn new(bytes_per_sec: u64) -> Option<Flow> {
        let burst_nanos = || nanos(PACKET_BYTES, bytes_per_sec).max(BURST_NANOS);
        (bytes_per_sec > 0).then(|| Flow { bytes_per_sec, burst_nanos: burst_nanos() })
    }

    /// When a bucket that is full at `full_at` is full again after `len` more; none: it holds less. What is longer than
    /// all it can hold passes when it is full, and is paid for in full: the time until the next one is longer.
    fn next(self, full_at: u64, len: usize, now: Mono) -> Option<u64> {
        let cost = nanos((len as u64).max(DATAGRAM_BYTES_MIN), self.bytes_per_sec);
        let next = full_at.max(now.0).saturating_add(cost);
        let fits = next <= now.0.saturating_add(self.burst_nanos) || full_at <= now.0;
        fits.then_some(next)
    }
}

/// How long so many bytes take to come back, rounded up: never is more granted than the rate.
fn nanos(bytes: u64, bytes_per_sec: u64) -> u64 {
    bytes.saturating_mul(NANOS).div_ceil(bytes_per_sec)
}

/// Two buckets, one each way, that many threads take from.
#[derive(Debug)]
pub struct Buckets {
    flow: Flow,
    full_at: [AtomicU64; 2],
}

impl Buckets {
    /// Full ones.
    pub fn new(flow: Flow) -> Arc<Buckets> {
        Arc::new(Buckets { flow, full_at: Default::default() })
    }

    /// Takes a datagram's bytes; false when there are not as many.
    pub fn take(&self, way: Way, len: usize, now: Mono) -> bool {
        let next = |full_at| self.flow.next(full_at, len, now);
        self.full_at[way as usize].fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).is_ok()
    }

    fn is_full(&self, now: Mono) -> bool {
        self.full_at.iter().all(|full_at| full_at.load(Ordering::Relaxed) <= now.0)
    }
}

/// The limits in force, and the buckets that workers share.
#[derive(Debug)]
pub struct Bandwidth {
    allocation: Option<Flow>,
    user: Option<Flow>,
    server: Option<Arc<Buckets>>,
    users: Mutex<Users>,
}

/// The buckets of users.
#[derive(Debug, Default)]
struct Users {
    buckets: HashMap<Customer, Arc<Buckets>, ahash::RandomState>,
    /// At so many those that nobody needs are looked for again.
    crowded: usize,
}

impl Bandwidth {
    /// Every bucket is full.
    pub fn new(limits: &Limits) -> Arc<Bandwidth> {
        Arc::new(Bandwidth {
            allocation: Flow::new(limits.max_bps),
            user: Flow::new(limits.user_bps),
            server: Flow::new(limits.bps_capacity).map(Buckets::new),
            users: Mutex::default(),
        })
    }

    /// What an allocation of this user, or client, may take from; none: nothing is limited.
    pub fn share(&self, user: Option<&Arc<[u8]>>, client: IpAddr, now: Mono) -> Option<Box<Share>> {
        let share = Share {
            flow: self.allocation,
            full_at: [0; 2],
            user: self.user.map(|flow| self.of_user(flow, user, client, now)),
            server: self.server.clone(),
        };
        (share.flow.is_some() || share.user.is_some() || share.server.is_some()).then(|| Box::new(share))
    }

    /// Buckets outlive the allocations of their user until they are full: who ends one and makes another has no more.
    fn of_user(&self, flow: Flow, user: Option<&Arc<[u8]>>, client: IpAddr, now: Mono) -> Arc<Buckets> {
        let customer = Customer::of(user, client);
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(buckets) = users.buckets.get(&customer) {
            return Arc::clone(buckets);
        }
        if users.buckets.len() >= users.crowded.max(USERS_KEPT_MIN) {
            users.buckets.retain(|_, buckets| Arc::strong_count(buckets) > 1 || !buckets.is_full(now));
            // What stays is in use, or was a burst ago; looking at twice as many next time makes this cheap for each.
            users.crowded = 2 * users.buckets.len();
        }
        let buckets = Buckets::new(flow);
        users.buckets.insert(customer, Arc::clone(&buckets));
        buckets
    }

    /// Of how many users buckets are kept.
    pub fn users(&self) -> usize {
        self.users.lock().unwrap_or_else(PoisonError::into_inner).buckets.len()
    }
}

/// What one allocation may take from: its own buckets, its user's, the server's.
#[derive(Clone, Debug)]
pub struct Share {
    flow: Option<Flow>,
    full_at: [u64; 2],
    user: Option<Arc<Buckets>>,
    server: Option<Arc<Buckets>>,
}

impl Share {
    /// Takes a datagram's bytes from all of them; false when one holds less. What the user's gave is not given back when
    /// the server's do not: the datagram was the user's.
    pub fn take(&mut self, way: Way, len: usize, now: Mono) -> bool {
        let own = self.full_at[way as usize];
        let Some(next) = self.flow.map_or(Some(own), |flow| flow.next(own, len, now)) else { return false };
        let shared = [&self.user, &self.server];
        if !shared.into_iter().flatten().all(|buckets| buckets.take(way, len, now)) {
            return false;
        }
        self.full_at[way as usize] = next;
        true
    }
}
