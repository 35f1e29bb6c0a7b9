//! The way to a database that may be locked, gone, replaced or stuck: nobody waits long, and at most one thread hangs.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::error::Elapsed;

use super::sqlite::{Sqlite, SqliteError};

/// How long an answer may take, its file being opened for it; longer than SQLite waits for other processes.
pub(super) const ANSWER_MAX: Duration = Duration::from_secs(2);

/// Device and inode.
type Identity = (u64, u64);

/// A database file, open or to be opened when it is needed.
#[derive(Debug)]
pub(super) struct Link {
    path: PathBuf,
    open: Option<(Identity, Sqlite)>,
    /// Both may hang for as long as the file's device does; until then there is no further attempt.
    opening: Option<JoinHandle<Result<(Identity, Sqlite), SqliteError>>>,
    leaving: Option<JoinHandle<()>>,
}

impl Link {
    pub(super) fn new(path: PathBuf) -> Link {
        Link { path, open: None, opening: None, leaving: None }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The database, opened if it is not. It may be given up while it waits.
    pub(super) async fn opened(&mut self) -> Result<&mut Sqlite, SqliteError> {
        if let Some(leaving) = &mut self.leaving {
            // That it went well or not is the same.
            let _ = leaving.await;
            self.leaving = None;
        }
        if self.open.is_none() {
            let path = self.path.clone();
            let opening = self.opening.get_or_insert_with(|| tokio::spawn(open(path)));
            let opened = opening.await;
            self.opening = None;
            self.open = Some(opened.map_err(|_| SqliteError::NotOurs("its thread ended".to_owned()))??);
        }
        match &mut self.open {
            Some((_, database)) => Ok(database),
            None => Err(SqliteError::NotOurs("it is not open".to_owned())),
        }
    }

    /// What became of a question; if nothing, the file is opened anew for the next one.
    pub(super) fn judge<T>(&mut self, answered: Result<Result<T, SqliteError>, Elapsed>) -> Result<T, SqliteError> {
        let no_answer = |_| Err(SqliteError::NotOurs(format!("no answer within {} s", ANSWER_MAX.as_secs())));
        let answer = answered.unwrap_or_else(no_answer);
        if answer.is_err() {
            self.leave();
        }
        answer
    }

    /// Whether another file has its name now, which is then opened for the next question.
    ///
    /// # Errors
    /// None has.
    pub(super) fn look(&mut self) -> Result<bool, SqliteError> {
        let now = fs::metadata(&self.path);
        let is_same = match (&now, &self.open) {
            (Ok(now), Some((then, _))) => (now.dev(), now.ino()) == *then,
            (_, None) => return now.map(|_| false).map_err(SqliteError::File),
            (Err(_), Some(_)) => false,
        };
        if !is_same {
            self.leave();
        }
        now.map(|_| !is_same).map_err(SqliteError::File)
    }

    fn leave(&mut self) {
        if let Some((_, database)) = self.open.take() {
            self.leaving = Some(tokio::spawn(database.close()));
        }
    }
}

async fn open(path: PathBuf) -> Result<(Identity, Sqlite), SqliteError> {
    let file = fs::metadata(&path)?;
    Ok(((file.dev(), file.ino()), Sqlite::open(path).await?))
}
