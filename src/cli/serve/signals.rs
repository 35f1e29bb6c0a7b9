//! The signals the server answers.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use super::certificates::LOOK_EVERY;
use super::reload::Reloader;
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

    pub(super) async fn until_stop(&mut self, engine: &mut Engine, reloader: &mut Reloader) {
        let mut look = interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return info!("terminating on SIGTERM"),
                _ = self.interrupt.recv() => return info!("terminating on SIGINT"),
                _ = self.certificates.recv() => reloader.reload_certificate(engine),
                _ = self.reload.recv() => reloader.run(engine),
                _ = look.tick() => reloader.look_at_certificate(engine),
                _ = self.drain.recv() => warn!("SIGUSR1: this version does not drain; it goes on serving"),
            }
        }
    }
}
