//! The relay sockets of one worker, each with the port and the quota it stands for.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;

use slab::Slab;

use super::shared::Shared;
use super::sys;
use crate::poll::{Interest, Poller, Source};
use crate::turn::address::RelayId;
use crate::turn::io::RelayGrant;
use crate::turn::quota::QuotaLease;
use crate::turn::time::Mono;

/// An open relay socket on a port of ours.
#[derive(Debug)]
pub(super) struct RelaySocket {
    pub(super) socket: UdpSocket,
    pub(super) local: SocketAddr,
}

#[derive(Debug)]
struct Held {
    relay: RelaySocket,
    /// The two relayed addresses of one allocation share a place in the quotas.
    _lease: Arc<QuotaLease>,
}

/// A worker's relay sockets.
#[derive(Debug, Default)]
pub(super) struct Relays {
    held: Slab<Held>,
}

impl Relays {
    /// Takes a socket into the epoll set: its port is live from now on.
    pub(super) fn adopt(
        &mut self,
        relay: RelaySocket,
        lease: Arc<QuotaLease>,
        shared: &Shared,
        poller: &Poller,
    ) -> Result<RelayGrant, RelaySocket> {
        let entry = self.held.vacant_entry();
        let id = RelayId(entry.key() as u32);
        if poller.add(&relay.socket, Source::Relay(id.0), Interest::Read).is_err() {
            return Err(relay);
        }
        let local = relay.local;
        entry.insert(Held { relay, _lease: lease });
        let external = match shared.relays.of_local(local.ip()) {
            Some(ports) => {
                ports.set_live(local.port(), true);
                SocketAddr::new(ports.external(), local.port())
            }
            None => local,
        };
        Ok(RelayGrant { relay: id, local, external })
    }

    /// Closes a socket; its port rests, its quota is free. Returns how many datagrams it lost for want of room.
    pub(super) fn close(&mut self, id: RelayId, shared: &Shared, now: Mono) -> u64 {
        let Some(held) = self.held.try_remove(id.0 as usize) else { return 0 };
        let overflows = sys::receive_overflows(&held.relay.socket);
        shared.give_back(held.relay, now);
        u64::from(overflows)
    }

    /// Closes every socket.
    pub(super) fn close_all(&mut self, shared: &Shared, now: Mono) {
        for held in self.held.drain() {
            shared.give_back(held.relay, now);
        }
    }

    /// The numbers of all sockets.
    pub(super) fn ids(&self) -> Vec<RelayId> {
        self.held.iter().map(|(place, _)| RelayId(place as u32)).collect()
    }

    pub(super) fn socket(&self, place: u32) -> Option<&UdpSocket> {
        self.held.get(place as usize).map(|held| &held.relay.socket)
    }
}
