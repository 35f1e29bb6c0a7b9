//! What kind of server a seed has, who its clients are, and which peers there are.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::OnceLock;

use turnserver::config::{
    AuthMode, BindingRule, Config, ExternalPair, IpRange, Limits, Profile, Rate, ReasonPhrases, Redirect, User,
    UserSecret, load_text,
};
use turnserver::turn::address::Transport;

use crate::dice::Dice;
use crate::proof::Scheme;

pub(crate) const REALM: &str = "example.org";
pub(crate) const SECRET: &str = "a shared secret of this simulation";
pub(crate) const SERVER_V4: &str = "130.89.1.1:3478";
pub(crate) const SERVER_V6: &str = "[2a00:1450::1]:3478";
/// An address of the host that nothing of the server listens on.
pub(crate) const HOST: &str = "130.89.1.9";
pub(crate) const WALL_START: u64 = 1_800_000_000;
pub(crate) const MONO_START: u64 = 1_000_000_000_000;
pub(crate) const NAMES: [&str; 3] = ["alice", "bob", "carol"];

/// Peers a client may name; some must not be reached.
pub(crate) const PEERS: [&str; 19] = [
    "8.8.4.4:5000",
    "8.8.4.4:5001",
    "9.9.9.9:53",
    "[2606:4700::1]:5000",
    "[2606:4700::2]:5000",
    "10.0.0.1:80",
    "192.168.7.7:7000",
    "93.184.2.2:9",
    "93.184.1.1:9",
    "127.0.0.1:80",
    "169.254.169.254:80",
    "[::ffff:8.8.4.4]:5000",
    "[2002:7f00:1::]:80",
    "130.89.1.1:3478",
    "130.89.1.1:22",
    "130.89.1.9:22",
    "8.8.4.4:0",
    "[2606:4700::5efe:808:404]:5000",
    "[2606:4700::200:5efe:808:404]:5000",
];
/// As many of them, from the first on, send data of their own.
pub(crate) const SENDERS: usize = 7;

/// What operators allow and deny; the first is how a server begins.
pub(crate) const LISTS: [(&str, &str); 6] = [
    ("192.168.7.0/24 93.184.2.0/24", "93.184.0.0/16"),
    ("", "8.8.4.4/32 2606:4700::2/128"),
    ("", "0.0.0.0/0 ::/0"),
    ("10.0.0.0/8 130.89.1.9/32 93.184.1.1/32 2606:4700::/64", "93.184.0.0/16 9.9.9.9/32"),
    ("8.8.4.4/32 2606:4700::/32", "8.8.0.0/16 2606:4700::/32 130.89.0.0/16"),
    ("192.168.7.0/24 130.89.1.1/32", "9.0.0.0/8 93.184.0.0/16 2a00:1450::/32"),
];

/// Everything that is fixed before the first action.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) profile: Profile,
    pub(crate) mode: AuthMode,
    pub(crate) config: Config,
    pub(crate) workers: usize,
    /// Local addresses of relays with what the world calls them.
    pub(crate) relays: Vec<(IpAddr, IpAddr)>,
    pub(crate) ports: RangeInclusive<u16>,
    pub(crate) descriptors_max: usize,
    /// Relay ports that other programs have.
    pub(crate) squatted: Vec<SocketAddr>,
    pub(crate) clients: Vec<ClientPlan>,
    /// Peers that are allowed and denied.
    pub(crate) lists: (&'static str, &'static str),
    pub(crate) weather: Weather,
}

#[derive(Clone, Copy)]
pub(crate) struct ClientPlan {
    pub(crate) transport: Transport,
    pub(crate) address: SocketAddr,
    pub(crate) user: usize,
    pub(crate) password_is_right: bool,
    pub(crate) fingerprint: bool,
    /// What it names where it may.
    pub(crate) scheme: Scheme,
    /// How far ahead the ends of its time-limited credentials lie.
    pub(crate) ttl: u64,
}

/// What the network does to datagrams, in percent and milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weather {
    pub(crate) loss: usize,
    pub(crate) twice: usize,
    pub(crate) jitter: usize,
}

pub(crate) fn sock(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn base(profile: Profile) -> Config {
    static BASES: [OnceLock<Config>; 3] = [const { OnceLock::new() }; 3];
    let index = Profile::ALL.iter().position(|known| *known == profile).expect("one of three");
    let load = || {
        let text = format!("profile = {:?}\nrealm = {REALM:?}\nuser = [\"a:b-3-c-4-d\"]\n", profile.name());
        load_text(&text, Path::new("plan.toml")).unwrap_or_else(|problems| panic!("{problems}")).config
    };
    BASES[index].get_or_init(load).clone()
}

impl Plan {
    pub(crate) fn of(seed: u64) -> Plan {
        let mut dice = Dice::new(seed);
        let profile = dice.pick(&[
            Profile::Default,
            Profile::Default,
            Profile::Default,
            Profile::Coturn,
            Profile::Coturn,
            Profile::Hardened,
        ]);
        let mode = match dice.below(100) {
            0..=2 => AuthMode::StunOnly,
            3..=14 => AuthMode::Anonymous,
            15..=39 => AuthMode::SharedSecret,
            _ => AuthMode::LongTerm,
        };
        let first = 50_000 + dice.below(2) as u16;
        let ports = first..=first + 7 + dice.below(40) as u16;
        let relays = relays(&mut dice);
        let squatted = relays.iter().flat_map(|(local, _)| {
            let count = if dice.percent(30) { dice.below(6) } else { 0 };
            (0..count).map(|_| SocketAddr::new(*local, first + dice.below(ports.len()) as u16)).collect::<Vec<_>>()
        });
        let squatted = squatted.collect();
        let mut config = config(&mut dice, profile, mode, &relays, &ports);
        config.redirect = redirect(seed);
        limit_bandwidth(&mut Dice::new(!seed), &mut config.limits);
        serve_otherwise(&mut Dice::new(seed.rotate_left(32)), mode, &mut config);
        Plan {
            seed,
            profile,
            mode,
            config,
            workers: 2 + dice.below(3),
            descriptors_max: if dice.percent(20) { 3 + dice.below(8) } else { 1000 },
            squatted,
            clients: (0..4 + dice.below(4)).map(|index| client(&mut dice, index)).collect(),
            weather: weather(&mut dice),
            lists: LISTS[0],
            relays,
            ports,
        }
    }
}

/// Now and then Binding is for users or for nobody, allocations are not served, or may be short.
fn serve_otherwise(dice: &mut Dice, mode: AuthMode, config: &mut Config) {
    let has_users = matches!(mode, AuthMode::LongTerm | AuthMode::SharedSecret);
    config.protocol.binding = match dice.below(10) {
        0 => BindingRule::Ignored,
        1..=2 if has_users => BindingRule::Authenticated,
        _ => BindingRule::Open,
    };
    config.protocol.turn = !dice.percent(1);
    if dice.percent(20) {
        config.limits.allocate_lifetime_secs_min = dice.pick(&[1, 60, 300]);
    }
}

fn relays(dice: &mut Dice) -> Vec<(IpAddr, IpAddr)> {
    let mut relays = Vec::new();
    if dice.percent(95) {
        relays.push(match dice.percent(25) {
            true => (ip("10.9.0.1"), ip("130.89.7.7")),
            false => (ip("130.89.1.1"), ip("130.89.1.1")),
        });
    }
    if dice.percent(20) {
        relays.push((ip("130.89.2.2"), ip("130.89.2.2")));
    }
    if dice.percent(85) || relays.is_empty() {
        relays.push((ip("2a00:1450::1"), ip("2a00:1450::1")));
    }
    relays
}

fn config(
    dice: &mut Dice,
    profile: Profile,
    mode: AuthMode,
    relays: &[(IpAddr, IpAddr)],
    ports: &RangeInclusive<u16>,
) -> Config {
    let mut config = base(profile);
    config.auth.mode = mode;
    config.auth.users = NAMES.iter().map(|name| user(name, "first")).collect();
    config.auth.secrets = vec![SECRET.to_owned()];
    config.auth.nonce_lifetime_secs = dice.pick(&[600, 600, 600, 60, 3600, 0]);
    config.relay.ports = ports.clone();
    config.relay.ips = relays.iter().map(|(local, _)| *local).collect();
    let mapped = relays.iter().filter(|(local, external)| local != external);
    config.relay.external.pairs =
        mapped.map(|(private, public)| ExternalPair { public: *public, private: *private }).collect();
    (config.peers.allowed, config.peers.denied) = (ranges(LISTS[0].0), ranges(LISTS[0].1));
    let limits = &mut config.limits;
    limits.user_quota = dice.pick(&[0, 1, 2, 3, 5]);
    limits.total_quota = dice.pick(&[0, 0, 4, 6]);
    limits.allocate_lifetime_secs_max = dice.pick(&[3600, 3600, 900, 600, 300]);
    limits.permission_lifetime_secs = dice.pick(&[300, 300, 300, 61]);
    limits.channel_lifetime_secs = dice.pick(&[600, 600, 600, 121]);
    limits.permissions_max = dice.pick(&[256, 256, 2, 3]);
    limits.channels_max = dice.pick(&[256, 256, 1, 2]);
    limits.reservation_secs = dice.pick(&[30, 30, 300]);
    let small = Rate { per_sec: 1 + dice.below(3) as u32, burst: 3 + dice.below(20) as u32 };
    limits.unauthorized = dice.pick(&[None, Some(Rate { per_sec: 100, burst: 500 }), Some(small)]);
    if dice.percent(50) {
        limits.auth_failures_per_minute = dice.pick(&[0, 1, 3, 8]);
        limits.new_peers_per_minute = dice.pick(&[0, 1, 20, 100]);
    }
    config.auth.strict_expiry |= dice.percent(20);
    config.auth.sha256 ^= dice.percent(15);
    config.protocol.fingerprint = dice.percent(20);
    config.protocol.software = dice.percent(10);
    if dice.percent(10) {
        config.protocol.reason_phrases = ReasonPhrases::Always;
    }
    config
}

/// The servers that clients are sent to, in some seeds: of one transport, or one family, or more. By dice of its own, so
/// that the rest of a seed stays what it is.
fn redirect(seed: u64) -> Redirect {
    const SERVERS: [&[&str]; 5] = [
        &[],
        &["198.51.100.1:3478"],
        &["[2001:db8::1]:3478", "[2001:db8::2]:3478"],
        &["198.51.100.1:3478", "[2001:db8::1]:5349", "198.51.100.2:3478"],
        &["198.51.100.1:3478", "198.51.100.1:3478", "198.51.100.2:9", "[2001:db8::1]:3478", "[2001:db8::2]:3478"],
    ];
    let mut dice = Dice::new(seed ^ 0x0300_0300);
    if !dice.percent(15) {
        return Redirect::default();
    }
    let mut servers = || dice.pick(&SERVERS).iter().map(|server| sock(server)).collect();
    Redirect { udp: servers(), tcp: servers(), tls: servers() }
}

/// In one of four plans bandwidth is limited. The longest datagram fits under every limit, and uses the smallest up.
fn limit_bandwidth(dice: &mut Dice, limits: &mut Limits) {
    if dice.percent(25) {
        limits.max_bps = dice.pick(&[1, 7_000, 300_000]);
        limits.user_bps = dice.pick(&[0, 0, 1, 500, 90_001]);
        limits.bps_capacity = dice.pick(&[0, 0, 1, 3_000]);
    }
}

/// The ranges of prefixes.
pub(crate) fn ranges(text: &str) -> Vec<IpRange> {
    let range = |text: &str| {
        let (first, len) = text.split_once('/').expect("a prefix");
        let (first, len): (IpAddr, u32) = (ip(first), len.parse().expect("a length"));
        let last = match first {
            IpAddr::V4(first) => IpAddr::V4((u32::from(first) | u32::MAX.checked_shr(len).unwrap_or(0)).into()),
            IpAddr::V6(first) => IpAddr::V6((u128::from(first) | u128::MAX.checked_shr(len).unwrap_or(0)).into()),
        };
        IpRange { first, last }
    };
    text.split_whitespace().map(range).collect()
}

pub(crate) fn user(name: &str, password: &str) -> User {
    User { name: name.to_owned(), secret: UserSecret::Password(password.to_owned().into()) }
}

fn client(dice: &mut Dice, index: usize) -> ClientPlan {
    let transport = dice.pick(&[Transport::Udp, Transport::Udp, Transport::Udp, Transport::Tcp, Transport::Tls]);
    let (index, port) = (index as u16, 40_000 + dice.below(20_000) as u16);
    let address = match dice.below(40) {
        0 => format!("[2002:7f00:{index:x}::5]:{port}"),
        // Two of them share an office's address now and then.
        1..=27 => format!("203.0.113.{}:{port}", 1 + index / (1 + dice.below(2) as u16)),
        _ => format!("[2a01:4f8:{index:x}::7]:{port}"),
    };
    ClientPlan {
        transport,
        address: sock(&address),
        user: dice.below(NAMES.len()),
        password_is_right: !dice.percent(8),
        fingerprint: dice.percent(30),
        ttl: dice.pick(&[100, 700, 90_000, 700_000]),
        scheme: match dice.below(6) {
            0..=1 => Scheme::Sha256,
            2 => Scheme::Md5,
            _ => Scheme::Unnamed,
        },
    }
}

pub(crate) fn weather(dice: &mut Dice) -> Weather {
    Weather { loss: dice.pick(&[0, 0, 5, 20]), twice: dice.pick(&[0, 5, 20]), jitter: dice.pick(&[0, 5, 50, 800]) }
}
