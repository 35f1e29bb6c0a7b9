//! Users of the configuration, and those of a database.

use std::sync::Arc;

use super::cache::{Remembered, Stored, Told};
use super::database::Database;
use super::{Found, Reply, UserStore, Users};
use crate::auth::LongTermKey;
use crate::config::AuthMode;
use crate::turn::io::UserRecord;
use crate::turn::time::UnixTime;

/// Asks the configuration first, as coturn does, and then the database.
#[derive(Debug)]
pub struct StoredUsers {
    configured: Arc<Users>,
    database: Arc<Database>,
}

impl StoredUsers {
    /// The users of both.
    pub fn new(configured: Users, database: Arc<Database>) -> StoredUsers {
        StoredUsers { configured: Arc::new(configured), database }
    }
}

impl UserStore for StoredUsers {
    fn find(&self, name: &[u8], now: UnixTime) -> Option<Found> {
        self.find_by(Database::find, name, now)
    }

    fn find_again(&self, name: &[u8], now: UnixTime) -> Option<Found> {
        self.find_by(Database::find_recent, name, now)
    }

    fn fetch(&self, name: Box<[u8]>, now: UnixTime, reply: Reply) {
        let configured = Arc::clone(&self.configured);
        self.database.ask(&name, now, reply, move |told| match told {
            Told::Known(stored) => Found::Known(Some(record(&configured, Some(stored)))),
            Told::Unknown => Found::Known(Some(record(&configured, None))),
            Told::Unavailable => Found::Unavailable,
        });
    }
}

impl StoredUsers {
    fn find_by(
        &self,
        remembered: fn(&Database, &[u8], UnixTime) -> Option<Remembered>,
        name: &[u8],
        now: UnixTime,
    ) -> Option<Found> {
        match self.configured.mode {
            AuthMode::LongTerm if self.configured.has(name) => self.configured.find(name, now),
            AuthMode::LongTerm => {
                let Remembered { user, renewable } = remembered(&self.database, name, now)?;
                Some(Found::Known(Some(UserRecord { renewable, ..record(&self.configured, user) })))
            }
            AuthMode::SharedSecret => Some(self.timed(name, now)),
            AuthMode::StunOnly | AuthMode::Anonymous => self.configured.find(name, now),
        }
    }

    /// A time-limited name, by the secrets of both. Without any, and without having seen the database's, nothing can be
    /// said.
    fn timed(&self, name: &[u8], now: UnixTime) -> Found {
        let stored = self.database.secrets();
        if stored.is_none() && self.configured.secrets.is_empty() {
            return Found::Unavailable;
        }
        let further = stored.iter().flat_map(|secrets| secrets.iter()).map(|secret| secret.as_slice());
        Found::Known(Some(self.configured.timed(name, now, further)))
    }
}

/// A user of the database as it says now, or nobody, with as many keys as anybody has: time must not tell.
fn record(configured: &Users, stored: Option<Stored>) -> UserRecord {
    let Some(Stored { name, key }) = stored else { return configured.nobody() };
    let keys: Vec<Arc<LongTermKey>> = vec![key; configured.keys_each()];
    UserRecord { keys, quota: name, usable: true, renewable: false }
}
