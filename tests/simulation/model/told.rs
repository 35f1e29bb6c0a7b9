//! What the core tells of permissions and channels: each that begins is told to end, once, and when it is over.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::net::{IpAddr, SocketAddr};

use super::{Clock, Held, Model, Relay, SECOND, Who};

/// What began and was not told to end, over all allocations.
#[derive(Debug, Default)]
pub(crate) struct Told {
    permissions: BTreeMap<IpAddr, usize>,
    channels: BTreeMap<(u16, SocketAddr), usize>,
    /// Allocations that asked for too many new peers, which is told as well.
    limited: Vec<Who>,
    is_changed: bool,
}

/// One of these ended.
fn take<K: Ord + Debug>(counts: &mut BTreeMap<K, usize>, key: K) -> Result<(), String> {
    match counts.get_mut(&key) {
        Some(count @ 1..) => *count -= 1,
        _ => return Err(format!("{key:?} is told to end and never began")),
    }
    counts.retain(|_, count| *count > 0);
    Ok(())
}

/// Compares what is counted with the fewest and the most there can be.
fn compare<K: Ord + Copy + Debug>(
    counts: &BTreeMap<K, usize>,
    bounds: &BTreeMap<K, (usize, usize)>,
) -> Result<(), String> {
    for key in counts.keys().chain(bounds.keys()) {
        let count = counts.get(key).copied().unwrap_or(0);
        let (least, most) = bounds.get(key).copied().unwrap_or((0, 0));
        if count < least || count > most {
            return Err(format!("{key:?}: {count} did not end by what was told, foretold were {least} to {most}"));
        }
    }
    Ok(())
}

impl Model {
    pub(super) fn channel_begins(&mut self, number: u16, peer: SocketAddr) {
        self.told.is_changed = true;
        *self.told.channels.entry((number, peer)).or_default() += 1;
    }

    pub(super) fn limited(&mut self, who: Who) {
        self.told.limited.push(who);
    }

    pub(crate) fn permission_installed(&mut self, peer: IpAddr) {
        self.told.is_changed = true;
        *self.told.permissions.entry(peer).or_default() += 1;
    }

    pub(crate) fn permission_expired(&mut self, peer: IpAddr) -> Result<(), String> {
        self.told.is_changed = true;
        take(&mut self.told.permissions, peer)
    }

    pub(crate) fn channel_unbound(&mut self, number: u16, peer: SocketAddr) -> Result<(), String> {
        self.told.is_changed = true;
        take(&mut self.told.channels, (number, peer))
    }

    pub(crate) fn new_peers_limited(&mut self, who: Who, user: &[u8]) -> Result<(), String> {
        let is_its = self.held.get(&who).is_some_and(|held| held.user == user);
        match self.told.limited.pop() {
            Some(foretold) if foretold == who && is_its => Ok(()),
            foretold => Err(format!("{} asked for too many new peers; foretold was {foretold:?}", who.1)),
        }
    }

    /// The core told all it had to tell.
    pub(crate) fn check_limited(&self) -> Result<(), String> {
        match self.told.limited.first() {
            Some(who) => Err(format!("{} asked for too many new peers, which nobody was told", who.1)),
            None => Ok(()),
        }
    }

    /// Other rules for peers: what they forbid ends at once. Says how many permissions and channels do.
    pub(crate) fn change_peers(&mut self, allowed: &str, denied: &str) -> (usize, usize) {
        self.ranges.change(allowed, denied);
        self.told.is_changed = true;
        let mut held = std::mem::take(&mut self.held);
        let mut ended = (0, 0);
        for held in held.values_mut() {
            let before = (held.permissions.len(), held.channels.len());
            held.permissions.retain(|ip, _| self.permits(*ip));
            held.channels.retain(|_, (peer, _)| self.reach(*peer).is_some());
            ended.0 += before.0 - held.permissions.len();
            ended.1 += before.1 - held.channels.len();
        }
        self.held = held;
        ended
    }

    /// What was told against what there is; asked when all timers that are due have fired. A timer fires at the second
    /// behind an end, so between the two either is right.
    pub(crate) fn check_told(&mut self, clock: Clock) -> Result<(), String> {
        if !std::mem::take(&mut self.told.is_changed) {
            return Ok(());
        }
        let stays = |ends: u64| clock.mono / SECOND < ends.div_ceil(SECOND);
        let has_relay = |held: &Held, ip: IpAddr, is_there: &dyn Fn(&Relay) -> bool| {
            held.relays.iter().any(|relay| is_there(relay) && relay.local.is_ipv4() == ip.is_ipv4())
        };
        let bounds_of = |held: &Held, ip: IpAddr, ends: u64| {
            let is_live = clock.mono < ends && has_relay(held, ip, &|relay| relay.is_live(clock.mono));
            let may_stay =
                stays(ends) && has_relay(held, ip, &|relay| !relay.is_doomed && !relay.is_closed && stays(relay.ends));
            (usize::from(is_live), usize::from(may_stay))
        };
        let (mut permissions, mut channels) = (BTreeMap::new(), BTreeMap::new());
        for held in self.held.values() {
            for (ip, ends) in &held.permissions {
                add(&mut permissions, *ip, bounds_of(held, *ip, *ends));
            }
            for (number, (peer, ends)) in &held.channels {
                add(&mut channels, (*number, *peer), bounds_of(held, peer.ip(), *ends));
            }
        }
        compare(&self.told.permissions, &permissions)?;
        compare(&self.told.channels, &channels)
    }
}

fn add<K: Ord>(bounds: &mut BTreeMap<K, (usize, usize)>, key: K, (least, most): (usize, usize)) {
    let sum = bounds.entry(key).or_default();
    *sum = (sum.0 + least, sum.1 + most);
}
