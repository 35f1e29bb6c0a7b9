//! A database that is locked, missing, broken or replaced: a clear word with its name, and relaying goes on.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use crate::file::Turndb;
use crate::users::allocate;
use crate::wire::{Client, Launch, Received, Server, free_ports, http, poll_until};
use crate::{ALICE, BOB, REALM, launch, start};

/// Two clients of Alice's that hear each other.
struct Call {
    a: Client,
    b: Client,
    addrs: [SocketAddr; 2],
}

impl Call {
    fn begin(server: &Server) -> Call {
        let alice = || Client::udp(server.addr).with_user(ALICE.0, ALICE.1);
        let (mut a, mut b) = (alice(), alice());
        let addrs = [a.relayed(), b.relayed()];
        assert_eq!((a.permit(addrs[1].ip()).code(), b.permit(addrs[0].ip()).code()), (0, 0));
        Call { a, b, addrs }
    }

    /// Data flows, and requests are answered.
    fn goes_on(&mut self) {
        self.a.send(self.addrs[1], b"are you there");
        assert_eq!(self.b.receive(), Received::Indication(self.addrs[0], b"are you there".to_vec()));
        self.b.send(self.addrs[0], b"I am");
        assert_eq!(self.a.receive(), Received::Indication(self.addrs[1], b"I am".to_vec()));
        assert_eq!(self.a.refresh(600).code(), 0);
    }
}

fn with_alice_and_bob() -> Turndb {
    let file = Turndb::new();
    file.add_user(ALICE);
    file.add_user(BOB);
    file
}

/// A database that cannot be used, made so that its name is told, and the word for it.
fn broken() -> Vec<(Turndb, &'static str)> {
    let text = Turndb::missing("text.db");
    fs::write(text.path(), "user=alice:secret\n".repeat(100)).expect("a directory of our own");
    let torn = with_alice_and_bob();
    let mut bytes = fs::read(torn.path()).expect("it is there");
    bytes[100..4096].fill(0xA5);
    fs::write(torn.path(), bytes).expect("a directory of our own");
    let foreign = Turndb::missing("foreign.db");
    foreign.run("CREATE TABLE things (a)");
    let directory = Turndb::missing("directory.db");
    fs::create_dir(directory.path()).expect("a directory of our own");
    let pipe = Turndb::missing("pipe.db");
    mkfifo(pipe.path());
    vec![
        (Turndb::missing("no/such/directory/turndb"), "No such file or directory"),
        (text, "file is not a database"),
        (torn, "database disk image is malformed"),
        (foreign, "no such table: allowed_peer_ip"),
        (directory, "it is not a regular file"),
        (pipe, "it is not a regular file"),
    ]
}

#[test]
fn a_database_that_cannot_be_used_is_a_reason_not_to_start() {
    let locked = with_alice_and_bob();
    let mut holder = locked.open();
    holder.run("BEGIN EXCLUSIVE");
    let mut cases = broken();
    cases.push((locked, "database is locked"));
    for (file, word) in &cases {
        let ended = Launch::new(&["--profile=default", "--realm", REALM, "-b", file.name()]).run();
        assert_eq!(ended.status.code(), Some(255), "{word}");
        let said = format!("the user database {}: {word}", file.name());
        assert!(ended.log.contains(&said), "{said:?} is not in\n{}", ended.log);
    }
}

/// coturn starts whatever its database is like; so it is tried again until it is good.
#[test]
fn in_coturns_profile_the_server_starts_and_tries_again() {
    for (file, word) in &broken() {
        let server = start(file);
        assert_eq!(server.log.count(&["WARN", file.name(), word, "tried again"]), 1, "{}", server.log.text());
        assert_eq!(allocate(&server, ALICE), 500, "{word}: nobody can say who she is");
        // The operator puts it right.
        if file.path().is_dir() {
            fs::remove_dir(file.path()).expect("it is empty");
        }
        fs::create_dir_all(file.path().parent().expect("a directory")).expect("a directory of our own");
        let good = with_alice_and_bob();
        let aside = file.dir().join("aside");
        fs::copy(good.path(), &aside).and_then(|_| fs::rename(&aside, file.path())).expect("a directory of our own");
        poll_until("it is read", || (allocate(&server, ALICE) == 0).then_some(()));
        // Users may be asked for before the rest is read.
        assert!(server.log.find(&["the user database answers"]).is_some());
        assert_eq!(server.log.count(&["the user database answers"]), 1, "{}", server.log.text());
    }
}

#[test]
fn while_another_process_locks_it_who_is_known_goes_on() {
    let file = with_alice_and_bob();
    let server = start(&file);
    let mut call = Call::begin(&server);
    let mut holder = file.open();
    holder.run("BEGIN EXCLUSIVE");
    assert_eq!(allocate(&server, BOB), 500, "nobody can say who he is, which is our fault");
    call.goes_on();
    assert_eq!(allocate(&server, ALICE), 0, "she is known");
    for _ in 0..3 {
        assert_eq!(allocate(&server, BOB), 500);
    }
    let told = || server.log.count(&["WARN", "the user database cannot be asked", "database is locked", file.name()]);
    poll_until("the log tells", || (told() > 0).then_some(()));
    call.goes_on();
    holder.run("ROLLBACK");
    poll_until("Bob is let in", || (allocate(&server, BOB) == 0).then_some(()));
    assert!(
        poll_until("the log tells", || Some(server.log.count(&["the user database answers"])).filter(|n| *n == 2)) == 2
    );
    assert_eq!(told(), 1, "one line for one change: {}", server.log.text());
    call.goes_on();
}

#[test]
fn while_it_is_missing_who_is_known_goes_on_and_a_new_one_is_noticed() {
    let file = with_alice_and_bob();
    let server = start(&file);
    let mut call = Call::begin(&server);
    fs::remove_file(file.path()).expect("it is there");
    assert!(server.log.find(&["WARN", "cannot be asked", "No such file", file.name()]).is_some());
    call.goes_on();
    assert_eq!((allocate(&server, ALICE), allocate(&server, BOB)), (0, 500));
    assert!(!file.path().exists(), "it is not made anew, empty: who removed it will bring another");
    let other = Turndb::new();
    other.add_user(("carol", "carols-own"));
    fs::copy(other.path(), file.path()).expect("a directory of our own");
    poll_until("Carol is let in", || (allocate(&server, ("carol", "carols-own")) == 0).then_some(()));
    assert_eq!(allocate(&server, BOB), 401, "he is not in the new one");
    call.goes_on();
}

#[test]
fn a_database_that_is_replaced_is_opened_anew() {
    let file = with_alice_and_bob();
    let server = start(&file);
    let mut call = Call::begin(&server);
    let other = Turndb::new();
    other.add_user(("carol", "carols-own"));
    other.run(&format!("INSERT INTO denied_peer_ip VALUES ('{REALM}', '10.0.0.0/8')"));
    let aside = file.dir().join("aside");
    fs::copy(other.path(), &aside).and_then(|_| fs::rename(&aside, file.path())).expect("a directory of our own");
    poll_until("Carol is let in", || (allocate(&server, ("carol", "carols-own")) == 0).then_some(()));
    assert_eq!(server.log.count(&["another user database has its name now"]), 1);
    poll_until("its peers hold", || (call.a.permit([10, 0, 0, 1].into()).code() == 403).then_some(()));
    call.goes_on();
}

#[test]
fn while_it_is_broken_who_is_known_goes_on() {
    let file = with_alice_and_bob();
    let server = start(&file);
    let mut call = Call::begin(&server);
    let good = fs::read(file.path()).expect("it is there");
    fs::write(file.path(), "not a database at all, ".repeat(1000)).expect("a directory of our own");
    poll_until("it is noticed", || (allocate(&server, ("eve", "any")) == 500).then_some(()));
    assert!(server.log.find(&["WARN", "cannot be asked", file.name()]).is_some());
    call.goes_on();
    assert_eq!(allocate(&server, ALICE), 0);
    fs::write(file.path(), good).expect("a directory of our own");
    poll_until("Bob is let in", || (allocate(&server, BOB) == 0).then_some(()));
}

/// A pipe stands for every file that does not answer: who asks for it waits for somebody who writes.
#[test]
fn a_pipe_in_its_place_holds_nothing_up() {
    let file = with_alice_and_bob();
    let port = free_ports(1);
    let metrics = format!("--prometheus-port={port}");
    let args = ["--prometheus", "--prometheus-address=127.0.0.1", metrics.as_str()];
    let mut server = launch(&file, &args).start();
    let mut call = Call::begin(&server);
    fs::remove_file(file.path()).expect("it is there");
    mkfifo(file.path());
    assert!(server.log.find(&["WARN", "cannot be asked", "not a regular file", file.name()]).is_some());
    assert_eq!(http::get(([127, 0, 0, 1], port).into(), "/livez").status, 200);
    call.goes_on();
    assert_eq!((allocate(&server, ALICE), allocate(&server, BOB)), (0, 500));
    assert!(server.terminate().success(), "{}", server.log.text());
}

fn mkfifo(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status().expect("mkfifo can be run");
    assert!(made.success());
}
