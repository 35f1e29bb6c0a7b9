//! A database file as an operator makes it, and changes it beside a running server.
#![allow(dead_code, reason = "each suite uses the part that concerns it")]

use std::path::{Path, PathBuf};

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Row};
use tempfile::TempDir;
use turnserver::auth::LongTermKey;

use crate::REALM;

/// The tables as coturn 4.6.1 makes them.
const COTURNS: &str = "
CREATE TABLE turnusers_lt ( realm varchar(127) default '', name varchar(512), hmackey char(128), PRIMARY KEY (realm,name));
CREATE TABLE turn_secret (realm varchar(127) default '', value varchar(127), primary key (realm,value));
CREATE TABLE allowed_peer_ip (realm varchar(127) default '', ip_range varchar(256), primary key (realm,ip_range));
CREATE TABLE denied_peer_ip (realm varchar(127) default '', ip_range varchar(256), primary key (realm,ip_range));
CREATE TABLE turn_origin_to_realm (origin varchar(127),realm varchar(127),primary key (origin));
CREATE TABLE turn_realm_option (realm varchar(127) default '', opt varchar(32), value varchar(128), primary key (realm,opt));
CREATE TABLE oauth_key (kid varchar(128),ikm_key varchar(256),timestamp bigint default 0,lifetime integer default 0,as_rs_alg varchar(64) default '',realm varchar(127) default '',primary key (kid));
CREATE TABLE admin_user (name varchar(32), realm varchar(127), password varchar(127), primary key (name));
";

/// A database file in a directory of its own.
pub(crate) struct Turndb {
    dir: TempDir,
    path: PathBuf,
}

impl Turndb {
    /// A file with coturn's tables, all empty.
    pub(crate) fn new() -> Turndb {
        let database = Turndb::missing("turndb");
        database.run(COTURNS);
        database
    }

    /// A file of this name that is not there yet.
    pub(crate) fn missing(name: &str) -> Turndb {
        let dir = tempfile::tempdir().expect("a directory for the database");
        let path = dir.path().join(name);
        Turndb { dir, path }
    }

    /// Its directory.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Where it lies.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The same as an option takes it.
    pub(crate) fn name(&self) -> &str {
        self.path.to_str().expect("text")
    }

    /// Adds a user, or changes the password.
    pub(crate) fn add_user(&self, (name, password): (&str, &str)) {
        let key = hex::encode(LongTermKey::derive(name.as_bytes(), REALM.as_bytes(), password.as_bytes()).raw());
        self.run(&format!("INSERT OR REPLACE INTO turnusers_lt VALUES ('{REALM}', '{name}', '{key}')"));
    }

    /// Changes it.
    pub(crate) fn run(&self, sql: &str) {
        let mut holder = self.open();
        holder.run(sql);
    }

    /// The text of every row that a query gives.
    pub(crate) fn ask(&self, sql: &str) -> Vec<String> {
        let mut holder = self.open();
        let rows = sqlx::query(AssertSqlSafe(sql.to_owned())).fetch_all(&mut holder.connection);
        let rows = holder.runtime.block_on(rows).unwrap_or_else(|error| panic!("{sql}: {error}"));
        rows.iter().map(|row| row.get_unchecked::<Option<String>, _>(0).unwrap_or_default()).collect()
    }

    /// Everything that makes a schema.
    pub(crate) fn schema(&self) -> Vec<String> {
        let mut schema = self.ask("SELECT sql FROM sqlite_master ORDER BY name");
        for pragma in ["journal_mode", "page_size", "user_version", "application_id", "auto_vacuum", "encoding"] {
            let sql = match pragma {
                "journal_mode" => "PRAGMA journal_mode".to_owned(),
                other => format!("SELECT CAST({other} AS TEXT) FROM pragma_{other}"),
            };
            schema.extend(self.ask(&sql).into_iter().map(|value| format!("{pragma} {value}")));
        }
        schema
    }

    /// Another process that has it open.
    pub(crate) fn open(&self) -> Holder {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let options = SqliteConnectOptions::new().filename(&self.path).foreign_keys(false).create_if_missing(true);
        let connection = runtime.block_on(options.connect()).expect("the test's own database");
        Holder { connection, runtime }
    }
}

/// An open connection to a database.
pub(crate) struct Holder {
    connection: SqliteConnection,
    runtime: tokio::runtime::Runtime,
}

impl Holder {
    /// Runs statements.
    pub(crate) fn run(&mut self, sql: &str) {
        let run = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut self.connection);
        self.runtime.block_on(run).unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
}
