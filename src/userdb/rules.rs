//! What a database says beside who its users are: which peers of a realm may be reached, and how much it may use.

use std::collections::BTreeSet;

use tracing::warn;

use crate::config::{Auth, AuthMode, Database, IpRange, Limits, Peers, peer_range};

/// What the server wants to know of a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The realm whose rows count.
    pub realm: String,
    /// Its users are asked for.
    pub users: bool,
    /// Its shared secrets are read.
    pub secrets: bool,
    /// Its lists of peers are read.
    pub peer_lists: bool,
    /// Its limits are read.
    pub realm_options: bool,
}

impl Wanted {
    /// What a configuration wants; the realm is prepared already.
    pub fn of(auth: &Auth, database: &Database) -> Wanted {
        Wanted {
            realm: auth.realm.clone(),
            users: auth.mode == AuthMode::LongTerm,
            secrets: auth.mode == AuthMode::SharedSecret,
            peer_lists: database.peer_lists,
            realm_options: database.realm_options,
        }
    }
}

/// Peers and limits of a realm, as they stood in the database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// On top of `allowed-peer-ip`.
    pub allowed: Vec<IpRange>,
    /// On top of `denied-peer-ip`.
    pub denied: Vec<IpRange>,
    /// The limits that are given.
    pub limits: RealmLimits,
    /// Rows that say nothing we understand, and why.
    pub malformed: BTreeSet<String>,
}

/// Limits that stand in for those of the configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RealmLimits {
    /// `max-bps`.
    pub max_bps: Option<u64>,
    /// `total-quota`.
    pub total_quota: Option<u32>,
    /// `user-quota`.
    pub user_quota: Option<u32>,
}

impl Rules {
    /// Takes in the rows of a list of peers.
    pub(super) fn add_peers(&mut self, rows: &[String], is_denied: bool) {
        let (name, list) = match is_denied {
            false => ("allowed_peer_ip", &mut self.allowed),
            true => ("denied_peer_ip", &mut self.denied),
        };
        for row in rows {
            match peer_range(row.trim()) {
                Ok(range) => list.push(range),
                Err(problem) => {
                    let why = problem.message.trim_start_matches("denied-peer-ip: ").to_owned();
                    self.malformed.insert(format!("{name}: {why}"));
                }
            }
        }
    }

    /// Takes in the options of the realm. Others than coturn's are left alone.
    pub(super) fn add_options(&mut self, rows: &[(String, String)]) {
        for (option, value) in rows {
            let is_taken = match option.as_str() {
                "max-bps" => take(&mut self.limits.max_bps, value),
                "total-quota" => take(&mut self.limits.total_quota, value),
                "user-quota" => take(&mut self.limits.user_quota, value),
                _ => true,
            };
            if !is_taken {
                self.malformed.insert(format!("turn_realm_option: {option} is no number: {value:?}"));
            }
        }
    }

    /// Says what is malformed and was not so before. A row of the denied ones that is not understood denies nothing.
    pub(super) fn warn(&self, former: &Rules) {
        for row in self.malformed.difference(&former.malformed) {
            warn!(row = row.as_str(), "a row of the user database counts for nothing");
        }
    }

    /// The peers of the configuration and those of the database.
    pub fn peers(&self, configured: &Peers) -> Peers {
        let mut peers = configured.clone();
        peers.allowed.extend(&self.allowed);
        peers.denied.extend(&self.denied);
        peers
    }
}

impl RealmLimits {
    /// Puts them in the place of those that are configured.
    pub fn apply(&self, limits: &mut Limits) {
        limits.max_bps = self.max_bps.unwrap_or(limits.max_bps);
        limits.total_quota = self.total_quota.unwrap_or(limits.total_quota);
        limits.user_quota = self.user_quota.unwrap_or(limits.user_quota);
    }
}

fn take<T: std::str::FromStr>(place: &mut Option<T>, text: &str) -> bool {
    let number = text.trim().parse().ok();
    let is_number = number.is_some();
    *place = number.or(place.take());
    is_number
}
