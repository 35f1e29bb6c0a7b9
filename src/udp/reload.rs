//! Another configuration for a server that runs: looked at whole, then taken over whole. Sockets, ports and threads stay
//! as they are; what they depend on keeps the values it had.

use std::net::IpAddr;
use std::sync::Arc;

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::SeedableRng;

use super::addresses::ListenAddresses;
use super::build;
use super::engine::{Engine, Secrets};
use super::inbox::Letter;
use super::listen::{StartError, refuse_circles, system};
use crate::clock;
use crate::config::{Config, Limits, Peers};
use crate::rng;
use crate::stream::{Loads, StreamSettings};
use crate::turn::Settings;
use crate::turn::bandwidth::Bandwidth;
use crate::userdb::UserStore;

/// A configuration that can take the place of the one in force.
pub struct Prepared {
    settings: Settings,
    /// Of the hashes of tables that begin with it.
    seed: [u8; 32],
    /// As the interfaces are now.
    addresses: ListenAddresses,
}

impl std::fmt::Debug for Prepared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prepared").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

/// What an operator should know of a configuration that was taken over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reloaded {
    /// Addresses that would be listened to after a restart, and are not now.
    pub came: Vec<IpAddr>,
    /// Addresses that are listened to and would not be after a restart.
    pub went: Vec<IpAddr>,
}

impl Engine {
    /// Looks whether a configuration can be taken over, and changes nothing. Whatever it says of listeners and relay
    /// addresses is left out: those are as they were at the start.
    ///
    /// # Errors
    /// It sends clients in circles, or the system gives no randomness or does not tell its interfaces.
    pub fn prepare(&self, config: Config, secrets: &Secrets) -> Result<Prepared, StartError> {
        let held = &self.settings.config;
        let config = Arc::new(Config {
            listen: held.listen.clone(),
            relay: held.relay.clone(),
            metrics: held.metrics.clone(),
            ..config
        });
        let addresses = ListenAddresses::discover(&config).map_err(system("cannot read the interfaces"))?;
        refuse_circles(&config, &self.addresses)?;
        let seed = rng::seed().map_err(|error| system("cannot read the system's randomness")(error.into()))?;
        // Peers are judged by the addresses this host has now.
        let own = ListenAddresses { host: addresses.host.clone(), ..self.addresses.clone() };
        let (listeners, hooks) = (self.settings.listeners.clone(), self.settings.hooks);
        let made = build::settings(&config, &own, secrets, listeners, hooks);
        let bandwidth = match limits_bandwidth(&config.limits) == limits_bandwidth(&held.limits) {
            true => Arc::clone(&self.settings.bandwidth),
            false => made.bandwidth,
        };
        let (policy, nonces) = (made.policy, made.nonces.in_place_of(&self.settings.nonces));
        let settings = Settings { config, policy, nonces, bandwidth, ..Settings::clone(&self.settings) };
        Ok(Prepared { settings, seed, addresses })
    }

    /// Takes a configuration over, with its users. Live allocations go on; what it forbids them ends.
    pub fn apply(&mut self, prepared: Prepared, users: Arc<dyn UserStore>) -> Reloaded {
        let Prepared { settings, seed, addresses } = prepared;
        let mut rng = ChaCha12Rng::from_seed(seed);
        let limits = &settings.config.limits;
        self.shared.users.change(users);
        self.shared.quotas.change(limits.user_quota, limits.total_quota);
        let budgets = self.shared.budgets.load();
        let budgets = budgets.changed(limits, clock::now().mono, || build::keys(&mut rng));
        self.shared.budgets.store(Arc::new(budgets));
        self.shared.streams.change(StreamSettings::from_config(&settings.config));
        // It may have begun to drain since the configuration was looked at.
        self.enforce(Settings { draining: self.settings.draining, ..settings });
        self.addresses.host = addresses.host;
        let missing_in = |list: &[IpAddr], of: &[IpAddr]| -> Vec<IpAddr> {
            of.iter().filter(|ip| !list.contains(ip)).copied().collect()
        };
        Reloaded {
            came: missing_in(&self.addresses.listen, &addresses.listen),
            went: missing_in(&addresses.listen, &self.addresses.listen),
        }
    }

    /// Other rules for peers hold from now on. What they forbid ends, on live allocations as well.
    pub fn change_peers(&mut self, peers: Peers) {
        let policy = self.settings.policy.with_lists(&peers);
        let config = Arc::new(Config { peers, ..Config::clone(&self.settings.config) });
        self.enforce(Settings { config, policy, ..Settings::clone(&self.settings) });
    }

    /// Other quotas and limits of bandwidth hold from now on; live allocations keep their places.
    pub fn change_limits(&mut self, limits: Limits) {
        let held = &self.settings.config;
        let bandwidth = match limits_bandwidth(&limits) == limits_bandwidth(&held.limits) {
            true => Arc::clone(&self.settings.bandwidth),
            false => Bandwidth::new(&limits),
        };
        self.shared.quotas.change(limits.user_quota, limits.total_quota);
        let config = Arc::new(Config { limits, ..Config::clone(held) });
        self.enforce(Settings { config, bandwidth, ..Settings::clone(&self.settings) });
    }

    /// The configuration in force.
    pub fn config(&self) -> &Config {
        &self.settings.config
    }

    /// What became of every configuration that was to be taken over.
    pub fn reloads(&self) -> &Loads {
        &self.shared.reloads
    }

    /// Has the workers go by other settings.
    pub(super) fn enforce(&mut self, settings: Settings) {
        self.settings = Arc::new(settings);
        for worker in &self.workers {
            worker.inbox.put(Letter::Settings(Arc::clone(&self.settings)));
        }
    }
}

/// What the buckets of bytes are made from. They are made anew, and full, only when it changed: a reload gives nobody
/// bytes.
fn limits_bandwidth(limits: &Limits) -> [u64; 3] {
    [limits.max_bps, limits.user_bps, limits.bps_capacity]
}
