//! The users in force: a store that others may take the place of while workers ask it.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::{Found, Reply, UserStore};
use crate::turn::time::UnixTime;

/// A store in whose place another one may be put. What was fetched from the former one is still answered by it.
#[derive(Debug)]
pub struct CurrentUsers(ArcSwap<Arc<dyn UserStore>>);

impl CurrentUsers {
    /// These for now.
    pub fn new(users: Arc<dyn UserStore>) -> CurrentUsers {
        CurrentUsers(ArcSwap::from_pointee(users))
    }

    /// Others from now on: each look-up that begins later asks them.
    pub fn change(&self, users: Arc<dyn UserStore>) {
        self.0.store(Arc::new(users));
    }
}

impl UserStore for CurrentUsers {
    fn find(&self, name: &[u8], now: UnixTime) -> Option<Found> {
        self.0.load().find(name, now)
    }

    fn find_again(&self, name: &[u8], now: UnixTime) -> Option<Found> {
        self.0.load().find_again(name, now)
    }

    fn fetch(&self, name: Box<[u8]>, now: UnixTime, reply: Reply) {
        self.0.load().fetch(name, now, reply);
    }
}
