//! A user database beside the workers: they ask the cache, and a task asks the file for what the cache does not know.

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::sync::{Notify, mpsc, watch};
use zeroize::Zeroizing;

use super::cache::{Cache, NAMES_MAX, Outcome, Remembered, Told};
use super::counts::{Counts, count};
use super::keeper::Keeper;
use super::reply::{Found, Reply};
use super::rules::{Rules, Wanted};
use crate::turn::time::UnixTime;

/// Questions that wait for the task; further ones cannot be answered.
const QUESTIONS_MAX: usize = 4096;

/// A name to be looked up.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) name: Arc<[u8]>,
    /// As it was wanted when it was asked for.
    pub(super) wanted: Arc<Wanted>,
    pub(super) asked: UnixTime,
}

/// Shared secrets.
pub(super) type Secrets = Vec<Zeroizing<Vec<u8>>>;

/// A database of users, as the rest of the server sees it: nothing here waits.
pub struct Database {
    questions: mpsc::Sender<Question>,
    cache: Mutex<Cache<Waiting>>,
    wanted: ArcSwap<Wanted>,
    /// None: they could not be read so far.
    secrets: ArcSwapOption<Secrets>,
    rules: watch::Sender<Arc<Rules>>,
    again: Notify,
    counts: Counts,
}

/// One who waits, and how that one is told.
pub(super) struct Waiting {
    reply: Reply,
    tell: Box<dyn FnOnce(Told) -> Found + Send>,
}

impl std::fmt::Debug for Waiting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Waiting(..)")
    }
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database").field("counts", &self.counts).finish_non_exhaustive()
    }
}

impl Database {
    /// A database in the file `path`, and what keeps it: it has to be begun with and then run. A file that is made is
    /// given to `owner`.
    pub fn new(path: PathBuf, owner: Option<(u32, u32)>, wanted: Wanted) -> (Arc<Database>, Keeper) {
        let (questions, asked) = mpsc::channel(QUESTIONS_MAX);
        let database = Arc::new(Database {
            questions,
            cache: Mutex::new(Cache::new(NAMES_MAX)),
            wanted: ArcSwap::from_pointee(wanted),
            secrets: ArcSwapOption::empty(),
            rules: watch::Sender::new(Arc::default()),
            again: Notify::new(),
            counts: Counts::default(),
        });
        (Arc::clone(&database), Keeper::new(path, owner, database, asked))
    }

    /// What it counts.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// How many users, and names of nobody, are kept in memory.
    pub fn kept(&self) -> (usize, usize) {
        let cache = self.cache();
        (cache.known(), cache.unknown())
    }

    /// Peers and limits as they were read last.
    pub fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.rules.borrow())
    }

    /// Tells when peers or limits change.
    pub fn watch_rules(&self) -> watch::Receiver<Arc<Rules>> {
        self.rules.subscribe()
    }

    /// Other things are wanted from now on. Whoever is known is asked for again, and everything is read again at once.
    pub fn want(&self, wanted: Wanted) {
        let former = self.wanted.swap(Arc::new(wanted));
        let is_same_realm = former.realm == self.wanted.load().realm;
        let mut cache = self.cache();
        let forgotten = if is_same_realm { cache.age() } else { cache.clear() };
        drop(cache);
        drop(forgotten);
        if !is_same_realm {
            self.secrets.store(None);
        }
        self.again.notify_one();
    }

    pub(super) fn wanted(&self) -> Arc<Wanted> {
        self.wanted.load_full()
    }

    /// What is known of a user at once.
    pub(super) fn find(&self, name: &[u8], now: UnixTime) -> Option<Remembered> {
        self.counted(self.cache().find(name, now))
    }

    /// The same, if it is too new to be asked for again.
    pub(super) fn find_recent(&self, name: &[u8], now: UnixTime) -> Option<Remembered> {
        self.counted(self.cache().find_recent(name, now))
    }

    fn counted(&self, found: Option<Remembered>) -> Option<Remembered> {
        if found.is_some() {
            count(&self.counts.hits);
        }
        found
    }

    /// Asks for a user; `tell` makes what was found an answer.
    pub(super) fn ask(
        &self,
        name: &[u8],
        now: UnixTime,
        reply: Reply,
        tell: impl FnOnce(Told) -> Found + Send + 'static,
    ) {
        let mut cache = self.cache();
        // Another worker may have had the answer since this one looked.
        if let Some(recent) = cache.find_recent(name, now) {
            drop(cache);
            return reply.send(tell(recent.user.map_or(Told::Unknown, Told::Known)));
        }
        let waiting = Waiting { reply, tell: Box::new(tell) };
        let name = cache.wait(name, waiting, now);
        drop(cache);
        let Some(name) = name else { return };
        let question = Question { name, wanted: self.wanted(), asked: now };
        if let Err(unasked) = self.questions.try_send(question) {
            self.answer(&unasked.into_inner(), Outcome::Failed);
        }
    }

    /// Tells everybody who waits for it what a question ended with.
    pub(super) fn answer(&self, question: &Question, outcome: Outcome) {
        count(&self.counts.look_ups);
        if matches!(outcome, Outcome::Failed) {
            count(&self.counts.failures);
        }
        // What was asked of another realm says nothing of this one.
        let is_of_now = question.wanted.realm == self.wanted.load().realm;
        let outcome = if is_of_now { outcome } else { Outcome::Failed };
        let (waiting, told) = self.cache().answer(&question.name, outcome, question.asked);
        for Waiting { reply, tell } in waiting {
            reply.send(tell(told.clone()));
        }
    }

    /// The shared secrets; none: nobody could read them so far.
    pub(super) fn secrets(&self) -> Option<Arc<Secrets>> {
        self.secrets.load_full()
    }

    pub(super) fn set_secrets(&self, secrets: Secrets) {
        self.secrets.store(Some(Arc::new(secrets)));
    }

    /// Publishes other rules.
    pub(super) fn set_rules(&self, rules: Rules) {
        self.rules.send_if_modified(|known| {
            let is_other = **known != rules;
            if is_other {
                *known = Arc::new(rules);
            }
            is_other
        });
    }

    pub(super) fn set_up(&self, is_up: bool) {
        self.counts.is_up.store(is_up, Ordering::Relaxed);
    }

    /// Waits until everything is to be read again.
    pub(super) async fn until_again(&self) {
        self.again.notified().await;
    }

    /// Held between two steps only, never while anything is waited for.
    fn cache(&self) -> MutexGuard<'_, Cache<Waiting>> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
