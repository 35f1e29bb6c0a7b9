//! The server's configuration: what an operator wrote, checked once and then immutable.
//!
//! `options/` defines each option once; the readers (`toml`, `coturn`, `environment`, `args`) turn text into `Raw` values
//! with their places, and `resolve` turns those into a [`Config`]. Everybody reads [`Config`]; it reads nobody.

pub mod args;
mod auth;
pub mod convert;
mod coturn;
mod database;
mod effective;
mod environment;
pub mod error;
mod load;
mod log;
mod metrics;
pub mod options;
pub mod profile;
pub mod raw;
mod reading;
mod redirect;
mod reload;
mod resolve;
mod toml;
mod value;
mod written;

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;

pub use args::{Command, Serve, parse_command_line};
pub use auth::{Auth, AuthMode, RawKeys, User, UserSecret};
pub use database::{COTURN_FILES, Database, peer_range};
pub use effective::effective;
pub use error::{Problem, Problems, Warning};
pub use load::{Dialect, Judged, Loaded, SEARCH, Sources, judge, judge_text, load, load_searching, load_text};
pub use log::{Facility, Log, LogFormat, LogLevel, LogTarget, SyslogFacility, Timestamps};
pub use metrics::Metrics;
pub use profile::Profile;
pub use redirect::Redirect;
pub use reload::{Change, InForce, Update};
pub use resolve::{is_example_secret, short_secret};

/// Everything the server was told, resolved: values are in range, contradictions are gone.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The set of defaults everything else starts from.
    pub profile: Profile,
    /// Addresses, ports and transports clients use.
    pub listen: Listen,
    /// Addresses and ports of relayed transport addresses.
    pub relay: Relay,
    /// Who may allocate.
    pub auth: Auth,
    /// More users, or secrets, in a database.
    pub database: Option<Database>,
    /// Certificate and key files; without them there is no TLS.
    pub tls: Option<TlsFiles>,
    /// Which peers may be reached.
    pub peers: Peers,
    /// Bounds that an operator may move.
    pub limits: Limits,
    /// Servers that clients are sent to.
    pub redirect: Redirect,
    /// Choices where clients or coturn differ from the RFCs.
    pub protocol: Protocol,
    /// The log.
    pub log: Log,
    /// Metrics and health; none: they are not shown.
    pub metrics: Option<Metrics>,
    /// The process around the server.
    pub process: Process,
}

/// Where clients are listened for.
#[derive(Clone, Debug, PartialEq)]
pub struct Listen {
    /// Listener addresses; empty: every address of the interfaces that are up, loopback included, link-local not.
    pub ips: Vec<IpAddr>,
    /// The port of UDP and TCP (RFC 8656 section 5: 3478).
    pub port: u16,
    /// The port of TLS (5349); it takes plain TCP as well, as `port` takes TLS.
    pub tls_port: u16,
    /// UDP clients are served.
    pub udp: bool,
    /// TCP clients are served.
    pub tcp: bool,
    /// TLS clients are served (when there is a certificate).
    pub tls: bool,
}

impl Listen {
    /// The ports of streams; with a certificate (`certified`) those of TLS as well. That of UDP is among them.
    pub(crate) fn ports(&self, certified: bool) -> Vec<u16> {
        let tls = (self.tls && certified && self.tls_port != self.port).then_some(self.tls_port);
        std::iter::once(self.port).chain(tls).collect()
    }

    /// Whether nobody but this machine is listened to.
    pub(crate) fn is_loopback(&self) -> bool {
        !self.ips.is_empty() && self.ips.iter().all(IpAddr::is_loopback)
    }
}

/// Where relayed transport addresses come from.
#[derive(Clone, Debug, PartialEq)]
pub struct Relay {
    /// Relay addresses; empty: chosen as the `relay-ip` option says.
    pub ips: Vec<IpAddr>,
    /// What relay addresses are called outside, behind a 1:1 NAT.
    pub external: External,
    /// The ports of relayed addresses, inclusive.
    pub ports: RangeInclusive<u16>,
}

/// `external-ip` in its two forms.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct External {
    /// One address for all relay addresses of its family (never for loopback ones).
    pub single: Vec<IpAddr>,
    /// Pairs: what the world sees, and the local address it stands for.
    pub pairs: Vec<ExternalPair>,
}

/// One `PUBLIC/PRIVATE` pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExternalPair {
    /// The address the world sees.
    pub public: IpAddr,
    /// The local address.
    pub private: IpAddr,
}

impl External {
    /// What the world calls the local relay address `local`.
    pub fn public_of(&self, local: IpAddr) -> IpAddr {
        if let Some(pair) = self.pairs.iter().find(|pair| pair.private == local) {
            return pair.public;
        }
        if local.is_loopback() {
            return local;
        }
        self.single.iter().copied().find(|ip| ip.is_ipv4() == local.is_ipv4()).unwrap_or(local)
    }
}

/// Certificate chain and key, PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate chain.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// TLS 1.2 is not served (`no-tlsv1_2`).
    pub is_tls13_only: bool,
}

/// An inclusive range of addresses of one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpRange {
    /// The first address.
    pub first: IpAddr,
    /// The last address.
    pub last: IpAddr,
}

/// Which peers may be reached; `turn::policy` compiles it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peers {
    /// `allowed-peer-ip`.
    pub allowed: Vec<IpRange>,
    /// `denied-peer-ip`.
    pub denied: Vec<IpRange>,
    /// Private ranges (RFC 1918, RFC 6598) may be reached without being named.
    pub private: bool,
    /// Loopback may be reached (`allow-loopback-peers`).
    pub loopback: bool,
    /// Multicast may be reached (`no-multicast-peers=false`).
    pub multicast: bool,
    /// Where both lists name an address, the deny list wins (hardened profile).
    pub deny_wins: bool,
    /// How the server's own addresses are judged.
    pub own: OwnAddresses,
}

/// The rule for peers that are the server's own addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OwnAddresses {
    /// Ports of live allocations, and any other port of an own address that `allowed-peer-ip` names.
    #[default]
    LiveOrAllowed,
    /// Ports of live allocations only.
    LiveOnly,
    /// Like any other address, our own service ports excepted (coturn).
    AsRanges,
}

/// Bounds that an operator may move; the fixed ones stand in `turn::limits`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Allocations per user; 0: no bound.
    pub user_quota: u32,
    /// Allocations in all; 0: no bound but the ports.
    pub total_quota: u32,
    /// Bytes a second that one allocation may relay each way; 0: no bound.
    pub max_bps: u64,
    /// Bytes a second that all allocations of a user may relay together each way; 0: no bound.
    pub user_bps: u64,
    /// Bytes a second that the server may relay each way; 0: no bound.
    pub bps_capacity: u64,
    /// The longest LIFETIME granted.
    pub allocate_lifetime_secs_max: u32,
    /// The shortest LIFETIME granted to who asks for one.
    pub allocate_lifetime_secs_min: u32,
    /// How long a stream without an allocation may be silent.
    pub unallocated_secs_max: u32,
    /// How long a channel lives.
    pub channel_lifetime_secs: u32,
    /// How long a permission lives.
    pub permission_lifetime_secs: u32,
    /// Permissions of one allocation.
    pub permissions_max: u16,
    /// Channels of one allocation.
    pub channels_max: u16,
    /// How long a reserved port waits for its token.
    pub reservation_secs: u32,
    /// The budget of unauthenticated answers over UDP per source; none: unlimited.
    pub unauthorized: Option<Rate>,
    /// Wrong passwords per source and name that are answered in a minute; 0: all.
    pub auth_failures_per_minute: u32,
    /// New peer addresses of an allocation in a minute; 0: no bound.
    pub new_peers_per_minute: u32,
}

/// A token bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Refilled per second.
    pub per_sec: u32,
    /// Held at most.
    pub burst: u32,
}

/// Choices where clients, coturn and the RFCs differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protocol {
    /// Allocations are served, and what belongs to them.
    pub turn: bool,
    /// Who is told by Binding what his address is.
    pub binding: BindingRule,
    /// The highest channel number accepted: 0x4FFF, or 0x7FFF (RFC 5766).
    pub channel_number_max: u16,
    /// ChannelBind keeps its permission for the channel's lifetime.
    pub channel_extends_permission: bool,
    /// FINGERPRINT on every message, not only on answers to requests that carry one.
    pub fingerprint: bool,
    /// SOFTWARE on every answer.
    pub software: bool,
    /// Reason phrases in error answers.
    pub reason_phrases: ReasonPhrases,
    /// Error codes and their order as coturn has them: unsigned 437 before authentication, 400 for a missing allocation,
    /// an unknown transport and an unknown method.
    pub coturn_errors: bool,
}

/// How Binding requests are met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BindingRule {
    /// Answered, whoever asks.
    Open,
    /// Answered to users.
    Authenticated,
    /// Not answered.
    Ignored,
}

/// Which error answers carry a reason phrase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReasonPhrases {
    /// None.
    Never,
    /// Signed ones, which only an authenticated client gets.
    Signed,
    /// All.
    Always,
}

/// The process around the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Worker threads; none: one per core.
    pub threads: Option<u16>,
    /// Where the process id is written; none: nowhere.
    pub pidfile: Option<PathBuf>,
    /// The user to become.
    pub user: Option<String>,
    /// The group to become.
    pub group: Option<String>,
    /// The command ends when the server is ready.
    pub daemon: bool,
    /// How long a server that drains waits; none: as long as it takes.
    pub drain_secs_max: Option<u32>,
    /// With how many allocations left a server that drains ends.
    pub drain_allocations_min: u32,
}
