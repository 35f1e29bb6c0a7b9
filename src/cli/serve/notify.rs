//! What the service manager is told (systemd's notification protocol): ready, reloading, stopping, alive, and a line of status.

use std::env;
use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sd_notify::NotifyState;
use tracing::warn;

/// How long a service manager that does not read is waited for.
const SEND_MAX: Duration = Duration::from_secs(1);
/// What it grants to stop in, and to go on draining in until it is asked again.
pub(super) const STOP_MAX: Duration = Duration::from_secs(5);
const DRAIN_STEP: Duration = Duration::from_secs(60);

/// A service manager that listens, or none.
#[derive(Clone, Debug)]
pub struct Notifier(Option<Arc<Supervisor>>);

#[derive(Debug)]
struct Supervisor {
    socket: UnixDatagram,
    address: SocketAddr,
    /// That it cannot be told anything is said once.
    is_deaf: AtomicBool,
    said: Mutex<Said>,
}

/// What stands in the line of status.
#[derive(Debug, Default)]
struct Said {
    line: String,
    /// What the last reload was refused for.
    refused: Option<String>,
}

impl Notifier {
    /// The one that `NOTIFY_SOCKET` names.
    ///
    /// # Errors
    /// There is no such socket address, or the system has no descriptor left.
    pub fn from_env() -> io::Result<Notifier> {
        match env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty()) {
            Some(name) => Notifier::at(&name),
            None => Ok(Notifier(None)),
        }
    }

    /// The one at a path, or at an abstract name, which begins with an `@`.
    ///
    /// # Errors
    /// As [`Notifier::from_env`].
    pub fn at(name: &OsStr) -> io::Result<Notifier> {
        let address = match name.as_bytes() {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
            _ => SocketAddr::from_pathname(name)?,
        };
        let socket = UnixDatagram::unbound()?;
        socket.set_write_timeout(Some(SEND_MAX))?;
        Ok(Notifier(Some(Arc::new(Supervisor {
            socket,
            address,
            is_deaf: AtomicBool::new(false),
            said: Mutex::default(),
        }))))
    }

    /// Whether somebody listens.
    pub fn is_heard(&self) -> bool {
        self.0.is_some()
    }

    /// Every socket is bound and the workers run, or a reload is over.
    pub fn ready(&self) {
        self.tell(&[NotifyState::Ready, NotifyState::MainPid(std::process::id())]);
    }

    /// A reload begins.
    pub(super) fn reloading(&self) {
        // Without the time a newer systemd takes the reload for failed.
        match NotifyState::monotonic_usec_now() {
            Ok(since) => self.tell(&[NotifyState::Reloading, since]),
            Err(error) => warn!(%error, "the service manager is not told of the reload"),
        }
    }

    /// The end begins.
    pub(super) fn stopping(&self) {
        let extension = NotifyState::ExtendTimeoutUsec(micros(STOP_MAX));
        self.tell(&[NotifyState::Stopping, NotifyState::Status("stopping"), extension]);
    }

    /// The server drains, which may be how it is stopped.
    pub(super) fn draining(&self) {
        self.tell(&[NotifyState::ExtendTimeoutUsec(micros(DRAIN_STEP))]);
    }

    /// Every worker goes round.
    pub(super) fn alive(&self) {
        self.tell(&[NotifyState::Watchdog]);
    }

    /// One line for whoever asks for the status, told if it is another one.
    pub(super) fn status(&self, mut line: String) {
        let Some(mut said) = self.said() else { return };
        if let Some(why) = &said.refused {
            line = format!("{line}, last reload refused: {why}");
        }
        if line != said.line {
            self.tell(&[NotifyState::Status(&line)]);
            said.line = line;
        }
    }

    /// A reload was refused for this, or none was. It stands in the status until the next good one, as the service manager
    /// takes every reload for a good one.
    pub(super) fn reloaded(&self, refused: Option<String>) {
        let Some(mut said) = self.said() else { return };
        said.refused = refused.map(|why| why.lines().collect::<Vec<_>>().join(" "));
        if let Some(why) = &said.refused {
            let line = format!("last reload refused: {why}");
            self.tell(&[NotifyState::Status(&line)]);
            said.line = line;
        }
    }

    fn said(&self) -> Option<MutexGuard<'_, Said>> {
        self.0.as_ref().map(|supervisor| supervisor.said.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn tell(&self, states: &[NotifyState<'_>]) {
        let Some(supervisor) = &self.0 else { return };
        let message: String = states.iter().map(|state| format!("{state}\n")).collect();
        match supervisor.socket.send_to_addr(message.as_bytes(), &supervisor.address) {
            Ok(_) => supervisor.is_deaf.store(false, Ordering::Relaxed),
            Err(error) if !supervisor.is_deaf.swap(true, Ordering::Relaxed) => {
                warn!(%error, "the service manager cannot be told anything");
            }
            Err(_) => {}
        }
    }
}

fn micros(time: Duration) -> u32 {
    u32::try_from(time.as_micros()).unwrap_or(u32::MAX)
}
