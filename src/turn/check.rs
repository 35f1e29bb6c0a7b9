//! The core's word on itself, for tests: do tables, indexes and timers agree? Never called on the packet path.

use super::address::{FiveTuple, RelayId};
use super::allocation::{AllocationId, Allocations};
use super::channel::Channels;
use super::limits::LEFTOVERS_MAX;
use super::parked::ParkedRequests;
use super::server::{Server, Timer};
use super::time::Now;
use super::timers::Wheel;

/// Twice as many entries as lived when the wheel was last looked through may wait without owner. Tests hold few
/// allocations, so that these are not many.
const LIVED_MAX: usize = 256;

impl Server {
    /// Every allocation's handle with its 5-tuple.
    #[doc(hidden)]
    pub fn handles(&self) -> impl Iterator<Item = (AllocationId, FiveTuple)> {
        let ids = self.allocations.ids().into_iter();
        ids.filter_map(|id| self.allocations.get(id).map(|allocation| (id, allocation.tuple)))
    }

    /// What does not agree, if anything; to be asked when everything due was done.
    #[doc(hidden)]
    pub fn check(&self, now: Now) -> Result<(), &'static str> {
        self.allocations.check()?;
        self.parked.check()?;
        self.timers.check()?;
        let has_timer = |due: u64, is_its: &dyn Fn(&Timer) -> bool| {
            self.timers.entries().any(|(held, timer)| held <= due && is_its(timer))
        };
        for id in self.allocations.ids() {
            let allocation = self.allocations.get(id).ok_or("a handle names nothing")?;
            allocation.channels.check_index()?;
            let next = allocation.next_expiry().ok_or("an allocation without an end")?;
            let due = Wheel::<Timer>::tick_of(next);
            if allocation.armed > next || !has_timer(due, &|timer| matches!(timer, Timer::Allocation(of) if *of == id))
            {
                return Err("an allocation without a timer");
            }
            if due <= now.mono.secs() {
                return Err("something of an allocation is over and was not swept");
            }
        }
        for (token, until) in &self.reservations {
            let is_its = |timer: &Timer| matches!(timer, Timer::Reservation(of) if of == token);
            if !has_timer(Wheel::<Timer>::tick_of(*until), &is_its) {
                return Err("a reservation without a timer");
            }
        }
        self.check_leftovers()?;
        // An entry may outlive its owner, but not the longest time anything has.
        let limits = &self.settings.config.limits;
        let longest = limits.allocate_lifetime_secs_max.max(limits.channel_lifetime_secs).max(limits.reservation_secs);
        let end = now.mono.secs() + u64::from(longest.max(limits.permission_lifetime_secs)) + 1;
        match self.timers.entries().any(|(due, _)| due <= now.mono.secs() || due > end) {
            true => Err("a timer that is overdue, or too far away"),
            false => Ok(()),
        }
    }

    /// Entries without owner are leftovers, of which there are only so many.
    fn check_leftovers(&self) -> Result<(), &'static str> {
        let is_owned = |timer: &Timer| match timer {
            Timer::Allocation(id) => self.allocations.get(*id).is_some(),
            Timer::Reservation(token) => self.reservations.contains_key(token),
        };
        let leftovers = self.timers.entries().filter(|(_, timer)| !is_owned(timer)).count();
        let owned = self.timers.len().saturating_sub(leftovers);
        match leftovers > LEFTOVERS_MAX + 2 * owned.max(LIVED_MAX) {
            true => Err("timers of what ended pile up"),
            false => Ok(()),
        }
    }
}

impl Allocations {
    fn check(&self) -> Result<(), &'static str> {
        let mut relays = 0;
        for id in self.ids() {
            let allocation = self.get(id).ok_or("a handle names nothing")?;
            if self.of_tuple(&allocation.tuple) != Some(id) {
                return Err("an allocation that its 5-tuple does not find");
            }
            for relay in allocation.relays.iter().flatten() {
                relays += 1;
                if self.of_relay(relay.grant.relay) != Some(id) {
                    return Err("an allocation that its relay socket does not find");
                }
            }
        }
        let sockets = self.relay_places() as u32;
        let indexed = (0..sockets).filter(|place| self.of_relay(RelayId(*place)).is_some()).count();
        match self.tuples() == self.len() && indexed == relays {
            true => Ok(()),
            false => Err("an index names what is not there"),
        }
    }
}

impl Channels {
    fn check_index(&self) -> Result<(), &'static str> {
        let is_indexed = self.pairs().all(|(number, peer)| self.by_peer_unchecked(peer) == Some(number));
        match is_indexed && self.pairs().count() == self.peers() {
            true => Ok(()),
            false => Err("channels by peer are others than channels by number"),
        }
    }
}

impl ParkedRequests {
    fn check(&self) -> Result<(), &'static str> {
        if !self.counts_sources() {
            return Err("look-ups of sources are others than those that wait");
        }
        match self.keys() == self.len() {
            true => Ok(()),
            false => Err("clients of waiting requests are others than those requests"),
        }
    }
}
