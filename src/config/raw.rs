//! What was written, before it is checked as a whole: settings (an option, a value, a place) and the typed values they
//! leave behind.
//!
//! Settings are applied in the order defaults, file, command line, so that the last one wins and lists grow. No value
//! here is checked against another one; `resolve` does that.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use zeroize::Zeroize;

use super::error::Place;
use super::options::{self, Definition, Preset};
use super::{ExternalPair, IpRange, LogFormat, LogLevel, Problem, Profile, SyslogFacility, User, Warning};

/// A value as a surface hands it over.
#[derive(Clone, PartialEq)]
pub enum Value {
    /// Text without a type, from the command line; empty where an option stood alone.
    Untyped(String),
    /// A TOML boolean.
    Bool(bool),
    /// A TOML integer.
    Integer(i64),
    /// A TOML string.
    Text(String),
    /// Another TOML value, by what it is called in an error: no option takes it.
    Other(&'static str),
}

/// One thing that was written: an option, its value and where it stands.
#[derive(Clone, PartialEq)]
pub struct Setting {
    /// The option.
    pub option: &'static Definition,
    /// What it was set to.
    pub value: Value,
    /// Where.
    pub place: Place,
}

impl Drop for Setting {
    /// A password is kept as a key, nowhere as it was written.
    fn drop(&mut self) {
        if let (true, Value::Untyped(text) | Value::Text(text)) = (self.option.secret, &mut self.value) {
            text.zeroize();
        }
    }
}

impl fmt::Debug for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Setting");
        out.field("option", &self.option.name).field("place", &self.place);
        match &self.value {
            _ if self.option.secret => out.finish_non_exhaustive(),
            Value::Untyped(text) | Value::Text(text) => out.field("value", text).finish(),
            Value::Bool(on) => out.field("value", on).finish(),
            Value::Integer(number) => out.field("value", number).finish(),
            Value::Other(what) => out.field("value", what).finish(),
        }
    }
}

/// A value and where it was written; [`Place::Unset`] for a default.
#[derive(Clone, Default)]
pub(super) struct Placed<T> {
    pub(super) value: T,
    pub(super) place: Place,
}

/// `external-ip` in either form.
#[derive(Clone, Copy)]
pub(super) enum ExternalForm {
    Single(IpAddr),
    Pair(ExternalPair),
}

/// The typed values that settings leave behind. Without `Debug`: it holds secrets.
#[derive(Default)]
pub(super) struct Raw {
    pub(super) profile: Profile,

    pub(super) listening_ips: Vec<Placed<IpAddr>>,
    pub(super) listening_port: Placed<u16>,
    pub(super) tls_listening_port: Placed<u16>,
    pub(super) no_udp: Placed<bool>,
    pub(super) no_tcp: Placed<bool>,
    pub(super) no_tls: Placed<bool>,

    pub(super) relay_ips: Vec<Placed<IpAddr>>,
    pub(super) external: Vec<Placed<ExternalForm>>,
    pub(super) min_port: Placed<u16>,
    pub(super) max_port: Placed<u16>,

    pub(super) lt_cred_mech: Placed<bool>,
    pub(super) no_auth: Placed<bool>,
    pub(super) users: Vec<Placed<User>>,
    pub(super) use_auth_secret: Placed<bool>,
    pub(super) secrets: Vec<Placed<String>>,
    pub(super) secret_file: Option<Placed<PathBuf>>,
    pub(super) separator: Placed<char>,
    pub(super) realm: Option<Placed<String>>,
    pub(super) strict_expiry: Placed<bool>,
    pub(super) sha256: Placed<bool>,
    pub(super) stale_nonce: Placed<u32>,
    pub(super) nonce_secret: Option<Placed<String>>,

    pub(super) userdb: Option<Placed<PathBuf>>,
    pub(super) no_dynamic_ip_list: Placed<bool>,
    pub(super) no_dynamic_realms: Placed<bool>,

    pub(super) cert: Option<Placed<PathBuf>>,
    pub(super) pkey: Option<Placed<PathBuf>>,
    pub(super) no_tls12: Placed<bool>,

    pub(super) allowed_peers: Vec<Placed<IpRange>>,
    pub(super) denied_peers: Vec<Placed<IpRange>>,
    pub(super) no_multicast_peers: Placed<bool>,
    pub(super) allow_loopback_peers: Placed<bool>,

    pub(super) user_quota: Placed<u32>,
    pub(super) total_quota: Placed<u32>,
    pub(super) max_bps: Placed<u64>,
    pub(super) user_bps: Placed<u64>,
    pub(super) bps_capacity: Placed<u64>,
    pub(super) max_allocate_lifetime: Placed<u32>,
    pub(super) min_allocate_lifetime: Placed<u32>,
    pub(super) max_allocate_timeout: Placed<u32>,
    pub(super) channel_lifetime: Placed<u32>,
    pub(super) permission_lifetime: Placed<u32>,
    pub(super) unauthorized_ratelimit: Placed<bool>,
    pub(super) unauthorized_ratelimit_rps: Placed<u32>,
    pub(super) auth_failures_per_minute: Placed<u32>,
    pub(super) new_peers_per_minute: Placed<u32>,

    pub(super) alternate_servers: Vec<Placed<SocketAddr>>,
    pub(super) tls_alternate_servers: Vec<Placed<SocketAddr>>,
    pub(super) udp_alternate_servers: Vec<Placed<SocketAddr>>,
    pub(super) tcp_alternate_servers: Vec<Placed<SocketAddr>>,

    pub(super) stun_only: Placed<bool>,
    pub(super) no_stun: Placed<bool>,
    pub(super) secure_stun: Placed<bool>,
    pub(super) rfc5766_channel_numbers: Placed<bool>,
    pub(super) channel_extends_permission: Placed<bool>,
    pub(super) fingerprint: Placed<bool>,
    pub(super) software_attribute: Placed<bool>,
    pub(super) include_reason_string: Option<Placed<bool>>,

    pub(super) prometheus: Placed<bool>,
    pub(super) prometheus_address: Option<Placed<IpAddr>>,
    pub(super) prometheus_port: Placed<u16>,
    pub(super) prometheus_path: Placed<String>,
    pub(super) prometheus_username_labels: Placed<bool>,
    pub(super) prometheus_tls: Placed<bool>,

    pub(super) relay_threads: Option<Placed<u16>>,
    pub(super) verbosity: u8,
    pub(super) log_min_level: Option<LogLevel>,
    pub(super) log_file: Option<Placed<PathBuf>>,
    pub(super) simple_log: Placed<bool>,
    pub(super) no_stdout_log: Placed<bool>,
    pub(super) syslog: Placed<bool>,
    pub(super) syslog_facility: Option<Placed<SyslogFacility>>,
    pub(super) log_format: LogFormat,
    pub(super) new_log_timestamp: Placed<bool>,
    pub(super) log_timestamp_format: Option<Placed<String>>,
    pub(super) log_binding: bool,
    pub(super) pidfile: Option<Placed<PathBuf>>,
    pub(super) proc_user: Option<Placed<String>>,
    pub(super) proc_group: Option<Placed<String>>,
    pub(super) daemon: Placed<bool>,
    pub(super) drain_timeout: Placed<u32>,
    pub(super) drain_min_allocations: Placed<u32>,

    /// Options that are taken and have no effect yet, and where each stands first.
    pub(super) later: BTreeMap<&'static str, Place>,
    /// Options that ask for what is so in any case, and where each stands first.
    pub(super) met: BTreeMap<&'static str, Place>,
    /// Values that were refused and that the server does without.
    pub(super) survived: Vec<Warning>,
    /// Options one of whose values was refused, so that nothing is said about their absence.
    pub(super) broken: BTreeSet<&'static str>,
}

impl Raw {
    /// The values of `profile`'s defaults overlaid with `settings`, and what was refused.
    pub(super) fn new<'a>(profile: Profile, settings: impl IntoIterator<Item = &'a Setting>) -> (Self, Vec<Problem>) {
        let mut raw = Self { profile, ..Self::default() };
        let mut problems = Vec::new();
        for option in options::all() {
            if let Preset::Value(text) = option.default_in(profile) {
                let value = Value::Untyped(text.to_owned());
                raw.apply(&Setting { option, value, place: Place::Unset }, &mut problems);
            }
        }
        for setting in settings {
            raw.apply(setting, &mut problems);
        }
        (raw, problems)
    }

    fn apply(&mut self, setting: &Setting, problems: &mut Vec<Problem>) {
        if let Err(problem) = (setting.option.apply)(self, setting) {
            self.broken.insert(setting.option.name);
            if self.profile == Profile::Coturn && setting.option.survives {
                let Problem { place, message, hint } = problem;
                let warning = Warning::new(&place, format!("{message}; it is passed over"));
                self.survived.push(Warning { hint, ..warning });
            } else {
                problems.push(problem);
            }
        }
    }
}
