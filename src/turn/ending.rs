//! How permissions, channels, relayed addresses and allocations end: by time, by their client, by other rules.

use std::net::IpAddr;

use super::address::{Family, FiveTuple, RelayId};
use super::allocation::{AllocationId, Relay};
use super::channel::Channel;
use super::event::{EndReason, Event};
use super::io::Output;
use super::server::{Server, Timer};
use super::settings::Midway;
use super::time::{Mono, Now};

impl Server {
    /// Schedules an allocation's timer if something of it now ends earlier than the timer fires.
    pub(super) fn arm(&mut self, id: AllocationId) {
        let Some(allocation) = self.allocations.get_mut(id) else { return };
        if let Some(next) = allocation.next_expiry().filter(|next| *next < allocation.armed) {
            allocation.armed = next;
            self.timers.schedule(next, Timer::Allocation(id));
        }
    }

    pub(super) fn arm_anew(&mut self, id: AllocationId) {
        if let Some(allocation) = self.allocations.get_mut(id) {
            allocation.armed = Mono(u64::MAX);
            self.arm(id);
        }
    }

    /// Ends what is over: permissions, channels, relayed addresses, and with the last of these the allocation.
    pub(super) fn sweep(&mut self, id: AllocationId, now: Now) {
        let Some(allocation) = self.allocations.get(id) else { return };
        if self.in_turn.is_some() {
            self.settings.hooks.midway(Midway::Turn, &allocation.tuple);
        }
        if allocation.is_expired(now.mono) {
            self.end(id, now, EndReason::Expired);
            return;
        }
        let over = |relay: &&Relay| now.mono >= relay.expires;
        let gone: Option<RelayId> = allocation.relays.iter().flatten().find(over).map(|relay| relay.grant.relay);
        if let Some(relay) = gone {
            self.end_relay(id, relay, now);
        }
        self.sweep_tables(id, now);
    }

    /// Ends one of two relayed addresses with what hangs on its family.
    pub(super) fn end_relay(&mut self, id: AllocationId, relay: RelayId, now: Now) {
        self.allocations.remove_relay(id, relay);
        self.outputs.push_back(Output::CloseRelay(relay));
        self.tell(Event::RelayEnded { allocation: id, relay });
        self.sweep_tables(id, now);
    }

    /// Ends an allocation and everything of it.
    pub(super) fn end(&mut self, id: AllocationId, now: Now, reason: EndReason) {
        let Some(allocation) = self.allocations.remove(id) else { return };
        self.settings.hooks.midway(Midway::Ended, &allocation.tuple);
        for relay in allocation.relays.iter().flatten() {
            self.outputs.push_back(Output::CloseRelay(relay.grant.relay));
        }
        self.prune_timers();
        let path = allocation.path();
        let outputs = &mut self.outputs;
        let (mut permissions, mut channels) = (allocation.permissions, allocation.channels);
        channels.sweep(now.mono, |_| false, |channel| outputs.push_back(unbound(id, channel)));
        permissions.sweep(now.mono, |_| false, |peer| outputs.push_back(lapsed(id, peer)));
        let relayed = allocation.relays.iter().flatten().next().map(|relay| relay.grant.external);
        self.tell(Event::AllocationEnded {
            allocation: id,
            path,
            user: allocation.owner.user,
            relayed: relayed.unwrap_or(allocation.tuple.server),
            reason,
            secs: now.mono.since(allocation.created).as_secs(),
            traffic: allocation.traffic,
        });
    }

    fn prune_timers(&mut self) {
        let (allocations, reservations) = (&self.allocations, &self.reservations);
        self.timers.prune(|timer| match timer {
            Timer::Allocation(id) => allocations.get(*id).is_some(),
            Timer::Reservation(token) => reservations.contains_key(token),
        });
    }

    fn sweep_tables(&mut self, id: AllocationId, now: Now) {
        let Some(allocation) = self.allocations.get_mut(id) else { return };
        let outputs = &mut self.outputs;
        let families: [bool; 2] = [Family::V4, Family::V6]
            .map(|family| allocation.relays.iter().flatten().any(|relay| relay.family() == family));
        let serves = |ip: IpAddr| families[usize::from(ip.is_ipv6())];
        let (channels, permissions) = (&mut allocation.channels, &mut allocation.permissions);
        channels.sweep(now.mono, |held| serves(held.peer.ip()), |held| outputs.push_back(unbound(id, held)));
        permissions.sweep(now.mono, serves, |peer| outputs.push_back(lapsed(id, peer)));
        if allocation.replay.as_ref().is_some_and(|replay| now.mono >= replay.until) {
            allocation.replay = None;
        }
    }

    /// Ends what the policy does not allow any more; what it allows may be reached another way than before.
    pub(super) fn sweep_forbidden(&mut self, id: AllocationId, now: Mono) {
        let Some(allocation) = self.allocations.get_mut(id) else { return };
        self.settings.hooks.midway(Midway::Ruled, &allocation.tuple);
        let (outputs, policy) = (&mut self.outputs, &self.settings.policy);
        let (channels, permissions) = (&mut allocation.channels, &mut allocation.permissions);
        channels.resolve(|peer| policy.reach(peer));
        let is_allowed = |channel: &Channel| policy.reach(channel.peer).is_some();
        channels.sweep(now, is_allowed, |held| outputs.push_back(unbound(id, held)));
        permissions.sweep(now, |peer| policy.permits(peer), |peer| outputs.push_back(lapsed(id, peer)));
    }

    /// The client's connection is gone, and with it its 5-tuple: what it still waited for must not begin.
    pub(super) fn handle_disconnect(&mut self, now: Now, tuple: &FiveTuple) {
        for parked in self.parked.take_all_of(tuple) {
            self.forget(parked, now);
        }
        if let Some(id) = self.allocations.of_tuple(tuple) {
            self.end(id, now, EndReason::Disconnected);
        }
    }
}

fn unbound(allocation: AllocationId, channel: &Channel) -> Output {
    Output::Event(Event::ChannelUnbound { allocation, number: channel.number, peer: channel.peer })
}

fn lapsed(allocation: AllocationId, peer: IpAddr) -> Output {
    Output::Event(Event::PermissionExpired { allocation, peer })
}
