//! Who is held to account for what all of his allocations do together.

use std::net::IpAddr;
use std::sync::Arc;

use super::budget::prefix;

/// A customer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Customer {
    /// Whoever a quota's name stands for.
    User(Arc<[u8]>),
    /// Where users have no names: a client address, or IPv6 /64.
    Source(u128),
}

impl Customer {
    pub(super) fn of(quota: Option<&Arc<[u8]>>, client: IpAddr) -> Customer {
        quota.map_or_else(|| Customer::Source(prefix(client)), |user| Customer::User(Arc::clone(user)))
    }
}
