//! Log lines of what happened. Whatever a client can provoke is limited, and no line can be forged: strings are escaped
//! where lines are written.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use ahash::RandomState;
use hashbrown::HashMap;
use tracing::{debug, info, warn};

use super::fault::Concerned;
use super::shared::Shared;
use crate::stun::ErrorCode;
use crate::turn::address::WorkerId;
use crate::turn::allocation::AllocationId;
use crate::turn::event::EndReason;
use crate::turn::io::ClientPath;
use crate::turn::time::Now;
use crate::turn::{AuthFailure, Event};

/// Writes one worker's events to the log.
#[derive(Debug)]
pub(super) struct Journal {
    worker: WorkerId,
    shared: Arc<Shared>,
    /// What realm each allocation was made in, so that its end is told with the same.
    realms: HashMap<AllocationId, Arc<str>, RandomState>,
    /// The one that allocations were made in last.
    realm: Arc<str>,
}

impl Journal {
    pub(super) fn new(worker: WorkerId, shared: Arc<Shared>) -> Journal {
        Journal { worker, shared, realms: HashMap::default(), realm: Arc::from("") }
    }

    /// Tells an event; `realm` is the one in force.
    pub(super) fn write(&mut self, now: Now, event: &Event, realm: &str) {
        match event {
            Event::AllocationCreated { allocation, .. } => {
                if *self.realm != *realm {
                    self.realm = Arc::from(realm);
                }
                self.realms.insert(*allocation, Arc::clone(&self.realm));
                self.write_created(now, event, realm);
            }
            Event::AllocationEnded { allocation, .. } => {
                let own = self.realms.remove(allocation);
                self.write_ended(now, event, own.as_deref().unwrap_or(realm));
            }
            Event::Refused { code: ErrorCode::TRY_ALTERNATE, .. } => self.write_redirected(now, event),
            Event::Refused { .. } => self.write_refused(now, event),
            Event::NewPeersLimited { path, user, .. } => {
                let ration = self.shared.rations.refusals(&path.tuple, !user.is_empty(), None);
                if let Some(suppressed) = ration.take(path.tuple.client.ip(), now.mono) {
                    warn!(
                        transport = %path.tuple.transport.name(),
                        client = %path.tuple.client,
                        user = &*text(user),
                        suppressed,
                        "new peers are asked for faster than new-peers-per-minute"
                    );
                }
            }
            other => self.write_detail(now, other),
        }
    }

    fn write_created(&self, now: Now, event: &Event, realm: &str) {
        let Event::AllocationCreated { allocation, path, user, relays, lifetime_secs } = event else { return };
        if let Some(suppressed) = self.shared.rations.created.take(path.tuple.client.ip(), now.mono) {
            tell_suppressed(suppressed);
            let relayed = relays.iter().flatten().map(|relay| relay.external.to_string()).collect::<Vec<_>>();
            info!(
                allocation = %self.name(*allocation),
                transport = %path.tuple.transport.name(),
                client = %path.tuple.client,
                user = &*text(user),
                realm,
                relayed = %relayed.join(","),
                lifetime_secs,
                "allocation created"
            );
        }
    }

    /// What the server ends itself is told in any case.
    fn write_ended(&self, now: Now, event: &Event, realm: &str) {
        let Event::AllocationEnded { allocation, path, user, relayed, reason, secs, traffic } = event else { return };
        let is_ours = *reason == EndReason::Stopped;
        let taken = if is_ours { Some(0) } else { self.shared.rations.ended.take(path.tuple.client.ip(), now.mono) };
        if let Some(suppressed) = taken {
            tell_suppressed(suppressed);
            info!(
                allocation = %self.name(*allocation),
                transport = %path.tuple.transport.name(),
                client = %path.tuple.client,
                user = &*text(user),
                realm,
                %relayed,
                reason = %reason.name(),
                secs,
                to_peer_packets = traffic.to_peer_packets,
                to_peer_bytes = traffic.to_peer_bytes,
                to_client_packets = traffic.to_client_packets,
                to_client_bytes = traffic.to_client_bytes,
                "allocation ended"
            );
        }
    }

    fn write_refused(&self, now: Now, event: &Event) {
        let Event::Refused { tuple, method, code, user, why } = event else { return };
        // A nonce that is too old is part of every session; whoever counts failures must not count it.
        if *why == Some(AuthFailure::StaleNonce) {
            return;
        }
        // A name is told only behind a nonce of ours, except that the nameless have an empty one.
        let is_named = user.as_ref().is_some_and(|user| !user.is_empty());
        let ration = self.shared.rations.refusals(tuple, is_named, *why);
        if let Some(suppressed) = ration.take(tuple.client.ip(), now.mono) {
            warn!(
                transport = %tuple.transport.name(),
                client = %tuple.client,
                user = &*text(user.as_deref().unwrap_or_default()),
                method = %method.name(),
                code = code.code(),
                why = why.map(|why| tracing::field::display(why.name())),
                suppressed,
                "request refused"
            );
        }
    }

    /// Not a warning: whoever counts those of a source must not shut out clients that did nothing wrong.
    fn write_redirected(&self, now: Now, event: &Event) {
        let Event::Refused { tuple, user, .. } = event else { return };
        if let Some(suppressed) = self.shared.rations.redirected.take(tuple.client.ip(), now.mono) {
            info!(
                transport = %tuple.transport.name(),
                client = %tuple.client,
                user = &*text(user.as_deref().unwrap_or_default()),
                suppressed,
                "client sent to an alternate server"
            );
        }
    }

    /// What happens inside an allocation. Its name leads to the line that tells whose it is, so that a relayed packet can
    /// be traced to its user.
    fn write_detail(&self, now: Now, event: &Event) {
        if !tracing::enabled!(tracing::Level::DEBUG) {
            return;
        }
        let Some(suppressed) = self.shared.rations.details.take(now.mono) else { return };
        if suppressed > 0 {
            debug!(suppressed, "details of allocations were left out");
        }
        match event {
            Event::PermissionInstalled { allocation, peer } => {
                debug!(allocation = %self.name(*allocation), %peer, "permission installed");
            }
            Event::PermissionExpired { allocation, peer } => {
                debug!(allocation = %self.name(*allocation), %peer, "permission ended");
            }
            Event::ChannelBound { allocation, number, peer, .. } => {
                debug!(allocation = %self.name(*allocation), number = number.0, %peer, "channel bound");
            }
            Event::ChannelUnbound { allocation, number, peer } => {
                debug!(allocation = %self.name(*allocation), number = number.0, %peer, "channel ended");
            }
            Event::AllocationRefreshed { allocation, lifetime_secs } => {
                debug!(allocation = %self.name(*allocation), lifetime_secs, "allocation refreshed");
            }
            Event::RelayEnded { allocation, .. } => {
                debug!(allocation = %self.name(*allocation), "one of two relayed addresses ended");
            }
            other => debug!(event = ?other),
        }
    }

    /// An allocation's name in the log: two workers may use the same handle.
    fn name(&self, allocation: AllocationId) -> impl fmt::Display {
        format!("{}.{allocation}", self.worker.0)
    }

    /// A Binding request was answered, where those are to be told.
    pub(super) fn write_binding(&self, now: Now, path: &ClientPath) {
        if let Some(suppressed) = self.shared.rations.bindings.take(path.tuple.client.ip(), now.mono) {
            let transport = path.tuple.transport.name();
            info!(%transport, client = %path.tuple.client, suppressed, "binding request answered");
        }
    }

    /// A connection was taken only to be closed: no descriptor is left.
    pub(super) fn write_out_of_descriptors(&self, now: Now, client: IpAddr) {
        if let Some(suppressed) = self.shared.rations.connections().take(client, now.mono) {
            warn!(%client, suppressed, "no descriptor is left for a connection");
        }
    }

    /// The core panicked.
    pub(super) fn write_fault(&self, now: Now, concerned: &Concerned) {
        if let Some(suppressed) = self.shared.rations.faults.take(now.mono) {
            tracing::error!(?concerned, suppressed, "the core panicked; this is a bug of the server");
        }
    }
}

/// Whoever counts allocations in the log must know that there were others.
fn tell_suppressed(suppressed: u64) {
    if suppressed > 0 {
        warn!(suppressed, "records of allocations were left out");
    }
}

/// What a client sent, as text: what is not UTF-8 is shown as U+FFFD.
fn text(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}
