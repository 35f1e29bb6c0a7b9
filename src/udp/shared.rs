//! What all workers share, off the packet path: ports, quotas, reservations, budgets, users.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::relays::RelaySocket;
use crate::turn::Settings;
use crate::turn::address::{Family, ReservationToken};
use crate::turn::budget::Budget;
use crate::turn::ports::{RelayAddresses, RelayPorts};
use crate::turn::quota::Quotas;
use crate::turn::time::Mono;
use crate::userdb::Users;

/// Shared by the workers of one server.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) settings: Arc<Settings>,
    pub(super) relays: RelayAddresses,
    /// The address of the default route, per family: what to relay from when the client reached loopback.
    pub(super) default_routes: Vec<IpAddr>,
    pub(super) quotas: Arc<Quotas>,
    pub(super) budget: Option<Budget>,
    pub(super) users: Users,
    /// Relay sockets the descriptor limit leaves room for, and those that are open.
    pub(super) relay_sockets_max: usize,
    pub(super) relay_sockets: AtomicUsize,
    reservations: Mutex<BTreeMap<ReservationToken, RelaySocket>>,
}

impl Shared {
    pub(super) fn new(
        settings: Arc<Settings>,
        relays: RelayAddresses,
        default_routes: Vec<IpAddr>,
        budget: Option<Budget>,
        users: Users,
        relay_sockets_max: usize,
    ) -> Shared {
        let limits = &settings.config.limits;
        let quotas = Quotas::new(limits.user_quota, limits.total_quota);
        Shared {
            settings,
            relays,
            default_routes,
            quotas,
            budget,
            users,
            relay_sockets_max,
            relay_sockets: AtomicUsize::new(0),
            reservations: Mutex::default(),
        }
    }

    /// The relay addresses to try for a client that reached `server`, best first: the configured ones; else the address
    /// the client reached, the default route's, any other, and loopback only when there is nothing else.
    pub(super) fn candidates(&self, family: Family, server: IpAddr) -> Vec<&RelayPorts> {
        let mut candidates: Vec<&RelayPorts> =
            self.relays.iter().filter(|ports| Family::of(ports.local()) == family).collect();
        if self.settings.config.relay.ips.is_empty() {
            candidates.sort_by_key(|ports| match ports.local() {
                ip if ip.is_loopback() => 3,
                ip if ip == server => 0,
                ip if self.default_routes.contains(&ip) => 1,
                _ => 2,
            });
        }
        candidates
    }

    /// Counts a relay socket that is about to be opened; false when no descriptor is left for it.
    pub(super) fn may_open(&self) -> bool {
        let within = |open: usize| (open < self.relay_sockets_max).then_some(open + 1);
        self.relay_sockets.fetch_update(Ordering::Relaxed, Ordering::Relaxed, within).is_ok()
    }

    /// A relay socket was not opened after all.
    pub(super) fn not_opened(&self) {
        self.relay_sockets.fetch_sub(1, Ordering::Relaxed);
    }

    /// Closes a relay socket and has its port rest.
    pub(super) fn give_back(&self, relay: RelaySocket, now: Mono) {
        let RelaySocket { socket, local } = relay;
        // Closed first: a port that is free again must be free for the system as well.
        drop(socket);
        self.not_opened();
        if let Some(ports) = self.relays.of_local(local.ip()) {
            ports.free(local.port(), now);
        }
    }

    /// Keeps the reserved half of a port pair for whoever shows the token.
    pub(super) fn reserve(&self, token: ReservationToken, relay: RelaySocket) {
        self.reservations.lock().unwrap_or_else(PoisonError::into_inner).insert(token, relay);
    }

    /// The socket reserved under a token, once.
    pub(super) fn claim(&self, token: ReservationToken) -> Option<RelaySocket> {
        self.reservations.lock().unwrap_or_else(PoisonError::into_inner).remove(&token)
    }
}
