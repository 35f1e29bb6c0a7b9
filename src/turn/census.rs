//! How much there is, counted from the allocations themselves.

use super::address::Transport;
use super::server::Server;

/// What a server holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Allocations, by the transport of their clients, in the order of [`Transport::ALL`].
    pub allocations: [u64; Transport::ALL.len()],
    /// Permissions of all of them.
    pub permissions: u64,
    /// Channels of all of them.
    pub channels: u64,
}

impl Server {
    /// Counts everything: for after a panic, when begins and ends that were told may not add up.
    pub fn census(&self) -> Census {
        let mut census = Census::default();
        for allocation in self.allocations.iter() {
            census.allocations[allocation.tuple.transport as usize] += 1;
            census.permissions += allocation.permissions.len() as u64;
            census.channels += allocation.channels.len() as u64;
        }
        census
    }
}
