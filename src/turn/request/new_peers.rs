//! How many peers an allocation may have, and how fast it may be given new ones: a scan of networks through a relay, or a
//! tunnel, shows by the peers it asks for.

use std::net::IpAddr;

use crate::stun::ErrorCode;
use crate::turn::allocation::AllocationId;
use crate::turn::budget::Refill;
use crate::turn::event::Event;
use crate::turn::limits::PEERS_PER_REQUEST_MAX;
use crate::turn::server::Server;
use crate::turn::time::Now;

impl Server {
    /// Lets all of `peers` in, or none of them. Those that have a permission cost nothing. The next step must not fail.
    pub(super) fn admit(&mut self, now: Now, id: AllocationId, peers: &[IpAddr]) -> Result<(), ErrorCode> {
        let limits = &self.settings.config.limits;
        let allocation = self.allocations.get_mut(id).expect("allocation_of names live allocations");
        let count = allocation.permissions.count_new(peers);
        if allocation.permissions.len() + count > usize::from(limits.permissions_max) {
            return Err(ErrorCode::INSUFFICIENT_CAPACITY);
        }
        if count == 0 || limits.new_peers_per_minute == 0 {
            return Ok(());
        }
        // One request may name so many, and an allocation begins with them.
        let burst = limits.new_peers_per_minute.max(PEERS_PER_REQUEST_MAX as u32);
        let refill = Refill::per_minute(limits.new_peers_per_minute, burst);
        match refill.take(allocation.peers_full_at, count as u32, now.mono) {
            Some(full_at) => {
                allocation.peers_full_at = full_at;
                Ok(())
            }
            None => {
                let (path, user) = (allocation.path(), allocation.owner.user.clone());
                self.tell(Event::NewPeersLimited { allocation: id, path, user });
                Err(ErrorCode::INSUFFICIENT_CAPACITY)
            }
        }
    }
}
