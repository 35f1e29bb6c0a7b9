//! A server whose standard streams are in the hands of the test: read, left to fill up, or closed.

use std::io::{PipeReader, Read};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::wire::{free_ports, poll_until};

/// A running server, killed when this value goes.
pub(crate) struct Process {
    child: Child,
    _dir: TempDir,
    /// Where it listens.
    pub(crate) addr: SocketAddr,
}

impl Process {
    /// Starts a server that alice may use and waits until it listens, whatever it says about that.
    pub(crate) fn start(args: &[&str], stdout: impl Into<Stdio>, stderr: impl Into<Stdio>) -> Process {
        let dir = tempfile::tempdir().expect("a directory for the server");
        let port = free_ports(1);
        let addr = SocketAddr::from(([127, 0, 0, 1], port));
        let mut command = Command::new(env!("CARGO_BIN_EXE_turnserver"));
        command.args(["-n", "-a", "--realm=r", "--user=alice:secret", "--relay-threads=1", "--pidfile="]);
        command.args(["--listening-ip=127.0.0.1", &format!("--listening-port={port}")]).args(args);
        command.current_dir(dir.path()).env("STATE_DIRECTORY", dir.path());
        for name in ["INVOCATION_ID", "JOURNAL_STREAM", "RUST_LOG"] {
            command.env_remove(name);
        }
        command.stdin(Stdio::null()).stdout(stdout).stderr(stderr);
        let mut child = command.spawn().expect("the built server can be started");
        poll_until("the server listens", || {
            assert_eq!(child.try_wait().expect("our child"), None, "it ended");
            TcpStream::connect(addr).ok()
        });
        Process { child, _dir: dir, addr }
    }

    /// Asks it to end and waits until it did.
    pub(crate) fn terminate(&mut self) -> ExitStatus {
        kill_process(Pid::from_child(&self.child), Signal::TERM).expect("the server runs");
        poll_until("the server ends", || self.child.try_wait().expect("our child"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already; there is nobody to tell.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Everything that was written into a pipe; its writers are gone.
pub(crate) fn read_all(mut pipe: PipeReader) -> String {
    let mut text = String::new();
    pipe.read_to_string(&mut text).expect("a log is UTF-8");
    text
}
