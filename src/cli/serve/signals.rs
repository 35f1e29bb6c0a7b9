//! The signals the server answers.

use std::io;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};
use tracing::info;

use super::certificates::LOOK_EVERY;
use super::drain::Drain;
use super::notify::Notifier;
use super::reload::Reloader;
use crate::clock;
use crate::udp::Engine;

/// Between two looks at a server that drains.
const DRAIN_LOOK: Duration = Duration::from_millis(200);

/// The signals the server answers.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    certificates: Signal,
    reload: Signal,
    drain: Signal,
}

/// Signals that do not ask the server to end, and would end it if they came while it starts. They are kept until it runs.
pub(super) struct Early {
    certificates: Signal,
    reload: Signal,
    drain: Signal,
}

impl Early {
    /// Listens from now on, within a runtime.
    pub(super) fn listen() -> io::Result<Early> {
        Ok(Early {
            certificates: signal(SignalKind::user_defined2())?,
            reload: signal(SignalKind::hangup())?,
            drain: signal(SignalKind::user_defined1())?,
        })
    }
}

impl Signals {
    pub(super) fn listen(early: Early) -> io::Result<Signals> {
        let Early { certificates, reload, drain } = early;
        let (terminate, interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        Ok(Signals { terminate, interrupt, certificates, reload, drain })
    }

    pub(super) async fn until_stop(&mut self, engine: &mut Engine, reloader: &mut Reloader, notifier: &Notifier) {
        let mut look = interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut drain_look = interval(DRAIN_LOOK);
        drain_look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut drain: Option<Drain> = None;
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return info!("terminating on SIGTERM"),
                _ = self.interrupt.recv() => return info!("terminating on SIGINT"),
                _ = self.certificates.recv() => reloader.reload_certificate(engine),
                _ = self.reload.recv() => {
                    notifier.reloading();
                    notifier.reloaded(reloader.run(engine));
                    notifier.ready();
                }
                () = reloader.until_rules_change() => reloader.change_rules(engine),
                _ = look.tick() => reloader.look_at_certificate(engine),
                _ = self.drain.recv() => {
                    begin_to_drain(engine, &mut drain);
                    drain_look.reset();
                }
                _ = drain_look.tick(), if drain.is_some() => {
                    let allocations = engine.readings().allocations();
                    let process = &engine.config().process;
                    if drain.as_mut().is_some_and(|drain| drain.is_done(process, allocations, clock::now().mono)) {
                        return;
                    }
                }
            }
        }
    }
}

fn begin_to_drain(engine: &mut Engine, drain: &mut Option<Drain>) {
    if drain.is_some() {
        return info!("SIGUSR1: it drains already");
    }
    engine.drain();
    let process = &engine.config().process;
    *drain = Some(Drain::begin(process, engine.readings().allocations(), clock::now().mono));
}
