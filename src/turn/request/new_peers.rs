//! How many peers an allocation may have, and how fast it, and all of a user's together, may be given new ones: a scan of
//! networks through a relay, or a tunnel, shows by the peers it asks for.

use std::net::IpAddr;

use crate::config::Limits;
use crate::stun::ErrorCode;
use crate::turn::allocation::AllocationId;
use crate::turn::budget::Refill;
use crate::turn::customer::Customer;
use crate::turn::event::Event;
use crate::turn::limits::{PEERS_PER_REQUEST_MAX, USER_PEERS_FACTOR};
use crate::turn::server::Server;
use crate::turn::time::{Mono, Now};

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
        let [alone, together] = refills(limits);
        let own = alone.take(allocation.peers_full_at, count as u32, now.mono);
        // Whoever ends an allocation and makes another is still the same user.
        let customer = Customer::of(allocation.owner.quota.as_ref(), allocation.tuple.client.ip());
        match (own, self.user_peers.would_give(&customer, together, count as u32, now.mono)) {
            (Some(full_at), Some(user_full_at)) => {
                allocation.peers_full_at = full_at;
                self.user_peers.take(customer, user_full_at, now.mono);
                Ok(())
            }
            _ => {
                let (path, user) = (allocation.path(), allocation.owner.user.clone());
                self.tell(Event::NewPeersLimited { allocation: id, path, user });
                Err(ErrorCode::INSUFFICIENT_CAPACITY)
            }
        }
    }
    /// Other settings give new peers at another rate: who had used up the former one waits as long as the new one says.
    pub(in crate::turn) fn bound_new_peers(&mut self, now: Mono) {
        let [alone, together] = refills(&self.settings.config.limits);
        for id in self.allocations.ids() {
            if let Some(allocation) = self.allocations.get_mut(id) {
                allocation.peers_full_at = alone.at_most_empty(allocation.peers_full_at, now);
            }
        }
        self.user_peers.refill(together, now);
    }
}

/// The buckets of one allocation, and of all of a user's. One request may name so many peers, and an allocation begins
/// with them.
fn refills(limits: &Limits) -> [Refill; 2] {
    let (rate, burst) = (limits.new_peers_per_minute, limits.new_peers_per_minute.max(PEERS_PER_REQUEST_MAX as u32));
    let times = |factor| Refill::per_minute(rate.saturating_mul(factor), burst.saturating_mul(factor));
    [times(1), times(USER_PEERS_FACTOR)]
}
