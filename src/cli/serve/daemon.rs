//! Going on in the background. The command starts itself again as a session of its own, passes on what it says until it is
//! ready, and ends; no thread is ever forked.
//!
//! The background process writes on pipes. When it is ready it writes a mark and lets go of both; an end without the mark is
//! a failure.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitCode, ExitStatus, Stdio};

use anyhow::{Context, Result};
use rustix::process::{getppid, setsid};

use crate::config::{self, LogTarget};

/// Names the process that waits for this one. Not `TURNSERVER_`, which is how options begin.
const WAITING: &str = "_TURNSERVER_DAEMON_OF";
/// What a process that is ready writes; no text has it.
const READY: u8 = 0;

/// This process, if it is the one in the background.
#[derive(Debug)]
pub(super) struct Background(());

impl Background {
    /// Leaves the session of whoever started it, so that nothing that ends there ends it.
    pub(super) fn enter() -> Option<Background> {
        let waiting: i32 = std::env::var(WAITING).ok()?.parse().ok()?;
        // What a process that is no longer there left behind says nothing.
        if getppid()?.as_raw_nonzero().get() != waiting {
            return None;
        }
        // It fails only for one that has a session of its own already.
        let _ = setsid();
        Some(Background(()))
    }

    /// Says that everything is ready. Nothing can be read from it afterwards.
    pub(super) fn ready(self) -> Result<()> {
        let mut out = io::stdout();
        // Who waited may be gone; the server goes on all the same.
        let _ = out.write_all(&[READY]).and_then(|()| out.flush());
        let nowhere = std::fs::OpenOptions::new().write(true).open("/dev/null").context("cannot open /dev/null")?;
        rustix::stdio::dup2_stdout(&nowhere).context("cannot let go of standard output")?;
        rustix::stdio::dup2_stderr(&nowhere).context("cannot let go of standard error")
    }
}

/// Says so when nobody will see the log.
pub(super) fn warn_of_console(log: &config::Log) {
    if matches!(log.target, LogTarget::Console | LogTarget::Output) {
        let message = "turnserver: in the background there is no console, so nothing is logged; set log-file or syslog";
        // Nobody is left to tell when standard error is closed.
        let _ = writeln!(io::stderr(), "{message}");
    }
}

/// Starts the same command in the background and waits until it is ready, or ended.
pub(super) fn start(args: &[OsString]) -> Result<ExitCode> {
    let mut command = Command::new(std::env::current_exe().context("cannot find this program")?);
    if let Some(name) = std::env::args_os().next() {
        command.arg0(name);
    }
    command.args(args).env(WAITING, std::process::id().to_string());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().context("cannot start the server in the background")?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let is_ready = std::thread::scope(|scope| {
        // Nobody is left to tell when standard error is closed.
        scope.spawn(|| stderr.map(|mut stderr| io::copy(&mut stderr, &mut io::stderr())));
        stdout.is_some_and(|stdout| pass_on(stdout, io::stdout()))
    });
    if is_ready {
        return Ok(ExitCode::SUCCESS);
    }
    Ok(status_of(child.wait().context("cannot wait for the server in the background")?))
}

/// Passes output on until it ends or the mark comes, and says whether it came.
fn pass_on(mut from: impl Read, mut out: impl Write) -> bool {
    let mut bytes = [0; 4096];
    loop {
        let len = match from.read(&mut bytes) {
            Ok(0) => return false,
            Ok(len) => len,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return false,
        };
        // Lines of the log may follow it.
        let mark = bytes[..len].iter().position(|byte| *byte == READY);
        let _ = out.write_all(&bytes[..mark.unwrap_or(len)]).and_then(|()| out.flush());
        if mark.is_some() {
            return true;
        }
    }
}

/// Its own status; of one that a signal ended what a shell makes of that.
fn status_of(status: ExitStatus) -> ExitCode {
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    ExitCode::from(u8::try_from(code).ok().filter(|code| *code != 0).unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_without_the_mark_is_no_readiness() {
        let passed = |bytes: &[u8]| {
            let mut out = Vec::new();
            let is_ready = pass_on(bytes, &mut out);
            (is_ready, out)
        };
        assert_eq!(passed(b"it begins"), (false, b"it begins".to_vec()));
        assert_eq!(passed(b""), (false, Vec::new()));
        assert_eq!(passed(b"it begins\0"), (true, b"it begins".to_vec()));
        assert_eq!(passed(b"it begins\0and goes on"), (true, b"it begins".to_vec()));
    }

    #[test]
    fn a_failure_is_never_shown_as_success() {
        assert_eq!(status_of(ExitStatus::from_raw(255 << 8)), ExitCode::from(255));
        assert_eq!(status_of(ExitStatus::from_raw(9)), ExitCode::from(137));
        assert_eq!(status_of(ExitStatus::from_raw(0)), ExitCode::from(1), "it ended without being ready");
    }
}
