//! What the core tells: each thing that happens is told once, when it happens and of whom it happens; each permission and
//! channel that begins is told to end, once, and when it is over.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::net::{IpAddr, SocketAddr};

use turnserver::turn::address::RelayId;

use super::{Clock, Held, Model, Relay, SECOND, Who};

/// Something to be told, or told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Tell {
    /// The lifetime a Refresh granted.
    Refreshed(Who, u32),
    Installed(Who, IpAddr),
    Bound(Who, u16, SocketAddr),
    TooManyNewPeers(Who, Vec<u8>),
    /// Method, code, and the user if one is known.
    Refused(Who, u16, u16, Option<Vec<u8>>),
}

/// What began and was not told to end, and what is to be told.
#[derive(Debug, Default)]
pub(crate) struct Told {
    permissions: BTreeSet<(Who, IpAddr)>,
    channels: BTreeSet<(Who, u16, SocketAddr)>,
    due: Vec<Tell>,
    /// Relay sockets of allocations that were closed: that, or the allocation's end, is told as well.
    closed: Vec<(Who, RelayId, SocketAddr)>,
    is_changed: bool,
}

/// Compares what was told to begin, and not to end, with what must and what may be there.
fn compare<K: Ord + Copy + Debug>(told: &BTreeSet<K>, bounds: &BTreeMap<K, (bool, bool)>) -> Result<(), String> {
    if let Some(key) = told.iter().find(|key| !bounds.get(*key).is_some_and(|(_, may)| *may)) {
        return Err(format!("{key:?} is over, and was not told to end"));
    }
    match bounds.iter().find(|(key, (must, _))| *must && !told.contains(*key)) {
        Some((key, _)) => Err(format!("{key:?} is there, and was not told to begin, or told to end")),
        None => Ok(()),
    }
}

impl Model {
    /// The core must tell this before it has nothing more to say.
    pub(super) fn must_tell(&mut self, tell: Tell) {
        self.told.due.push(tell);
    }

    /// The core tells this.
    pub(crate) fn tells(&mut self, tell: &Tell) -> Result<(), String> {
        let due = &mut self.told.due;
        let place = due.iter().position(|due| due == tell);
        due.remove(place.ok_or_else(|| format!("told is {tell:?}, foretold were {due:?}"))?);
        self.told.is_changed = true;
        match *tell {
            Tell::Installed(who, peer) => match self.told.permissions.insert((who, peer)) {
                true => Ok(()),
                false => Err(format!("{peer} is told to begin twice")),
            },
            Tell::Bound(who, number, peer) => {
                self.told.channels.insert((who, number, peer));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn permission_expired(&mut self, who: Who, peer: IpAddr) -> Result<(), String> {
        self.told.is_changed = true;
        match self.told.permissions.remove(&(who, peer)) {
            true => Ok(()),
            false => Err(format!("the permission of {peer} is told to end and never began for {}", who.1)),
        }
    }

    pub(crate) fn channel_unbound(&mut self, who: Who, number: u16, peer: SocketAddr) -> Result<(), String> {
        self.told.is_changed = true;
        match self.told.channels.remove(&(who, number, peer)) {
            true => Ok(()),
            false => Err(format!("channel {number:x} to {peer} is told to end and never began for {}", who.1)),
        }
    }

    /// A relay socket of an allocation is closed.
    pub(super) fn note_closed(&mut self, who: Who, relay: RelayId, external: SocketAddr) {
        self.told.is_changed = true;
        self.told.closed.push((who, relay, external));
    }

    /// One of two relayed addresses is told to have ended.
    pub(crate) fn relay_ended(&mut self, who: Who, relay: RelayId) -> Result<(), String> {
        let closed = &mut self.told.closed;
        let place = closed.iter().position(|(of, held, _)| (*of, *held) == (who, relay));
        closed.remove(place.ok_or("a relayed address is told to end that was not closed")?);
        match self.held.get(&who).is_some_and(|held| held.relays.iter().any(|relay| !relay.is_closed)) {
            true => Ok(()),
            false => Err("an allocation is told to live on without a relayed address".to_owned()),
        }
    }

    /// An allocation is told to have ended, with what it had last: everything of it was told before.
    pub(super) fn told_end(&mut self, who: Who, relayed: SocketAddr) -> Result<(), String> {
        let first = self.told.closed.iter().find(|(of, ..)| *of == who).map(|(_, _, external)| *external);
        self.told.closed.retain(|(of, ..)| *of != who);
        let has_permission = self.told.permissions.iter().any(|(of, _)| *of == who);
        if has_permission || self.told.channels.iter().any(|(of, ..)| *of == who) {
            return Err("an allocation ended before its permissions and channels".to_owned());
        }
        match first == Some(relayed) {
            true => Ok(()),
            false => Err(format!("{relayed} is told to end with its allocation, foretold was {first:?}")),
        }
    }

    /// The core told all it had to tell.
    pub(crate) fn check_due(&self) -> Result<(), String> {
        match (self.told.due.first(), self.told.closed.first()) {
            (Some(tell), _) => Err(format!("nobody was told of {tell:?}")),
            (_, Some((who, _, relayed))) => Err(format!("nobody was told that {relayed} of {} ended", who.1)),
            (None, None) => Ok(()),
        }
    }

    /// How many permissions and channels began and were not told to end.
    pub(crate) fn told(&self) -> usize {
        self.told.permissions.len() + self.told.channels.len()
    }

    /// Has what was told compared anew, though nothing was told since.
    pub(crate) fn look_again(&mut self) {
        self.told.is_changed = true;
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
            (is_live, may_stay)
        };
        let (mut permissions, mut channels) = (BTreeMap::new(), BTreeMap::new());
        for (who, held) in &self.held {
            for (ip, ends) in &held.permissions {
                permissions.insert((*who, *ip), bounds_of(held, *ip, *ends));
            }
            for (number, (peer, ends)) in &held.channels {
                channels.insert((*who, *number, *peer), bounds_of(held, peer.ip(), *ends));
            }
        }
        compare(&self.told.permissions, &permissions)?;
        compare(&self.told.channels, &channels)
    }
}
