//! The task that asks the database: for users as workers want them, for secrets, peers and limits every few seconds.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tracing::{info, warn};

use super::cache::Outcome;
use super::database::{Database, Question};
use super::link::{ANSWER_MAX, Link};
use super::rules::{Rules, Wanted};
use super::sqlite::{PeerList, SECRETS_MAX, Sqlite, SqliteError};
use crate::auth::LongTermKey;

/// How often the file is looked at (coturn's interval).
const REREAD_EVERY: Duration = Duration::from_secs(5);
/// How long a database that failed is left alone; who is not known is told so meanwhile, instead of waiting.
const PAUSE: Duration = Duration::from_secs(1);

/// A database cannot be used.
#[derive(Debug, Error)]
#[error("the user database {}: {why}", path.display())]
pub struct DatabaseError {
    path: PathBuf,
    why: String,
}

/// Asks the database.
#[derive(Debug)]
pub struct Keeper {
    database: Arc<Database>,
    link: Link,
    /// Whose the file is if it is made.
    owner: Option<(u32, u32)>,
    questions: mpsc::Receiver<Question>,
    /// It was there once: from then on it is its owner who makes it anew.
    was_there: bool,
    /// No question is asked before.
    pause_ends: Option<Instant>,
    is_up: bool,
    /// What was read, and of which version of the file.
    read: Option<(i64, Arc<Wanted>)>,
    rules: Rules,
    /// Whether users whose key is of no use were told of.
    told_bad_key: bool,
}

impl Keeper {
    pub(super) fn new(
        path: PathBuf,
        owner: Option<(u32, u32)>,
        database: Arc<Database>,
        questions: mpsc::Receiver<Question>,
    ) -> Keeper {
        Keeper {
            database,
            link: Link::new(path),
            owner,
            questions,
            was_there: false,
            pause_ends: None,
            is_up: false,
            read: None,
            rules: Rules::default(),
            told_bad_key: false,
        }
    }

    /// Opens the database, made with its tables if it is missing, and reads what is not asked for by name. Says whether
    /// anybody can be let in by it.
    ///
    /// # Errors
    /// It cannot be used; the keeper may be run all the same, and tries again.
    pub async fn begin(&mut self) -> Result<bool, DatabaseError> {
        let begun = async {
            self.create_once().await?;
            self.read_again().await?;
            self.count_entries().await
        };
        let begun = begun.await;
        self.note(begun.as_ref().err());
        begun.map_err(|why| DatabaseError { path: self.link.path().to_owned(), why: why.to_string() })
    }

    /// Serves for as long as the runtime does.
    pub async fn run(mut self) {
        let database = Arc::clone(&self.database);
        let mut ticks = interval(PAUSE);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut looked = Instant::now();
        loop {
            tokio::select! {
                Some(question) = self.questions.recv() => self.answer(question).await,
                () = database.until_again() => self.look_again().await,
                _ = ticks.tick() => {
                    // While it fails it is tried more often.
                    if !self.is_up || looked.elapsed() >= REREAD_EVERY {
                        self.look_again().await;
                        looked = Instant::now();
                    }
                }
            }
        }
    }

    async fn create_once(&mut self) -> Result<(), SqliteError> {
        if self.was_there {
            return Ok(());
        }
        if self.link.create_if_missing(self.owner).await? {
            info!(file = %self.link.path().display(), "made a user database with coturn's tables");
        }
        self.was_there = true;
        Ok(())
    }

    async fn look_again(&mut self) {
        let looked = async {
            self.create_once().await?;
            if self.link.look().await? {
                info!(file = %self.link.path().display(), "another user database has its name now");
                self.read = None;
            }
            self.read_again().await
        };
        let looked = looked.await;
        self.note(looked.as_ref().err());
    }

    /// Reads what is not asked for by name, if the file changed since.
    async fn read_again(&mut self) -> Result<(), SqliteError> {
        let wanted = self.database.wanted();
        let known = self.read.take().filter(|(_, of)| *of == wanted).map(|(version, _)| version);
        let read = async { read_if_changed(self.link.opened().await?, &wanted, known).await };
        let read = timeout(ANSWER_MAX, read).await;
        // A file that is opened anew counts its versions anew: after an error it is read in any case.
        let (version, read) = self.link.judge(read)?;
        self.read = Some((version, wanted));
        let Some((rules, secrets)) = read else { return Ok(()) };
        rules.warn(&self.rules);
        self.rules = rules.clone();
        self.database.set_rules(rules);
        if let Some(secrets) = secrets {
            self.database.set_secrets(secrets);
        }
        Ok(())
    }

    /// Whether anybody is in the database whom this server would let in.
    async fn count_entries(&mut self) -> Result<bool, SqliteError> {
        let wanted = self.database.wanted();
        let realm = wanted.realm.as_str();
        if wanted.secrets {
            return Ok(self.database.secrets().is_some_and(|secrets| !secrets.is_empty()));
        }
        let asked = timeout(ANSWER_MAX, async { self.link.opened().await?.realms(realm).await }).await;
        let (has_users, other) = self.link.judge(asked)?;
        match other {
            Some(other) if !has_users => warn!(realm, other, "the user database has users of other realms only"),
            None => warn!(realm, "the user database has no user yet"),
            Some(_) => {}
        }
        Ok(has_users)
    }

    async fn answer(&mut self, question: Question) {
        if self.pause_ends.is_some_and(|end| Instant::now() < end) {
            return self.database.answer(&question, Outcome::Failed);
        }
        let realm = &question.wanted.realm;
        let asked = async { self.link.opened().await?.key(realm, &question.name).await };
        let asked = timeout(ANSWER_MAX, asked).await;
        let outcome = match self.link.judge(asked) {
            Ok(Some(Ok(key))) => Outcome::Known(Arc::new(LongTermKey::from_raw(key))),
            Ok(Some(Err(_))) => {
                if !std::mem::replace(&mut self.told_bad_key, true) {
                    let user = String::from_utf8_lossy(&question.name);
                    warn!(
                        user = &*user,
                        "the user database has a key that is not 32 hex digits; the user is not let in"
                    );
                }
                Outcome::Unknown
            }
            Ok(None) => Outcome::Unknown,
            Err(error) => {
                self.pause_ends = Some(Instant::now() + PAUSE);
                self.note(Some(&error));
                Outcome::Failed
            }
        };
        self.database.answer(&question, outcome);
    }

    /// One line for each change: that users answer again counts when the rest can be read as well.
    fn note(&mut self, error: Option<&SqliteError>) {
        let file = self.link.path().display();
        match error {
            Some(why) if self.is_up => {
                warn!(%file, %why, "the user database cannot be asked; who is known stays known");
            }
            None if !self.is_up => info!(%file, "the user database answers"),
            _ => {}
        }
        if error.is_none() {
            self.pause_ends = None;
        }
        self.is_up = error.is_none();
        self.database.set_up(self.is_up);
    }
}

type Read = (Rules, Option<super::database::Secrets>);

/// What `wanted` wants of a file, and its version, unless that is `known`.
async fn read_if_changed(
    sqlite: &mut Sqlite,
    wanted: &Wanted,
    known: Option<i64>,
) -> Result<(i64, Option<Read>), SqliteError> {
    let version = sqlite.version().await?;
    if known == Some(version) {
        return Ok((version, None));
    }
    let realm = wanted.realm.as_str();
    let mut rules = Rules::default();
    if wanted.peer_lists {
        rules.add_peers(&sqlite.peers(PeerList::Allowed, realm).await?, false);
        rules.add_peers(&sqlite.peers(PeerList::Denied, realm).await?, true);
    }
    if wanted.realm_options {
        rules.add_options(&sqlite.realm_options(realm).await?);
    }
    let mut secrets = None;
    if wanted.secrets {
        let mut read = sqlite.secrets(realm).await?;
        if read.len() > SECRETS_MAX {
            read.truncate(SECRETS_MAX);
            rules.malformed.insert(format!("turn_secret: the realm has more than {SECRETS_MAX} secrets"));
        }
        read.retain(|secret| !secret.is_empty());
        secrets = Some(read);
    }
    Ok((version, Some((rules, secrets))))
}

/// Where coturn's packages keep a database that is opened without being named; none: there is none.
pub fn coturn_file(files: &[&str]) -> Option<PathBuf> {
    files.iter().map(Path::new).find(|file| file.is_file()).map(Path::to_owned)
}
