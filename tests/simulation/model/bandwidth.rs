//! How many bytes may be relayed: by an allocation, by a user, by the server, each way for itself.

use std::collections::BTreeMap;

use super::budgets::{Income, Purse, source};
use super::{Clock, Model, SECOND, Who};
use crate::plan::Plan;

/// An empty datagram is as dear as its headers.
const LEAST: u64 = 28;
/// A full packet; it fits under every limit.
const PACKET: u64 = 1500;

/// Which way data goes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Way {
    ToPeer,
    ToClient,
}

/// What is left of bytes, each way.
pub(super) type Bytes = [Purse; 2];

/// Limits in bytes a second, 0 being none, and what users and the server have left.
pub(super) struct Bandwidth {
    allocation: u64,
    user: u64,
    server: u64,
    /// By user, or where it comes from who has no name.
    of_users: BTreeMap<(Option<Vec<u8>>, u128), Bytes>,
    of_all: Bytes,
}

impl Bandwidth {
    pub(super) fn of(plan: &Plan) -> Bandwidth {
        let limits = &plan.config.limits;
        let (allocation, user, server) = (limits.max_bps, limits.user_bps, limits.bps_capacity);
        Bandwidth { allocation, user, server, of_users: BTreeMap::new(), of_all: Bytes::default() }
    }
}

/// The time in which so many bytes come in, to the nanosecond that is full.
fn time_of(bytes: u64, per_sec: u64) -> u64 {
    let (secs, rest) = (bytes / per_sec, bytes % per_sec);
    secs * SECOND + (rest * SECOND).div_ceil(per_sec)
}

/// What a payload costs, and what fits: a fifth of a second's worth, or a full packet; none: nothing is limited.
fn income(len: usize, per_sec: u64) -> Option<Income> {
    let cost = || time_of((len as u64).max(LEAST), per_sec);
    (per_sec > 0).then(|| Income::of(cost(), time_of(PACKET, per_sec).max(SECOND / 5)))
}

impl Model {
    /// Whether data may pass. The allocation pays only if it does; its user pays also for what the server has no room for.
    pub(super) fn pay_bytes(&mut self, who: Who, way: Way, len: usize, clock: Clock) -> bool {
        let Bandwidth { allocation, user, server, of_users, of_all } = &mut self.bandwidth;
        let held = self.held.get_mut(&who).expect("it is live");
        let (own, way) = (income(len, *allocation), way as usize);
        if own.is_some_and(|own| !held.bytes[way].holds(1, own, clock.mono)) {
            return false;
        }
        let nameless = if held.quota.is_none() { source(who) } else { 0 };
        let of_user = of_users.entry((held.quota.clone(), nameless)).or_default();
        for (purses, per_sec) in [(of_user, *user), (of_all, *server)] {
            if income(len, per_sec).is_some_and(|all| !purses[way].take(1, all, clock.mono)) {
                return false;
            }
        }
        own.is_none_or(|own| held.bytes[way].take(1, own, clock.mono))
    }
}
