//! The three sets of defaults, and what each of them fixes that no option moves yet.
//!
//! What an option moves stands beside that option, in `options/`, as its default text per profile.

use super::{OwnAddresses, ReasonPhrases};

/// The set of defaults everything else starts from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// Safe and RFC-conforming: the profile of a TOML file, and of a start without any options.
    #[default]
    Default,
    /// What coturn does, minus its holes: the profile of coturn's command line and file.
    Coturn,
    /// As little as possible to strangers.
    Hardened,
}

/// What a profile fixes beyond the defaults of options.
pub(super) struct Rules {
    /// How far ahead the timestamp of a time-limited name may lie.
    pub(super) timestamp_ahead_secs_max: Option<u64>,
    /// How long a reserved port waits for its token.
    pub(super) reservation_secs: u32,
    /// Permissions, and channels, of one allocation.
    pub(super) permissions_max: u16,
    /// The bucket of unauthenticated answers holds this many seconds' worth.
    pub(super) unauthorized_burst_secs: u32,
    /// RFC 1918 and RFC 6598 peers are reachable unless denied.
    pub(super) private_peers: bool,
    /// Options may open loopback and multicast peers.
    pub(super) opens_special_peers: bool,
    /// `denied-peer-ip` beats `allowed-peer-ip`.
    pub(super) deny_wins: bool,
    /// How the server's own addresses are judged as peers.
    pub(super) own: OwnAddresses,
    /// Reason phrases when `include-reason-string` is not given.
    pub(super) reason_phrases: ReasonPhrases,
    /// Error codes and their order as coturn has them.
    pub(super) coturn_errors: bool,
    /// Nobody can be authenticated: a reason not to start.
    pub(super) requires_credentials: bool,
}

const DAY_SECS: u64 = 24 * 60 * 60;

impl Profile {
    /// Every profile, in the order in which their defaults are listed.
    pub const ALL: [Self; 3] = [Self::Default, Self::Coturn, Self::Hardened];

    /// The names of [`Profile::ALL`], as the `profile` option takes them.
    pub const NAMES: &[&str] = &["default", "coturn", "hardened"];

    /// The name of the profile, as the `profile` option takes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Coturn => "coturn",
            Self::Hardened => "hardened",
        }
    }

    /// The profile called `name`.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|profile| profile.name() == name)
    }

    pub(super) fn rules(self) -> Rules {
        let safe = Rules {
            timestamp_ahead_secs_max: Some(7 * DAY_SECS),
            reservation_secs: 30,
            permissions_max: 256,
            unauthorized_burst_secs: 5,
            private_peers: false,
            opens_special_peers: false,
            deny_wins: false,
            own: OwnAddresses::LiveOrAllowed,
            reason_phrases: ReasonPhrases::Signed,
            coturn_errors: false,
            requires_credentials: false,
        };
        match self {
            Self::Default => safe,
            Self::Coturn => Rules {
                timestamp_ahead_secs_max: None,
                reservation_secs: 300,
                permissions_max: 1024,
                unauthorized_burst_secs: 1,
                private_peers: true,
                opens_special_peers: true,
                own: OwnAddresses::AsRanges,
                reason_phrases: ReasonPhrases::Never,
                coturn_errors: true,
                ..safe
            },
            Self::Hardened => Rules {
                timestamp_ahead_secs_max: Some(DAY_SECS),
                deny_wins: true,
                own: OwnAddresses::LiveOnly,
                reason_phrases: ReasonPhrases::Never,
                requires_credentials: true,
                ..safe
            },
        }
    }
}

impl std::fmt::Display for Profile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
