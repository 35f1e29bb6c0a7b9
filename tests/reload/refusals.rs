//! A configuration that cannot be used: every problem is told with its place, and nothing changes.

use std::fs;
use std::os::unix::fs::symlink;

use crate::looks;
use crate::stage::{ALICE, BOB, Stage, Values};
use crate::wire::{Client, Launch, timed_name};

/// Values whose every one would change something if it were taken over.
const CHANGES: Values<'static> = &[
    ("realm", "\"other.example\""),
    ("user-quota", "1"),
    ("denied-peer-ip", "[\"10.0.0.0/8\"]"),
    ("software-attribute", "true"),
];

fn certified() -> Stage {
    let launch = Launch::new(&[]);
    looks::write_certificates(launch.dir());
    Stage::of(launch, &[("cert", "\"first.pem\""), ("pkey", "\"first.key\"")])
}

/// Nothing of [`CHANGES`] holds.
fn assert_unchanged(stage: &Stage) {
    assert_eq!(looks::realm(stage), "r.example");
    assert_eq!(looks::allocations(stage), "3");
    assert_eq!(looks::private_peer(stage), "0");
    assert_eq!(looks::software(stage), "false");
    assert_eq!(looks::certificate(stage), "first.pem");
}

#[test]
fn every_problem_is_told_with_its_place_and_nothing_changes() {
    let stage = certified();
    let wrong = [("stale-nonce", "\"soon\""), ("min-port", "70000"), ("bps-capacity", "5"), ("usr", "\"a:b\"")];
    let text = stage.text(&[CHANGES, &wrong].concat());
    assert!(!stage.try_reload(&text));
    let log = &stage.server.log;
    let path = stage.server.dir().join("configuration.toml");
    for (option, _) in wrong {
        let line = 1 + text.lines().position(|line| line.starts_with(&format!("{option} "))).expect("it stands there");
        let place = format!("{}:{line}:", path.display());
        assert_eq!(log.count(&["ERROR", &place, option]), 1, "{place} {option}:\n{}", log.text());
    }
    assert_eq!(log.count(&["ERROR", "the former one stays in force", "problems=4"]), 1, "{}", log.text());
    assert!(![ALICE.1, BOB.1].iter().any(|secret| log.text().contains(secret)));
    assert_unchanged(&stage);
}

#[test]
fn a_file_that_is_gone_or_cannot_be_read_changes_nothing() {
    let stage = certified();
    let path = stage.server.dir().join("configuration.toml");
    fs::remove_file(&path).expect("our own directory");
    assert!(!stage.signal_reload());
    symlink("/nowhere/at/all", &path).expect("our own directory");
    assert!(!stage.signal_reload());
    assert_eq!(stage.server.log.count(&["ERROR", "configuration.toml", "there is no such file"]), 2);
    fs::remove_file(&path).expect("our own directory");
    fs::write(&path, [0xFF, 0xFE]).expect("our own directory");
    assert!(!stage.signal_reload());
    assert_unchanged(&stage);
}

/// Whoever is served by a file that was found is not to be served by no file, or by somebody else's.
#[test]
fn a_file_that_was_found_and_is_not_found_again_changes_nothing() {
    let launch = Launch::new(&[]).searching();
    let found = launch.dir().join("turnserver.toml");
    let link = || symlink("configuration.toml", &found).expect("our own directory");
    link();
    let stage = Stage::of(launch, &[]);
    let mut client = stage.alice();
    client.relayed();
    fs::remove_file(&found).expect("our own directory");
    assert!(!stage.signal_reload(), "{}", stage.server.log.text());
    fs::write(stage.server.dir().join("turnserver.conf"), "stun-only\n").expect("our own directory");
    assert!(!stage.signal_reload(), "{}", stage.server.log.text());
    assert_eq!(stage.server.log.count(&["ERROR", "turnserver.toml: it is not found any more"]), 2);
    assert_eq!(client.refresh(600).code(), 0);
    assert_eq!((looks::realm(&stage), looks::users(&stage)), ("r.example".into(), "0 0".into()));
    link();
    assert!(stage.signal_reload(), "{}", stage.server.log.text());
    assert_eq!(client.refresh(600).code(), 0);
}

/// Editors leave a file empty for an instant; nobody means to end all service by leaving the users out.
#[test]
fn service_ends_for_everybody_only_if_that_is_said() {
    let stage = Stage::new(&[]);
    let mut client = stage.alice();
    client.relayed();
    let without_users = stage.text(&[("user", ""), ("lt-cred-mech", "")]);
    for text in ["", "# half of it", &without_users, &format!("{without_users}stun-only = false\n")] {
        assert!(!stage.try_reload(text), "{text}:\n{}", stage.server.log.text());
    }
    assert_eq!(stage.server.log.count(&["ERROR", "there are no users and no secret any more", "stun-only"]), 4);
    assert_eq!(client.refresh(600).code(), 0);
    stage.reload(&[("stun-only", "true")]);
    stage.reload(&[("user", ""), ("lt-cred-mech", "")]);
}

/// Another secret than the one that services sign with would refuse all of their clients.
#[test]
fn a_secret_file_that_is_gone_is_not_made_anew() {
    let values = [("user", ""), ("lt-cred-mech", "false"), ("secret-file", "\"turn.secret\"")];
    let stage = Stage::new(&values);
    let path = stage.server.dir().join("turn.secret");
    let secret = fs::read_to_string(&path).expect("it was made").trim().to_owned();
    let other = "another-secret-of-some-length";
    let code =
        |secret: &str| Client::udp(stage.addr()).with_timed_name(&timed_name(':', "carol"), secret).allocate().code();
    fs::remove_file(&path).expect("our own directory");
    assert!(!stage.signal_reload(), "{}", stage.server.log.text());
    assert!(!path.exists());
    assert_eq!(stage.server.log.count(&["ERROR", "turn.secret", "there is no such file"]), 1);
    assert_eq!((code(&secret), code(other)), (0, 401));
    fs::write(&path, other).expect("our own directory");
    assert!(stage.signal_reload() && stage.signal_reload(), "{}", stage.server.log.text());
    assert_eq!((code(&secret), code(other)), (401, 0));
    let log = stage.server.log.text();
    assert_eq!(stage.server.log.count(&["changed", "option=\"secret-file\""]), 1, "{log}");
    assert!(![&secret, other].iter().any(|secret| log.contains(*secret)), "without the secrets: {log}");
}

#[test]
fn a_broken_certificate_or_secret_file_refuses_everything() {
    let stage = certified();
    let dir = stage.server.dir().to_owned();
    fs::write(dir.join("broken.pem"), "no certificate").expect("our own directory");
    fs::write(dir.join("empty.secret"), "\n").expect("our own directory");
    let first = ("pkey", "\"first.key\"");
    let secret = [("user", ""), ("lt-cred-mech", "false"), ("secret-file", "\"empty.secret\"")];
    for (cert, told) in [
        ([("cert", "\"broken.pem\""), first], "broken.pem holds no certificate"),
        ([("cert", "\"second.pem\""), first], "does not belong to the certificate"),
        ([("cert", "\"gone.pem\""), first], "gone.pem"),
    ] {
        assert!(!stage.try_reload(&stage.text(&[CHANGES, &cert].concat())), "{told}");
        assert!(stage.server.log.count(&["ERROR", told]) > 0, "{told}:\n{}", stage.server.log.text());
        assert_unchanged(&stage);
    }
    let both = [CHANGES, &[("cert", "\"broken.pem\""), first], &secret].concat();
    let before = stage.server.log.count(&["problems=2"]);
    assert!(!stage.try_reload(&stage.text(&both)));
    assert_eq!(stage.server.log.count(&["problems=2"]), before + 1, "both are told:\n{}", stage.server.log.text());
    assert_eq!(stage.server.log.count(&["ERROR", "empty.secret is empty"]), 1);
    assert_unchanged(&stage);
    stage.reload(&[("cert", "\"second.pem\""), ("pkey", "\"second.key\"")]);
    assert_eq!(looks::certificate(&stage), "second.pem", "a good pair is taken over");
}

/// It would send clients back to where they are, which is known only with the addresses there are.
#[test]
fn an_alternate_server_that_is_this_one_refuses_everything() {
    let stage = certified();
    let oneself = format!("[\"{}\"]", stage.addr());
    let cert = [("cert", "\"first.pem\""), ("pkey", "\"first.key\""), ("alternate-server", oneself.as_str())];
    assert!(!stage.try_reload(&stage.text(&[CHANGES, &cert].concat())));
    assert_eq!(stage.server.log.count(&["ERROR", "alternate-server", "is this server"]), 1);
    // Moved to another port in the same file: that is the port of the next start, not of this one.
    let moved = [&cert[..], &[("listening-port", "4005"), ("tls-listening-port", "4006")]].concat();
    assert!(!stage.try_reload(&stage.text(&[CHANGES, &moved].concat())));
    assert_eq!(stage.server.log.count(&["ERROR", "with what waits for a restart", "is this server"]), 1);
    assert_unchanged(&stage);
}

/// A certificate that comes or goes has listeners come or go.
#[test]
fn tls_begins_and_ends_with_a_restart() {
    let stage = certified();
    stage.reload(&[("user-quota", "2")]);
    assert_eq!(looks::certificate(&stage), "first.pem");
    for option in ["cert", "pkey"] {
        let option = format!("option=\"{option}\"");
        assert_eq!(stage.server.log.count(&["WARN", "needs a restart", &option]), 1, "{}", stage.server.log.text());
    }
    assert_eq!(looks::allocations(&stage), "2", "the rest holds");

    let launch = Launch::new(&[]);
    looks::write_certificates(launch.dir());
    let stage = Stage::of(launch, &[]);
    stage.reload(&[("cert", "\"first.pem\""), ("pkey", "\"first.key\""), ("user-quota", "2")]);
    assert_eq!(stage.server.log.count(&["WARN", "needs a restart"]), 2);
    assert_eq!(looks::allocations(&stage), "2");
}

/// It would be noticed at the restart that it waits for.
#[test]
fn a_certificate_that_comes_and_is_broken_is_refused() {
    let launch = Launch::new(&[]);
    looks::write_certificates(launch.dir());
    let stage = Stage::of(launch, &[]);
    fs::write(stage.server.dir().join("broken.pem"), "no certificate").expect("our own directory");
    let certified = |cert| stage.text(&[("cert", cert), ("pkey", "\"first.key\"")]);
    assert!(!stage.try_reload(&certified("\"broken.pem\"")), "{}", stage.server.log.text());
    assert_eq!(stage.server.log.count(&["ERROR", "broken.pem holds no certificate"]), 1);
    assert!(stage.try_reload(&certified("\"first.pem\"")), "{}", stage.server.log.text());
}

#[test]
fn two_signals_at_once_are_as_good_as_one_or_two() {
    let stage = certified();
    let good = [CHANGES, &[("cert", "\"second.pem\""), ("pkey", "\"second.key\"")]].concat();
    fs::write(stage.server.dir().join("configuration.toml"), stage.text(&good)).expect("our own directory");
    (0..20).for_each(|_| stage.server.signal(rustix::process::Signal::HUP));
    assert!(stage.signal_reload());
    assert_eq!((looks::realm(&stage), looks::certificate(&stage)), ("other.example".into(), "second.pem".into()));
}
