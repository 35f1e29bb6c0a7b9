//! Log lines of what happened. Whatever a client can provoke is limited, and no line can be forged: values are escaped.

use std::fmt;
use std::net::IpAddr;

use tracing::{debug, info, warn};

use crate::config::Rate;
use crate::stun::ErrorCode;
use crate::turn::Event;
use crate::turn::address::{FiveTuple, WorkerId};
use crate::turn::allocation::AllocationId;
use crate::turn::budget::{Budget, Refill};
use crate::turn::time::{Mono, Now};

/// Refusals logged per source and second.
const REFUSALS: Rate = Rate { per_sec: 1, burst: 1 };
/// Refusals logged in all, per worker, of each kind: sources are as many as somebody likes.
const LINES: Rate = Rate { per_sec: 20, burst: 20 };

/// Writes one worker's events to the log.
#[derive(Debug)]
pub(super) struct Journal {
    worker: WorkerId,
    /// Of who showed that answers reach its address.
    proven: Ration,
    /// Of whoever wrote a source address over UDP: apart, so that strangers do not hide who guesses passwords.
    forgeable: Ration,
    /// Of clients sent elsewhere, who may be as many as there are clients.
    redirected: Ration,
}

/// Lines of one kind of refusals.
#[derive(Debug)]
struct Ration {
    sources: Budget,
    /// When as many lines as ever may be written at once.
    full_at: Mono,
    suppressed: u64,
}

impl Journal {
    pub(super) fn new(worker: WorkerId, seed: [u64; 4]) -> Journal {
        let [proven, forgeable, redirected] = [seed; 3].map(Ration::new);
        Journal { worker, proven, forgeable, redirected }
    }

    pub(super) fn write(&mut self, now: Now, event: &Event) {
        match event {
            Event::AllocationCreated { allocation, path, user, relays, lifetime_secs } => {
                let relayed = relays.iter().flatten().map(|relay| relay.external.to_string()).collect::<Vec<_>>();
                info!(
                    allocation = %self.name(*allocation),
                    transport = %path.tuple.transport.name(),
                    client = %path.tuple.client,
                    user = ?Text(user),
                    relayed = %relayed.join(","),
                    lifetime_secs,
                    "allocation created"
                );
            }
            Event::AllocationEnded { allocation, path, user, relayed, reason, secs, traffic } => info!(
                allocation = %self.name(*allocation),
                transport = %path.tuple.transport.name(),
                client = %path.tuple.client,
                user = ?Text(user),
                %relayed,
                ?reason,
                secs,
                to_peer_packets = traffic.to_peer_packets,
                to_peer_bytes = traffic.to_peer_bytes,
                to_client_packets = traffic.to_client_packets,
                to_client_bytes = traffic.to_client_bytes,
                "allocation ended"
            ),
            Event::Refused { code: ErrorCode::TRY_ALTERNATE, .. } => self.write_redirected(now, event),
            Event::Refused { tuple, method, code, user, why } => {
                // A name is told only behind a nonce of ours, except that the nameless have an empty one.
                let is_named = user.as_ref().is_some_and(|user| !user.is_empty());
                if let Some(suppressed) = self.ration(tuple, is_named).take(tuple.client.ip(), now) {
                    warn!(
                        transport = %tuple.transport.name(),
                        client = %tuple.client,
                        user = ?Text(user.as_deref().unwrap_or_default()),
                        ?method,
                        code = code.code(),
                        why = why.map(|why| tracing::field::display(why.name())),
                        suppressed,
                        "request refused"
                    );
                }
            }
            Event::NewPeersLimited { path, user, .. } => {
                let ration = self.ration(&path.tuple, !user.is_empty());
                if let Some(suppressed) = ration.take(path.tuple.client.ip(), now) {
                    warn!(
                        transport = %path.tuple.transport.name(),
                        client = %path.tuple.client,
                        user = ?Text(user),
                        suppressed,
                        "new peers are asked for faster than new-peers-per-minute"
                    );
                }
            }
            other => self.write_detail(other),
        }
    }

    /// Not a warning: whoever counts those of a source must not shut out clients that did nothing wrong.
    fn write_redirected(&mut self, now: Now, event: &Event) {
        let Event::Refused { tuple, user, .. } = event else { return };
        if let Some(suppressed) = self.redirected.take(tuple.client.ip(), now) {
            info!(
                transport = %tuple.transport.name(),
                client = %tuple.client,
                user = ?Text(user.as_deref().unwrap_or_default()),
                suppressed,
                "client sent to an alternate server"
            );
        }
    }

    /// What happens inside an allocation. Its name leads to the line that tells whose it is, so that a relayed packet can
    /// be traced to its user.
    fn write_detail(&self, event: &Event) {
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
            other => debug!(event = ?other),
        }
    }

    /// An allocation's name in the log: two workers may use the same handle.
    fn name(&self, allocation: AllocationId) -> impl fmt::Display {
        format!("{}.{allocation}", self.worker.0)
    }

    /// A connection was taken only to be closed: no descriptor is left.
    pub(super) fn write_out_of_descriptors(&mut self, now: Now, client: IpAddr) {
        if let Some(suppressed) = self.proven.take(client, now) {
            warn!(%client, suppressed, "no descriptor is left for a connection");
        }
    }

    fn ration(&mut self, tuple: &FiveTuple, is_named: bool) -> &mut Ration {
        match is_named || tuple.transport.is_stream() {
            true => &mut self.proven,
            false => &mut self.forgeable,
        }
    }
}

impl Ration {
    fn new(seed: [u64; 4]) -> Ration {
        Ration { sources: Budget::new(REFUSALS, seed), full_at: Mono(0), suppressed: 0 }
    }

    /// How many lines were not written since the last one, if this one may be.
    fn take(&mut self, source: IpAddr, now: Now) -> Option<u64> {
        let lines = Refill::new(LINES).take(self.full_at, 1, now.mono);
        match lines.filter(|_| self.sources.take(source, now.mono)) {
            Some(full_at) => {
                self.full_at = full_at;
                Some(std::mem::take(&mut self.suppressed))
            }
            None => {
                self.suppressed += 1;
                None
            }
        }
    }
}

/// What a client sent, in quotes: whatever it holds stays inside them, on one line.
struct Text<'a>(&'a [u8]);

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(self.0))
    }
}
