//! A service manager that listens.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use tempfile::TempDir;

use crate::wire::poll_until;

/// A service manager: everything that is told is kept.
pub(crate) struct Supervisor {
    socket: UnixDatagram,
    /// What `NOTIFY_SOCKET` says.
    pub(crate) name: OsString,
    /// What was told so far, a message each.
    pub(crate) told: Vec<String>,
    _dir: Option<TempDir>,
}

impl Supervisor {
    /// At a path.
    pub(crate) fn new() -> Supervisor {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("notify");
        let socket = UnixDatagram::bind(&path).expect("a directory of our own");
        Supervisor::on(socket, path.into(), Some(dir))
    }

    /// At an abstract name.
    pub(crate) fn abstract_one() -> Supervisor {
        let name = format!("turnserver-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).expect("a short name");
        let socket = UnixDatagram::bind_addr(&address).expect("nobody has that name");
        Supervisor::on(socket, format!("@{name}").into(), None)
    }

    fn on(socket: UnixDatagram, name: OsString, dir: Option<TempDir>) -> Supervisor {
        socket.set_nonblocking(true).expect("a socket");
        Supervisor { socket, name, told: Vec::new(), _dir: dir }
    }

    /// Takes what is there.
    pub(crate) fn read(&mut self) -> &[String] {
        let mut bytes = [0; 4096];
        loop {
            match self.socket.recv(&mut bytes) {
                Ok(len) => self.told.push(String::from_utf8(bytes[..len].to_vec()).expect("text")),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return &self.told,
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// The place of the first message with this line from `from` on, waited for.
    pub(crate) fn wait_for(&mut self, line: &str, from: usize) -> usize {
        poll_until(&format!("{line} is told"), || self.find(line, from))
    }

    /// The same as far as it was told already.
    pub(crate) fn find(&mut self, line: &str, from: usize) -> Option<usize> {
        let has = |message: &String| message.lines().any(|told| told.starts_with(line));
        self.read().iter().skip(from).position(has).map(|place| from + place)
    }

    /// How many messages so far have this line.
    pub(crate) fn count(&mut self, line: &str) -> usize {
        self.read().iter().filter(|message| message.lines().any(|told| told.starts_with(line))).count()
    }

    /// Lets this time pass and takes what is told meanwhile.
    pub(crate) fn listen_for(&mut self, time: Duration) -> Vec<String> {
        let before = self.read().len();
        self.socket.set_nonblocking(false).expect("a socket");
        let end = turnserver::clock::now().mono + time;
        let mut bytes = [0; 4096];
        loop {
            let left = end.since(turnserver::clock::now().mono);
            if left.is_zero() {
                break;
            }
            self.socket.set_read_timeout(Some(left)).expect("some time");
            if let Ok(len) = self.socket.recv(&mut bytes) {
                self.told.push(String::from_utf8(bytes[..len].to_vec()).expect("text"));
            }
        }
        self.socket.set_nonblocking(true).expect("a socket");
        self.told[before..].to_vec()
    }
}
