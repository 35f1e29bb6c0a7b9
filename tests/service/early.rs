//! Signals that come while the server starts: who sends them does not ask it to end.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::wire::{Log, free_ports, poll_until};

/// A server that reads its configuration from a pipe, and so starts for as long as nobody writes.
struct Starting {
    child: Child,
    log: Log,
    dir: tempfile::TempDir,
}

impl Drop for Starting {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Starting {
    fn new() -> Starting {
        let dir = tempfile::tempdir().expect("a directory");
        let pipe = dir.path().join("turnserver.toml");
        assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo can be run").success());
        let mut command = Command::new(env!("CARGO_BIN_EXE_turnserver"));
        command.arg("-c").arg(&pipe).current_dir(dir.path()).env("STATE_DIRECTORY", dir.path());
        for name in ["INVOCATION_ID", "JOURNAL_STREAM", "NOTIFY_SOCKET", "WATCHDOG_USEC", "LISTEN_FDS"] {
            command.env_remove(name);
        }
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the built server");
        let log = Log::of(child.stderr.take().expect("stderr is piped"));
        Starting { child, log, dir }
    }

    /// Writes the configuration once somebody reads it, and says `before` first.
    fn configure(&mut self, text: &str, before: impl FnOnce(Pid)) {
        let pipe = self.dir.path().join("turnserver.toml");
        let mut pipe = poll_until("the configuration is read", || {
            assert_eq!(self.child.try_wait().expect("our own child"), None, "it goes on: {}", self.log.text());
            open_for_reader(&pipe)
        });
        before(Pid::from_child(&self.child));
        pipe.write_all(text.as_bytes()).expect("somebody reads");
    }
}

/// None: nobody reads.
fn open_for_reader(pipe: &Path) -> Option<std::fs::File> {
    let nonblocking = rustix::fs::OFlags::NONBLOCK.bits() as i32;
    OpenOptions::new().write(true).custom_flags(nonblocking).open(pipe).ok()
}

fn text() -> String {
    let port = free_ports(1);
    format!(
        "listening-ip = [\"127.0.0.1\"]\nlistening-port = {port}\npidfile = \"\"\nrelay-threads = 1\nstun-only = true\n"
    )
}

#[test]
fn a_reload_asked_for_while_it_starts_follows_the_start() {
    let (mut starting, text) = (Starting::new(), text());
    starting.configure(&text, |pid| {
        for signal in [Signal::HUP, Signal::USR2] {
            kill_process(pid, signal).expect("our own child");
        }
    });
    assert!(starting.log.find(&["listening", "workers"]).is_some(), "{}", starting.log.text());
    starting.configure(&text, |_| {});
    assert!(starting.log.find(&["configuration read again"]).is_some(), "{}", starting.log.text());
}

#[test]
fn a_drain_asked_for_while_it_starts_follows_the_start() {
    let mut starting = Starting::new();
    starting.configure(&text(), |pid| kill_process(pid, Signal::USR1).expect("our own child"));
    let status = poll_until("it ends", || starting.child.try_wait().expect("our own child"));
    assert!(status.success(), "{}", starting.log.text());
    assert!(starting.log.find(&["listening", "workers"]).is_some());
}
