//! How many peers an allocation may have, and how fast it, and all of a user's together, may be given new ones: a scan of
//! networks through a relay, or a tunnel, shows by the peers it asks for.

use std::net::IpAddr;

use crate::stun::ErrorCode;
use crate::turn::allocation::AllocationId;
use crate::turn::budget::Refill;
use crate::turn::customer::Customer;
use crate::turn::event::Event;
use crate::turn::limits::{PEERS_PER_REQUEST_MAX, USER_PEERS_FACTOR};
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
        let (rate, burst) =
            (limits.new_peers_per_minute, limits.new_peers_per_minute.max(PEERS_PER_REQUEST_MAX as u32));
        let own = Refill::per_minute(rate, burst).take(allocation.peers_full_at, count as u32, now.mono);
        // Whoever ends an allocation and makes another is still the same user.
        let customer = Customer::of(allocation.owner.quota.as_ref(), allocation.tuple.client.ip());
        let together =
            Refill::per_minute(rate.saturating_mul(USER_PEERS_FACTOR), burst.saturating_mul(USER_PEERS_FACTOR));
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
}
