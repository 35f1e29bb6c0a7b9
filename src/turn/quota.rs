//! How many allocations a user, and the server, may have. Workers share it; the core only hears the outcome.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use hashbrown::HashMap;

/// Counts live allocations per user and in all.
#[derive(Debug)]
pub struct Quotas {
    user_max: AtomicU32,
    total_max: AtomicU32,
    total: AtomicU32,
    users: Mutex<HashMap<Arc<[u8]>, u32, ahash::RandomState>>,
}

/// One allocation's place in the quotas: it lasts exactly as long as this value.
#[derive(Debug)]
pub struct QuotaLease {
    quotas: Arc<Quotas>,
    user: Option<Arc<[u8]>>,
}

impl Quotas {
    /// Bounds per user and in all; 0 is no bound.
    pub fn new(user_max: u32, total_max: u32) -> Arc<Quotas> {
        let (user_max, total_max) = (user_max.into(), total_max.into());
        Arc::new(Quotas { user_max, total_max, total: AtomicU32::new(0), users: Mutex::default() })
    }

    /// Other bounds hold from now on. Who has more than they allow keeps that, and gets no more before it is less.
    pub fn change(&self, user_max: u32, total_max: u32) {
        self.user_max.store(user_max, Ordering::Relaxed);
        self.total_max.store(total_max, Ordering::Relaxed);
    }

    /// Takes a place for one allocation of `user`; none when there is none left. Without a user only the total counts.
    pub fn acquire(self: &Arc<Quotas>, user: Option<Arc<[u8]>>) -> Option<QuotaLease> {
        let within = |max: u32| move |count: u32| (max == 0 || count < max).then(|| count + 1);
        let [user_max, total_max] = [&self.user_max, &self.total_max].map(|max| max.load(Ordering::Relaxed));
        let take_one_of_all = || self.total.fetch_update(Ordering::Relaxed, Ordering::Relaxed, within(total_max));
        match &user {
            None => {
                take_one_of_all().ok()?;
            }
            Some(user) => {
                // The user's own place first: who has none left must not hold the last one of all, even for a moment.
                let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
                let next = within(user_max)(users.get(user).copied().unwrap_or(0))?;
                take_one_of_all().ok()?;
                users.insert(Arc::clone(user), next);
            }
        }
        Some(QuotaLease { quotas: Arc::clone(self), user })
    }

    /// Allocations in all.
    pub fn total(&self) -> u32 {
        self.total.load(Ordering::Relaxed)
    }

    /// Allocations of one user.
    pub fn of_user(&self, user: &[u8]) -> u32 {
        self.users.lock().unwrap_or_else(PoisonError::into_inner).get(user).copied().unwrap_or(0)
    }
}

impl QuotaLease {
    /// Whether it counts for this user, or for nobody.
    pub fn is_of(&self, user: Option<&[u8]>) -> bool {
        self.user.as_deref() == user
    }
}

impl Drop for QuotaLease {
    fn drop(&mut self) {
        self.quotas.total.fetch_sub(1, Ordering::Relaxed);
        let Some(user) = self.user.take() else { return };
        let mut users = self.quotas.users.lock().unwrap_or_else(PoisonError::into_inner);
        match users.get_mut(&user) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                users.remove(&user);
            }
        }
    }
}
