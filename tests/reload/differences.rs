//! What counts as a change, and what is told of it.

use std::ffi::OsString;
use std::path::Path;

use turnserver::config::{Change, Command, InForce, Loaded, Update, load_searching, load_text, parse_command_line};

const SECRET: &str = "a-secret-of-this-test-51";

fn file(text: &str) -> Loaded {
    let text = format!("realm = \"r\"\n{text}");
    load_text(&text, Path::new("t.toml")).unwrap_or_else(|problems| panic!("{problems}"))
}

fn line(text: &str) -> Loaded {
    match parse_command_line(text.split_whitespace().map(OsString::from)) {
        Ok(Command::Serve(serve)) => load_searching(&serve, &[]).unwrap_or_else(|problems| panic!("{problems}")),
        other => panic!("{text}: {other:?}"),
    }
}

fn update(before: &Loaded, after: &Loaded) -> Update {
    InForce::new(before).update(after).unwrap_or_else(|problems| panic!("{problems}"))
}

fn names(changes: &[Change]) -> Vec<&str> {
    changes.iter().map(|change| change.option).collect()
}

fn values(change: &Change) -> (&str, &str) {
    let (before, after) = change.values.as_ref().expect("no secret");
    (before, after)
}

#[test]
fn another_spelling_of_the_same_is_no_change() {
    for (before, after) in [
        (file(""), file("user-quota = 100\nlistening-port = 3478\nsha256 = true\nrest-api-separator = \":\"")),
        (line("-n --realm=r --fingerprint=yes -q 7"), line("-n --realm=r -f --user-quota=7")),
        (line("-n --realm=r --user-quota=5 --user-quota=7"), line("-n --realm=r --user-quota=7")),
        (file("denied-peer-ip = \"10.0.0.1\""), file("denied-peer-ip = [\"10.0.0.1\"]")),
    ] {
        let update = update(&before, &after);
        assert_eq!((names(&update.changed), names(&update.waiting)), (vec![], vec![]));
        assert_eq!(update.config, after.config);
    }
}

#[test]
fn both_values_are_told_and_long_lists_shortly() {
    let many: Vec<String> = (0..100).map(|index| format!("\"10.0.0.{index}\"")).collect();
    let after = file(&format!("user-quota = 7\nlistening-port = 4000\ndenied-peer-ip = [{}]", many.join(", ")));
    let update = update(&file(""), &after);
    assert_eq!(
        (names(&update.changed), names(&update.waiting)),
        (vec!["denied-peer-ip", "user-quota"], vec!["listening-port"])
    );
    assert_eq!(values(&update.changed[1]), ("100", "7"));
    assert_eq!(values(&update.waiting[0]), ("3478", "4000"));
    let (before, after) = values(&update.changed[0]);
    assert!(
        before == "none" && after.starts_with("10.0.0.0, 10.0.0.1, ") && after.ends_with("(100 in all)"),
        "{after}"
    );
    assert!(after.len() < 120, "{after}");
}

#[test]
fn what_waits_goes_on_waiting_and_the_rest_holds() {
    let (before, moved) = (file(""), file("listening-port = 4000\nmin-port = 50000\nuser-quota = 7"));
    let first = update(&before, &moved);
    assert_eq!(
        (first.config.listen.port, *first.config.relay.ports.start(), first.config.limits.user_quota),
        (3478, 49152, 7)
    );
    let second = first.in_force.update(&moved).expect("it is good");
    assert_eq!((names(&second.changed), names(&second.waiting)), (vec![], vec!["listening-port", "min-port"]));
    let back = second.in_force.update(&before).expect("it is good");
    assert_eq!((names(&back.changed), names(&back.waiting)), (vec!["user-quota"], vec![]));
    assert_eq!(back.config, before.config);
}

/// All defaults follow from the profile, so that another one is another server.
#[test]
fn a_profile_waits_with_all_its_defaults() {
    let update = update(&file("user-quota = 7"), &file("profile = \"coturn\"\nmax-bps = 5000"));
    assert_eq!((names(&update.changed), names(&update.waiting)), (vec!["user-quota", "max-bps"], vec!["profile"]));
    assert_eq!(values(&update.waiting[0]), ("default", "coturn"));
    assert_eq!(values(&update.changed[0]), ("7", "100"), "the default of the profile in force");
    assert!(!update.config.peers.private && update.config.limits.user_quota == 100);
}

#[test]
fn a_secret_that_changes_is_told_without_its_value() {
    let users = |password: &str| file(&format!("user = \"alice:{password}\""));
    let secrets = |secret: &str| file(&format!("static-auth-secret = {secret:?}"));
    for (before, same, after) in [
        (users(SECRET), users(SECRET), users("another-one-of-this-test-64")),
        (secrets(SECRET), secrets(SECRET), secrets("another-one-of-this-test-64")),
    ] {
        let in_force = InForce::new(&before);
        assert_eq!(in_force.update(&same).expect("it is good").changed, []);
        let update = in_force.update(&after).expect("it is good");
        assert_eq!(update.changed.len(), 1);
        assert_eq!(update.changed[0].values, None);
        let told = format!("{in_force:?} {update:?} {before:?}");
        assert!(!told.contains(SECRET) && !told.contains("another-one"), "{told}");
    }
}

#[test]
fn what_contradicts_that_which_waits_is_refused() {
    let before = file("listening-ip = [\"192.0.2.1\"]\nuser = \"a:b-of-this-test\"");
    let after = file("listening-ip = [\"192.0.2.2\"]\nuser = \"a:b-of-this-test\"\nalternate-server = [\"192.0.2.1\"]");
    let problems = InForce::new(&before).update(&after).expect_err("it would send clients to itself").to_string();
    assert!(problems.contains("t.toml:4:") && problems.contains("192.0.2.1:3478 is this server"), "{problems}");
}

/// The command line is all there is to read again where there is no file.
#[test]
fn a_command_line_can_be_loaded_again_and_again() {
    let words = ["-n", "--realm=r", "--user=alice:wonderland-27", "--user-quota=3"].map(OsString::from);
    let Ok(Command::Serve(serve)) = parse_command_line(words) else { panic!("a good command line") };
    let first = load_searching(&serve, &[]).expect("it is good");
    let update = update(&first, &load_searching(&serve, &[]).expect("it is good still"));
    assert_eq!(update.config, first.config);
    assert_eq!((update.changed, update.waiting), (vec![], vec![]));
}
