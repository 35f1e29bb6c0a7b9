//! Users in a database.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::error::Place;
use super::raw::{Setting, Value};
use super::{IpRange, Problem, options};

/// Where coturn's packages keep their database; it is opened without being named.
pub const COTURN_FILES: [&str; 3] = ["/var/db/turndb", "/usr/local/var/db/turndb", "/var/lib/turn/turndb"];

/// A user database, and what is read from it beside users and secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Database {
    /// The SQLite file as it was written; [`Database::path`] is where it lies.
    pub file: PathBuf,
    /// The lists of peers in it count (no `no-dynamic-ip-list`).
    pub peer_lists: bool,
    /// The limits of our realm in it count (no `no-dynamic-realms`).
    pub realm_options: bool,
}

impl Database {
    /// The file: `~` and what stands below it is in `home`.
    pub fn path(&self, home: Option<&OsStr>) -> PathBuf {
        match (self.file.strip_prefix("~"), home) {
            (Ok(below), Some(home)) => Path::new(home).join(below),
            _ => self.file.clone(),
        }
    }
}

/// A range of peers as `denied-peer-ip` takes it.
///
/// # Errors
/// It is none; the problem says what was expected.
pub fn peer_range(text: &str) -> Result<IpRange, Problem> {
    let Some(option) = options::find("denied-peer-ip") else {
        return Err(Problem::new(&Place::Unset, "no such option"));
    };
    Setting { option, value: Value::Text(text.to_owned()), place: Place::Unset }.range()
}
