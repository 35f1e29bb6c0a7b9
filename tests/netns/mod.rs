//! Hosts of a test's own: network namespaces that nothing outside reaches. Each lives as long as a process that waits in
//! it, and that ends with the test, however the test ends.
#![allow(dead_code, unused_imports, reason = "each suite uses the part that concerns it")]

mod capture;

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsFd;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::process::geteuid;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

pub(crate) use capture::{Capture, Packet};

/// A host.
pub(crate) struct Host {
    namespace: File,
    holder: Child,
    /// While it is open the holder waits.
    _waits: ChildStdin,
}

/// Tests of this process that did not run.
static NOT_RUN: AtomicUsize = AtomicUsize::new(0);

/// Whether hosts can be made, which takes root. If not, the test is not run and says so where nobody can miss it; where
/// `CI` is set it fails instead.
pub(crate) fn can_make_hosts(test: &str) -> bool {
    let is_root = geteuid().is_root();
    if !is_root {
        assert!(std::env::var_os("CI").is_none(), "needs root: {test}");
        let count = NOT_RUN.fetch_add(1, Ordering::Relaxed) + 1;
        // Past the test harness, which keeps what passing tests print to itself.
        let line = format!("needs root: {test} was NOT run ({count} not run so far)\n");
        std::io::stderr().write_all(line.as_bytes()).expect("standard error is open");
    }
    is_root
}

impl Host {
    /// A host with nothing but loopback.
    pub(crate) fn new() -> Host {
        let mut command = Command::new("unshare");
        command.args(["--net", "sh", "-c", "ip link set lo up && echo up && exec cat"]);
        let mut holder = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("util-linux has unshare");
        let mut line = String::new();
        let output = holder.stdout.take().expect("a pipe");
        BufReader::new(output).read_line(&mut line).expect("a line");
        assert_eq!(line, "up\n", "a network namespace");
        let waits = holder.stdin.take().expect("a pipe");
        let namespace = File::open(format!("/proc/{}/ns/net", holder.id())).expect("the holder's namespace");
        Host { namespace, holder, _waits: waits }
    }

    /// Runs `act` on this host: sockets it opens and programs it starts stay there.
    pub(crate) fn call<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let there = scope.spawn(|| {
                self.enter();
                act()
            });
            there.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Moves the calling thread to this host for good.
    pub(crate) fn enter(&self) {
        let namespace = Some(LinkNameSpaceType::Network);
        move_into_link_name_space(self.namespace.as_fd(), namespace).expect("root may enter a namespace");
    }

    /// Runs `ip` with each line of `commands`.
    pub(crate) fn ip(&self, commands: &str) {
        self.call(|| {
            for line in commands.lines().map(str::trim).filter(|line| !line.is_empty()) {
                let status = Command::new("ip").args(line.split_whitespace()).status().expect("iproute2 is there");
                assert!(status.success(), "ip {line}");
            }
        });
    }

    /// Sets `name=value` below `/proc/sys/net`, one a line.
    pub(crate) fn sysctl(&self, settings: &str) {
        self.call(|| {
            for line in settings.lines().map(str::trim).filter(|line| !line.is_empty()) {
                let (name, value) = line.split_once('=').expect("name=value");
                std::fs::write(format!("/proc/sys/net/{name}"), value)
                    .unwrap_or_else(|error| panic!("{line}: {error}"));
            }
        });
    }

    /// A cable: interface `name` here, `far_name` there.
    pub(crate) fn cable(&self, name: &str, far: &Host, far_name: &str) {
        let far_pid = far.holder.id();
        self.ip(&format!("link add name {name} type veth peer name {far_name} netns {far_pid}\nlink set {name} up"));
        far.ip(&format!("link set {far_name} up"));
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // It may be gone already; there is nobody to tell.
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}
