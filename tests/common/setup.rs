//! What kind of server a world has.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;

use turnserver::config::{AuthMode, Config, ExternalPair, Profile, load_text};
use turnserver::turn::Settings;
use turnserver::turn::address::{FiveTuple, Transport};
use turnserver::turn::bandwidth::Bandwidth;
use turnserver::turn::nonce::Nonces;
use turnserver::turn::policy::{OwnNet, PeerPolicy};
use turnserver::turn::ports::RelayPorts;
use turnserver::turn::settings::Hooks;
use turnserver::turn::time::{Mono, Now, UnixTime};

use super::net::World;
use super::users::{Person, Users};

/// Who everybody is unless told otherwise.
pub(crate) const ALICE: Person = Person { name: "alice", password: "wonderland-7" };
/// Somebody else.
pub(crate) const BOB: Person = Person { name: "bob", password: "the-builder-9" };

pub(crate) const REALM: &str = "example.org";
pub(crate) const SERVER_V4: &str = "130.89.1.1:3478";
pub(crate) const SERVER_V6: &str = "[2a00:1450::1]:3478";
pub(crate) const RELAY_V4: &str = "130.89.1.1";
pub(crate) const RELAY_V6: &str = "2a00:1450::1";
pub(crate) const NONCE_KEY: [u8; 32] = [0x5A; 32];

/// The wall clock when a world begins.
pub(crate) const WALL_START: u64 = 1_800_000_000;
/// The moment a world begins.
pub(crate) const NOW: Now = Now { mono: Mono(1_000_000_000_000), wall: UnixTime(WALL_START) };

/// An address from text.
pub(crate) fn sock(text: &str) -> SocketAddr {
    text.parse().unwrap_or_else(|_| panic!("{text} is no address"))
}

/// An address without port from text.
pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap_or_else(|_| panic!("{text} is no address"))
}

/// The 5-tuple of a client that speaks to the server address of its family.
pub(crate) fn tuple(transport: Transport, client: &str) -> FiveTuple {
    let client = sock(client);
    let server = if client.is_ipv4() { SERVER_V4 } else { SERVER_V6 };
    FiveTuple { transport, client, server: sock(server) }
}

/// A server to be.
pub(crate) struct Setup {
    pub(super) config: Config,
    pub(super) workers: usize,
    pub(super) relays: Vec<IpAddr>,
    pub(super) users: Users,
    pub(super) remembers: bool,
    pub(super) service_ports: Vec<u16>,
    pub(super) now: Now,
    pub(super) seed: u8,
    pub(super) previous_key: Option<[u8; 32]>,
    pub(super) nonce_key: [u8; 32],
    draining: bool,
}

impl Setup {
    /// A server of a profile with two users, an IPv4 and an IPv6 relay address.
    pub(crate) fn of(profile: Profile) -> Setup {
        Setup::with(profile, "")
    }

    /// The same with more lines of a configuration file.
    pub(crate) fn with(profile: Profile, lines: &str) -> Setup {
        let text = format!(
            "profile = {:?}\nrealm = {REALM:?}\nuser = [\"{}:{}\", \"{}:{}\"]\n{lines}\n",
            profile.name(),
            ALICE.name,
            ALICE.password,
            BOB.name,
            BOB.password,
        );
        let loaded = load_text(&text, Path::new("world.toml")).unwrap_or_else(|problems| panic!("{problems}"));
        Setup {
            config: loaded.config,
            workers: 1,
            relays: vec![ip(RELAY_V4), ip(RELAY_V6)],
            users: Users::of(&[ALICE, BOB]),
            remembers: false,
            service_ports: vec![3478, 5349, 9641],
            now: NOW,
            seed: 7,
            previous_key: None,
            nonce_key: NONCE_KEY,
            draining: false,
        }
    }

    /// The configuration as it stands.
    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// Changes the configuration.
    pub(crate) fn tune(mut self, change: impl FnOnce(&mut Config)) -> Setup {
        change(&mut self.config);
        self
    }

    /// Whoever holds a credential made from one of these secrets is a user.
    pub(crate) fn secrets(mut self, secrets: &[&str]) -> Setup {
        self.config.auth.mode = AuthMode::SharedSecret;
        self.config.auth.secrets = secrets.iter().map(ToString::to_string).collect();
        self.users = Users::of_secrets(&self.config.auth);
        self
    }

    /// What was looked up is remembered, as the server remembers what a database said.
    pub(crate) fn remembering(mut self) -> Setup {
        self.remembers = true;
        self
    }

    pub(crate) fn workers(mut self, workers: usize) -> Setup {
        self.workers = workers;
        self
    }

    /// Other relay addresses.
    pub(crate) fn relays(mut self, relays: &[&str]) -> Setup {
        self.relays = relays.iter().map(|text| ip(text)).collect();
        self
    }

    /// Other relayed ports.
    pub(crate) fn ports(mut self, ports: RangeInclusive<u16>) -> Setup {
        self.config.relay.ports = ports;
        self
    }

    /// A 1:1 NAT in front of a relay address.
    pub(crate) fn external(mut self, public: &str, private: &str) -> Setup {
        self.config.relay.external.pairs.push(ExternalPair { public: ip(public), private: ip(private) });
        self
    }

    /// Another moment to begin at.
    pub(crate) fn now(mut self, now: Now) -> Setup {
        self.now = now;
        self
    }

    /// Another run of the dice.
    pub(crate) fn seed(mut self, seed: u8) -> Setup {
        self.seed = seed;
        self
    }

    /// The keys of nonces: the one in force, and the one before it.
    pub(crate) fn nonce_keys(mut self, current: [u8; 32], previous: Option<[u8; 32]>) -> Setup {
        self.nonce_key = current;
        self.previous_key = previous;
        self
    }

    /// A server that gives no new allocations.
    pub(crate) fn draining(mut self) -> Setup {
        self.draining = true;
        self
    }

    pub(crate) fn build(self) -> World {
        World::new(self)
    }

    /// Compiles what every worker is told.
    pub(super) fn settings(&self) -> Arc<Settings> {
        let config = &self.config;
        let listeners = vec![sock(SERVER_V4), sock(SERVER_V6)];
        let mut own = OwnNet::new(self.service_ports.clone(), config.relay.ports.clone());
        own.add(listeners.iter().map(SocketAddr::ip));
        self.relays.iter().for_each(|local| own.add_relay(*local, &config.relay.external));
        Arc::new(Settings {
            config: Arc::new(config.clone()),
            policy: PeerPolicy::new(&config.peers, own),
            nonces: Nonces::of_config(config, &self.nonce_key, self.previous_key.as_ref()),
            bandwidth: Bandwidth::new(&config.limits),
            listeners,
            draining: self.draining,
            hooks: Hooks::default(),
        })
    }

    pub(super) fn relay_ports(&self) -> Vec<RelayPorts> {
        let relay = &self.config.relay;
        let ports = |local: &IpAddr| RelayPorts::new(*local, relay.external.public_of(*local), relay.ports.clone());
        self.relays.iter().map(ports).collect()
    }
}
