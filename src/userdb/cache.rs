//! What a database said of its users, for a while: whom it knows, whom it does not, and who waits for an answer.
//!
//! Time is an argument, so that it is tested without waiting. It is the time of day: an entry that seems to be of the
//! future, because the clock was set back, counts as old.

use std::collections::BTreeMap;
use std::sync::Arc;

use ahash::RandomState;
use hashbrown::HashMap;

use crate::auth::LongTermKey;
use crate::turn::time::UnixTime;

/// How long a user is known without asking again.
pub const KNOWN_SECS: u64 = 60;
/// How long a name that nobody has is known to be nobody's.
pub const UNKNOWN_SECS: u64 = 5;
/// Names kept, of both kinds together.
pub const NAMES_MAX: usize = 100_000;
/// A question that was not answered for so long is asked again.
const ASKED_SECS: u64 = 10;

/// A user of the database.
#[derive(Clone, Debug)]
pub struct Stored {
    /// USERNAME.
    pub name: Arc<[u8]>,
    /// The key.
    pub key: Arc<LongTermKey>,
}

/// How a question to the database ended.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// There is such a user.
    Known(Arc<LongTermKey>),
    /// There is none.
    Unknown,
    /// The database cannot be asked.
    Failed,
}

/// What those who waited are told.
#[derive(Clone, Debug)]
pub enum Told {
    /// The user, also of earlier when the database cannot be asked now.
    Known(Stored),
    /// Nobody is called so.
    Unknown,
    /// It cannot be told.
    Unavailable,
}

/// Names and who waits for them; `W` is a way to tell them.
#[derive(Debug)]
pub struct Cache<W> {
    /// Users, the one asked for longest ago first. They are kept beyond their time, for when the database fails.
    known: Aging<Arc<LongTermKey>>,
    /// Names of nobody. Strangers make them up, so they never take the place of a user.
    unknown: Aging<()>,
    asked: HashMap<Arc<[u8]>, Asked<W>, RandomState>,
    names_max: usize,
}

#[derive(Debug)]
struct Asked<W> {
    since: UnixTime,
    waiting: Vec<W>,
}

impl<W> Cache<W> {
    /// An empty one for so many names.
    pub fn new(names_max: usize) -> Cache<W> {
        Cache { known: Aging::default(), unknown: Aging::default(), asked: HashMap::default(), names_max }
    }

    /// What is known of `name` at `now`; outer none: the database has to be asked; inner none: nobody is called so.
    pub fn find(&self, name: &[u8], now: UnixTime) -> Option<Option<Stored>> {
        if let Some((name, key)) = self.known.get(name, now, KNOWN_SECS) {
            return Some(Some(Stored { name: Arc::clone(name), key: Arc::clone(key) }));
        }
        self.unknown.get(name, now, UNKNOWN_SECS).map(|_| None)
    }

    /// Has `waiting` told what becomes of the question for `name`. Gives the name if the question is to be asked: nobody
    /// did, or it was lost.
    pub fn wait(&mut self, name: &[u8], waiting: W, now: UnixTime) -> Option<Arc<[u8]>> {
        if let Some(asked) = self.asked.get_mut(name)
            && is_within(asked.since, now, ASKED_SECS)
        {
            asked.waiting.push(waiting);
            return None;
        }
        let name: Arc<[u8]> = name.into();
        // Whoever waited for a question that was lost is let go: dropping a way to tell tells.
        self.asked.insert(Arc::clone(&name), Asked { since: now, waiting: vec![waiting] });
        Some(name)
    }

    /// The question for `name`, asked at `asked`, was answered: who waited, and what they are told.
    pub fn answer(&mut self, name: &[u8], outcome: Outcome, asked: UnixTime) -> (Vec<W>, Told) {
        let waiting = self.asked.remove(name).map(|asked| asked.waiting).unwrap_or_default();
        let told = match outcome {
            Outcome::Known(key) => Told::Known(self.keep(name, key, asked)),
            Outcome::Unknown => {
                self.known.remove(name);
                self.keep_unknown(name, asked);
                Told::Unknown
            }
            Outcome::Failed => match self.known.whenever(name) {
                Some((name, key)) => Told::Known(Stored { name: Arc::clone(name), key: Arc::clone(key) }),
                None => Told::Unavailable,
            },
        };
        (waiting, told)
    }

    /// Has everybody asked for again, without forgetting who was known.
    pub fn age(&mut self) {
        self.known.age();
        self.unknown = Aging::default();
    }

    /// Forgets everything; those who wait go on waiting.
    pub fn clear(&mut self) {
        self.known = Aging::default();
        self.unknown = Aging::default();
    }

    /// How many users are kept.
    pub fn known(&self) -> usize {
        self.known.names.len()
    }

    /// How many names of nobody are kept.
    pub fn unknown(&self) -> usize {
        self.unknown.names.len()
    }

    /// How many questions have no answer yet.
    pub fn asked(&self) -> usize {
        self.asked.len()
    }

    fn keep(&mut self, name: &[u8], key: Arc<LongTermKey>, asked: UnixTime) -> Stored {
        self.unknown.remove(name);
        self.known.remove(name);
        if self.known() + self.unknown() >= self.names_max && !self.unknown.remove_oldest() {
            self.known.remove_oldest();
        }
        let name: Arc<[u8]> = name.into();
        self.known.insert(Arc::clone(&name), Arc::clone(&key), asked);
        Stored { name, key }
    }

    fn keep_unknown(&mut self, name: &[u8], asked: UnixTime) {
        self.unknown.remove(name);
        self.unknown.remove_older(asked, UNKNOWN_SECS);
        let is_room = self.known() + self.unknown() < self.names_max || self.unknown.remove_oldest();
        if is_room {
            self.unknown.insert(name.into(), (), asked);
        }
    }
}

/// Whether what was so at `since` is at `now` known for less than `secs`.
fn is_within(since: UnixTime, now: UnixTime, secs: u64) -> bool {
    now.0.checked_sub(since.0).is_some_and(|age| age < secs)
}

/// Names, in the order in which they came.
#[derive(Debug)]
struct Aging<V> {
    names: HashMap<Arc<[u8]>, Entry<V>, RandomState>,
    order: BTreeMap<u64, Arc<[u8]>>,
    next: u64,
}

#[derive(Debug)]
struct Entry<V> {
    place: u64,
    since: UnixTime,
    value: V,
}

impl<V> Default for Aging<V> {
    fn default() -> Aging<V> {
        Aging { names: HashMap::default(), order: BTreeMap::new(), next: 0 }
    }
}

impl<V> Aging<V> {
    fn get(&self, name: &[u8], now: UnixTime, secs: u64) -> Option<(&Arc<[u8]>, &V)> {
        let (name, entry) = self.names.get_key_value(name)?;
        is_within(entry.since, now, secs).then_some((name, &entry.value))
    }

    fn whenever(&self, name: &[u8]) -> Option<(&Arc<[u8]>, &V)> {
        self.names.get_key_value(name).map(|(name, entry)| (name, &entry.value))
    }

    /// Adds a name that is not there.
    fn insert(&mut self, name: Arc<[u8]>, value: V, since: UnixTime) {
        self.order.insert(self.next, Arc::clone(&name));
        self.names.insert(name, Entry { place: self.next, since, value });
        self.next += 1;
    }

    fn remove(&mut self, name: &[u8]) {
        if let Some(entry) = self.names.remove(name) {
            self.order.remove(&entry.place);
        }
    }

    fn remove_oldest(&mut self) -> bool {
        let oldest = self.order.pop_first();
        oldest.is_some_and(|(_, name)| self.names.remove(&name).is_some())
    }

    fn remove_older(&mut self, now: UnixTime, secs: u64) {
        while let Some((_, name)) = self.order.first_key_value()
            && self.get(name, now, secs).is_none()
        {
            self.remove_oldest();
        }
    }

    fn age(&mut self) {
        self.names.values_mut().for_each(|entry| entry.since = UnixTime(0));
    }
}
