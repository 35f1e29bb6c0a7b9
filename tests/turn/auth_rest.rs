//! Time-limited credentials from shared secrets (draft-uberti-rtcweb-turn-rest-00, section 22 of the conformance list).

use std::time::Duration;

use crate::world::{Setup, TestClient, WALL_START, World};
use proptest::prelude::*;
use turnserver::auth::rest::{self, TimedName};
use turnserver::config::Profile;
use turnserver::stun::Method;
use turnserver::turn::time::{Mono, Now, UnixTime};

const SECRET: &str = "a-secret-of-the-operator";

fn server(profile: Profile) -> World {
    Setup::of(profile).secrets(&[SECRET]).build()
}

/// A client with the password that `secret` gives its name.
fn holder(world: &World, name: &str, secret: &str) -> TestClient {
    world.client().login(name.as_bytes(), rest::password(secret.as_bytes(), name.as_bytes()).as_bytes())
}

// RFC 8489 section 14.3 prepares a USERNAME; its maker signed the bytes that a browser sends as they are.
#[test]
fn a_time_limited_name_is_taken_byte_for_byte() {
    for user in ["caf\u{E9}", "cafe\u{301}", "a\u{A0}b", "\"quoted\""] {
        let world = server(Profile::Default);
        let client = holder(&world, &format!("{}:{user}", in_secs(600)), SECRET);
        assert!(client.allocate().is_ok(), "{user:?}");
        assert_eq!(client.refresh(None), Ok(600), "{user:?}");
    }
}

fn in_secs(secs: i64) -> u64 {
    WALL_START.saturating_add_signed(secs)
}

fn parse(name: &str) -> Option<(u64, &str)> {
    let timed = TimedName::parse(name.as_bytes(), ':')?;
    Some((timed.expires_unix, std::str::from_utf8(timed.user).expect("UTF-8")))
}

// REST-005, REST-006, quota keys of our rules; Matrix names hold ':' and '@'.
#[test]
fn a_name_is_a_timestamp_and_an_opaque_user() {
    let table = [
        ("1999999999:alice", Some((1_999_999_999, "alice"))),
        ("1999999999:a:b", Some((1_999_999_999, "a:b"))),
        ("1999999999:@alice:matrix.org", Some((1_999_999_999, "@alice:matrix.org"))),
        ("1999999999", Some((1_999_999_999, "1999999999"))),
        ("alice:1999999999", Some((1_999_999_999, "alice"))),
        ("@alice:matrix.org:1999999999", Some((1_999_999_999, "@alice:matrix.org"))),
        ("1999999999:1888888888", Some((1_999_999_999, "1888888888"))),
        ("0:x", Some((0, "x"))),
        ("18446744073709551615:x", Some((u64::MAX, "x"))),
        // Without a user part the whole name counts.
        ("1999999999:", Some((1_999_999_999, "1999999999:"))),
        (":1999999999", Some((1_999_999_999, ":1999999999"))),
        ("18446744073709551616:x", None),
        ("99999999999999999999:x", None),
        ("-1:x", None),
        ("+1:x", None),
        ("1e9:x", None),
        ("0x77359400:x", None),
        (" 1999999999:x", None),
        ("alice", None),
        ("alice:bob", None),
        (":", None),
        ("", None),
    ];
    for (name, expected) in table {
        assert_eq!(parse(name), expected, "{name:?}");
    }
    assert_eq!(TimedName::parse(b"\xFF\xFE:1", ':').map(|timed| timed.user), Some(&b"\xFF\xFE"[..]));
}

#[test]
fn the_separator_is_the_configured_one() {
    for separator in ['-', '|', '§'] {
        let name = format!("1999999999{separator}a{separator}b:c");
        let timed = TimedName::parse(name.as_bytes(), separator).expect("a time-limited name");
        assert_eq!(timed.user, format!("a{separator}b:c").as_bytes());
        assert_eq!(TimedName::parse(b"1999999999:x", separator), None);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    // Nothing a client sends as a name makes it crash, and a user part is part of the name.
    #[test]
    fn any_bytes_can_be_a_name(name in prop::collection::vec(prop_oneof![Just(b':'), b'0'..=b'9', any::<u8>()], 0..40)) {
        if let Some(timed) = TimedName::parse(&name, ':') {
            prop_assert!(!timed.user.is_empty());
            prop_assert!(name.windows(timed.user.len()).any(|window| window == timed.user));
            timed.is_valid(0, Some(u64::MAX));
            timed.is_valid(u64::MAX, None);
        }
    }
}

// REST-001, REST-006; our rules: 7 days, unlimited, 24 hours.
#[test]
fn a_credential_is_good_until_its_timestamp_and_not_too_far_ahead() {
    const DAY: i64 = 86_400;
    let far = i64::MAX;
    for (profile, ahead) in [(Profile::Default, 7 * DAY), (Profile::Coturn, far), (Profile::Hardened, DAY)] {
        let world = server(profile);
        let cases =
            [(-1, false), (0, true), (60, true), (DAY, true), (ahead, true), (ahead.saturating_add(1), ahead == far)];
        for (secs, is_good) in cases {
            let client = holder(&world, &format!("{}:fred", in_secs(secs)), SECRET);
            let expected = if is_good { Ok(()) } else { Err(401) };
            assert_eq!(client.allocate().map(|_| ()), expected, "{secs} s ahead in {profile}");
            let _ = client.refresh(Some(0));
        }
        for name in ["fred", "99999999999999999999:fred", "fred:bob", ""] {
            assert_eq!(holder(&world, name, SECRET).allocate(), Err(401), "{name:?}");
        }
    }
}

// REST-002, REST-005
#[test]
fn every_form_of_the_name_is_signed_with_its_password() {
    let world = server(Profile::Default);
    let until = in_secs(3600);
    for name in
        [format!("{until}"), format!("{until}:a:b"), format!("@a:matrix.org:{until}"), format!("{until}:@a:m.org")]
    {
        assert!(holder(&world, &name, SECRET).allocate().is_ok(), "{name}");
        assert_eq!(holder(&world, &name, "another secret").allocate(), Err(401), "{name}");
    }
    let name = format!("{until}:fred");
    let other = rest::password(SECRET.as_bytes(), format!("{until}:bob").as_bytes());
    assert_eq!(world.client().login(name.as_bytes(), other.as_bytes()).allocate(), Err(401), "another name's password");
}

// REST-003: an allocation outlives its credential; a new one is not made with it.
#[test]
fn an_allocation_outlives_its_credential() {
    for profile in [Profile::Default, Profile::Coturn] {
        let world = server(profile);
        let name = format!("{}:fred", in_secs(300));
        let client = holder(&world, &name, SECRET);
        let peer = world.peer("8.8.4.4:5000");
        client.allocate().expect("an allocation");
        world.advance(500);
        assert_eq!((client.refresh(None), client.permit(&[peer.addr()])), (Ok(600), 200));
        assert_eq!((client.bind(0x4000, peer.addr()), holder(&world, &name, SECRET).allocate()), (200, Err(401)));
        assert_eq!((client.refresh(Some(0)), client.allocate()), (Ok(0), Err(401)));
    }
}

// With `strict-expiry` its last second is the last, however often it is refreshed then; a jump of the clock is seen with
// the next refresh.
#[test]
fn with_strict_expiry_no_refresh_keeps_an_allocation_for_ever() {
    for jump in [0, 5000] {
        let world = Setup::of(Profile::Hardened).secrets(&[SECRET]).build();
        let client = holder(&world, &format!("{}:fred", in_secs(100)), SECRET);
        client.allocate().expect("an allocation");
        world.advance(99);
        world.jump(jump);
        let mut lived = 0;
        while client.refresh(None).is_ok() {
            lived += 1;
            assert!(lived <= 5, "alive {lived} half seconds behind its end, after a jump of {jump} s");
            world.advance_by(Duration::from_millis(500));
        }
        world.advance(1);
        assert_eq!((lived > 0, world.allocations()), (true, 0));
    }
}

// REST-001: not even in the second in which its allocation ended and was not yet taken away.
#[test]
fn an_allocation_that_ended_does_not_vouch_for_its_credential() {
    let start = Now { mono: Mono(1_000_500_000_000), wall: UnixTime(WALL_START) };
    let world = Setup::with(Profile::Default, "stale-nonce = 0").secrets(&[SECRET]).now(start).build();
    let client = holder(&world, &format!("{}:fred", in_secs(300)), SECRET);
    client.allocate().expect("an allocation");
    world.advance_by(Duration::from_millis(600_200));
    assert_eq!(world.allocations(), 1, "its time is over, its timer has yet to fire");
    assert_eq!(client.allocate(), Err(401));
    assert_eq!(client.request(Method::REFRESH).code(), 401);
}

// REST-004
#[test]
fn several_secrets_are_good_at_once() {
    let world = Setup::of(Profile::Default).secrets(&["old-secret-1", "new-secret-2", "third-secret-3"]).build();
    for secret in ["old-secret-1", "new-secret-2", "third-secret-3"] {
        let client = holder(&world, &format!("{}:fred", in_secs(60)), secret);
        let reply = client.request(Method::ALLOCATE).transport(17).send().expect("an answer");
        assert_eq!(
            (reply.code(), reply.is_signed_by(&client.key())),
            (200, true),
            "{secret}: answered with its own key"
        );
        assert_eq!(client.refresh(None), Ok(600));
    }
    assert_eq!(holder(&world, &format!("{}:fred", in_secs(60)), "fourth").allocate(), Err(401));
}

// Our rules: the quota counts for the user part, and without one for the whole name.
#[test]
fn the_quota_of_a_timed_name_is_its_users() {
    let world = Setup::with(Profile::Default, "user-quota = 1").secrets(&[SECRET]).build();
    let (soon, later) = (in_secs(60), in_secs(120));
    assert!(holder(&world, &format!("{soon}:fred"), SECRET).allocate().is_ok());
    assert_eq!(holder(&world, &format!("{later}:fred"), SECRET).allocate(), Err(486));
    assert!(holder(&world, &format!("{later}:bob"), SECRET).allocate().is_ok());
    for without_user in [format!("{soon}"), format!("{later}"), format!("{soon}:"), format!("{later}:")] {
        assert!(holder(&world, &without_user, SECRET).allocate().is_ok(), "{without_user}");
        assert_eq!(holder(&world, &without_user, SECRET).allocate(), Err(486), "{without_user}");
    }
}

// AUTH-024: a new credential of the same user is another USERNAME, which must stay the same for an allocation.
#[test]
fn a_newer_credential_does_not_take_over_the_allocation_of_an_older_one() {
    let world = server(Profile::Default);
    let client = holder(&world, &format!("{}:fred", in_secs(60)), SECRET);
    client.allocate().expect("an allocation");
    let newer = holder(&world, &format!("{}:fred", in_secs(120)), SECRET).at(&client.tuple().client.to_string());
    assert_eq!(newer.with_nonce(client.nonce()).refresh(None), Err(441));
}
