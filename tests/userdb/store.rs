//! The store that workers ask, with a database file behind it; time of day as the test has it.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::oneshot;
use turnserver::config::load_text;
use turnserver::turn::io::UserRecord;
use turnserver::turn::time::UnixTime;
use turnserver::userdb::{self, Database, Found, Keeper, Reply, StoredUsers, UserStore, Users, Wanted};

use crate::file::Turndb;
use crate::wire::poll_until;
use crate::{ALICE, BOB, REALM, SECRET};

const NOW: UnixTime = UnixTime(1_700_000_000);
const LATER: UnixTime = UnixTime(1_700_036_000);
/// The longest wait for an answer; a broken database is given up far sooner.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// A store whose keeper runs in a thread.
struct Running {
    users: StoredUsers,
    database: Arc<Database>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

fn store(file: &Turndb, lines: &str) -> (StoredUsers, Arc<Database>, Keeper) {
    let text = format!("realm = {REALM:?}\nuserdb = {:?}\n{lines}\n", file.name());
    let mut config = load_text(&text, "test.toml".as_ref()).expect("a good configuration").config;
    userdb::seal(&mut config.auth);
    let named = config.database.as_ref().expect("userdb is given");
    let (database, keeper) = Database::new(named.path(None), None, Wanted::of(&config.auth, named));
    (StoredUsers::new(Users::new(&config.auth), Arc::clone(&database)), database, keeper)
}

impl Running {
    fn start(file: &Turndb, lines: &str) -> Running {
        let (users, database, mut keeper) = store(file, lines);
        let (stop, stopped) = oneshot::channel();
        let (begun, is_begun) = channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                keeper.begin().await.expect("a good database");
                begun.send(()).expect("the test waits");
                tokio::select! {
                    () = keeper.run() => {}
                    _ = stopped => {}
                }
            });
        });
        is_begun.recv_timeout(ANSWER_MAX).expect("the keeper begins");
        Running { users, database, stop: Some(stop), thread: Some(thread) }
    }

    /// What is found of a name, at once or later.
    fn find(&self, name: &str, now: UnixTime) -> Found {
        match self.users.find(name.as_bytes(), now) {
            Some(found) => found,
            None => fetch(&self.users, name, now).recv_timeout(ANSWER_MAX).expect("an answer"),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the keeper ended well");
        }
    }
}

fn fetch(users: &StoredUsers, name: &str, now: UnixTime) -> Receiver<Found> {
    let (sender, receiver) = channel();
    let reply = Reply::new(move |found| drop(sender.send(found)));
    users.fetch(name.as_bytes().into(), now, reply);
    receiver
}

fn usable(found: Found) -> bool {
    record(found).usable
}

fn record(found: Found) -> UserRecord {
    match found {
        Found::Known(Some(record)) => record,
        other => panic!("{other:?}"),
    }
}

#[test]
fn users_are_found_in_the_configuration_first_and_then_in_the_database() {
    let file = Turndb::new();
    file.add_user(ALICE);
    file.add_user(BOB);
    let running = Running::start(&file, "user = [\"alice:configured-77\"]");
    let configured = running.users.find(b"alice", NOW).expect("she is known at once");
    let stored = running.find(BOB.0, NOW);
    assert!(usable(configured.clone()) && usable(stored.clone()) && !usable(running.find("mallory", NOW)));
    assert_ne!(hex::encode(record(configured).keys[0].raw()), key_in(&file, "alice"));
    assert_eq!(hex::encode(record(stored).keys[0].raw()), key_in(&file, "bob"));
    let counts = running.database.counts();
    assert_eq!((counts.look_ups(), counts.hits(), counts.failures(), counts.is_up()), (2, 0, 0, true));
    assert!(running.users.find(b"bob", NOW).is_some(), "now he is known at once");
    assert_eq!((counts.look_ups(), counts.hits()), (2, 1));
}

fn key_in(file: &Turndb, name: &str) -> String {
    file.ask(&format!("SELECT hmackey FROM turnusers_lt WHERE name = '{name}'")).remove(0)
}

/// Who is wrong by what is remembered may be right by what the database says now, a second later.
#[test]
fn a_changed_password_is_read_a_second_later() {
    let file = Turndb::new();
    file.add_user(ALICE);
    let running = Running::start(&file, "user = [\"carol:configured-77\"]");
    let key = |found| hex::encode(record(found).keys[0].raw());
    let [old, nobody] = [ALICE.0, BOB.0].map(|name| key(running.find(name, NOW)));
    file.add_user((ALICE.0, "another-99"));
    file.add_user(BOB);
    let next = UnixTime(NOW.0 + 1);
    for (name, known) in [(ALICE.0, old), (BOB.0, nobody)] {
        let at = |now| record(running.users.find(name.as_bytes(), now).expect("it is remembered"));
        assert_eq!((at(NOW).renewable, at(next).renewable, at(next).usable), (false, true, name == ALICE.0), "{name}");
        let again = |now| running.users.find_again(name.as_bytes(), now);
        assert_eq!((again(NOW).map(key), again(next).map(key)), (Some(known), None), "{name}");
        let asked = running.database.counts().look_ups();
        let found = fetch(&running.users, name, next).recv_timeout(ANSWER_MAX).expect("an answer");
        assert_eq!((record(found.clone()).renewable, key(found)), (false, key_in(&file, name)), "{name}");
        // Whoever had to ask as well finds the answer, and asks nothing.
        let late = fetch(&running.users, name, next).try_recv().expect("it is told at once");
        assert_eq!((key(late), again(next).map(key)), (key_in(&file, name), Some(key_in(&file, name))), "{name}");
        assert_eq!(running.database.counts().look_ups(), asked + 1, "{name}");
    }
    let configured = running.users.find_again(b"carol", next).expect("she is known at once");
    assert!(!record(configured.clone()).renewable && usable(configured));
}

/// Time must not tell who is there: each key is an HMAC, and who has more makes everybody have as many.
#[test]
fn nobody_has_as_many_keys_as_anybody() {
    let file = Turndb::new();
    file.add_user(BOB);
    let running = Running::start(&file, "user = [\"carol:pass\u{AD}word\u{2168}\"]");
    let count = |name| record(running.find(name, NOW)).keys.len();
    assert!(count("carol") > 1, "a password that clients prepare in several ways");
    assert_eq!((count("bob"), count("mallory")), (count("carol"), count("carol")));
}

#[test]
fn a_known_user_goes_on_when_the_database_is_gone_and_others_cannot_be_told() {
    let file = Turndb::new();
    file.add_user(ALICE);
    let running = Running::start(&file, "");
    assert!(usable(running.find(ALICE.0, NOW)));
    std::fs::remove_file(file.path()).expect("it is there");
    poll_until("the keeper notices", || (!running.database.counts().is_up()).then_some(()));
    assert!(running.users.find(b"alice", LATER).is_none(), "it is tried");
    assert!(usable(running.find(ALICE.0, LATER)));
    assert!(matches!(running.find(BOB.0, LATER), Found::Unavailable));
    assert!(!file.path().exists(), "a database that went is not made anew, empty");
    assert!(running.database.counts().failures() >= 2);
}

/// Workers only leave a question: whether and when it is answered is not their matter.
#[test]
fn asking_waits_for_nothing_and_is_bounded() {
    let file = Turndb::new();
    let (users, _database, keeper) = store(&file, "");
    let waiting: Vec<Receiver<Found>> = (0..4096).map(|name| fetch(&users, &name.to_string(), NOW)).collect();
    assert!(waiting.iter().all(|reply| matches!(reply.try_recv(), Err(TryRecvError::Empty))), "nobody answers yet");
    assert!(matches!(fetch(&users, "one too many", NOW).try_recv(), Ok(Found::Unavailable)));
    assert!(matches!(fetch(&users, "7", NOW).try_recv(), Err(TryRecvError::Empty)), "who waits already may wait on");
    assert!(users.find(b"7", NOW).is_none());
    drop(keeper);
}

#[test]
fn a_thousand_names_of_strangers_put_no_user_out() {
    let file = Turndb::new();
    file.add_user(ALICE);
    let running = Running::start(&file, "");
    assert!(usable(running.find(ALICE.0, NOW)));
    let replies: Vec<_> = (0..1000).map(|name| fetch(&running.users, &format!("stranger-{name}"), NOW)).collect();
    for reply in replies {
        assert!(!usable(reply.recv_timeout(ANSWER_MAX).expect("an answer")));
    }
    assert_eq!(running.database.kept(), (1, 1000));
    assert!(running.users.find(b"alice", NOW).is_some());
}

/// A name is bytes: what is no text is nobody's, and nothing in it is SQL.
#[test]
fn hostile_names_are_nobodys() {
    let file = Turndb::new();
    file.add_user(ALICE);
    let running = Running::start(&file, "");
    for name in ["' OR '1'='1", "alice\0", "alice' --", "al%", "a_ice", "ALICE", "", "%", "\u{1b}[2J"] {
        assert!(!usable(running.find(name, NOW)), "{name:?}");
    }
    let (sender, receiver) = channel();
    running.users.fetch((&b"\xFF\xFE\0\x80"[..]).into(), NOW, Reply::new(move |found| drop(sender.send(found))));
    assert!(!usable(receiver.recv_timeout(ANSWER_MAX).expect("an answer")));
    assert!(running.database.counts().is_up());
}

#[test]
fn keys_that_are_no_keys_let_nobody_in() {
    let file = Turndb::new();
    for (name, key) in [("short", "'ab12'"), ("none", "NULL"), ("words", "'this is a password of 32 letters'")] {
        file.run(&format!("INSERT INTO turnusers_lt VALUES ('{REALM}', '{name}', {key})"));
    }
    file.run(&format!("INSERT INTO turnusers_lt VALUES ('{REALM}', 'upper', '{}')", "AB".repeat(16)));
    let running = Running::start(&file, "");
    assert!(["short", "none", "words"].iter().all(|name| !usable(running.find(name, NOW))));
    assert!(usable(running.find("upper", NOW)));
}

#[test]
fn secrets_of_both_count_and_without_any_nothing_can_be_said() {
    let file = Turndb::new();
    file.run(&format!("INSERT INTO turn_secret VALUES ('{REALM}', '{SECRET}'), ('elsewhere', 'not-ours')"));
    let lines = "static-auth-secret = [\"the-secret-of-the-file\"]";
    let name = format!("{}:bob", NOW.0 + 100);
    let keys = |found| record(found).keys.len();
    let (unread, _, _keeper) = store(&file, lines);
    assert_eq!(keys(unread.find(name.as_bytes(), NOW).expect("at once")), 1, "the one of the configuration");
    let (unread, _, _keeper) = store(&file, "use-auth-secret = true");
    assert!(matches!(unread.find(name.as_bytes(), NOW), Some(Found::Unavailable)));
    let running = Running::start(&file, lines);
    assert_eq!(keys(running.users.find(name.as_bytes(), NOW).expect("at once")), 2);
    assert!(usable(running.find(&name, NOW)) && !usable(running.find("bob", NOW)));
}
