//! Starting and stopping: sockets, shared tables, worker threads.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use tracing::{info, warn};

use super::addresses::ListenAddresses;
use super::checks::{self, DescriptorBudget, Descriptors};
use super::connections::Acceptor;
use super::counters::Counters;
use super::inbox::{Inbox, Letter};
use super::journal::Journal;
use super::listen::{ListenPorts, StartError, refuse_foreign, system};
use super::shared::Shared;
use super::socket;
use super::sys::Arena;
use super::wake::Wake;
use super::worker::Worker;
use crate::clock;
use crate::config::{Config, Peers};
use crate::poll::Poller;
use crate::rng;
use crate::stream::tls::Certificates;
use crate::stream::{StreamSettings, StreamShared, Streams};
use crate::turn::address::WorkerId;
use crate::turn::budget::{Budget, Refill};
use crate::turn::nonce::Nonces;
use crate::turn::policy::{OwnNet, PeerPolicy};
use crate::turn::ports::{RelayAddresses, RelayPorts};
use crate::turn::settings::Hooks;
use crate::turn::{AnswerBuf, Server, Settings};
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
    thread: JoinHandle<()>,
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
        let descriptors = Descriptors::claim(usize::from(thread_count(&config)) * ports.descriptors());
        let seed = rng::seed().map_err(|error| system("cannot read the system's randomness")(error.into()))?;
        let mut rng = ChaCha12Rng::from_seed(seed);
        let settings = settings(&config, &addresses, secrets, ports.udp.clone(), hooks);
        let settings = Arc::new(settings);
        let shared = Arc::new(share(&settings, users, &addresses, &descriptors, &mut rng));
        let streams = StreamShared::new(
            StreamSettings::from_config(&config),
            certificates,
            u32::try_from(descriptors.unallocated_streams_max).unwrap_or(u32::MAX),
            keys(&mut rng),
        );
        let streams = Arc::new(streams.map_err(system("cannot start the handshake threads"))?);

        let stop = Arc::new(AtomicBool::new(false));
        let build = |id| build_worker(id, &ports, &shared, &streams, &stop, &mut rng);
        let workers = (0..thread_count(&config)).map(build).collect::<Result<Vec<Worker>, StartError>>()?;
        unused_external(&config, &addresses).into_iter().for_each(|text| warn!("{text}"));
        warn_shortfalls(&config, &shared, &descriptors, workers.first());
        let mut engine = Engine { workers: Vec::new(), stop, streams, addresses, settings };
        for (id, worker) in workers.into_iter().enumerate() {
            let (wake, inbox) = (Arc::clone(&worker.wake), Arc::clone(&worker.inbox));
            let counters = Arc::clone(&worker.counters);
            let thread = std::thread::Builder::new().name(format!("worker-{id}"));
            match thread.spawn(move || worker.run()) {
                Ok(thread) => engine.workers.push(RunningWorker { thread, wake, inbox, counters }),
                Err(error) => {
                    engine.stop();
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

    /// How many workers run.
    pub fn workers(&self) -> usize {
        self.workers.len()
    }

    /// Other rules for peers hold from now on. What they forbid ends, on live allocations as well.
    pub fn change_peers(&mut self, peers: Peers) {
        let policy = self.settings.policy.with_lists(&peers);
        let config = Arc::new(Config { peers, ..Config::clone(&self.settings.config) });
        self.settings = Arc::new(Settings { config, policy, ..Settings::clone(&self.settings) });
        for worker in &self.workers {
            worker.inbox.put(Letter::Settings(Arc::clone(&self.settings)));
        }
    }

    /// Has every worker end, waits for it, and says what was dropped meanwhile.
    pub fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.workers.iter().for_each(|worker| worker.wake.wake());
        let mut counters = Vec::new();
        for worker in self.workers {
            counters.push(worker.counters);
            if worker.thread.join().is_err() {
                warn!("a worker had panicked");
            }
        }
        for (reason, count) in Counters::sum(counters.iter().map(AsRef::as_ref)) {
            info!(reason, count, "dropped");
        }
    }
}

fn build_worker(
    id: u8,
    ports: &ListenPorts,
    shared: &Arc<Shared>,
    streams: &Arc<StreamShared>,
    stop: &Arc<AtomicBool>,
    rng: &mut ChaCha12Rng,
) -> Result<Worker, StartError> {
    let refused = |address: &SocketAddr| {
        let address = *address;
        move |source| StartError::Listen { address, source }
    };
    let listen = |address: &SocketAddr| socket::listen_udp(*address).map_err(refused(address));
    let accept = |address: &SocketAddr| {
        let socket = socket::listen_tcp(*address).map_err(refused(address))?;
        Ok(Acceptor::new(socket, *address))
    };
    let wake = Arc::new(Wake::new().map_err(system("cannot make an eventfd"))?);
    let waker = Arc::clone(&wake);
    let now = clock::now();
    let mut seeds = [[0; 32]; 2];
    seeds.iter_mut().for_each(|seed| rng.fill_bytes(seed));
    Ok(Worker {
        id: WorkerId(id),
        server: Server::new(Arc::clone(&shared.settings), WorkerId(id), seeds[0], now),
        fault_at: None,
        allocated_streams: 0,
        shared: Arc::clone(shared),
        listeners: ports.udp.iter().map(listen).collect::<Result<_, _>>()?,
        acceptors: ports.tcp.iter().map(accept).collect::<Result<_, _>>()?,
        streams: Streams::new(Arc::clone(streams), Arc::new(move || waker.wake()), now.mono),
        inbox: Arc::new(Inbox::new(Arc::clone(&wake))),
        wake,
        stop: Arc::clone(stop),
        rng: ChaCha12Rng::from_seed(seeds[1]),
        journal: Journal::new(WorkerId(id), keys(rng)),
        poller: Poller::new().map_err(system("cannot make an epoll set"))?,
        relays: Default::default(),
        arena: Arena::new(),
        batch: Default::default(),
        answer: AnswerBuf::default(),
        messages: Vec::new(),
        counters: Arc::default(),
    })
}

fn keys(rng: &mut ChaCha12Rng) -> [u64; 4] {
    std::array::from_fn(|_| rng.next_u64())
}

fn thread_count(config: &Config) -> u8 {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let asked = config.process.threads.map_or(cores, usize::from);
    asked.clamp(1, 128) as u8
}

fn settings(
    config: &Arc<Config>,
    addresses: &ListenAddresses,
    secrets: &Secrets,
    listeners: Vec<SocketAddr>,
    hooks: Hooks,
) -> Settings {
    let services = vec![config.listen.port, config.listen.tls_port];
    let mut own = OwnNet::new(services, config.relay.ports.clone());
    own.add(addresses.host.iter().chain(&addresses.listen).copied());
    addresses.relay.iter().for_each(|local| own.add_relay(*local, &config.relay.external));
    let auth = &config.auth;
    let previous = secrets.previous_nonce_key.as_ref();
    Settings {
        config: Arc::clone(config),
        policy: PeerPolicy::new(&config.peers, own),
        nonces: Nonces::new(&secrets.nonce_key, previous, &auth.realm, auth.nonce_lifetime_secs),
        listeners,
        hooks,
    }
}

fn share(
    settings: &Arc<Settings>,
    users: Arc<dyn UserStore>,
    addresses: &ListenAddresses,
    descriptors: &Descriptors,
    rng: &mut ChaCha12Rng,
) -> Shared {
    let config = &settings.config;
    let relay = &config.relay;
    let ports =
        addresses.relay.iter().map(|ip| RelayPorts::new(*ip, relay.external.public_of(*ip), relay.ports.clone()));
    let limits = &config.limits;
    let failures = limits.auth_failures_per_minute;
    let budgets = [
        limits.unauthorized.map(|rate| Budget::new(rate, keys(rng))),
        (failures > 0).then(|| Budget::filling(Refill::per_minute(failures, failures), keys(rng))),
    ];
    Shared::new(
        Arc::clone(settings),
        RelayAddresses::new(ports.collect()),
        addresses.default_routes.clone(),
        budgets,
        users,
        DescriptorBudget::new(descriptors.allocated_max),
    )
}

fn warn_shortfalls(config: &Config, shared: &Shared, descriptors: &Descriptors, worker: Option<&Worker>) {
    let relay_ports = shared.relays.iter().map(RelayPorts::count).sum();
    let listener = worker.and_then(|worker| worker.listeners.first());
    let shortfalls = [
        checks::port_overlap(&config.relay.ports),
        descriptors.shortfall(relay_ports),
        listener.and_then(|listener| checks::buffer_shortfall(&listener.socket)),
    ];
    shortfalls.into_iter().flatten().for_each(|text| warn!("{text}"));
}

/// Says so when a private half of `external-ip` stands for no relay address: nothing would be mapped.
fn unused_external(config: &Config, addresses: &ListenAddresses) -> Option<String> {
    let pairs = config.relay.external.pairs.iter();
    let unused: Vec<String> = pairs
        .filter(|pair| !addresses.relay.contains(&pair.private))
        .map(|pair| format!("{}/{}", pair.public, pair.private))
        .collect();
    (!unused.is_empty()).then(|| {
        format!("external-ip {}: the private address is no relay address, so nothing is mapped", unused.join(", "))
    })
}
