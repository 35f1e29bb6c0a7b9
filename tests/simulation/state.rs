//! The state that a core writes out: the same again when another core took it over, and what the model has in its tables.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use serde::Deserialize;
use turnserver::auth::Scheme;
use turnserver::stun::PasswordAlgorithm;
use turnserver::turn::address::{FiveTuple, WorkerId};
use turnserver::turn::event::Traffic;
use turnserver::turn::io::RelayGrant;
use turnserver::turn::time::Mono;
use turnserver::turn::{Server, Snapshot};

use crate::model::{Held, who};
use crate::proof;
use crate::stage::{Checked, Stage};

/// As much of it as the model knows, read from its text.
#[derive(Deserialize)]
struct Written {
    allocations: Vec<Allocation>,
}

#[derive(Deserialize)]
struct Allocation {
    tuple: FiveTuple,
    user: Vec<u8>,
    scheme: Scheme,
    quota: Option<Vec<u8>>,
    relays: Vec<Option<Relay>>,
    permissions: Permissions,
    channels: Channels,
    created: Mono,
    traffic: Traffic,
}

#[derive(Deserialize)]
struct Relay {
    grant: RelayGrant,
    expires: Mono,
}

#[derive(Deserialize)]
struct Permissions {
    entries: Vec<Permission>,
}

#[derive(Deserialize)]
struct Permission {
    peer: IpAddr,
    expires: Mono,
}

#[derive(Deserialize)]
struct Channels {
    by_number: Vec<Channel>,
}

#[derive(Deserialize)]
struct Channel {
    number: u16,
    peer: SocketAddr,
    expires: Mono,
}

/// What is live of an allocation: relayed addresses, permissions, channels, with their ends.
type Live = (BTreeMap<SocketAddr, u64>, BTreeMap<IpAddr, u64>, BTreeMap<u16, (SocketAddr, u64)>);

impl Stage {
    /// Every worker's state against itself and the model's tables.
    pub(crate) fn compare_all(&mut self) -> Checked {
        self.tally.other("state compared");
        self.model.look_again();
        self.model.check_told(self.clock())?;
        // Of a worker without allocations the books know all there is.
        let mut busy = (0..self.servers.len()).filter(|worker| self.servers[*worker].allocations() > 0);
        busy.try_for_each(|worker| self.compare_state(worker))
    }

    /// A worker's state, taken over by another core, is the same, and is what the model has.
    pub(crate) fn compare_state(&self, worker: usize) -> Checked {
        let now = self.now();
        let snapshot = self.servers[worker].export();
        let text = serde_json::to_string(&snapshot).map_err(|error| error.to_string())?;
        self.compare_tables(worker, &text)?;
        let mut fresh = Server::new(Arc::clone(&self.settings), WorkerId(worker as u8), [7; 32], now);
        fresh.import(snapshot.clone());
        if fresh.export() != snapshot {
            return Err("state taken over is not the state written out".to_owned());
        }
        let is_due = self.servers[worker].poll_timeout().is_some_and(|at| at <= now.mono);
        if is_due { Ok(()) } else { fresh.check(now).map_err(|why| format!("state taken over: {why}")) }
    }

    fn compare_tables(&self, worker: usize, text: &str) -> Checked {
        let written: Written = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let held = self.model.held.keys().filter(|who| self.worker_of(**who) == worker).count();
        if written.allocations.len() != held {
            return Err(format!("{} allocations are written out, foretold were {held}", written.allocations.len()));
        }
        for allocation in &written.allocations {
            let of = who(&allocation.tuple);
            let held = self.model.held.get(&of).ok_or("an allocation is written out that nobody has")?;
            let traffic = &allocation.traffic;
            let traffic =
                [traffic.to_peer_packets, traffic.to_peer_bytes, traffic.to_client_packets, traffic.to_client_bytes];
            let found = (&allocation.user, allocation.scheme, &allocation.quota, allocation.created.0, traffic);
            let foretold = (&held.user, scheme_of(held), &held.quota, held.created, held.traffic);
            if found != foretold {
                return Err(format!("written out of {}: {found:?}, foretold was {foretold:?}", of.1));
            }
            let (found, foretold) = (live_of(allocation, self.mono), live_of_held(held, self.mono));
            if found != foretold {
                return Err(format!("written out of {}: {found:?}, foretold was {foretold:?}", of.1));
            }
        }
        Ok(())
    }
}

fn scheme_of(held: &Held) -> Scheme {
    match held.signer.map(|signer| signer.scheme) {
        None | Some(proof::Scheme::Unnamed) => Scheme::Unnamed,
        Some(proof::Scheme::Md5) => Scheme::Named(PasswordAlgorithm::Md5),
        Some(proof::Scheme::Sha256) => Scheme::Named(PasswordAlgorithm::Sha256),
    }
}

/// Ended ones are left out, which one side may have forgotten and the other not.
fn live(mut all: Live, mono: u64) -> Live {
    all.0.retain(|_, ends| mono < *ends);
    let families: Vec<bool> = all.0.keys().map(SocketAddr::is_ipv4).collect();
    all.1.retain(|ip, ends| mono < *ends && families.contains(&ip.is_ipv4()));
    all.2.retain(|_, (peer, ends)| mono < *ends && families.contains(&peer.is_ipv4()));
    all
}

fn live_of(allocation: &Allocation, mono: u64) -> Live {
    let relays = allocation.relays.iter().flatten().map(|relay| (relay.grant.local, relay.expires.0));
    let permissions = allocation.permissions.entries.iter().map(|held| (held.peer, held.expires.0));
    let channels = allocation.channels.by_number.iter().map(|held| (held.number, (held.peer, held.expires.0)));
    live((relays.collect(), permissions.collect(), channels.collect()), mono)
}

fn live_of_held(held: &Held, mono: u64) -> Live {
    let relays = held.relays.iter().filter(|relay| relay.is_live(mono)).map(|relay| (relay.local, relay.ends));
    live((relays.collect(), held.permissions.clone(), held.channels.clone()), mono)
}

/// Every allocation and reservation, each as its text, in an order of their own.
pub(crate) fn parts(snapshots: &[&Snapshot]) -> Result<Vec<String>, String> {
    let mut parts = Vec::new();
    for snapshot in snapshots {
        let value = serde_json::to_value(snapshot).map_err(|error| error.to_string())?;
        for kind in ["allocations", "reservations"] {
            let all = value[kind].as_array().ok_or("a state is no list of allocations and one of reservations")?;
            parts.extend(all.iter().map(ToString::to_string));
        }
    }
    parts.sort();
    Ok(parts)
}
