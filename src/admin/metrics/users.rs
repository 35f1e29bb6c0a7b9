//! What the user database is asked, and what it answers.

use super::family::Family;
use crate::userdb::Database;

/// The metrics of a server with a user database.
pub fn families(database: &Database) -> Vec<Family> {
    let counts = database.counts();
    let (known, unknown) = database.kept();
    vec![
        Family::gauge("turnserver_userdb_up", "1 while the user database answers.").value(u64::from(counts.is_up())),
        Family::counter("turnserver_userdb_look_ups_total", "Names that the user database was asked for.")
            .value(counts.look_ups()),
        Family::counter("turnserver_userdb_failures_total", "Names of them that it did not answer for.")
            .value(counts.failures()),
        Family::counter("turnserver_userdb_cache_hits_total", "Names that needed no question.").value(counts.hits()),
        Family::gauge("turnserver_userdb_cached_names", "Names kept in memory: of users, and of nobody.")
            .each(["state"], [(["user"], known as u64), (["nobody"], unknown as u64)]),
    ]
}
