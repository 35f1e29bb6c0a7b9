//! In the background: the command ends when the server is ready, or fails with it.

use std::fs;
use std::net::UdpSocket;
use std::process::{Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::process::{command, free_address, program};
use crate::wire::{Client, poll_until};

/// A process in the background, ended with this value.
struct Background(Pid);

impl Drop for Background {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = kill_process(self.0, Signal::KILL);
    }
}

fn stat(pid: Pid) -> Option<Vec<String>> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
    // Behind the name, which may hold anything: state, parent, group, session.
    Some(stat.rsplit_once(')')?.1.split_whitespace().map(str::to_owned).collect())
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn the_command_ends_when_the_server_in_the_background_is_ready() {
    let dir = tempfile::tempdir().expect("a directory");
    let (addr, pidfile) = (free_address(), dir.path().join("turnserver.pid"));
    let mut command = command(program(), dir.path(), addr);
    command.arg("-o").arg(format!("--pidfile={}", pidfile.display())).stdin(Stdio::null());
    // It reads until the pipes are closed: the server holds none of them.
    let output = command.output().expect("the built server can be started");
    assert!(output.status.success(), "{}", text(&output));
    assert!(text(&output).contains("set log-file or syslog"), "{}", text(&output));
    let pid = fs::read_to_string(&pidfile).expect("the file is written before the command ends");
    let pid = pid.trim().parse().ok().and_then(Pid::from_raw).expect("a process id");
    let server = Background(pid);
    assert_eq!(Client::udp(addr).binding().code(), 0, "at once");

    let stat = stat(server.0).expect("it runs");
    assert_eq!(stat[3], pid.as_raw_nonzero().to_string(), "it has a session of its own");
    assert_eq!(stat[4], "0", "it has no terminal");
    for (stream, name) in ["/dev/null"; 3].iter().enumerate() {
        let path = fs::read_link(format!("/proc/{}/fd/{stream}", pid.as_raw_nonzero())).expect("it is open");
        assert_eq!(path.to_str(), Some(*name), "{stream}");
    }
    kill_process(pid, Signal::TERM).expect("it runs");
    poll_until("it ends", || (!pidfile.exists()).then_some(()));
}

#[test]
fn what_keeps_the_server_from_starting_is_said_by_the_command() {
    let dir = tempfile::tempdir().expect("a directory");
    let addr = free_address();
    let _taken = UdpSocket::bind(addr).expect("a free port");
    let output = command(program(), dir.path(), addr).arg("--daemon").output().expect("the server can be started");
    assert_eq!(output.status.code(), Some(255), "{}", text(&output));
    assert!(String::from_utf8_lossy(&output.stderr).contains(&format!("{addr} is in use")), "{}", text(&output));

    let output = command(program(), dir.path(), addr).args(["-o", "--min-port=x"]).output().expect("it can be started");
    assert_eq!(output.status.code(), Some(255), "{}", text(&output));
    assert!(text(&output).contains("min-port"), "{}", text(&output));
}

#[test]
fn a_server_in_the_background_logs_into_a_file() {
    let dir = tempfile::tempdir().expect("a directory");
    let (addr, log, pidfile) = (free_address(), dir.path().join("log"), dir.path().join("turnserver.pid"));
    let mut command = command(program(), dir.path(), addr);
    command.args(["-o", "--simple-log"]).arg(format!("--pidfile={}", pidfile.display()));
    command.arg(format!("--log-file={}", log.display()));
    let output = command.output().expect("the built server can be started");
    assert!(output.status.success() && !text(&output).contains("set log-file or syslog"), "{}", text(&output));
    let pid = fs::read_to_string(&pidfile).expect("the file is written before the command ends");
    let server = Background(pid.trim().parse().ok().and_then(Pid::from_raw).expect("a process id"));
    kill_process(server.0, Signal::TERM).expect("it runs");
    poll_until("the end is logged", || fs::read_to_string(&log).ok()?.contains("stopped").then_some(()));
}
