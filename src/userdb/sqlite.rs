//! A database as coturn has it, in an SQLite file: opening it, and the questions asked of it.
//!
//! Nothing is ever written to a file that has tables: its schema and its journal mode are its owner's, and coturn starts on
//! it again.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteRow};
use sqlx::{ConnectOptions, Connection, Executor, Row};
use thiserror::Error;
use zeroize::Zeroizing;

/// How long a question waits for another process that writes. A request waits for 5 s at most.
const BUSY_MAX: Duration = Duration::from_secs(1);
/// Shared secrets of a realm: each one costs whoever asks a derivation.
pub(super) const SECRETS_MAX: usize = 32;
/// Rows of a list of peers.
const ROWS_MAX: usize = 65_536;

/// coturn's tables, each name and column as it has them.
const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS turnusers_lt (realm varchar(127) default '', name varchar(512), hmackey char(128),
    PRIMARY KEY (realm, name));
CREATE TABLE IF NOT EXISTS turn_secret (realm varchar(127) default '', value varchar(256), PRIMARY KEY (realm, value));
CREATE TABLE IF NOT EXISTS allowed_peer_ip (realm varchar(127) default '', ip_range varchar(256),
    PRIMARY KEY (realm, ip_range));
CREATE TABLE IF NOT EXISTS denied_peer_ip (realm varchar(127) default '', ip_range varchar(256),
    PRIMARY KEY (realm, ip_range));
CREATE TABLE IF NOT EXISTS turn_origin_to_realm (origin varchar(127), realm varchar(127), PRIMARY KEY (origin));
CREATE TABLE IF NOT EXISTS turn_realm_option (realm varchar(127) default '', opt varchar(32), value varchar(128),
    PRIMARY KEY (realm, opt));
CREATE TABLE IF NOT EXISTS oauth_key (kid varchar(128), ikm_key varchar(256), timestamp bigint default 0,
    lifetime integer default 0, as_rs_alg varchar(64) default '', realm varchar(127) default '', PRIMARY KEY (kid));
CREATE TABLE IF NOT EXISTS admin_user (name varchar(32), realm varchar(127), password varchar(127), PRIMARY KEY (name));
";

/// Why a database cannot be asked.
#[derive(Debug, Error)]
pub(super) enum SqliteError {
    /// The file, or its directory.
    #[error("{0}")]
    File(#[from] io::Error),
    /// SQLite's own word.
    #[error("{0}")]
    Sqlite(#[from] sqlx::Error),
    /// Tables of something else.
    #[error("{0}")]
    NotOurs(String),
}

/// What is wrong with a user's key in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BadKey;

/// A list of peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PeerList {
    Allowed,
    Denied,
}

/// An open database. SQLite runs in a thread of its own.
#[derive(Debug)]
pub(super) struct Sqlite {
    connection: SqliteConnection,
}

impl Sqlite {
    /// Makes the tables in a file that is empty; says whether it did.
    pub(super) async fn create_tables(path: &Path) -> Result<bool, SqliteError> {
        let mut database = Sqlite { connection: options(path)?.connect().await.map_err(told)? };
        let is_new = !database.has_tables().await?;
        if is_new {
            let mut change = database.connection.begin_with("BEGIN IMMEDIATE").await.map_err(told)?;
            change.execute(SCHEMA).await.map_err(told)?;
            change.commit().await.map_err(told)?;
        }
        database.close().await;
        Ok(is_new)
    }

    /// Opens a file that is there. What SQLite keeps in it is left as it is.
    pub(super) async fn open(path: PathBuf) -> Result<Sqlite, SqliteError> {
        let connection = options(&path)?.pragma("query_only", "ON").connect().await.map_err(told)?;
        let mut database = Sqlite { connection };
        let encoding: String =
            sqlx::query_scalar("PRAGMA encoding").fetch_one(&mut database.connection).await.map_err(told)?;
        if encoding != "UTF-8" {
            return Err(SqliteError::NotOurs(format!("its text is {encoding}, not UTF-8")));
        }
        Ok(database)
    }

    /// Ends its thread.
    pub(super) async fn close(self) {
        // Nothing was written, so nothing can be lost.
        let _ = self.connection.close().await;
    }

    async fn has_tables(&mut self) -> Result<bool, SqliteError> {
        let tables = "SELECT count(*) FROM sqlite_master WHERE type = 'table'";
        let count: i64 = sqlx::query_scalar(tables).fetch_one(&mut self.connection).await.map_err(told)?;
        Ok(count > 0)
    }

    /// Changes whenever another process wrote to the file.
    pub(super) async fn version(&mut self) -> Result<i64, SqliteError> {
        sqlx::query_scalar("PRAGMA data_version").fetch_one(&mut self.connection).await.map_err(told)
    }

    /// The MD5 key of a user.
    pub(super) async fn key(
        &mut self,
        realm: &str,
        name: &[u8],
    ) -> Result<Option<Result<[u8; 16], BadKey>>, SqliteError> {
        // A name is bytes, which need not be text.
        let asked = "SELECT CAST(hmackey AS TEXT) FROM turnusers_lt WHERE realm = ? AND name = CAST(? AS TEXT)";
        let query = sqlx::query(asked).bind(realm.to_owned()).bind(name.to_vec());
        let row = query.fetch_optional(&mut self.connection).await.map_err(told)?;
        row.map(|row| Ok(md5_of(&bytes(&row, 0)?))).transpose()
    }

    /// Whether a realm has users, and one that has some.
    pub(super) async fn realms(&mut self, realm: &str) -> Result<(bool, Option<String>), SqliteError> {
        let asked = "SELECT CAST(realm AS TEXT) FROM turnusers_lt ORDER BY realm = ? DESC LIMIT 1";
        let row = sqlx::query(asked).bind(realm.to_owned()).fetch_optional(&mut self.connection).await.map_err(told)?;
        let Some(row) = row else { return Ok((false, None)) };
        let found = text(&row, 0)?;
        Ok((found == realm, Some(found)))
    }

    /// The shared secrets of a realm; one more than are taken tells that there are more.
    pub(super) async fn secrets(&mut self, realm: &str) -> Result<Vec<Zeroizing<Vec<u8>>>, SqliteError> {
        let asked = "SELECT CAST(value AS TEXT) FROM turn_secret WHERE realm = ? LIMIT ?";
        let query = sqlx::query(asked).bind(realm.to_owned()).bind(SECRETS_MAX as i64 + 1);
        let rows = query.fetch_all(&mut self.connection).await.map_err(told)?;
        rows.iter().map(|row| Ok(Zeroizing::new(bytes(row, 0)?))).collect()
    }

    /// The ranges of a list that are for a realm, or for all, as they stand there.
    pub(super) async fn peers(&mut self, list: PeerList, realm: &str) -> Result<Vec<String>, SqliteError> {
        let (name, asked) = match list {
            PeerList::Allowed => (
                "allowed_peer_ip",
                "SELECT CAST(ip_range AS TEXT) FROM allowed_peer_ip WHERE realm = ? OR ifnull(realm, '') = '' LIMIT ?",
            ),
            PeerList::Denied => (
                "denied_peer_ip",
                "SELECT CAST(ip_range AS TEXT) FROM denied_peer_ip WHERE realm = ? OR ifnull(realm, '') = '' LIMIT ?",
            ),
        };
        let query = sqlx::query(asked).bind(realm.to_owned()).bind(ROWS_MAX as i64 + 1);
        let rows = query.fetch_all(&mut self.connection).await.map_err(told)?;
        if rows.len() > ROWS_MAX {
            return Err(SqliteError::NotOurs(format!("{name} has more than {ROWS_MAX} rows")));
        }
        rows.iter().map(|row| text(row, 0)).collect()
    }

    /// The options of a realm.
    pub(super) async fn realm_options(&mut self, realm: &str) -> Result<Vec<(String, String)>, SqliteError> {
        let asked = "SELECT CAST(opt AS TEXT), CAST(value AS TEXT) FROM turn_realm_option WHERE realm = ? LIMIT 64";
        let rows = sqlx::query(asked).bind(realm.to_owned()).fetch_all(&mut self.connection).await.map_err(told)?;
        rows.iter().map(|row| Ok((text(row, 0)?, text(row, 1)?))).collect()
    }
}

/// SQLite takes any name that begins with a slash as it is, and no other: `file:` would begin a URI.
fn options(path: &Path) -> Result<SqliteConnectOptions, SqliteError> {
    let path = std::path::absolute(path)?;
    Ok(SqliteConnectOptions::new()
        .filename(path)
        .foreign_keys(false)
        .busy_timeout(BUSY_MAX)
        .thread_name(|_| "userdb".to_owned())
        .disable_statement_logging())
}

/// The same error in the words an operator searches for.
fn told(error: sqlx::Error) -> SqliteError {
    match error {
        sqlx::Error::Database(error) => SqliteError::NotOurs(error.message().to_owned()),
        other => SqliteError::Sqlite(other),
    }
}

fn bytes(row: &SqliteRow, column: usize) -> Result<Vec<u8>, SqliteError> {
    Ok(row.try_get::<Option<Vec<u8>>, _>(column).map_err(told)?.unwrap_or_default())
}

/// Text for people and for readers of numbers and addresses; what is no text is none of those.
fn text(row: &SqliteRow, column: usize) -> Result<String, SqliteError> {
    Ok(String::from_utf8_lossy(&bytes(row, column)?).into_owned())
}

/// The 16 bytes that 32 hex digits stand for.
fn md5_of(text: &[u8]) -> Result<[u8; 16], BadKey> {
    let text = text.trim_ascii();
    let mut key = [0; 16];
    if text.len() != 2 * key.len() {
        return Err(BadKey);
    }
    let digit = |digit: u8| char::from(digit).to_digit(16).map(|digit| digit as u8).ok_or(BadKey);
    for (byte, pair) in key.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Ok(key)
}
