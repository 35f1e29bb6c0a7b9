//! What all workers share, off the packet path: ports, quotas, reservations, budgets, users.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

use super::checks::DescriptorBudget;
use super::rations::Rations;
use super::relays::RelaySocket;
use crate::stream::{Loads, StreamShared};
use crate::turn::Settings;
use crate::turn::address::{Family, ReservationToken, WorkerId};
use crate::turn::budgets::Budgets;
use crate::turn::ports::{RelayAddresses, RelayPorts};
use crate::turn::quota::{QuotaLease, Quotas};
use crate::turn::time::Mono;
use crate::userdb::{CurrentUsers, UserStore};

/// Shared by the workers of one server.
#[derive(Debug)]
pub(super) struct Shared {
    /// As the server began; a worker's core has those in force.
    pub(super) settings: Arc<Settings>,
    pub(super) relays: RelayAddresses,
    /// The address of the default route, per family: what to relay from when the client reached loopback.
    pub(super) default_routes: Vec<IpAddr>,
    pub(super) quotas: Arc<Quotas>,
    pub(super) budgets: ArcSwap<Budgets>,
    /// Lines of the log.
    pub(super) rations: Rations,
    pub(super) users: CurrentUsers,
    pub(super) streams: Arc<StreamShared>,
    /// What is left for relay sockets and for the streams of clients with an allocation.
    pub(super) descriptors: DescriptorBudget,
    /// No new allocations are given.
    pub(super) draining: AtomicBool,
    /// What became of every other configuration.
    pub(super) reloads: Loads,
    reservations: Mutex<BTreeMap<ReservationToken, Reserved>>,
}

/// The reserved half of a port pair.
#[derive(Debug)]
pub(super) struct Reserved {
    pub(super) relay: RelaySocket,
    /// A reservation counts like an allocation.
    pub(super) lease: QuotaLease,
}

impl Shared {
    pub(super) fn new(
        settings: Arc<Settings>,
        relays: RelayAddresses,
        default_routes: Vec<IpAddr>,
        (budgets, rations): (Budgets, Rations),
        users: Arc<dyn UserStore>,
        streams: Arc<StreamShared>,
        descriptors: DescriptorBudget,
    ) -> Shared {
        let limits = &settings.config.limits;
        let quotas = Quotas::new(limits.user_quota, limits.total_quota);
        let draining = AtomicBool::new(settings.draining);
        Shared {
            settings,
            relays,
            default_routes,
            quotas,
            budgets: ArcSwap::from_pointee(budgets),
            rations,
            users: CurrentUsers::new(users),
            streams,
            descriptors,
            draining,
            reloads: Loads::default(),
            reservations: Mutex::default(),
        }
    }

    /// The relay addresses for a client that reached `server`: the configured ones; else the address the client reached,
    /// or the default route's, or any other, and loopback only where there is nothing else.
    pub(super) fn candidates(&self, family: Family, server: IpAddr) -> Vec<&RelayPorts> {
        let of_family = self.relays.iter().filter(|ports| Family::of(ports.local()) == family);
        if !self.settings.config.relay.ips.is_empty() {
            return of_family.collect();
        }
        let distance = |ports: &&RelayPorts| match ports.local() {
            ip if ip.is_loopback() => 3,
            ip if ip == server => 0,
            ip if self.default_routes.contains(&ip) => 1,
            _ => 2,
        };
        of_family.min_by_key(distance).into_iter().collect()
    }

    /// Closes a relay socket and has its port rest.
    pub(super) fn give_back(&self, relay: RelaySocket, now: Mono) {
        let RelaySocket { socket, local } = relay;
        // Closed first: a port that is free again must be free for the system as well.
        drop(socket);
        self.descriptors.give_back();
        if let Some(ports) = self.relays.of_local(local.ip()) {
            ports.free(local.port(), now);
        }
    }

    /// Keeps the reserved half of a port pair for whoever shows the token.
    pub(super) fn reserve(&self, token: ReservationToken, reserved: Reserved) {
        self.reservations.lock().unwrap_or_else(PoisonError::into_inner).insert(token, reserved);
    }

    /// The reservations of a worker: the first byte of a token names its maker.
    pub(super) fn reserved_by(&self, worker: WorkerId) -> Vec<ReservationToken> {
        let reservations = self.reservations.lock().unwrap_or_else(PoisonError::into_inner);
        reservations.keys().filter(|token| token.0[0] == worker.0).copied().collect()
    }

    /// Ends a reservation.
    pub(super) fn release(&self, token: ReservationToken, now: Mono) {
        if let Some(reserved) = self.claim(token) {
            self.give_back(reserved.relay, now);
        }
    }

    /// What is reserved under a token, once.
    pub(super) fn claim(&self, token: ReservationToken) -> Option<Reserved> {
        self.reservations.lock().unwrap_or_else(PoisonError::into_inner).remove(&token)
    }
}
