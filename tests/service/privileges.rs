//! Giving up root. Only root can show it: who is not says so, loudly.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use rustix::process::{Signal, geteuid};

use crate::process::{Running, arguments, command, free_address, prepare, program};
use crate::wire::{Client, Launch, Server, poll_until, timed_name, tls};
use crate::{alice, launch};

/// A user that every Debian has, its number, and the number of its group.
const USER: (&str, u32, u32) = ("nobody", 65534, 65534);

/// Whether there is root to give up. If not, the test is not run and says so where nobody can miss it; where `CI` is set it
/// fails instead.
fn is_root(test: &str) -> bool {
    let is_root = geteuid().is_root();
    if !is_root {
        assert!(std::env::var_os("CI").is_none(), "needs root: {test}");
        // Past the test harness, which keeps what passing tests print to itself.
        let line = format!("needs root: {test} was NOT run\n");
        std::io::stderr().write_all(line.as_bytes()).expect("standard error is open");
    }
    is_root
}

/// What the system says of each thread of the server.
fn threads(pid: u32) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("the server runs");
    tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("status")).ok()).collect()
}

fn line(status: &str, name: &str) -> String {
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("no {name} in {status}")).trim().to_owned()
}

fn assert_all_are(server: &Server, uid: u32, gid: u32) {
    assert_all_of(server.pid(), "worker-1", uid, gid);
}

/// `last`: the thread that is started last.
fn assert_all_of(pid: u32, last: &str, uid: u32, gid: u32) {
    // A thread gives itself its name when it first runs.
    let threads = poll_until(&format!("{last} runs"), || {
        let threads = threads(pid);
        threads.iter().any(|status| line(status, "Name") == last).then_some(threads)
    });
    for status in threads {
        assert_eq!(line(&status, "Uid"), format!("{uid}\t{uid}\t{uid}\t{uid}"), "{status}");
        assert_eq!(line(&status, "Gid"), format!("{gid}\t{gid}\t{gid}\t{gid}"), "{status}");
        assert_eq!(line(&status, "Groups"), "", "{status}");
        for set in ["CapPrm", "CapEff", "CapAmb"] {
            assert_eq!(u64::from_str_radix(&line(&status, set), 16), Ok(0), "{set}: {status}");
        }
    }
}

#[test]
fn no_thread_keeps_anything_of_root() {
    if !is_root("no_thread_keeps_anything_of_root") {
        return;
    }
    let certificate = tls::Certificate::new();
    let launch = certificate.given_to(launch(&["--relay-threads=2", "--proc-user=nobody"]));
    let launch = launch.and(&["--secret-file=made", "--use-auth-secret"]);
    let mut server = launch.start();
    assert_all_are(&server, USER.1, USER.2);
    // Sockets for relays are bound, certificates shown and secrets known as before.
    assert_eq!(Client::tls(server.tls_addr, &certificate).binding().code(), 0);
    for made in ["nonce.key", "made"] {
        let owner = fs::metadata(server.dir().join(made)).expect("it is made").uid();
        assert_eq!(owner, USER.1, "{made} can be read by a reload");
    }
    assert_eq!(server.log.count(&["cannot be read without root", "made"]), 0, "{}", server.log.text());
    assert_eq!(server.log.count(&["root is given up"]), 1);
    server.restart();
    assert_all_are(&server, USER.1, USER.2);
}

#[test]
fn groups_of_whoever_starts_it_are_left() {
    if !is_root("groups_of_whoever_starts_it_are_left") {
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let mut command = Command::new("setpriv");
    command.args(["--groups=4,24", "--"]).arg(program()).args(arguments(free_address())).arg("--proc-user=nobody");
    prepare(&mut command, dir.path());
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("util-linux has setpriv");
    let server = Running(child);
    assert_all_of(server.0.id(), "worker-0", USER.1, USER.2);
}

#[test]
fn allocations_are_given_without_root() {
    if !is_root("allocations_are_given_without_root") {
        return;
    }
    let server = launch(&["--relay-threads=2", "--proc-user=nobody", "--proc-group=daemon"]).start();
    assert_all_are(&server, USER.1, 1);
    let mut clients = [alice(&server), alice(&server)];
    for client in &mut clients {
        client.relayed();
    }
}

#[test]
fn what_a_reload_could_not_read_is_said() {
    if !is_root("what_a_reload_could_not_read_is_said") {
        return;
    }
    let certificate = tls::Certificate::new();
    let launch = certificate.given_to(launch(&["--proc-user=nobody"]));
    for entry in fs::read_dir(launch.dir()).expect("a directory of our own") {
        let path = entry.expect("a readable directory").path();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("a file of our own");
    }
    let server = launch.start();
    assert!(server.log.find(&["WARN", "cannot be read without root"]).is_some(), "{}", server.log.text());
}

#[test]
fn nobody_becomes_who_is_not_known() {
    for (arg, message) in [
        ("--proc-user=no-such-user", "proc-user no-such-user: there is no such user"),
        ("--proc-group=no-such-group", "proc-group no-such-group: there is no such group"),
    ] {
        let ended = Launch::new(&["-a", "--realm=r", "--user=alice:secret", arg]).run();
        assert_eq!(ended.status.code(), Some(255), "{}", ended.log);
        assert!(ended.log.contains(message), "{}", ended.log);
    }
}

#[test]
fn only_root_becomes_another_user() {
    // The program may lie where only root comes to.
    let dir = tempfile::tempdir().expect("a directory");
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).expect("a directory of our own");
    let copy = dir.path().join("turnserver");
    fs::copy(program(), &copy).expect("room for a copy");
    let as_nobody = |user: &str| {
        let mut command = command(&copy, dir.path(), free_address());
        command.arg(format!("--proc-user={user}")).stdout(Stdio::null());
        if geteuid().is_root() {
            command.uid(USER.1).gid(USER.2);
        }
        command
    };
    let output = as_nobody("root").output().expect("it can be started");
    assert_eq!(output.status.code(), Some(255));
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(log.contains("only root can become another user"), "{log}");
}

/// The state directory is where it was: whoever gave up root could write to another one only.
#[test]
fn a_reload_keeps_secrets_and_nonces_without_root() {
    if !is_root("a_reload_keeps_secrets_and_nonces_without_root") {
        return;
    }
    let launch = Launch::new(&["--use-auth-secret", "--realm=r", "--secret-file=made", "--proc-user=nobody"]);
    fs::set_permissions(launch.dir(), fs::Permissions::from_mode(0o711)).expect("a directory of our own");
    let server = launch.start();
    let secret = fs::read_to_string(server.dir().join("made")).expect("it is made");
    let name = timed_name(':', "alice");
    let mut client = Client::udp(server.addr).with_timed_name(&name, secret.trim());
    client.relayed();
    server.signal(Signal::HUP);
    assert!(server.log.find(&["configuration read again"]).is_some(), "{}", server.log.text());
    assert_eq!(client.refresh_once().code(), 0, "nonces from before are taken");
    let mut other = Client::udp(server.addr).with_timed_name(&name, secret.trim());
    assert_eq!(other.allocate().code(), 0, "secrets from before are taken");
    assert_eq!(fs::read_to_string(server.dir().join("made")).expect("it is there"), secret);
    assert_eq!(server.log.count(&["WARN", "will have to authenticate anew"]), 0, "{}", server.log.text());
}

#[test]
fn the_log_is_opened_anew_without_root() {
    if !is_root("the_log_is_opened_anew_without_root") {
        return;
    }
    let launch = launch(&["--proc-user=nobody", "--simple-log"]);
    fs::set_permissions(launch.dir(), fs::Permissions::from_mode(0o711)).expect("a directory of our own");
    let log = launch.dir().join("turn.log");
    let server = launch.and(&[&format!("--log-file={}", log.display())]).start();
    let lines = || fs::read_to_string(&log).expect("it is there").lines().count();
    let before = lines();
    server.signal(Signal::HUP);
    poll_until("the reload is logged", || (lines() > before).then_some(()));
    let text = fs::read_to_string(&log).expect("it is there");
    assert!(!text.contains("Permission denied"), "{text}");
    assert_eq!(fs::metadata(&log).expect("it is there").uid(), USER.1);
}

#[test]
fn who_gives_up_the_group_alone_is_told_to_be_root_still() {
    if !is_root("who_gives_up_the_group_alone_is_told_to_be_root_still") {
        return;
    }
    let server = launch(&["--proc-group=nogroup"]).start();
    assert_eq!(server.log.count(&["WARN", "the server is root still"]), 1, "{}", server.log.text());
    assert_eq!(server.log.count(&["root is given up"]), 0);
}

/// systemd gives a service as many as it asks for, with colons between them.
#[test]
fn of_several_state_directories_the_first_is_ours() {
    let launch = launch(&["--use-auth-secret", "--secret-file=made"]);
    let [first, second] = ["first", "second"].map(|name| launch.dir().join(name));
    for dir in [&first, &second] {
        fs::create_dir(dir).expect("a directory of our own");
    }
    let dirs = std::env::join_paths([&first, &second]).expect("no colon in them");
    let server = launch.with_env("STATE_DIRECTORY", dirs).start();
    assert!(first.join("made").exists() && first.join("nonce.key").exists(), "{}", server.log.text());
}
