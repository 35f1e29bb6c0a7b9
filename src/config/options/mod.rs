//! The option table: one definition per option. The TOML reader, the command line, `--help` and the `turnserver.toml`
//! that is shipped all come from here, so that an option is added in one place.
//!
//! Names are coturn's, so that its users find them; in Rust the values are positive (`udp`, not `no_udp`). A default
//! is text that is applied like a written value, so that what the help says and what happens cannot differ.

mod auth;
mod database;
mod later;
mod limits;
mod listen;
mod log;
mod metrics;
mod peers;
mod process;
mod protocol;
mod redirect;
mod refused;
mod relay;
mod template;
mod tls;

use super::raw::{Raw, Setting};
use super::{Problem, Profile};

pub(super) use template::MARK;
pub use template::template;

/// One option.
pub struct Definition {
    /// Its name in a file and, behind two dashes, on the command line.
    pub name: &'static str,
    /// Other names coturn has for it.
    pub aliases: &'static [&'static str],
    /// Its letter on the command line.
    pub short: Option<char>,
    /// What its value is.
    pub kind: Kind,
    /// It may be given many times; the values add up. Others: the last one wins.
    pub repeatable: bool,
    /// Its value when it is not given, in the order of [`Profile::ALL`].
    pub default: [Preset; 3],
    /// Values that show how it is written, where there is no default to show.
    pub example: &'static [&'static str],
    /// The value set in the file that is shipped; none: the option stands there as a comment.
    pub shipped: Option<&'static str>,
    /// The heading it stands under.
    pub category: Category,
    /// A change takes effect without a restart.
    pub reloadable: bool,
    /// Its value must never be shown.
    pub secret: bool,
    /// coturn says that its value is wrong and goes on without it, and so does its profile here.
    pub survives: bool,
    /// It says how to start rather than how to serve; alone it does not choose coturn's profile.
    pub selects: bool,
    /// What it does, in one line.
    pub doc: &'static str,
    /// What else an operator should know.
    pub more: &'static str,
    /// Writes a value.
    pub(in crate::config) apply: fn(&mut Raw, &Setting) -> Result<(), Problem>,
}

/// What the value of an option is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A boolean; on the command line the option alone means on.
    Switch,
    /// An integer.
    Integer {
        /// The smallest value taken.
        min: i64,
        /// The largest value taken.
        max: i64,
        /// What the option alone means, where coturn lets the value be left out.
        alone: Option<i64>,
    },
    /// Text, a path, an address: what the usage calls it.
    Text(&'static str),
    /// One of a few words.
    Word(&'static [&'static str]),
}

/// A default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// Applied as if it had been written.
    Value(&'static str),
    /// Decided elsewhere; how to describe it.
    Described(&'static str),
}

/// The headings of the help and of the file that is shipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Category {
    /// Listeners.
    Listen,
    /// Relayed addresses and ports.
    Relay,
    /// Credentials.
    Auth,
    /// Users in a database.
    Database,
    /// Certificates.
    Tls,
    /// Reachable peers.
    Peers,
    /// Quotas, lifetimes and rates.
    Limits,
    /// Servers that clients are sent to.
    Redirect,
    /// Choices on the wire.
    Protocol,
    /// Where the log goes, and what stands in it.
    Log,
    /// Metrics and health over HTTP.
    Metrics,
    /// The process.
    Process,
    /// Options of coturn without effect yet; not in the file that is shipped.
    Later,
    /// Options of coturn that are refused with a reason; not in the file that is shipped.
    Refused,
}

impl Category {
    /// Whether its options do something, and stand in the file that is shipped.
    pub fn is_served(self) -> bool {
        !matches!(self, Self::Later | Self::Refused)
    }

    /// The heading.
    pub fn heading(self) -> &'static str {
        match self {
            Self::Listen => "Listeners",
            Self::Relay => "Relayed addresses",
            Self::Auth => "Authentication",
            Self::Database => "User database",
            Self::Tls => "TLS",
            Self::Peers => "Peers",
            Self::Limits => "Quotas, lifetimes and rates",
            Self::Redirect => "Alternate servers",
            Self::Protocol => "Protocol",
            Self::Log => "Log",
            Self::Metrics => "Metrics and health",
            Self::Process => "Process",
            Self::Later => "Accepted, without effect yet",
            Self::Refused => "Refused",
        }
    }
}

/// What most options have in common.
const BASE: Definition = Definition {
    name: "",
    aliases: &[],
    short: None,
    kind: Kind::Switch,
    repeatable: false,
    default: always("false"),
    example: &[],
    shipped: None,
    category: Category::Process,
    reloadable: false,
    secret: false,
    survives: false,
    selects: false,
    doc: "",
    more: "",
    apply: |_, _| Ok(()),
};

/// The longest time an option takes, in seconds.
const YEAR_SECS: i64 = 365 * 24 * 60 * 60;

const PORT: Kind = Kind::Integer { min: 1, max: 65535, alone: None };

/// The same default in every profile.
const fn always(value: &'static str) -> [Preset; 3] {
    [Preset::Value(value); 3]
}

/// The defaults of the profiles default, coturn and hardened.
const fn by_profile(default: &'static str, coturn: &'static str, hardened: &'static str) -> [Preset; 3] {
    [Preset::Value(default), Preset::Value(coturn), Preset::Value(hardened)]
}

/// No value when the option is not given, and what that means.
const fn described(meaning: &'static str) -> [Preset; 3] {
    [Preset::Described(meaning); 3]
}

static TABLE: [&[Definition]; 14] = [
    listen::OPTIONS,
    relay::OPTIONS,
    auth::OPTIONS,
    database::OPTIONS,
    tls::OPTIONS,
    peers::OPTIONS,
    limits::OPTIONS,
    redirect::OPTIONS,
    protocol::OPTIONS,
    log::OPTIONS,
    metrics::OPTIONS,
    process::OPTIONS,
    later::OPTIONS,
    refused::OPTIONS,
];

/// Every option, by category.
pub fn all() -> impl Iterator<Item = &'static Definition> {
    TABLE.into_iter().flatten()
}

/// The option of that name or alias.
pub fn find(name: &str) -> Option<&'static Definition> {
    all().find(|option| option.name == name || option.aliases.contains(&name))
}

impl Definition {
    /// The default in `profile`.
    pub fn default_in(&self, profile: Profile) -> Preset {
        self.default[profile as usize]
    }

    /// The default in words, with the profiles that differ from the first one.
    pub fn default_text(&self) -> String {
        let [default, coturn, hardened] = self.default.map(Preset::words);
        let mut text = default.to_owned();
        let others: Vec<String> = [("coturn", coturn), ("hardened", hardened)]
            .into_iter()
            .filter(|(_, words)| *words != default)
            .map(|(profile, words)| format!("profile {profile}: {words}"))
            .collect();
        if !others.is_empty() {
            text.push_str(&format!(" ({})", others.join(", ")));
        }
        text
    }
}

impl Preset {
    /// The default as text.
    pub fn words(self) -> &'static str {
        match self {
            Self::Value(text) | Self::Described(text) => text,
        }
    }
}

impl PartialEq for Definition {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl std::fmt::Debug for Definition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}
