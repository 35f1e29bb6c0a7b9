//! What the core tells, event by event, against what the model said must be told.

use std::net::SocketAddr;

use turnserver::turn::Event;
use turnserver::turn::address::FiveTuple;
use turnserver::turn::allocation::AllocationId;
use turnserver::turn::event::EndReason;
use turnserver::turn::io::{ClientPath, RelayGrant};

use crate::model::{Ended, SECOND, Tell, Who, who};
use crate::stage::{Checked, Stage};

impl Stage {
    /// Whose allocation a handle of a worker names.
    fn holder(&self, worker: usize, allocation: AllocationId) -> Result<Who, String> {
        let of = self.handles.get(&(worker, allocation)).copied();
        of.ok_or_else(|| format!("something is told of {allocation}, which nobody has"))
    }

    /// A worker took over allocations, under handles of its own.
    pub(crate) fn learn_handles(&mut self, from: usize, to: usize) {
        self.handles.retain(|(worker, _), _| *worker != from && *worker != to);
        let handles = self.servers[to].handles();
        self.handles
            .extend(handles.map(|(allocation, tuple): (AllocationId, FiveTuple)| ((to, allocation), who(&tuple))));
    }

    pub(crate) fn note_event(&mut self, worker: usize, event: &Event) -> Checked {
        match event {
            Event::AllocationCreated { allocation, path, user, relays, lifetime_secs } => {
                self.handles.insert((worker, *allocation), who(&path.tuple));
                self.note_created(path, user, relays, *lifetime_secs)
            }
            Event::AllocationRefreshed { allocation, lifetime_secs } => {
                let of = self.holder(worker, *allocation)?;
                self.model.tells(&Tell::Refreshed(of, *lifetime_secs))
            }
            Event::RelayEnded { allocation, relay } => {
                self.tally.other("one of two relayed addresses over");
                let of = self.holder(worker, *allocation)?;
                self.model.relay_ended(of, *relay)
            }
            Event::AllocationEnded { allocation, path, user, relayed, reason, secs, traffic } => {
                if self.handles.remove(&(worker, *allocation)) != Some(who(&path.tuple)) {
                    return Err(format!("{allocation} ends, which is not that of {}", path.tuple.client));
                }
                self.note_ended(path, &Ended { user, relayed: *relayed, reason: *reason, secs: *secs, traffic })
            }
            Event::PermissionInstalled { allocation, peer } => {
                let of = self.holder(worker, *allocation)?;
                self.model.tells(&Tell::Installed(of, *peer))
            }
            Event::PermissionExpired { allocation, peer } => {
                self.tally.other("permission over");
                let of = self.holder(worker, *allocation)?;
                self.model.permission_expired(of, *peer)
            }
            Event::ChannelBound { allocation, number, peer, .. } => {
                let of = self.holder(worker, *allocation)?;
                self.model.tells(&Tell::Bound(of, number.0, *peer))
            }
            Event::ChannelUnbound { allocation, number, peer } => {
                self.tally.other("channel over");
                let of = self.holder(worker, *allocation)?;
                self.model.channel_unbound(of, number.0, *peer)
            }
            Event::NewPeersLimited { allocation, path, user } => {
                self.tally.other("too many new peers");
                let of = self.holder(worker, *allocation)?;
                if of != who(&path.tuple) || self.ways.get(&of) != Some(&path.link) {
                    return Err(format!("too many new peers: {path:?} is not the way to {}", of.1));
                }
                self.model.tells(&Tell::TooManyNewPeers(of, user.to_vec()))
            }
            Event::Refused { tuple, method, code, user, .. } => {
                let user = user.as_ref().map(|user| user.to_vec());
                self.model.tells(&Tell::Refused(who(tuple), method.0, code.code(), user))
            }
        }
    }

    fn note_created(
        &mut self,
        path: &ClientPath,
        user: &[u8],
        relays: &[Option<RelayGrant>; 2],
        lifetime_secs: u32,
    ) -> Checked {
        let (of, clock) = (who(&path.tuple), self.clock());
        let held = self.model.held.get(&of).ok_or("an allocation begins that nobody foretold")?;
        let told: Vec<SocketAddr> = relays.iter().flatten().map(|relay| relay.local).collect();
        let foretold: Vec<SocketAddr> = held.relays.iter().map(|relay| relay.local).collect();
        let ends = clock.mono + u64::from(lifetime_secs) * SECOND;
        if told != foretold || *user != *held.user || held.relays[0].ends != ends {
            return Err("an allocation begins otherwise than foretold".to_owned());
        }
        self.ways.insert(of, path.link);
        self.engine.descriptors += usize::from(path.tuple.transport.is_stream());
        Ok(())
    }

    fn note_ended(&mut self, path: &ClientPath, ended: &Ended<'_>) -> Checked {
        self.tally.other(match ended.reason {
            EndReason::Expired => "ended: expired",
            EndReason::Deleted => "ended: deleted",
            EndReason::Disconnected => "ended: disconnected",
            EndReason::Stopped => "ended: stopped",
            EndReason::Fault => "ended: fault",
        });
        self.engine.descriptors -= usize::from(path.tuple.transport.is_stream());
        self.ways.remove(&who(&path.tuple));
        self.model.ended(self.clock(), who(&path.tuple), ended)
    }
}
