//! Starting and stopping: sockets, shared tables, worker threads.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::SeedableRng;
use tracing::{info, warn};

use super::addresses::ListenAddresses;
use super::break_offs::{BrokeOff, run_to_the_end};
use super::build::{build_worker, keys, settings, share, thread_count, unused_external, warn_shortfalls};
use super::checks::Descriptors;
use super::counters::Counters;
use super::inbox::{Inbox, Letter};
use super::listen::{ListenPorts, StartError, refuse_circles, refuse_foreign, system};
use super::pulse::Pulse;
use super::readings::Readings;
use super::shared::Shared;
use super::wake::Wake;
use super::worker::Worker;
use crate::config::{Config, Peers};
use crate::rng;
use crate::stream::tls::Certificates;
use crate::stream::{StreamSettings, StreamShared};
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
struct RunningWorker {
    thread: JoinHandle<Result<(), BrokeOff>>,
    wake: Arc<Wake>,
    inbox: Arc<Inbox>,
    counters: Arc<Counters>,
}

/// A running server.
#[derive(Debug)]
pub struct Engine {
    workers: Vec<RunningWorker>,
    stop: Arc<AtomicBool>,
    streams: Arc<StreamShared>,
    shared: Arc<Shared>,
    addresses: ListenAddresses,
    /// In force.
    settings: Arc<Settings>,
}

impl Engine {
    /// Binds everything, then starts the workers: an error leaves nothing behind.
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
        let addresses = ListenAddresses::discover(&config).map_err(system("cannot read the interfaces"))?;
        let ports = ListenPorts::new(&config, &addresses)?;
        refuse_foreign(&config.relay.ips)?;
        refuse_circles(&config, &addresses)?;
        let descriptors = Descriptors::claim(usize::from(thread_count(&config)) * ports.descriptors());
        let seed = rng::seed().map_err(|error| system("cannot read the system's randomness")(error.into()))?;
        let mut rng = ChaCha12Rng::from_seed(seed);
        let settings = settings(&config, &addresses, secrets, ports.udp.clone(), hooks);
        let settings = Arc::new(settings);
        let streams = StreamShared::new(
            StreamSettings::from_config(&config),
            certificates,
            u32::try_from(descriptors.unallocated_streams_max).unwrap_or(u32::MAX),
            keys(&mut rng),
        );
        let streams = Arc::new(streams.map_err(system("cannot start the handshake threads"))?);
        let shared = Arc::new(share(&settings, users, &addresses, &descriptors, &streams, &mut rng));

        let stop = Arc::new(AtomicBool::new(false));
        let build = |id| build_worker(id, &ports, &shared, &stop, &mut rng);
        let workers = (0..thread_count(&config)).map(build).collect::<Result<Vec<Worker>, StartError>>()?;
        unused_external(&config, &addresses).into_iter().for_each(|text| warn!("{text}"));
        warn_shortfalls(&config, &shared, &descriptors, workers.first());
        let mut engine = Engine { workers: Vec::new(), stop, streams, shared, addresses, settings };
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
        self.streams.certificates()
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

    /// Other rules for peers hold from now on. What they forbid ends, on live allocations as well.
    pub fn change_peers(&mut self, peers: Peers) {
        let policy = self.settings.policy.with_lists(&peers);
        let config = Arc::new(Config { peers, ..Config::clone(&self.settings.config) });
        self.tell(Settings { config, policy, ..Settings::clone(&self.settings) });
    }

    /// Gives no new allocations from now on; those that live go on.
    pub fn drain(&mut self) {
        self.shared.draining.store(true, Ordering::Relaxed);
        self.tell(Settings { draining: true, ..Settings::clone(&self.settings) });
    }

    fn tell(&mut self, settings: Settings) {
        self.settings = Arc::new(settings);
        for worker in &self.workers {
            worker.inbox.put(Letter::Settings(Arc::clone(&self.settings)));
        }
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
