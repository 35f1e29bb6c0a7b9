//! What a world remembers of its users, as the server does of a database: they are asked for again as it does.

use std::sync::Arc;

use turnserver::auth::LongTermKey;
use turnserver::turn::Answer;
use turnserver::turn::io::{LookUpUser, UserRecord};
use turnserver::turn::time::UnixTime;
use turnserver::userdb::cache::{Cache, Outcome, Remembered, Stored, Told};

/// Names that were looked up.
pub(super) struct Memory(Cache<()>);

impl Memory {
    pub(super) fn new() -> Memory {
        Memory(Cache::new(1000))
    }

    /// The answer to a look-up for which the database is not needed.
    pub(super) fn recall(&self, look_up: &LookUpUser, now: UnixTime) -> Option<Answer> {
        let find = if look_up.again { Cache::find_recent } else { Cache::find };
        let Remembered { user, renewable } = find(&self.0, &look_up.name, now)?;
        Some(Answer::User { request: look_up.request, record: Some(record(user, renewable)) })
    }

    /// The answer to a look-up that the database answered.
    pub(super) fn learn(&mut self, look_up: &LookUpUser, found: Option<UserRecord>, now: UnixTime) -> Answer {
        let key = found.map(|record| Arc::clone(&record.keys[0]));
        self.told(look_up, key.map_or(Outcome::Unknown, Outcome::Known), now)
    }

    /// The answer to a look-up that failed.
    pub(super) fn fail(&mut self, look_up: &LookUpUser, now: UnixTime) -> Answer {
        self.told(look_up, Outcome::Failed, now)
    }

    fn told(&mut self, look_up: &LookUpUser, outcome: Outcome, now: UnixTime) -> Answer {
        let request = look_up.request;
        match self.0.answer(&look_up.name, outcome, now).1 {
            Told::Known(user) => Answer::User { request, record: Some(record(Some(user), false)) },
            Told::Unknown => Answer::User { request, record: Some(record(None, false)) },
            Told::Unavailable => Answer::LookUpFailed { request },
        }
    }
}

fn record(user: Option<Stored>, renewable: bool) -> UserRecord {
    match user {
        Some(Stored { name, key }) => UserRecord { keys: vec![key], quota: name, usable: true, renewable },
        None => {
            let keys = vec![Arc::new(LongTermKey::from_raw([0; 16]))];
            UserRecord { keys, quota: Arc::from([]), usable: false, renewable }
        }
    }
}
