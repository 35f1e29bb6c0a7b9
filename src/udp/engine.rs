//! Starting and stopping: sockets, shared tables, worker threads.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use tracing::warn;

use super::addresses::ListenAddresses;
use super::checks::{self, Descriptors};
use super::journal::Journal;
use super::shared::Shared;
use super::socket::{self, Listener};
use super::sys::Arena;
use super::wake::Wake;
use super::worker::Worker;
use crate::clock;
use crate::config::Config;
use crate::poll::Poller;
use crate::rng;
use crate::turn::address::WorkerId;
use crate::turn::budget::Budget;
use crate::turn::nonce::Nonces;
use crate::turn::policy::{OwnNet, PeerPolicy};
use crate::turn::ports::{RelayAddresses, RelayPorts};
use crate::turn::{AnswerBuf, Server, Settings};
use crate::userdb::Users;

/// Keys that outlive a restart.
#[derive(Clone)]
pub struct Secrets {
    /// The key nonces are made with.
    pub nonce_key: [u8; 32],
    /// The key before it, whose nonces are still accepted.
    pub previous_nonce_key: Option<[u8; 32]>,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets(..)")
    }
}

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No interface has an address, or all transports are switched off.
    #[error("there is nothing to listen on: no address was found, or no-udp and no-tcp are both set")]
    NoListener,
    /// Another program, perhaps another instance, listens there.
    #[error("{0} is in use: another program, or another instance of this server, listens there")]
    InUse(SocketAddr),
    /// The system refuses an address.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// Anything else the system refuses.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// Why not.
        source: io::Error,
    },
}

/// A running server.
#[derive(Debug)]
pub struct Engine {
    workers: Vec<(JoinHandle<()>, Arc<Wake>)>,
    stop: Arc<AtomicBool>,
    addresses: ListenAddresses,
}

impl Engine {
    /// Binds everything, then starts the workers: an error leaves nothing behind.
    ///
    /// # Errors
    /// A listener cannot be bound, or the system has no descriptor, thread or randomness left.
    pub fn start(config: Arc<Config>, secrets: &Secrets) -> Result<Engine, StartError> {
        let system = |what| move |source| StartError::System { what, source };
        let addresses = ListenAddresses::discover(&config).map_err(system("cannot read the interfaces"))?;
        let udp: Vec<SocketAddr> = match config.listen.udp {
            true => addresses.listen.iter().map(|ip| SocketAddr::new(*ip, config.listen.port)).collect(),
            false => Vec::new(),
        };
        if udp.is_empty() {
            return Err(StartError::NoListener);
        }
        for address in &udp {
            refuse_taken(*address, socket2::Type::DGRAM)?;
        }
        let descriptors = Descriptors::claim();
        let seed = rng::seed().map_err(|error| StartError::System {
            what: "cannot read the system's randomness",
            source: io::Error::from(error),
        })?;
        let mut rng = ChaCha12Rng::from_seed(seed);
        let shared = Arc::new(share(&config, &addresses, secrets, &descriptors, udp.clone(), &mut rng));
        warn_shortfalls(&config, &shared, &descriptors);

        let stop = Arc::new(AtomicBool::new(false));
        let mut workers = Vec::new();
        for id in 0..thread_count(&config) {
            let listeners = bind_all(&udp)?;
            if id == 0 {
                listeners
                    .first()
                    .and_then(|listener| checks::buffer_shortfall(&listener.socket))
                    .into_iter()
                    .for_each(|text| warn!("{text}"));
            }
            let mut seed = [0; 32];
            rng.fill_bytes(&mut seed);
            let keys = [rng.next_u64(), rng.next_u64(), rng.next_u64(), rng.next_u64()];
            let now = clock::now();
            workers.push(Worker {
                server: Server::new(Arc::clone(&shared.settings), WorkerId(id), seed, now),
                shared: Arc::clone(&shared),
                listeners,
                wake: Arc::new(Wake::new().map_err(system("cannot make an eventfd"))?),
                stop: Arc::clone(&stop),
                rng: ChaCha12Rng::from_seed(seed),
                journal: Journal::new(keys),
                poller: Poller::new().map_err(system("cannot make an epoll set"))?,
                relays: Default::default(),
                arena: Arena::new(),
                batch: Default::default(),
                answer: AnswerBuf::default(),
                unsent: 0,
            });
        }
        let mut engine = Engine { workers: Vec::new(), stop, addresses };
        for (id, worker) in workers.into_iter().enumerate() {
            let wake = Arc::clone(&worker.wake);
            let thread = std::thread::Builder::new().name(format!("worker-{id}"));
            let handle = thread.spawn(move || worker.run()).map_err(system("cannot start a worker thread"))?;
            engine.workers.push((handle, wake));
        }
        Ok(engine)
    }

    /// The addresses in use.
    pub fn addresses(&self) -> &ListenAddresses {
        &self.addresses
    }

    /// How many workers run.
    pub fn workers(&self) -> usize {
        self.workers.len()
    }

    /// Has every worker end and waits for it.
    pub fn stop(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for (handle, wake) in self.workers.drain(..) {
            wake.wake();
            if handle.join().is_err() {
                warn!("a worker had panicked");
            }
        }
    }
}

fn thread_count(config: &Config) -> u8 {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let asked = config.process.threads.map_or(cores, usize::from);
    asked.clamp(1, 128) as u8
}

fn share(
    config: &Arc<Config>,
    addresses: &ListenAddresses,
    secrets: &Secrets,
    descriptors: &Descriptors,
    listeners: Vec<SocketAddr>,
    rng: &mut ChaCha12Rng,
) -> Shared {
    let external = &config.relay.external;
    let mut own = OwnNet {
        addresses: [&addresses.host[..], &addresses.listen[..]].concat(),
        service_ports: vec![config.listen.port, config.listen.tls_port],
        relay_ports: Some(config.relay.ports.clone()),
        ..OwnNet::default()
    };
    addresses.relay.iter().for_each(|local| own.add_relay(*local, external));
    let ports =
        addresses.relay.iter().map(|ip| RelayPorts::new(*ip, external.public_of(*ip), config.relay.ports.clone()));
    let auth = &config.auth;
    let settings = Settings {
        config: Arc::clone(config),
        policy: PeerPolicy::new(&config.peers, own),
        nonces: Nonces::new(
            &secrets.nonce_key,
            secrets.previous_nonce_key.as_ref(),
            &auth.realm,
            auth.nonce_lifetime_secs,
        ),
        listeners,
    };
    let keys = [rng.next_u64(), rng.next_u64(), rng.next_u64(), rng.next_u64()];
    Shared::new(
        Arc::new(settings),
        RelayAddresses::new(ports.collect()),
        addresses.default_routes.clone(),
        config.limits.unauthorized.map(|rate| Budget::new(rate, keys)),
        Users::new(auth),
        descriptors.relay_sockets_max,
    )
}

fn warn_shortfalls(config: &Config, shared: &Shared, descriptors: &Descriptors) {
    let relay_ports = shared.relays.iter().map(RelayPorts::count).sum();
    let shortfalls = [checks::port_overlap(&config.relay.ports), descriptors.shortfall(relay_ports)];
    shortfalls.into_iter().flatten().for_each(|text| warn!("{text}"));
}

fn refuse_taken(address: SocketAddr, kind: socket2::Type) -> Result<(), StartError> {
    match socket::is_taken(address, kind) {
        Ok(false) => Ok(()),
        Ok(true) => Err(StartError::InUse(address)),
        Err(source) => Err(StartError::Listen { address, source }),
    }
}

fn bind_all(addresses: &[SocketAddr]) -> Result<Vec<Listener>, StartError> {
    let bind = |address: &SocketAddr| {
        socket::listen_udp(*address).map_err(|source| StartError::Listen { address: *address, source })
    };
    addresses.iter().map(bind).collect()
}
