//! A server started in a way of the test's own, with the arguments every one has.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command};

use crate::wire::free_ports;

/// Where a server may listen.
pub(crate) fn free_address() -> SocketAddr {
    ([127, 0, 0, 1], free_ports(2)).into()
}

/// The built server in this directory, at this address, for alice.
pub(crate) fn command(program: &Path, dir: &Path, addr: SocketAddr) -> Command {
    let mut command = Command::new(program);
    command.args(arguments(addr));
    prepare(&mut command, dir);
    command
}

/// What it is told.
pub(crate) fn arguments(addr: SocketAddr) -> Vec<String> {
    let port = format!("--listening-port={}", addr.port());
    let ip = format!("--listening-ip={}", addr.ip());
    let all =
        ["-n", "-a", "--realm=r", "--user=alice:secret", "--relay-threads=1", "--pidfile=", "--no-tls", &port, &ip];
    all.map(str::to_owned).to_vec()
}

/// Where it runs and keeps its state.
pub(crate) fn prepare(command: &mut Command, dir: &Path) {
    command.current_dir(dir).env("STATE_DIRECTORY", dir);
    for name in ["INVOCATION_ID", "JOURNAL_STREAM", "RUST_LOG", "NOTIFY_SOCKET", "WATCHDOG_USEC", "LISTEN_FDS"] {
        command.env_remove(name);
    }
}

/// The built server.
pub(crate) fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_turnserver"))
}

/// A process that ends with this value.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already; there is nobody to tell.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
