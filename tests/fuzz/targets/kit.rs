//! What every server under the fuzzer is made of: settings of each profile, users, addresses and the time it begins.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use turnserver::auth::LongTermKey;
use turnserver::config::{Config, Profile, load_text};
use turnserver::turn::Settings;
use turnserver::turn::nonce::Nonces;
use turnserver::turn::policy::{OwnNet, PeerPolicy};
use turnserver::turn::settings::Hooks;
use turnserver::turn::time::{Mono, Now, UnixTime};
use turnserver::userdb::Users;

pub(super) const REALM: &str = "example.org";
pub(super) const ALICE: Person = Person { name: "alice", password: "wonderland-7" };
pub(super) const BOB: Person = Person { name: "bob", password: "the-builder-9" };

/// The moment every server begins.
pub(super) const START: Now = Now { mono: Mono(1_000_000_000_000), wall: UnixTime(1_800_000_000) };

/// Spans of time around those that something lasts, in milliseconds.
pub(super) const SPANS_MILLIS: [u64; 16] = [
    0, 1, 999, 1_001, 4_999, 5_001, 29_999, 40_000, 59_000, 121_000, 299_999, 300_001, 599_000, 601_000, 3_599_999,
    3_600_001,
];

/// A name and its password.
#[derive(Clone, Copy)]
pub(super) struct Person {
    pub(super) name: &'static str,
    pub(super) password: &'static str,
}

impl Person {
    pub(super) fn key(self) -> LongTermKey {
        LongTermKey::derive(self.name.as_bytes(), REALM.as_bytes(), self.password.as_bytes())
    }
}

/// What stays the same from run to run.
pub(super) struct Kit {
    pub(super) settings: Arc<Settings>,
    pub(super) users: Users,
}

impl Kit {
    pub(super) fn config(&self) -> &Config {
        &self.settings.config
    }
}

/// The kit of a profile, made once.
pub(super) fn of(profile: Profile) -> &'static Kit {
    static KITS: OnceLock<Vec<Kit>> = OnceLock::new();
    let kits = KITS.get_or_init(|| Profile::ALL.into_iter().map(assemble).collect());
    let place = Profile::ALL.iter().position(|one| *one == profile).expect("every profile has one");
    &kits[place]
}

fn assemble(profile: Profile) -> Kit {
    let people = [ALICE, BOB].map(|person| format!("{}:{}", person.name, person.password));
    let text = format!("profile = {:?}\nrealm = {REALM:?}\nuser = {people:?}\n", profile.name());
    let config = load_text(&text, Path::new("kit.toml")).unwrap_or_else(|problems| panic!("{problems}")).config;
    let mut own = OwnNet::new(vec![3478, 5349, 9641], config.relay.ports.clone());
    own.add(listeners().iter().map(SocketAddr::ip));
    listeners().iter().for_each(|listener| own.add_relay(listener.ip(), &config.relay.external));
    let settings = Settings {
        policy: PeerPolicy::new(&config.peers, own),
        nonces: Nonces::new(&[0x5A; 32], None, REALM, config.auth.nonce_lifetime_secs),
        listeners: listeners().into(),
        hooks: Hooks::default(),
        config: Arc::new(config),
    };
    Kit { users: Users::new(&settings.config.auth), settings: Arc::new(settings) }
}

/// The server's addresses, one of each family; relayed addresses are on the same hosts.
pub(super) fn listeners() -> [SocketAddr; 2] {
    [([130, 89, 1, 1], 3478).into(), ([0x2a00, 0x1450, 0, 0, 0, 0, 0, 1], 3478).into()]
}

/// The listener that a client of that address reaches.
pub(super) fn listener_for(client: SocketAddr) -> SocketAddr {
    listeners()[usize::from(client.is_ipv6())]
}

/// The moment after a span; the wall clock goes along, or not.
pub(super) fn later(now: Now, millis: u64) -> Now {
    let mono = Mono(now.mono.0 + millis * 1_000_000);
    Now { mono, wall: UnixTime(now.wall.0 + (mono.secs() - now.mono.secs())) }
}
