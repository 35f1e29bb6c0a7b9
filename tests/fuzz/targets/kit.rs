//! What every server under the fuzzer is made of: settings of each profile, users, addresses and the time it begins.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, OnceLock};

use turnserver::auth::{LongTermKey, rest};
use turnserver::config::{AuthMode, Config, IpRange, Profile, load_text};
use turnserver::turn::Settings;
use turnserver::turn::bandwidth::Bandwidth;
use turnserver::turn::nonce::Nonces;
use turnserver::turn::policy::{OwnNet, PeerPolicy};
use turnserver::turn::settings::Hooks;
use turnserver::turn::time::{Mono, Now, UnixTime};
use turnserver::userdb::Users;

pub(super) const REALM: &str = "example.org";
pub(super) const SECRET: &str = "a secret of the kit";
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

/// What stays the same from run to run.
pub(super) struct Kit {
    pub(super) mode: AuthMode,
    pub(super) settings: Arc<Settings>,
    pub(super) users: Users,
}

impl Kit {
    pub(super) fn config(&self) -> &Config {
        &self.settings.config
    }

    pub(super) fn is_anonymous(&self) -> bool {
        self.mode == AuthMode::Anonymous
    }

    /// The USERNAME of a person. Of time-limited ones Bob's is over soon.
    pub(super) fn name_of(&self, person: Person) -> String {
        let ends = START.wall.0 + if person.name == BOB.name { 400 } else { 80_000 };
        match self.mode {
            AuthMode::SharedSecret => format!("{ends}:{}", person.name),
            _ => person.name.to_owned(),
        }
    }

    pub(super) fn key_of(&self, person: Person) -> LongTermKey {
        let name = self.name_of(person);
        match self.mode {
            AuthMode::SharedSecret => rest::key(SECRET.as_bytes(), name.as_bytes(), REALM.as_bytes()),
            _ => LongTermKey::derive(name.as_bytes(), REALM.as_bytes(), person.password.as_bytes()),
        }
    }
}

/// How many kits there are.
pub(crate) const KITS: u8 = 18;

const MODES: [AuthMode; 3] = [AuthMode::LongTerm, AuthMode::SharedSecret, AuthMode::Anonymous];

/// The kit of a byte, made once: it says the profile, by what is left of it the mode, and by what is left of that whether
/// password algorithms are offered as the profile has it, or otherwise.
pub(super) fn of(byte: u8) -> &'static Kit {
    static MADE: OnceLock<Vec<Kit>> = OnceLock::new();
    let modes = |is_other: bool| MODES.into_iter().map(move |mode| (mode, is_other));
    let all = || [false, true].into_iter().flat_map(modes);
    let of_all = |(mode, is_other)| Profile::ALL.into_iter().map(move |profile| assemble(profile, mode, is_other));
    let kits = MADE.get_or_init(|| all().flat_map(of_all).collect());
    &kits[usize::from(byte % KITS)]
}

/// Every host between two.
fn range(first: impl Into<IpAddr>, last: impl Into<IpAddr>) -> IpRange {
    IpRange { first: first.into(), last: last.into() }
}

/// Peers that an operator denies, by a number; with the first nobody is denied.
pub(super) fn denied(number: u8) -> Vec<IpRange> {
    match number & 3 {
        0 => Vec::new(),
        1 => vec![range([8, 8, 4, 0], [8, 8, 4, 255])],
        2 => vec![range([0x2a02, 0x26f0, 0, 0, 0, 0, 0, 0], [0x2a02, 0x26f0, 0, 0, 0, 0, 0, 0xFF])],
        _ => vec![range([0, 0, 0, 0], [255, 255, 255, 255]), range([0; 8], [0xFFFF; 8])],
    }
}

fn assemble(profile: Profile, mode: AuthMode, offers_otherwise: bool) -> Kit {
    let people = [ALICE, BOB].map(|person| format!("{}:{}", person.name, person.password));
    let who = match mode {
        AuthMode::SharedSecret => format!("static-auth-secret = {SECRET:?}"),
        _ => format!("user = {people:?}"),
    };
    let text = format!("profile = {:?}\nrealm = {REALM:?}\n{who}\n", profile.name());
    let mut config = load_text(&text, Path::new("kit.toml")).unwrap_or_else(|problems| panic!("{problems}")).config;
    config.auth.mode = mode;
    config.auth.sha256 ^= offers_otherwise;
    let mut own = OwnNet::new(vec![3478, 5349, 9641], config.relay.ports.clone());
    own.add(listeners().iter().map(SocketAddr::ip));
    listeners().iter().for_each(|listener| own.add_relay(listener.ip(), &config.relay.external));
    let settings = Settings {
        policy: PeerPolicy::new(&config.peers, own),
        nonces: Nonces::new(&[0x5A; 32], None, REALM, config.auth.nonce_lifetime_secs)
            .listing_algorithms(config.auth.sha256),
        bandwidth: Bandwidth::new(&config.limits),
        listeners: listeners().into(),
        draining: false,
        hooks: Hooks::default(),
        config: Arc::new(config),
    };
    Kit { mode, users: Users::new(&settings.config.auth), settings: Arc::new(settings) }
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
