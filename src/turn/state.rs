//! The core's state written out and read back, so that a later process can go on with live allocations.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::address::{FiveTuple, LinkId, ReservationToken};
use super::allocation::{Allocation, Owner, Relay, Replay};
use super::channel::Channels;
use super::event::Traffic;
use super::io::Output;
use super::permission::Permissions;
use super::server::{Server, Timer};
use super::time::Mono;
use crate::auth::{LongTermKey, Scheme};
use crate::config::RawKeys;
use crate::stun::TransactionId;

/// Everything a [`Server`] holds but parked look-ups, which their clients repeat. It contains users' keys.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    allocations: Vec<SavedAllocation>,
    /// Not a map: formats such as JSON have only text as keys.
    reservations: Vec<(ReservationToken, Mono)>,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct SavedAllocation {
    tuple: FiveTuple,
    link: LinkId,
    user: Box<[u8]>,
    key: Option<RawKeys>,
    scheme: Scheme,
    quota: Option<Box<[u8]>>,
    relays: [Option<Relay>; 2],
    permissions: Permissions,
    channels: Channels,
    replay: Option<(TransactionId, Box<[u8]>, Mono)>,
    created: Mono,
    traffic: Traffic,
    peers_full_at: Mono,
    vouched_until: Mono,
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshot").field("allocations", &self.allocations.len()).finish_non_exhaustive()
    }
}

impl Snapshot {
    /// Renames the engine's handles: sockets and connections have other numbers in another process.
    pub fn rename(
        &mut self,
        mut link: impl FnMut(&FiveTuple, LinkId) -> LinkId,
        mut relay: impl FnMut(super::address::RelayId) -> super::address::RelayId,
    ) {
        for allocation in &mut self.allocations {
            allocation.link = link(&allocation.tuple, allocation.link);
            for held in allocation.relays.iter_mut().flatten() {
                held.grant.relay = relay(held.grant.relay);
            }
        }
    }
}

impl Server {
    /// Writes out what the server holds.
    pub fn export(&self) -> Snapshot {
        let allocations = self.allocations.iter().map(|allocation| SavedAllocation {
            tuple: allocation.tuple,
            link: allocation.link,
            user: (*allocation.owner.user).into(),
            key: allocation.owner.key.as_ref().map(|key| *key.raws()),
            scheme: allocation.owner.scheme,
            quota: allocation.owner.quota.as_ref().map(|quota| (**quota).into()),
            relays: allocation.relays,
            permissions: allocation.permissions.clone(),
            channels: allocation.channels.clone(),
            replay: allocation.replay.as_ref().map(|replay| (replay.id, replay.answer.clone(), replay.until)),
            created: allocation.created,
            traffic: allocation.traffic,
            peers_full_at: allocation.peers_full_at,
            vouched_until: allocation.owner.vouched_until,
        });
        let reservations = self.reservations.iter().map(|(token, until)| (*token, *until));
        Snapshot { allocations: allocations.collect(), reservations: reservations.collect() }
    }

    /// Takes over what another server wrote out, beside what is held already. The relay sockets it names must be open.
    pub fn import(&mut self, snapshot: Snapshot) {
        for saved in snapshot.allocations {
            if self.allocations.of_tuple(&saved.tuple).is_some() {
                // The client allocated anew meanwhile; what it had before has no use.
                let relays = saved.relays.iter().flatten().map(|relay| Output::CloseRelay(relay.grant.relay));
                self.outputs.extend(relays);
                continue;
            }
            let id = self.allocations.insert(Allocation {
                tuple: saved.tuple,
                link: saved.link,
                owner: Owner {
                    user: saved.user.into(),
                    key: saved.key.map(|raw| Arc::new(LongTermKey::from_raws(raw))),
                    scheme: saved.scheme,
                    quota: saved.quota.map(Into::into),
                    vouched_until: saved.vouched_until,
                },
                relays: saved.relays,
                permissions: saved.permissions,
                channels: saved.channels,
                replay: saved.replay.map(|(id, answer, until)| Replay { id, answer, until }),
                created: saved.created,
                traffic: saved.traffic,
                bandwidth: None,
                armed: Mono(u64::MAX),
                peers_full_at: saved.peers_full_at,
                key_reread_at: Mono(0),
            });
            // Buckets are not written out: every one is full again.
            self.share_bandwidth(id, Mono(0));
            self.arm(id);
            // Other rules may hold here; what is over ends with its timer.
            self.sweep_forbidden(id, Mono(0));
        }
        for (token, until) in snapshot.reservations {
            self.reservations.insert(token, until);
            self.timers.schedule(until, Timer::Reservation(token));
        }
    }
}
