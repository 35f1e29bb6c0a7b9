//! Who the users are. Static users and shared secrets live in memory and are found at once; other stores may take their
//! time, and answer through a [`Reply`].

pub mod cache;
mod counts;
mod current;
mod database;
mod keeper;
mod link;
mod reply;
mod rules;
mod sqlite;
mod stored;

pub use counts::Counts;
pub use current::CurrentUsers;
pub use database::Database;
pub use keeper::{DatabaseError, Keeper, coturn_file};
pub use reply::{Found, Reply};
pub use rules::{RealmLimits, Rules, Wanted};
pub use stored::StoredUsers;

use std::sync::Arc;

use hashbrown::HashMap;

use crate::auth::LongTermKey;
use crate::auth::opaque_string::prepare;
use crate::auth::rest::{self, TimedName};
use crate::config::{Auth, AuthMode, User, UserSecret};
use crate::turn::io::UserRecord;
use crate::turn::time::UnixTime;

/// Where users are found. Workers call it between two packets, so no call may wait for anything.
pub trait UserStore: std::fmt::Debug + Send + Sync {
    /// What is known of `name` at once; none: it has to be fetched.
    fn find(&self, name: &[u8], now: UnixTime) -> Option<Found>;

    /// The same after a password was wrong by a record that is [renewable](UserRecord::renewable); none: there may be
    /// something newer, which has to be fetched.
    fn find_again(&self, name: &[u8], now: UnixTime) -> Option<Found> {
        self.find(name, now)
    }

    /// Has `name` looked up elsewhere. A reply that is dropped says that it could not be looked up. Each must be sent or
    /// dropped within some seconds, whatever becomes of the store: a worker waits for a bounded number of them.
    fn fetch(&self, name: Box<[u8]>, now: UnixTime, reply: Reply);
}

/// Brings realm and names into the form in which they are compared, and turns passwords into keys: from here on no
/// password is kept (RFC 8656 section 6).
pub fn seal(auth: &mut Auth) {
    auth.realm = prepared(&auth.realm);
    for user in &mut auth.users {
        user.name = prepared(&user.name);
        user.secret = UserSecret::Keys(keys_of(user, &auth.realm).iter().map(|key| *key.raws()).collect());
    }
}

fn prepared(text: &str) -> String {
    String::from_utf8_lossy(&prepare(text.as_bytes())).into_owned()
}

fn keys_of(user: &User, realm: &str) -> Vec<LongTermKey> {
    match &user.secret {
        UserSecret::Password(password) => LongTermKey::candidates(user.name.as_bytes(), realm.as_bytes(), password),
        UserSecret::Keys(raw) => raw.iter().copied().map(LongTermKey::from_raws).collect(),
    }
}

/// The users of the configuration: static ones, or whoever holds a credential made from a shared secret.
pub struct Users {
    mode: AuthMode,
    realm: String,
    statics: HashMap<Arc<[u8]>, Vec<Arc<LongTermKey>>, ahash::RandomState>,
    /// What is tried for a static name that nobody has.
    nobodys_keys: Vec<Arc<LongTermKey>>,
    secrets: Vec<String>,
    separator: char,
    timestamp_ahead_secs_max: Option<u64>,
}

impl std::fmt::Debug for Users {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Users").field("statics", &self.statics.len()).finish_non_exhaustive()
    }
}

impl UserStore for Users {
    fn find(&self, name: &[u8], now: UnixTime) -> Option<Found> {
        Some(Found::Known(self.look_up(name, now)))
    }

    fn fetch(&self, name: Box<[u8]>, now: UnixTime, reply: Reply) {
        reply.send(Found::Known(self.look_up(&name, now)));
    }
}

impl Users {
    /// The users of a configuration.
    pub fn new(auth: &Auth) -> Users {
        let keys = |user: &User| keys_of(user, &auth.realm).into_iter().map(Arc::new).collect();
        let keys: Vec<Vec<Arc<LongTermKey>>> = auth.users.iter().map(keys).collect();
        // Each key is one HMAC for a wrong password, and time must not tell who has fewer, or none: a user's own are
        // repeated until all have as many.
        let most = keys.iter().map(Vec::len).max().unwrap_or(1);
        let padded = |keys: &Vec<Arc<LongTermKey>>| keys.iter().cycle().take(most).cloned().collect();
        let names = auth.users.iter().map(|user| Arc::from(user.name.as_bytes()));
        let nobodys_key = Arc::new(LongTermKey::from_raw([0; 16]));
        Users {
            mode: auth.mode,
            realm: auth.realm.clone(),
            statics: names.zip(keys.iter().map(padded)).collect(),
            nobodys_keys: std::iter::repeat_n(nobodys_key, most).collect(),
            secrets: auth.secrets.clone(),
            separator: auth.separator,
            timestamp_ahead_secs_max: auth.timestamp_ahead_secs_max,
        }
    }

    /// What is known of `name`. A static one that nobody has is tried like any other, and may not be used.
    pub fn look_up(&self, name: &[u8], now: UnixTime) -> Option<UserRecord> {
        match self.mode {
            AuthMode::StunOnly | AuthMode::Anonymous => None,
            AuthMode::LongTerm => {
                let known = |(name, keys): (&Arc<[u8]>, &Vec<Arc<LongTermKey>>)| UserRecord {
                    keys: keys.clone(),
                    quota: Arc::clone(name),
                    usable: true,
                    renewable: false,
                };
                Some(self.statics.get_key_value(name).map_or_else(|| self.nobody(), known))
            }
            AuthMode::SharedSecret => Some(self.timed(name, now, std::iter::empty())),
        }
    }

    /// Whether there is a static user of that name.
    fn has(&self, name: &[u8]) -> bool {
        self.statics.contains_key(name)
    }

    /// How many keys are tried for a static name.
    fn keys_each(&self) -> usize {
        self.nobodys_keys.len()
    }

    /// What is tried for a static name that nobody has.
    fn nobody(&self) -> UserRecord {
        UserRecord { keys: self.nobodys_keys.clone(), quota: Arc::from([]), usable: false, renewable: false }
    }

    /// A name that is no time-limited one, or whose time is over, costs what a good one costs. Any of our secrets, or of
    /// `further` ones, may have signed.
    fn timed<'a>(&'a self, name: &[u8], now: UnixTime, further: impl Iterator<Item = &'a [u8]>) -> UserRecord {
        let timed = TimedName::parse(name, self.separator);
        let key = |secret: &'a [u8]| Arc::new(rest::key(secret, name, self.realm.as_bytes()));
        UserRecord {
            keys: self.secrets.iter().map(String::as_bytes).chain(further).map(key).collect(),
            quota: timed.map_or(name, |timed| timed.user).into(),
            usable: timed.is_some_and(|timed| timed.is_valid(now.0, self.timestamp_ahead_secs_max)),
            renewable: false,
        }
    }
}
