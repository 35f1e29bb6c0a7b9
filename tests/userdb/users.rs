//! Users and secrets of a database, as clients see them.

use crate::file::Turndb;
use crate::wire::{Client, Launch, Server, poll_until, timed_name};
use crate::{ALICE, BOB, REALM, SECRET, launch, start};

pub(crate) fn allocate(server: &Server, (name, password): (&str, &str)) -> u16 {
    Client::udp(server.addr).with_user(name, password).allocate().code()
}

#[test]
fn a_user_of_the_database_is_let_in_and_nobody_else() {
    let file = Turndb::new();
    file.add_user(ALICE);
    file.run("INSERT INTO turnusers_lt VALUES ('elsewhere', 'bob', '00112233445566778899aabbccddeeff')");
    let server = start(&file);
    assert_eq!(allocate(&server, ALICE), 0);
    assert_eq!((allocate(&server, (ALICE.0, "guess")), allocate(&server, BOB)), (401, 401));
    let mut bound = Client::udp(server.addr).with_user(ALICE.0, ALICE.1);
    assert_eq!(bound.allocate().code(), 0);
    assert_eq!(bound.refresh(0).code(), 0);
    let key = file.ask("SELECT hmackey FROM turnusers_lt WHERE name = 'alice'").remove(0);
    assert!(!server.log.text().contains(&key) && !server.log.text().contains(ALICE.1));
}

#[test]
fn a_user_who_is_added_is_let_in_within_seconds() {
    let file = Turndb::new();
    file.add_user(ALICE);
    let server = start(&file);
    assert_eq!(allocate(&server, BOB), 401);
    file.add_user(BOB);
    poll_until("Bob is known", || (allocate(&server, BOB) == 0).then_some(()));
}

/// The cache keeps users for a minute, which is more than this waits.
#[test]
fn a_changed_password_is_good_with_the_next_try() {
    let file = Turndb::new();
    file.add_user(ALICE);
    let server = start(&file);
    assert_eq!(allocate(&server, ALICE), 0);
    let mut live = Client::udp(server.addr).with_user(ALICE.0, ALICE.1);
    assert_eq!(live.allocate().code(), 0);
    file.add_user((ALICE.0, "another-99"));
    poll_until("the new one is good", || (allocate(&server, (ALICE.0, "another-99")) == 0).then_some(()));
    assert_eq!(allocate(&server, ALICE), 401, "the old one is good no more");
    assert_eq!(live.refresh(600).code(), 0, "a call goes on for a while");
}

/// SIGHUP is for the impatient: whoever was known is asked for again.
#[test]
fn a_reload_takes_changed_and_deleted_users_over_at_once() {
    let file = Turndb::new();
    file.add_user(ALICE);
    file.add_user(BOB);
    let server = start(&file);
    assert_eq!((allocate(&server, ALICE), allocate(&server, BOB)), (0, 0));
    file.add_user((ALICE.0, "another-99"));
    file.run("DELETE FROM turnusers_lt WHERE name = 'bob'");
    server.signal(rustix::process::Signal::HUP);
    assert!(server.log.find(&["configuration read again"]).is_some());
    assert_eq!((allocate(&server, ALICE), allocate(&server, BOB)), (401, 401));
    assert_eq!(allocate(&server, (ALICE.0, "another-99")), 0);
}

#[test]
fn secrets_of_the_database_come_and_go_while_it_runs() {
    let file = Turndb::new();
    let args = ["--use-auth-secret", "--lt-cred-mech=off", "--static-auth-secret=the-secret-of-the-file"];
    let server = launch(&file, &args).start();
    let allocate =
        |secret: &str| Client::udp(server.addr).with_timed_name(&timed_name(':', "bob"), secret).allocate().code();
    assert_eq!((allocate("the-secret-of-the-file"), allocate(SECRET)), (0, 401));
    file.run(&format!("INSERT INTO turn_secret VALUES ('{REALM}', '{SECRET}')"));
    poll_until("the secret is read", || (allocate(SECRET) == 0).then_some(()));
    file.run("DELETE FROM turn_secret");
    poll_until("it is gone", || (allocate(SECRET) == 401).then_some(()));
    assert_eq!(allocate("the-secret-of-the-file"), 0);
    assert!(!server.log.text().contains(SECRET));
}

/// A client takes SHA-256 where it is offered, and the database holds no such keys.
#[test]
fn sha256_is_not_offered_where_users_are_in_a_database() {
    let file = Turndb::new();
    file.add_user(ALICE);
    let server = launch(&file, &["--sha256"]).start();
    assert_eq!(allocate(&server, ALICE), 0);
    assert_eq!(server.log.count(&["WARN", "sha256: not offered", "MD5 keys only"]), 1);
    file.run(&format!("INSERT INTO turn_secret VALUES ('{REALM}', '{SECRET}')"));
    let timed = launch(&file, &["--sha256", "--use-auth-secret"]).start();
    assert_eq!(timed.log.count(&["sha256: not offered"]), 0);
}

/// Safe, and hardly meant: said once, and in the hardened profile a reason not to start.
#[test]
fn a_database_without_an_entry_of_the_realm_is_told_of() {
    let file = Turndb::new();
    assert_eq!(start(&file).log.count(&["WARN", "the user database has no user yet"]), 1);
    file.run("INSERT INTO turnusers_lt VALUES ('elsewhere', 'bob', '00112233445566778899aabbccddeeff')");
    let server = start(&file);
    assert_eq!(server.log.count(&["WARN", "users of other realms only", "elsewhere"]), 1, "{}", server.log.text());
    assert_eq!(server.log.count(&["WARN", "nobody can allocate until"]), 1);
    let refused = launch(&file, &["--profile=hardened", "--allow-loopback-peers=off"]).run();
    assert!(refused.log.contains("has no entry of realm"), "{}", refused.log);
    assert_eq!(refused.status.code(), Some(255));
}

/// `userdb` alone asks for long-term credentials; coturn would let everybody in.
#[test]
fn a_database_alone_asks_for_credentials() {
    let file = Turndb::new();
    file.add_user(ALICE);
    for (short, told) in [("--profile=default", 0), ("--profile=coturn", 1)] {
        let server = Launch::new(&["-b", file.name(), "--realm", REALM, short]).start();
        assert_eq!((allocate(&server, ALICE), allocate(&server, BOB)), (0, 401), "{short}");
        assert_eq!(server.log.count(&["WARN", "lt-cred-mech is turned on"]), told, "{short}");
    }
}
