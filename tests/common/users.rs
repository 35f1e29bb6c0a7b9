//! Who exists, as a table: names with passwords, or shared secrets.

use std::collections::BTreeMap;
use std::sync::Arc;

use turnserver::auth::LongTermKey;
use turnserver::auth::rest::{self, TimedName};
use turnserver::config::Auth;
use turnserver::turn::io::UserRecord;
use turnserver::turn::time::UnixTime;

use super::setup::REALM;

/// A name and its password.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Person {
    pub(crate) name: &'static str,
    pub(crate) password: &'static str,
}

/// The user database of a world.
pub(crate) enum Users {
    Named(BTreeMap<Vec<u8>, Vec<u8>>),
    Timed { secrets: Vec<String>, separator: char, ahead_secs_max: Option<u64> },
}

impl Users {
    pub(crate) fn of(people: &[Person]) -> Users {
        Users::Named(people.iter().map(|person| (person.name.into(), person.password.into())).collect())
    }

    pub(crate) fn of_secrets(auth: &Auth) -> Users {
        Users::Timed {
            secrets: auth.secrets.clone(),
            separator: auth.separator,
            ahead_secs_max: auth.timestamp_ahead_secs_max,
        }
    }

    /// Gives a user a password, another one perhaps.
    pub(crate) fn set(&mut self, name: &str, password: &str) {
        match self {
            Users::Named(table) => drop(table.insert(name.into(), password.into())),
            Users::Timed { .. } => panic!("time-limited names have no passwords of their own"),
        }
    }

    pub(crate) fn remove(&mut self, name: &str) {
        if let Users::Named(table) = self {
            table.remove(name.as_bytes());
        }
    }

    pub(super) fn look_up(&self, name: &[u8], now: UnixTime) -> Option<UserRecord> {
        match self {
            Users::Named(table) => {
                let key = LongTermKey::derive(name, REALM.as_bytes(), table.get(name)?);
                Some(UserRecord { keys: vec![Arc::new(key)], quota: name.into(), usable: true, renewable: false })
            }
            Users::Timed { secrets, separator, ahead_secs_max } => {
                let timed = TimedName::parse(name, *separator)?;
                let key = |secret: &String| Arc::new(rest::key(secret.as_bytes(), name, REALM.as_bytes()));
                Some(UserRecord {
                    keys: secrets.iter().map(key).collect(),
                    quota: timed.user.into(),
                    usable: timed.is_valid(now.0, *ahead_secs_max),
                    renewable: false,
                })
            }
        }
    }
}
