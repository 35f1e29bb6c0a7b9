//! What is remembered, in virtual time.

use std::sync::Arc;

use turnserver::auth::LongTermKey;
use turnserver::turn::time::UnixTime;
use turnserver::userdb::cache::{Cache, KNOWN_SECS, Outcome, RECENT_SECS, Told, UNKNOWN_SECS};

const START: u64 = 1_700_000_000;

fn at(secs: u64) -> UnixTime {
    UnixTime(START + secs)
}

fn key(byte: u8) -> Outcome {
    Outcome::Known(Arc::new(LongTermKey::from_raw([byte; 16])))
}

/// Asks for a name and has the database answer at once.
fn learn(cache: &mut Cache<u32>, name: &[u8], outcome: Outcome, now: UnixTime) -> Told {
    assert!(cache.wait(name, 0, now).is_some(), "nobody asks for {name:?} yet");
    let (waiting, told) = cache.answer(name, outcome, now);
    assert_eq!(waiting, [0]);
    told
}

/// The first byte of the key somebody is known by; inner none: nobody has the name.
fn found(cache: &Cache<u32>, name: &[u8], now: UnixTime) -> Option<Option<u8>> {
    cache.find(name, now).map(|found| found.user.map(|stored| stored.key.raw()[0]))
}

#[test]
fn a_user_is_known_for_a_minute_and_nobody_for_five_seconds() {
    let mut cache = Cache::new(10);
    assert_eq!(found(&cache, b"alice", at(0)), None);
    learn(&mut cache, b"alice", key(1), at(0));
    learn(&mut cache, b"mallory", Outcome::Unknown, at(0));
    let seen = |cache: &Cache<u32>, secs| (found(cache, b"alice", at(secs)), found(cache, b"mallory", at(secs)));
    assert_eq!((KNOWN_SECS, UNKNOWN_SECS), (60, 5));
    assert_eq!(seen(&cache, 0), (Some(Some(1)), Some(None)));
    assert_eq!(seen(&cache, 4), (Some(Some(1)), Some(None)));
    assert_eq!(seen(&cache, 5), (Some(Some(1)), None));
    assert_eq!(seen(&cache, 59), (Some(Some(1)), None));
    assert_eq!(seen(&cache, 60), (None, None));
}

#[test]
fn a_changed_password_and_a_deleted_user_are_taken_over() {
    let mut cache = Cache::new(10);
    learn(&mut cache, b"alice", key(1), at(0));
    learn(&mut cache, b"alice", key(2), at(60));
    assert_eq!(found(&cache, b"alice", at(61)), Some(Some(2)));
    learn(&mut cache, b"alice", Outcome::Unknown, at(120));
    assert_eq!(found(&cache, b"alice", at(121)), Some(None));
    assert!(matches!(learn(&mut cache, b"alice", Outcome::Failed, at(126)), Told::Unavailable), "she is forgotten");
    learn(&mut cache, b"alice", key(3), at(130));
    assert_eq!(found(&cache, b"alice", at(131)), Some(Some(3)));
    assert_eq!((cache.known(), cache.unknown()), (1, 0));
}

/// The age of an entry is counted from the question, so that a slow answer is not kept for longer.
#[test]
fn a_slow_answer_is_as_old_as_its_question() {
    let mut cache = Cache::new(10);
    cache.wait(b"alice", 0, at(0));
    cache.answer(b"alice", key(1), at(0));
    assert_eq!(found(&cache, b"alice", at(60)), None);
}

#[test]
fn one_question_serves_everybody_who_waits() {
    let mut cache = Cache::new(10);
    assert_eq!(cache.wait(b"alice", 1, at(0)).as_deref(), Some(&b"alice"[..]));
    for waiting in 2..=1000 {
        assert_eq!(cache.wait(b"alice", waiting, at(1)), None);
    }
    assert!(cache.wait(b"bob", 1001, at(1)).is_some(), "another name is another question");
    assert_eq!(cache.asked(), 2);
    let (waiting, told) = cache.answer(b"alice", key(1), at(0));
    assert_eq!(waiting, (1..=1000).collect::<Vec<_>>());
    assert!(matches!(told, Told::Known(stored) if &*stored.name == b"alice"));
    assert_eq!(cache.asked(), 1);
}

/// A question that got lost holds nobody for ever.
#[test]
fn a_lost_question_is_asked_again() {
    let mut cache = Cache::new(10);
    assert!(cache.wait(b"alice", 1, at(0)).is_some());
    assert!(cache.wait(b"alice", 2, at(9)).is_none());
    assert!(cache.wait(b"alice", 3, at(10)).is_some());
    assert_eq!(cache.answer(b"alice", key(1), at(10)).0, [3], "who waited before was let go");
}

#[test]
fn a_known_user_goes_on_while_the_database_fails() {
    let mut cache = Cache::new(10);
    learn(&mut cache, b"alice", key(1), at(0));
    let hours_later = at(10 * 3600);
    assert_eq!(found(&cache, b"alice", hours_later), None, "it is tried");
    let told = learn(&mut cache, b"alice", Outcome::Failed, hours_later);
    assert!(matches!(told, Told::Known(stored) if stored.key.raw() == &[1; 16]));
    assert_eq!(found(&cache, b"alice", hours_later), None, "and tried the next time as well");
    assert!(matches!(learn(&mut cache, b"bob", Outcome::Failed, hours_later), Told::Unavailable));
    assert_eq!(found(&cache, b"bob", hours_later), None, "a failure is not remembered as an unknown name");
}

#[test]
fn strangers_who_ask_for_many_names_put_no_user_out() {
    let mut cache = Cache::new(1000);
    for user in 0..900_u32 {
        learn(&mut cache, &user.to_be_bytes(), key(1), at(0));
    }
    for stranger in 0..100_000_u32 {
        learn(&mut cache, format!("stranger {stranger}").as_bytes(), Outcome::Unknown, at(1));
        assert!(cache.known() + cache.unknown() <= 1000);
    }
    assert_eq!((cache.known(), cache.unknown()), (900, 100));
    assert!((0..900_u32).all(|user| found(&cache, &user.to_be_bytes(), at(2)).is_some()));
    // Users do take the places of names that are nobody's, and then those of the users asked for longest ago.
    for user in 900..1100_u32 {
        learn(&mut cache, &user.to_be_bytes(), key(2), at(3));
    }
    assert_eq!((cache.known(), cache.unknown()), (1000, 0));
    assert_eq!(found(&cache, &99_u32.to_be_bytes(), at(3)), None);
    assert_eq!(found(&cache, &100_u32.to_be_bytes(), at(3)), Some(Some(1)));
    learn(&mut cache, b"stranger", Outcome::Unknown, at(4));
    assert_eq!((cache.known(), cache.unknown()), (1000, 0), "where all are users no other name is kept");
}

#[test]
fn names_of_nobody_go_when_their_time_is_over() {
    let mut cache = Cache::new(1000);
    (0..500_u32).for_each(|name| drop(learn(&mut cache, &name.to_be_bytes(), Outcome::Unknown, at(0))));
    assert_eq!(cache.unknown(), 500);
    learn(&mut cache, b"one more", Outcome::Unknown, at(5));
    assert_eq!(cache.unknown(), 1);
}

/// A clock that is set back must not keep what was known for the hours between.
#[test]
fn an_entry_of_the_future_is_old() {
    let mut cache = Cache::new(10);
    learn(&mut cache, b"alice", key(1), at(3600));
    assert_eq!(found(&cache, b"alice", at(3599)), None);
    assert_eq!(found(&cache, b"alice", at(3600)), Some(Some(1)));
}

#[test]
fn aging_asks_again_and_forgets_no_user() {
    let mut cache = Cache::new(10);
    learn(&mut cache, b"alice", key(1), at(0));
    learn(&mut cache, b"mallory", Outcome::Unknown, at(0));
    cache.age();
    assert_eq!((found(&cache, b"alice", at(1)), found(&cache, b"mallory", at(1))), (None, None));
    assert!(matches!(learn(&mut cache, b"alice", Outcome::Failed, at(1)), Told::Known(_)));
    cache.clear();
    assert!(matches!(learn(&mut cache, b"alice", Outcome::Failed, at(1)), Told::Unavailable));
}

/// A wrong password is reason to ask again for whoever is named, once a second.
#[test]
fn what_is_a_second_old_may_be_asked_for_again() {
    let mut cache = Cache::new(10);
    let renewable =
        |cache: &Cache<u32>, name: &[u8], secs| cache.find(name, at(secs)).expect("it is remembered").renewable;
    for (name, outcome, other) in [(b"alice", key(1), key(2)), (b"nobod", Outcome::Unknown, Outcome::Unknown)] {
        learn(&mut cache, name, outcome, at(0));
        assert_eq!((renewable(&cache, name, 0), renewable(&cache, name, 1), RECENT_SECS), (false, true, 1));
        assert!(cache.find_recent(name, at(0)).is_some() && cache.find_recent(name, at(1)).is_none());
        learn(&mut cache, name, other, at(2));
        assert_eq!((renewable(&cache, name, 2), renewable(&cache, name, 3)), (false, true));
        // In vain: it is as old as it was, and is left alone for a second all the same.
        assert!(!matches!(learn(&mut cache, name, Outcome::Failed, at(4)), Told::Unavailable));
        assert_eq!((renewable(&cache, name, 4), renewable(&cache, name, 5)), (false, true));
    }
    assert_eq!((found(&cache, b"alice", at(5)), found(&cache, b"nobod", at(6))), (Some(Some(2)), Some(None)));
    assert_eq!((found(&cache, b"alice", at(62)), found(&cache, b"nobod", at(7))), (None, None));
}
