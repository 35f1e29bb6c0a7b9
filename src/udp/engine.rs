//! Starting and stopping: sockets, shared tables, worker threads.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use tracing::info;

use super::addresses::ListenAddresses;
use super::bound::Bound;
use super::break_offs::{BrokeOff, run_to_the_end};
use super::counters::Counters;
use super::inbox::Inbox;
use super::inherited::Inherited;
use super::listen::{StartError, system};
use super::pulse::Pulse;
use super::readings::Readings;
use super::shared::Shared;
use super::wake::Wake;
use crate::config::Config;
use crate::stream::tls::Certificates;
use crate::turn::Settings;
use crate::turn::settings::Hooks;
use crate::userdb::UserStore;

/// Keys that outlive a restart.
#[derive(Clone)]
pub struct Secrets {
    /// The key nonces are made with.
    pub nonce_key: [u8; 32],
    /// The key before it, whose nonces are still accepted as long as they live.
    pub previous_nonce_key: Option<[u8; 32]>,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets(..)")
    }
}

#[derive(Debug)]
pub(super) struct RunningWorker {
    thread: JoinHandle<Result<(), BrokeOff>>,
    wake: Arc<Wake>,
    pub(super) inbox: Arc<Inbox>,
    counters: Arc<Counters>,
}

/// A running server.
#[derive(Debug)]
pub struct Engine {
    pub(super) workers: Vec<RunningWorker>,
    stop: Arc<AtomicBool>,
    pub(super) shared: Arc<Shared>,
    pub(super) addresses: ListenAddresses,
    /// In force.
    pub(super) settings: Arc<Settings>,
}

impl Engine {
    /// Binds everything, then starts the workers; [`Bound`] stands between the two. An error leaves nothing behind.
    ///
    /// # Errors
    /// A listener cannot be bound, or the system has no descriptor, thread or randomness left.
    pub fn start(
        config: Arc<Config>,
        secrets: &Secrets,
        certificates: Certificates,
        users: Arc<dyn UserStore>,
    ) -> Result<Engine, StartError> {
        Engine::start_with(config, secrets, certificates, users, Hooks::default())
    }

    /// [`Engine::start`] for tests that reach into the core.
    ///
    /// # Errors
    /// As [`Engine::start`].
    pub fn start_with(
        config: Arc<Config>,
        secrets: &Secrets,
        certificates: Certificates,
        users: Arc<dyn UserStore>,
        hooks: Hooks,
    ) -> Result<Engine, StartError> {
        Bound::new(config, secrets, certificates, users, hooks, Inherited::default())?.start()
    }

    /// Starts the workers of what is bound.
    pub(super) fn of(bound: Bound) -> Result<Engine, StartError> {
        let Bound { workers, stop, shared, addresses } = bound;
        let settings = Arc::clone(&shared.settings);
        let mut engine = Engine { workers: Vec::new(), stop, shared, addresses, settings };
        for (id, worker) in workers.into_iter().enumerate() {
            let (wake, inbox) = (Arc::clone(&worker.wake), Arc::clone(&worker.inbox));
            let counters = Arc::clone(&worker.counters);
            let thread = std::thread::Builder::new().name(format!("worker-{id}"));
            match thread.spawn(move || run_to_the_end(worker)) {
                Ok(thread) => engine.workers.push(RunningWorker { thread, wake, inbox, counters }),
                Err(error) => {
                    // The error that is told is the one that came first.
                    let _ = engine.stop();
                    return Err(system("cannot start a worker thread")(error));
                }
            }
        }
        Ok(engine)
    }

    /// The certificate, to be reloaded.
    pub fn certificates(&self) -> &Certificates {
        self.shared.streams.certificates()
    }

    /// The addresses in use.
    pub fn addresses(&self) -> &ListenAddresses {
        &self.addresses
    }

    /// What the server counts.
    pub fn readings(&self) -> Readings {
        let workers = self.workers.iter().map(|worker| Arc::clone(&worker.counters)).collect();
        Readings { workers, shared: Arc::clone(&self.shared) }
    }

    /// Tells whether the workers go round.
    pub fn pulse(&self) -> Pulse {
        let each = |worker: &RunningWorker| (Arc::clone(&worker.counters), Arc::clone(&worker.wake));
        Pulse { workers: self.workers.iter().map(each).collect() }
    }

    /// How many workers run.
    pub fn workers(&self) -> usize {
        self.workers.len()
    }

    /// Gives no new allocations from now on; those that live go on.
    pub fn drain(&mut self) {
        self.shared.draining.store(true, Ordering::Relaxed);
        self.enforce(Settings { draining: true, ..Settings::clone(&self.settings) });
    }

    /// Has every worker end, waits for it, and says what was dropped meanwhile.
    ///
    /// # Errors
    /// A worker had broken off for good.
    pub fn stop(self) -> Result<(), BrokeOff> {
        self.stop.store(true, Ordering::Relaxed);
        self.workers.iter().for_each(|worker| worker.wake.wake());
        let (mut counters, mut stopped) = (Vec::new(), Ok(()));
        for worker in self.workers {
            counters.push(worker.counters);
            let is_cut_short = |_| Err(BrokeOff::NotAnew(io::Error::other("its thread panicked")));
            stopped = stopped.and(worker.thread.join().unwrap_or_else(is_cut_short));
        }
        for (reason, count) in Counters::sum(counters.iter().map(AsRef::as_ref)) {
            info!(reason, count, "dropped");
        }
        stopped
    }
}
