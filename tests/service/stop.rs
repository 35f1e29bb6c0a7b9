//! The end: within 5 s, whatever there is and whatever hangs.

use std::time::Duration;

use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};
use turnserver::clock;

use crate::supervisor::Supervisor;
use crate::wire::{Client, poll_until};
use crate::{alice, launch};

const STOP_MAX: Duration = Duration::from_secs(5);
const ALLOCATIONS: usize = 1000;

#[test]
fn a_server_with_a_thousand_allocations_ends_within_five_seconds() {
    // One socket each; the limit is the process's own business.
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })
        .expect("up to the hard limit");
    let mut server = launch(&["--relay-threads=2"]).start();
    let mut clients: Vec<Client> = (0..ALLOCATIONS).map(|_| alice(&server)).collect();
    for client in &mut clients {
        client.relayed();
    }
    let begin = clock::now().mono;
    assert!(server.terminate().success());
    let took = clock::now().mono.since(begin);
    assert!(took < STOP_MAX, "{took:?}");
    let log = server.log.whole();
    assert_eq!(log.lines().filter(|line| line.contains("allocation ended")).count(), ALLOCATIONS, "each end is logged");
}

/// The thread that answers signals is made to hang over a configuration that never comes.
#[test]
fn a_server_that_hangs_is_cut_short_and_its_status_says_so() {
    let mut supervisor = Supervisor::new();
    let launch = launch(&[]).with_env("NOTIFY_SOCKET", &supervisor.name).with_env("WATCHDOG_USEC", "200000");
    let mut server = launch.with_file("profile = \"coturn\"\n").start();
    let file = server.dir().join("configuration.toml");
    std::fs::remove_file(&file).expect("a file of our own");
    let made = std::process::Command::new("mkfifo").arg(&file).status().expect("mkfifo is there");
    assert!(made.success());
    server.signal(Signal::HUP);
    poll_until("the control thread hangs", || {
        let waits_in = std::fs::read_to_string(format!("/proc/{}/syscall", server.pid())).ok()?;
        // Opening waits for somebody who writes.
        waits_in.starts_with(&format!("{} ", libc::SYS_openat)).then_some(())
    });
    assert_eq!(alice(&server).allocate().code(), 0, "the workers go on");
    let mut from = supervisor.read().len();
    for _ in 0..3 {
        from = supervisor.wait_for("WATCHDOG=1", from) + 1;
    }
    let begin = clock::now().mono;
    assert_eq!(server.terminate().code(), Some(70));
    let took = clock::now().mono.since(begin);
    assert!(took < STOP_MAX, "{took:?}");
    assert!(server.log.whole().contains("it is cut short"), "{}", server.log.whole());
}
