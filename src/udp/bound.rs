//! A server whose sockets are bound and whose workers do not run yet: the moment to give up privileges.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::SeedableRng;
use tracing::warn;

use super::addresses::ListenAddresses;
use super::build::{build_worker, keys, settings, share, thread_count, unused_external, warn_shortfalls};
use super::checks::Descriptors;
use super::engine::{Engine, Secrets};
use super::inherited::{self, ByAddress, Inherited};
use super::listen::{ListenPorts, StartError, refuse_circles, refuse_foreign, system};
use super::shared::Shared;
use super::worker::Worker;
use crate::config::Config;
use crate::rng;
use crate::stream::tls::Certificates;
use crate::stream::{StreamSettings, StreamShared};
use crate::turn::settings::Hooks;
use crate::userdb::UserStore;

/// Everything is bound and counted, no worker runs.
pub struct Bound {
    pub(super) workers: Vec<Worker>,
    pub(super) stop: Arc<AtomicBool>,
    pub(super) shared: Arc<Shared>,
    pub(super) addresses: ListenAddresses,
}

impl std::fmt::Debug for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bound").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

impl Bound {
    /// Binds everything, on `inherited` sockets where they are listeners of the configuration; the limit of descriptors is
    /// raised. `hooks` are for tests that reach into the core.
    ///
    /// # Errors
    /// A listener cannot be bound, or the system has no descriptor, handshake thread or randomness left.
    pub fn new(
        config: Arc<Config>,
        secrets: &Secrets,
        certificates: Certificates,
        users: Arc<dyn UserStore>,
        hooks: Hooks,
        inherited: Inherited,
    ) -> Result<Bound, StartError> {
        let addresses = ListenAddresses::discover(&config).map_err(system("cannot read the interfaces"))?;
        let mut inherited = ByAddress::new(inherited).map_err(system("cannot read the address of a socket"))?;
        let ports = ListenPorts::new(&config, &addresses, &mut inherited)?;
        refuse_foreign(&config.relay.ips)?;
        refuse_circles(&config, &addresses)?;
        let descriptors = Descriptors::claim(usize::from(thread_count(&config)) * ports.descriptors());
        let seed = rng::seed().map_err(|error| system("cannot read the system's randomness")(error.into()))?;
        let mut rng = ChaCha12Rng::from_seed(seed);
        let settings = Arc::new(settings(&config, &addresses, secrets, ports.udp.clone(), hooks));
        let streams = StreamShared::new(
            StreamSettings::from_config(&config),
            certificates,
            u32::try_from(descriptors.unallocated_streams_max).unwrap_or(u32::MAX),
            keys(&mut rng),
        );
        let streams = Arc::new(streams.map_err(system("cannot start the handshake threads"))?);
        let shared = Arc::new(share(&settings, users, &addresses, &descriptors, &streams, &mut rng));

        let stop = Arc::new(AtomicBool::new(false));
        let sockets = inherited::open(&ports, inherited, thread_count(&config))?;
        let build = |(id, sockets)| build_worker(id, sockets, &shared, &stop, &mut rng);
        let workers = (0..).zip(sockets).map(build).collect::<Result<Vec<Worker>, StartError>>()?;
        unused_external(&config, &addresses).into_iter().for_each(|text| warn!("{text}"));
        warn_shortfalls(&config, &shared, &descriptors, workers.first());
        Ok(Bound { workers, stop, shared, addresses })
    }

    /// Starts the workers.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(self) -> Result<Engine, StartError> {
        Engine::of(self)
    }
}
