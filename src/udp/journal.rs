//! Log lines of what happened. Whatever a client can provoke is limited, and no line can be forged: values are escaped.

use std::net::IpAddr;

use tracing::{debug, info, warn};

use crate::config::Rate;
use crate::turn::Event;
use crate::turn::address::FiveTuple;
use crate::turn::budget::Budget;
use crate::turn::time::Now;

/// Refusals logged per source and second.
const REFUSALS: Rate = Rate { per_sec: 1, burst: 1 };

/// Writes one worker's events to the log.
#[derive(Debug)]
pub(super) struct Journal {
    refusals: Budget,
    suppressed: u64,
}

impl Journal {
    pub(super) fn new(seed: [u64; 4]) -> Journal {
        Journal { refusals: Budget::new(REFUSALS, seed), suppressed: 0 }
    }

    pub(super) fn write(&mut self, now: Now, event: &Event) {
        match event {
            Event::AllocationCreated { path, user, relays, lifetime_secs, .. } => {
                let relayed = relays.iter().flatten().map(|relay| relay.external.to_string()).collect::<Vec<_>>();
                info!(
                    client = %Client(&path.tuple),
                    user = %user.escape_ascii(),
                    relayed = relayed.join(","),
                    lifetime_secs,
                    "allocation created"
                );
            }
            Event::AllocationEnded { path, user, relayed, reason, secs, traffic, .. } => info!(
                client = %Client(&path.tuple),
                user = %user.escape_ascii(),
                %relayed,
                ?reason,
                secs,
                to_peer_packets = traffic.to_peer_packets,
                to_peer_bytes = traffic.to_peer_bytes,
                to_client_packets = traffic.to_client_packets,
                to_client_bytes = traffic.to_client_bytes,
                "allocation ended"
            ),
            Event::Refused { tuple, method, code, user } => {
                if self.may_log(tuple.client.ip(), now) {
                    let user = user.as_deref().unwrap_or_default();
                    warn!(
                        client = %Client(tuple),
                        user = %user.escape_ascii(),
                        ?method,
                        %code,
                        suppressed = std::mem::take(&mut self.suppressed),
                        "request refused"
                    );
                }
            }
            other => debug!(event = ?other),
        }
    }

    fn may_log(&mut self, source: IpAddr, now: Now) -> bool {
        let may = self.refusals.take(source, now.mono);
        self.suppressed += u64::from(!may);
        may
    }
}

/// `udp 192.0.2.1:1234`
struct Client<'a>(&'a FiveTuple);

impl std::fmt::Display for Client<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.0.transport.name(), self.0.client)
    }
}
