//! The way to a database that may be locked, gone, replaced or stuck: nobody waits long, and at most one thread hangs.

use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::error::Elapsed;
use tokio::time::timeout;

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
    creating: Step<bool>,
    looking: Step<Identity>,
    opening: Step<(Identity, Sqlite)>,
    leaving: Step<()>,
}

/// Something that may hang for as long as the file's device does, apart from whoever waits for it; until it ended there is no
/// further attempt.
#[derive(Debug)]
struct Step<T>(Option<JoinHandle<Result<T, SqliteError>>>);

impl<T> Step<T> {
    /// Waits until it ended, begun if it is not. It may be given up while it waits.
    async fn end(&mut self, begin: impl FnOnce() -> JoinHandle<Result<T, SqliteError>>) -> Result<T, SqliteError> {
        let ended = self.0.get_or_insert_with(begin).await;
        self.0 = None;
        ended.unwrap_or_else(|_| Err(its_thread_ended()))
    }
}

impl Link {
    pub(super) fn new(path: PathBuf) -> Link {
        Link { path, open: None, creating: Step(None), looking: Step(None), opening: Step(None), leaving: Step(None) }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the file with its tables if it is missing, or empty; says whether it did.
    pub(super) async fn create_if_missing(&mut self, owner: Option<(u32, u32)>) -> Result<bool, SqliteError> {
        let path = self.path.clone();
        let made = timeout(ANSWER_MAX, self.creating.end(|| tokio::spawn(create_if_missing(path, owner)))).await;
        made.unwrap_or_else(|_| Err(no_answer()))
    }

    /// The database, opened if it is not. It may be given up while it waits.
    pub(super) async fn opened(&mut self) -> Result<&mut Sqlite, SqliteError> {
        if self.leaving.0.is_some() {
            // That it went well or not is the same; and so below.
            let _ = self.leaving.end(|| tokio::spawn(async { Ok(()) })).await;
        }
        if self.open.is_none() {
            if self.looking.0.is_some() {
                let _ = self.identity().await;
            }
            let path = self.path.clone();
            self.open = Some(self.opening.end(|| tokio::spawn(open(path))).await?);
        }
        match &mut self.open {
            Some((_, database)) => Ok(database),
            None => Err(SqliteError::NotOurs("it is not open".to_owned())),
        }
    }

    /// What became of a question; if nothing, the file is opened anew for the next one.
    pub(super) fn judge<T>(&mut self, answered: Result<Result<T, SqliteError>, Elapsed>) -> Result<T, SqliteError> {
        let answer = answered.unwrap_or_else(|_| Err(no_answer()));
        if answer.is_err() {
            self.leave();
        }
        answer
    }

    /// Whether another file has its name now, which is then opened for the next question.
    ///
    /// # Errors
    /// None has, or it does not answer.
    pub(super) async fn look(&mut self) -> Result<bool, SqliteError> {
        let now = timeout(ANSWER_MAX, self.identity()).await.unwrap_or_else(|_| Err(no_answer()));
        let is_same = match (&now, &self.open) {
            (Ok(now), Some((then, _))) => now == then,
            (_, None) => return now.map(|_| false),
            (Err(_), Some(_)) => false,
        };
        if !is_same {
            self.leave();
        }
        now.map(|_| !is_same)
    }

    async fn identity(&mut self) -> Result<Identity, SqliteError> {
        let path = self.path.clone();
        self.looking.end(|| spawn_blocking(move || identity_of(&path))).await
    }

    fn leave(&mut self) {
        if let Some((_, database)) = self.open.take() {
            self.leaving.0 = Some(tokio::spawn(async {
                database.close().await;
                Ok(())
            }));
        }
    }
}

async fn create_if_missing(path: PathBuf, owner: Option<(u32, u32)>) -> Result<bool, SqliteError> {
    let made = path.clone();
    apart(move || {
        make_file(&made, owner)?;
        identity_of(&made)
    })
    .await?;
    Sqlite::create_tables(&path).await
}

async fn open(path: PathBuf) -> Result<(Identity, Sqlite), SqliteError> {
    let looked_at = path.clone();
    let identity = apart(move || {
        let identity = identity_of(&looked_at)?;
        // SQLite says of any file that is missing or forbidden that it is unable to open it.
        File::open(&looked_at)?;
        Ok(identity)
    });
    Ok((identity.await?, Sqlite::open(path).await?))
}

/// Does in a thread of its own what may wait for a device.
async fn apart<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SqliteError> + Send + 'static,
) -> Result<T, SqliteError> {
    spawn_blocking(work).await.unwrap_or_else(|_| Err(its_thread_ended()))
}

/// A pipe would be waited at for somebody who writes to it.
fn identity_of(path: &Path) -> Result<Identity, SqliteError> {
    let file = fs::metadata(path)?;
    match file.is_file() {
        true => Ok((file.dev(), file.ino())),
        false => Err(SqliteError::NotOurs("it is not a regular file".to_owned())),
    }
}

/// Makes an empty file unless there is one. It will hold keys: nobody else reads it.
fn make_file(path: &Path, owner: Option<(u32, u32)>) -> Result<(), SqliteError> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(file) => Ok(owner.map_or(Ok(()), |(user, group)| fchown(&file, Some(user), Some(group)))?),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn no_answer() -> SqliteError {
    SqliteError::NotOurs(format!("no answer within {} s", ANSWER_MAX.as_secs()))
}

fn its_thread_ended() -> SqliteError {
    SqliteError::NotOurs("its thread ended".to_owned())
}
