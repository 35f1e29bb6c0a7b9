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
/// How long it takes until a wrong password, or a name that nobody has, is reason enough to ask again.
pub const RECENT_SECS: u64 = 1;
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

/// What is remembered of a name.
#[derive(Clone, Debug)]
pub struct Remembered {
    /// The user; none: nobody is called so.
    pub user: Option<Stored>,
    /// Nobody asked for it within [`RECENT_SECS`].
    pub renewable: bool,
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
    /// Nobody is called so, or was some seconds ago.
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

/// Names that are in the cache no more. They may be many, to be freed where nobody waits for it.
#[derive(Debug)]
pub struct Forgotten {
    _known: Aging<Arc<LongTermKey>>,
    _unknown: Aging<()>,
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

    /// What is known of `name` at `now`; none: the database has to be asked.
    pub fn find(&self, name: &[u8], now: UnixTime) -> Option<Remembered> {
        if let Some((name, entry)) = self.known.get(name, now, KNOWN_SECS) {
            let user = Stored { name: Arc::clone(name), key: Arc::clone(&entry.value) };
            return Some(Remembered { user: Some(user), renewable: entry.is_renewable(now) });
        }
        let (_, entry) = self.unknown.get(name, now, UNKNOWN_SECS)?;
        Some(Remembered { user: None, renewable: entry.is_renewable(now) })
    }

    /// The same; none as well: it may be asked for again.
    pub fn find_recent(&self, name: &[u8], now: UnixTime) -> Option<Remembered> {
        self.find(name, now).filter(|found| !found.renewable)
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
            Outcome::Failed => self.keep_as_it_was(name, asked),
        };
        (waiting, told)
    }

    /// Has everybody asked for again, without forgetting who was known.
    pub fn age(&mut self) -> Forgotten {
        self.known.age();
        Forgotten { _known: Aging::default(), _unknown: std::mem::take(&mut self.unknown) }
    }

    /// Forgets everything; those who wait go on waiting.
    pub fn clear(&mut self) -> Forgotten {
        Forgotten { _known: std::mem::take(&mut self.known), _unknown: std::mem::take(&mut self.unknown) }
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

    /// What was known stays known, and is not asked for again at once.
    fn keep_as_it_was(&mut self, name: &[u8], asked: UnixTime) -> Told {
        self.known.note_asked(name, asked);
        self.unknown.note_asked(name, asked);
        if let Some((name, entry)) = self.known.names.get_key_value(name) {
            return Told::Known(Stored { name: Arc::clone(name), key: Arc::clone(&entry.value) });
        }
        self.unknown.get(name, asked, UNKNOWN_SECS).map_or(Told::Unavailable, |_| Told::Unknown)
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
    /// When it was asked for last, in vain perhaps.
    asked: UnixTime,
    value: V,
}

impl<V> Entry<V> {
    fn is_renewable(&self, now: UnixTime) -> bool {
        !is_within(self.asked, now, RECENT_SECS)
    }
}

impl<V> Default for Aging<V> {
    fn default() -> Aging<V> {
        Aging { names: HashMap::default(), order: BTreeMap::new(), next: 0 }
    }
}

impl<V> Aging<V> {
    fn get(&self, name: &[u8], now: UnixTime, secs: u64) -> Option<(&Arc<[u8]>, &Entry<V>)> {
        self.names.get_key_value(name).filter(|(_, entry)| is_within(entry.since, now, secs))
    }

    fn note_asked(&mut self, name: &[u8], asked: UnixTime) {
        if let Some(entry) = self.names.get_mut(name) {
            entry.asked = asked;
        }
    }

    /// Adds a name that is not there.
    fn insert(&mut self, name: Arc<[u8]>, value: V, since: UnixTime) {
        self.order.insert(self.next, Arc::clone(&name));
        self.names.insert(name, Entry { place: self.next, since, asked: since, value });
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
        self.names.values_mut().for_each(|entry| (entry.since, entry.asked) = (UnixTime(0), UnixTime(0)));
    }
}
