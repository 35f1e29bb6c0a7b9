//! The signals the server answers.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{info, warn};

use super::certificates;
use crate::udp::Engine;

/// The signals the server answers.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    certificates: Signal,
    reload: Signal,
    drain: Signal,
}

impl Signals {
    pub(super) fn listen() -> std::io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            certificates: signal(SignalKind::user_defined2())?,
            reload: signal(SignalKind::hangup())?,
            drain: signal(SignalKind::user_defined1())?,
        })
    }

    pub(super) async fn until_stop(&mut self, engine: &Engine) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return info!("terminating on SIGTERM"),
                _ = self.interrupt.recv() => return info!("terminating on SIGINT"),
                _ = self.certificates.recv() => certificates::reload(engine.certificates()),
                _ = self.reload.recv() => warn!("SIGHUP: this version does not reload its configuration; restart it"),
                _ = self.drain.recv() => warn!("SIGUSR1: this version does not drain; it goes on serving"),
            }
        }
    }
}
