//! The parts of a server before it runs: workers with their sockets, what they share, what the operator is warned of.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use tracing::warn;

use super::addresses::ListenAddresses;
use super::checks::{self, DescriptorBudget, Descriptors};
use super::connections::Acceptor;
use super::counters::Counters;
use super::engine::Secrets;
use super::inbox::Inbox;
use super::inherited::Sockets;
use super::journal::Journal;
use super::listen::{StartError, system};
use super::places::StreamPlaces;
use super::rations::Rations;
use super::shared::Shared;
use super::socket::Listener;
use super::sys::Arena;
use super::wake::Wake;
use super::worker::Worker;
use crate::clock;
use crate::config::Config;
use crate::poll::Poller;
use crate::stream::{StreamShared, Streams, Tally};
use crate::turn::address::WorkerId;
use crate::turn::bandwidth::Bandwidth;
use crate::turn::budgets::Budgets;
use crate::turn::nonce::Nonces;
use crate::turn::policy::{OwnNet, PeerPolicy};
use crate::turn::ports::{RelayAddresses, RelayPorts};
use crate::turn::settings::Hooks;
use crate::turn::time::Now;
use crate::turn::{AnswerBuf, Server, Settings};
use crate::userdb::UserStore;

pub(super) fn build_worker(
    id: u8,
    sockets: Sockets,
    shared: &Arc<Shared>,
    stop: &Arc<AtomicBool>,
    rng: &mut ChaCha12Rng,
) -> Result<Worker, StartError> {
    let wake = Arc::new(Wake::new().map_err(system("cannot make an eventfd"))?);
    let now = clock::now();
    let mut seeds = [[0; 32]; 2];
    seeds.iter_mut().for_each(|seed| rng.fill_bytes(seed));
    let server = Server::new(Arc::clone(&shared.settings), WorkerId(id), seeds[0], now);
    let lasting = Lasting {
        id: WorkerId(id),
        shared: Arc::clone(shared),
        listeners: sockets.listeners,
        acceptors: sockets.acceptors,
        inbox: Arc::new(Inbox::new(Arc::clone(&wake))),
        wake,
        stop: Arc::clone(stop),
        rng: ChaCha12Rng::from_seed(seeds[1]),
        counters: Arc::default(),
    };
    lasting.into_worker(server, now).map_err(system("cannot make an epoll set"))
}

/// What a worker has for as long as the process serves, also when it begins anew.
pub(super) struct Lasting {
    pub(super) id: WorkerId,
    pub(super) shared: Arc<Shared>,
    pub(super) listeners: Vec<Listener>,
    pub(super) acceptors: Vec<Acceptor>,
    pub(super) wake: Arc<Wake>,
    pub(super) inbox: Arc<Inbox>,
    pub(super) stop: Arc<AtomicBool>,
    pub(super) rng: ChaCha12Rng,
    pub(super) counters: Arc<Counters>,
}

impl Lasting {
    /// A worker that begins with this core, and without streams.
    pub(super) fn into_worker(self, server: Server, now: Now) -> io::Result<Worker> {
        let Lasting { id, shared, listeners, acceptors, wake, inbox, stop, mut rng, counters } = self;
        let waker = Arc::clone(&wake);
        let worker = Worker {
            id,
            server,
            fault_at: None,
            places: StreamPlaces::new(keys(&mut rng)),
            streams: Streams::new(Arc::clone(&shared.streams), Arc::new(move || waker.wake()), now.mono),
            journal: Journal::new(id, Arc::clone(&shared)),
            shared,
            listeners,
            acceptors,
            wake,
            inbox,
            stop,
            rng,
            poller: Poller::new()?,
            relays: Default::default(),
            arena: Arena::new(),
            batch: Default::default(),
            answer: AnswerBuf::default(),
            messages: Vec::new(),
            counters,
            is_told_wrong: false,
        };
        worker.counters.add_streams(&Tally::default(), 0);
        let sockets = worker.listeners.iter().map(|listener| Arc::downgrade(&listener.socket));
        worker.counters.listeners.get_or_init(|| sockets.collect());
        worker.watch()?;
        Ok(worker)
    }
}

pub(super) fn keys(rng: &mut ChaCha12Rng) -> [u64; 4] {
    std::array::from_fn(|_| rng.next_u64())
}

pub(super) fn thread_count(config: &Config) -> u8 {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let asked = config.process.threads.map_or(cores, usize::from);
    asked.clamp(1, 128) as u8
}

pub(super) fn settings(
    config: &Arc<Config>,
    addresses: &ListenAddresses,
    secrets: &Secrets,
    listeners: Vec<SocketAddr>,
    hooks: Hooks,
) -> Settings {
    let metrics = config.metrics.as_ref().map(|metrics| metrics.port);
    let services = [config.listen.port, config.listen.tls_port].into_iter().chain(metrics).collect();
    let mut own = OwnNet::new(services, config.relay.ports.clone());
    own.add(addresses.host.iter().chain(&addresses.listen).copied());
    addresses.relay.iter().for_each(|local| own.add_relay(*local, &config.relay.external));
    Settings {
        config: Arc::clone(config),
        policy: PeerPolicy::new(&config.peers, own),
        nonces: Nonces::of_config(config, &secrets.nonce_key, secrets.previous_nonce_key.as_ref()),
        bandwidth: Bandwidth::new(&config.limits),
        listeners,
        draining: false,
        hooks,
    }
}

pub(super) fn share(
    settings: &Arc<Settings>,
    users: Arc<dyn UserStore>,
    addresses: &ListenAddresses,
    descriptors: &Descriptors,
    streams: &Arc<StreamShared>,
    rng: &mut ChaCha12Rng,
) -> Shared {
    let config = &settings.config;
    let relay = &config.relay;
    let ports =
        addresses.relay.iter().map(|ip| RelayPorts::new(*ip, relay.external.public_of(*ip), relay.ports.clone()));
    Shared::new(
        Arc::clone(settings),
        RelayAddresses::new(ports.collect()),
        addresses.default_routes.clone(),
        (Budgets::new(&config.limits, || keys(rng)), Rations::new(|| keys(rng))),
        users,
        Arc::clone(streams),
        DescriptorBudget::new(descriptors.allocated_max),
    )
}

pub(super) fn warn_shortfalls(config: &Config, shared: &Shared, descriptors: &Descriptors, worker: Option<&Worker>) {
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
pub(super) fn unused_external(config: &Config, addresses: &ListenAddresses) -> Option<String> {
    let pairs = config.relay.external.pairs.iter();
    let unused: Vec<String> = pairs
        .filter(|pair| !addresses.relay.contains(&pair.private))
        .map(|pair| format!("{}/{}", pair.public, pair.private))
        .collect();
    (!unused.is_empty()).then(|| {
        format!("external-ip {}: the private address is no relay address, so nothing is mapped", unused.join(", "))
    })
}
