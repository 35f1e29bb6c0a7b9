//! The system's log: one datagram per record to `/dev/log`, which may be missing, full, or made anew at any time.

use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::time::Duration;

use syslog::Severity;

use crate::clock;
use crate::config::SyslogFacility;
use crate::turn::time::Mono;

/// Where the system's log listens.
pub(super) const SOCKET: &str = "/dev/log";
/// How long the thread of the log waits for a daemon that does not read.
const SEND_MAX: Duration = Duration::from_secs(1);
/// How long a socket that is not there is not looked for again.
const RETRY: Duration = Duration::from_secs(1);

/// What stands before every record: who it is from, and its priority (RFC 3164 section 4.1). No time: RFC 3164's has no
/// zone, and whoever takes a record without one puts its own there (section 4.3.2).
#[derive(Clone, Copy)]
pub(super) struct Header {
    facility: SyslogFacility,
    pid: u32,
}

impl Header {
    pub(super) fn new(facility: SyslogFacility) -> Header {
        Header { facility, pid: std::process::id() }
    }

    pub(super) fn write(self, out: &mut dyn fmt::Write, severity: Severity) -> fmt::Result {
        let priority = self.facility.0 as u8 | severity as u8;
        write!(out, "<{priority}>{}[{}]: ", env!("CARGO_PKG_NAME"), self.pid)
    }
}

/// A way to the system's log.
pub(super) struct SystemLog {
    path: PathBuf,
    socket: Option<UnixDatagram>,
    /// When it is looked for again.
    retry_at: Mono,
}

impl SystemLog {
    pub(super) fn new(path: PathBuf) -> SystemLog {
        let socket = connect(&path).ok();
        SystemLog { path, socket, retry_at: Mono(0) }
    }

    /// What is wrong with it, to be said to whoever starts the server.
    pub(super) fn shortfall(&self) -> Option<String> {
        let is_missing = self.socket.is_none();
        is_missing
            .then(|| format!("nobody takes the log at {}; lines are lost until somebody does", self.path.display()))
    }

    /// The daemon may have been restarted: its old socket refuses, and a new one has the name.
    fn send_anew(&mut self, record: &[u8]) -> io::Result<()> {
        let now = clock::now().mono;
        if now < self.retry_at {
            return Err(ErrorKind::NotConnected.into());
        }
        self.socket = None;
        let sent = connect(&self.path).and_then(|socket| {
            socket.send(record)?;
            self.socket = Some(socket);
            Ok(())
        });
        if sent.is_err() {
            self.retry_at = now + RETRY;
        }
        sent
    }
}

impl Write for SystemLog {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let record = line.strip_suffix(b"\n").unwrap_or(line);
        match self.socket.as_ref().map(|socket| socket.send(record)) {
            Some(Ok(_)) => {}
            // It is there and does not read: the line is lost, the next one may not be.
            Some(Err(error)) if error.kind() == ErrorKind::WouldBlock => return Err(error),
            // Nothing can make it shorter.
            Some(Err(error)) if is_too_long(&error) => return Err(error),
            Some(Err(_)) | None => self.send_anew(record)?,
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn connect(path: &PathBuf) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.connect(path)?;
    socket.set_write_timeout(Some(SEND_MAX))?;
    Ok(socket)
}

fn is_too_long(error: &io::Error) -> bool {
    rustix::io::Errno::from_io_error(error) == Some(rustix::io::Errno::MSGSIZE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(daemon: &UnixDatagram) -> String {
        let mut buf = [0; 4096];
        daemon.set_read_timeout(Some(Duration::from_secs(5))).expect("a time that is not zero");
        let len = daemon.recv(&mut buf).expect("a record");
        String::from_utf8_lossy(&buf[..len]).into_owned()
    }

    #[test]
    fn records_are_datagrams_and_a_new_daemon_gets_what_follows() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("log");
        let mut log = SystemLog::new(path.clone());
        assert!(log.shortfall().is_some_and(|text| text.contains("nobody takes the log at ")));
        assert!(log.write(b"nobody is there\n").is_err());
        let daemon = UnixDatagram::bind(&path).expect("a path of our own");
        assert!(log.write(b"it is not looked for at once\n").is_err());
        log.retry_at = Mono(0);
        assert_eq!(log.write(b"one\n").expect("somebody is there"), 4, "the end of the line counts as taken");
        assert_eq!(log.write(b"two\n").expect("somebody is there"), 4);
        assert_eq!([received(&daemon), received(&daemon)], ["one", "two"]);
        drop(daemon);
        assert!(log.write(b"it ended\n").is_err());
        std::fs::remove_file(&path).expect("the name stays when the socket goes");
        let daemon = UnixDatagram::bind(&path).expect("a path of our own");
        log.retry_at = Mono(0);
        assert!(log.write(b"three\n").is_ok());
        assert_eq!(received(&daemon), "three");
        assert!(log.shortfall().is_none());
    }

    #[test]
    fn a_daemon_that_does_not_read_is_not_waited_for_long() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("log");
        let daemon = UnixDatagram::bind(&path).expect("a path of our own");
        let mut log = SystemLog::new(path);
        log.socket.as_ref().expect("it is there").set_write_timeout(Some(Duration::from_millis(1))).expect("a time");
        let taken = (0..10_000).take_while(|_| log.write(b"a line\n").is_ok()).count();
        assert!(taken < 10_000, "the queue of a socket is bounded");
        assert_eq!(received(&daemon), "a line");
        assert!(log.write(b"a line\n").is_ok(), "there is room again");
    }
}
