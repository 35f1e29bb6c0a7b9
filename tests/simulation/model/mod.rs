//! The reference: what a TURN server must do, told a second time in the plainest way. It sees the same bytes and times as
//! the core and says beforehand what comes out; it asks the core nothing.
//!
//! `requests.rs` follows a message up to its method, `claims.rs` is what it says of its sender, `methods.rs` is one function
//! per method, `data.rs` is relaying, `ports.rs` what the engine may give, `ends.rs` what must end and when, `told.rs` what of
//! that must be told, `policy.rs` who may be reached, `names.rs` who is who, `budgets.rs` and `bandwidth.rs` what runs out,
//! `alternates.rs` who is sent elsewhere.

mod alternates;
mod answers;
mod bandwidth;
mod budgets;
mod claims;
mod data;
mod ends;
mod methods;
mod names;
mod policy;
mod ports;
mod requests;
mod told;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;

use turnserver::config::{AuthMode, BindingRule, Profile, ReasonPhrases};
use turnserver::turn::DropReason;
use turnserver::turn::address::{FiveTuple, Transport};

use crate::plan::{NAMES, Plan, ip, sock};
use crate::proof::{Key, PROMISE, Scheme};
pub(crate) use answers::Reply;
use bandwidth::{Bandwidth, Bytes};
pub(crate) use budgets::{Fate, Merit};
use budgets::{Income, Peered, Purse};
pub(crate) use ends::Ended;
use policy::Ranges;
pub(crate) use policy::Reach;
pub(crate) use ports::Opened;
pub(crate) use told::Tell;
use told::Told;

pub(crate) const SECOND: u64 = 1_000_000_000;

/// Both clocks, in nanoseconds and seconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    pub(crate) mono: u64,
    pub(crate) wall: u64,
}

/// A 5-tuple with an order.
pub(crate) type Who = (u8, SocketAddr, SocketAddr);

pub(crate) fn who(tuple: &FiveTuple) -> Who {
    let transport = match tuple.transport {
        Transport::Udp => 0,
        Transport::Tcp => 1,
        Transport::Tls => 2,
    };
    (transport, tuple.client, tuple.server)
}

/// The numbers and switches of a plan.
pub(crate) struct Rules {
    pub(crate) profile: Profile,
    pub(crate) mode: AuthMode,
    pub(crate) is_coturn: bool,
    pub(crate) own: Vec<IpAddr>,
    pub(crate) relays: Vec<(IpAddr, IpAddr)>,
    pub(crate) ports: RangeInclusive<u16>,
    pub(crate) squatted: Vec<SocketAddr>,
    pub(crate) descriptors_max: usize,
    pub(crate) listeners: [SocketAddr; 2],
    pub(crate) nonce_secs: u64,
    pub(crate) user_quota: usize,
    pub(crate) total_quota: usize,
    pub(crate) lifetime_max: u32,
    pub(crate) permission_secs: u64,
    pub(crate) channel_secs: u64,
    pub(crate) permissions_max: usize,
    pub(crate) channels_max: usize,
    pub(crate) reservation_secs: u64,
    pub(crate) channel_number_max: u16,
    pub(crate) ahead_secs_max: Option<u64>,
    unearned: Option<Income>,
    guesses: Option<Income>,
    /// Of an allocation, and of all of a user's together.
    new_peers: Option<[Income; 2]>,
    pub(crate) is_strict: bool,
    /// Other servers, by the transport of who is sent there.
    pub(crate) alternates: [Vec<SocketAddr>; 3],
    /// Password algorithms are listed.
    pub(crate) offers: bool,
    pub(crate) binding: BindingRule,
    /// Allocations are served.
    pub(crate) turn: bool,
    pub(crate) lifetime_min: u32,
    pub(crate) fingerprint: bool,
    pub(crate) software: bool,
    pub(crate) phrases: ReasonPhrases,
}

/// One relayed address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Relay {
    pub(crate) local: SocketAddr,
    pub(crate) external: SocketAddr,
    pub(crate) ends: u64,
    /// Its socket must go, at once.
    pub(crate) is_doomed: bool,
    pub(crate) is_closed: bool,
}

/// An allocation. It stays in the books until the core said that it ended.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) user: Vec<u8>,
    /// Who made it, and how; the key is the last that was right.
    pub(crate) signer: Option<Signer>,
    pub(crate) quota: Option<Vec<u8>>,
    pub(crate) relays: Vec<Relay>,
    pub(crate) permissions: BTreeMap<IpAddr, u64>,
    pub(crate) channels: BTreeMap<u16, (SocketAddr, u64)>,
    pub(crate) replay: Option<([u8; 12], Vec<u8>, u64)>,
    new_peers: Purse,
    bytes: Bytes,
    pub(crate) created: u64,
    pub(crate) reread_at: u64,
    /// Until then its owner is known by the key; later the user database is asked, where there is one.
    pub(crate) vouched_until: u64,
    /// Packets and bytes to peers, packets and bytes to the client.
    pub(crate) traffic: [u64; 4],
    /// It must end at once, by this reason.
    pub(crate) doom: Option<turnserver::turn::event::EndReason>,
}

/// A key, by what MD5 makes of it, and what a request said of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Signer {
    pub(crate) key: [u8; 16],
    pub(crate) scheme: Scheme,
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) user: Vec<u8>,
    /// None where nobody is asked.
    pub(crate) signer: Option<Signer>,
    pub(crate) quota: Option<Vec<u8>>,
}

/// What an Allocate wants of the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Families as codes of the RFC; 3 is both.
    Open {
        families: u8,
        even: bool,
        reserve: bool,
    },
    Claim([u8; 8]),
}

/// A request that waits for the world.
#[derive(Clone, Debug)]
pub(crate) enum Waiting {
    User { who: Who, id: [u8; 12], bytes: Vec<u8>, until: u64 },
    Relay { who: Who, id: [u8; 12], caller: Caller, lifetime: u32, fingerprint: bool, wish: Wish, until: u64 },
}

/// A port that waits for its token.
#[derive(Clone, Debug)]
pub(crate) struct Reserved {
    pub(crate) local: SocketAddr,
    pub(crate) quota: Option<Vec<u8>>,
}

/// What must come of an input.
#[derive(Clone, Debug)]
pub(crate) enum Expect {
    /// Nothing, for one of these reasons.
    Silence(Vec<DropReason>),
    Reply(Reply),
    /// The answer to the first of several equal requests.
    Again(Vec<u8>),
    ToPeer {
        from: SocketAddr,
        to: SocketAddr,
        how: Reach,
        start: usize,
        len: usize,
        dont_fragment: bool,
    },
    ToClient {
        who: Who,
        channel: Option<u16>,
        peer: SocketAddr,
    },
    /// The world is asked, by this number.
    Ask(u64),
}

/// When and for whom a nonce was made.
struct Issued {
    wall: u64,
    who: Who,
}

pub(crate) struct Model {
    pub(crate) rules: Rules,
    ranges: Ranges,
    pub(crate) held: BTreeMap<Who, Held>,
    pub(crate) waiting: BTreeMap<u64, Waiting>,
    pub(crate) tickets: u64,
    /// Client and transaction of everything that waits.
    wait_keys: BTreeSet<(Who, [u8; 12])>,
    pub(crate) reserved: BTreeMap<[u8; 8], Reserved>,
    /// Until when a token is good.
    pub(crate) tokens: BTreeMap<[u8; 8], u64>,
    /// The tokens that waiting requests would get.
    pub(crate) asked_tokens: BTreeMap<u64, [u8; 8]>,
    /// Reservations that must be released at once.
    doomed_tokens: BTreeSet<[u8; 8]>,
    /// Sockets that were opened for nobody and must be closed at once.
    orphans: BTreeSet<SocketAddr>,
    /// Ports that rest, and until when.
    resting: BTreeMap<SocketAddr, u64>,
    /// Until then other ports may rest as well: those that were bound and could not be used.
    unknown_rest_until: u64,
    /// Ports of allocations that ended a moment ago.
    gone: Vec<(SocketAddr, u64)>,
    nonces: HashMap<Vec<u8>, Issued>,
    /// Passwords of static users, by name.
    pub(crate) passwords: BTreeMap<Vec<u8>, Vec<u8>>,
    keys: HashMap<(Vec<u8>, Vec<u8>), Key>,
    known_keys: HashMap<[u8; 16], Key>,
    /// What honest signatures cover, and with which key they were made.
    signed: HashMap<Vec<u8>, (Vec<u8>, Vec<u8>)>,
    /// Unearned answers, by source; guesses on streams apart from what comes in datagrams.
    budget: BTreeMap<(bool, u128), Purse>,
    /// New peers of users.
    user_peers: BTreeMap<Peered, Purse>,
    /// Whom workers sent elsewhere.
    sent: alternates::Sent,
    /// The worker that serves.
    pub(crate) at_worker: usize,
    /// Guesses, by the bucket of source and name.
    guesses: BTreeMap<usize, Purse>,
    bandwidth: Bandwidth,
    told: Told,
    /// The system refuses to watch another socket.
    pub(crate) epoll_refuses: bool,
}

impl Model {
    pub(crate) fn new(plan: &Plan) -> Model {
        let config = &plan.config;
        let (limits, protocol) = (&config.limits, &config.protocol);
        let mut own = vec![ip("130.89.1.1"), ip("2a00:1450::1"), ip(crate::plan::HOST)];
        own.extend(plan.relays.iter().flat_map(|(local, external)| [*local, *external]));
        let is_coturn = plan.profile == Profile::Coturn;
        let rules = Rules {
            profile: plan.profile,
            mode: plan.mode,
            is_coturn,
            own,
            relays: plan.relays.clone(),
            ports: plan.ports.clone(),
            squatted: plan.squatted.clone(),
            descriptors_max: plan.descriptors_max,
            listeners: [sock(crate::plan::SERVER_V4), sock(crate::plan::SERVER_V6)],
            nonce_secs: config.auth.nonce_lifetime_secs.into(),
            user_quota: limits.user_quota as usize,
            total_quota: limits.total_quota as usize,
            lifetime_max: limits.allocate_lifetime_secs_max,
            permission_secs: limits.permission_lifetime_secs.into(),
            channel_secs: limits.channel_lifetime_secs.into(),
            permissions_max: limits.permissions_max.into(),
            channels_max: limits.channels_max.into(),
            reservation_secs: limits.reservation_secs.into(),
            channel_number_max: if is_coturn { 0x7FFF } else { 0x4FFF },
            ahead_secs_max: match plan.profile {
                Profile::Default => Some(7 * 86_400),
                Profile::Coturn => None,
                Profile::Hardened => Some(86_400),
            },
            unearned: limits.unauthorized.map(|rate| Income::per_second(rate.per_sec, rate.burst)),
            guesses: match limits.auth_failures_per_minute {
                0 => None,
                count => Some(Income::per_minute(count, count)),
            },
            new_peers: match limits.new_peers_per_minute {
                0 => None,
                count => Some([1, 8].map(|times| Income::per_minute(count * times, count.max(64) * times))),
            },
            alternates: alternates::by_transport(&config.redirect),
            is_strict: config.auth.strict_expiry,
            offers: config.auth.sha256,
            binding: config.protocol.binding,
            turn: config.protocol.turn,
            lifetime_min: config.limits.allocate_lifetime_secs_min,
            fingerprint: protocol.fingerprint,
            software: protocol.software,
            phrases: match (protocol.reason_phrases, plan.profile) {
                (ReasonPhrases::Always, _) => ReasonPhrases::Always,
                (_, Profile::Default) => ReasonPhrases::Signed,
                _ => ReasonPhrases::Never,
            },
        };
        let passwords = NAMES.iter().map(|name| (name.as_bytes().to_vec(), b"first".to_vec())).collect();
        Model {
            rules,
            ranges: Ranges::read(plan.lists),
            held: BTreeMap::new(),
            waiting: BTreeMap::new(),
            tickets: 0,
            wait_keys: BTreeSet::new(),
            reserved: BTreeMap::new(),
            tokens: BTreeMap::new(),
            asked_tokens: BTreeMap::new(),
            doomed_tokens: BTreeSet::new(),
            orphans: BTreeSet::new(),
            resting: BTreeMap::new(),
            unknown_rest_until: 0,
            gone: Vec::new(),
            nonces: HashMap::new(),
            passwords,
            keys: HashMap::new(),
            known_keys: HashMap::new(),
            signed: HashMap::new(),
            budget: BTreeMap::new(),
            user_peers: BTreeMap::new(),
            sent: BTreeMap::new(),
            at_worker: 0,
            guesses: BTreeMap::new(),
            bandwidth: Bandwidth::of(plan),
            told: Told::default(),
            epoll_refuses: false,
        }
    }

    /// A client signed a message; whoever shows the same signature over the same bytes is believed.
    pub(crate) fn note_signed(&mut self, covered: Vec<u8>, value: Vec<u8>, key: &[u8]) {
        self.signed.insert(value, (covered, key.to_vec()));
    }

    pub(crate) fn note_nonce(&mut self, nonce: &[u8], clock: Clock, who: Who) -> Result<(), String> {
        match self.nonces.insert(nonce.to_vec(), Issued { wall: clock.wall, who }) {
            Some(_) => Err(format!("the nonce {:?} was given twice", String::from_utf8_lossy(nonce))),
            None if nonce.starts_with(PROMISE) != self.rules.offers => {
                Err("a nonce promises something else".to_owned())
            }
            None if nonce.len() > 128 => Err("a nonce has at most 128 characters".to_owned()),
            None => Ok(()),
        }
    }

    /// Takes out a request that waits no longer.
    pub(crate) fn unwait(&mut self, ticket: u64) -> Option<Waiting> {
        let waiting = self.waiting.remove(&ticket)?;
        self.wait_keys.remove(&waiting.key());
        Some(waiting)
    }

    pub(crate) fn key_of(&mut self, name: &[u8], password: &[u8]) -> Key {
        let derive = || Key::derive(name, crate::plan::REALM, password);
        let key = self.keys.entry((name.to_vec(), password.to_vec())).or_insert_with(derive).clone();
        self.known_keys.entry(key.raw).or_insert_with(|| key.clone());
        key
    }

    /// The bytes that sign.
    fn key(&self, signer: &Signer) -> Option<&[u8]> {
        self.known_keys.get(&signer.key).map(|key| key.bytes(signer.scheme))
    }
}

impl Waiting {
    pub(crate) fn key(&self) -> (Who, [u8; 12]) {
        match self {
            Waiting::User { who, id, .. } | Waiting::Relay { who, id, .. } => (*who, *id),
        }
    }

    pub(crate) fn until(&self) -> u64 {
        match self {
            Waiting::User { until, .. } | Waiting::Relay { until, .. } => *until,
        }
    }
}

impl Held {
    pub(crate) fn is_live(&self, mono: u64) -> bool {
        self.doom.is_none() && self.relays.iter().any(|relay| relay.is_live(mono))
    }

    /// The live relayed address of the family of `ip`.
    pub(crate) fn relay_of(&self, ip: IpAddr, mono: u64) -> Option<Relay> {
        self.relays.iter().copied().find(|relay| relay.is_live(mono) && relay.local.is_ipv4() == ip.is_ipv4())
    }

    pub(crate) fn permits(&self, ip: IpAddr, mono: u64) -> bool {
        self.permissions.get(&ip).is_some_and(|ends| mono < *ends) && self.relay_of(ip, mono).is_some()
    }

    /// Forgets permissions and channels that are over, which nobody can tell from ones that never were.
    pub(crate) fn forget_ended(&mut self, mono: u64) {
        let families: Vec<bool> =
            self.relays.iter().filter(|relay| relay.is_live(mono)).map(|relay| relay.local.is_ipv4()).collect();
        self.permissions.retain(|ip, ends| mono < *ends && families.contains(&ip.is_ipv4()));
        self.channels.retain(|_, (peer, ends)| mono < *ends && families.contains(&peer.is_ipv4()));
    }
}

impl Relay {
    pub(crate) fn is_live(&self, mono: u64) -> bool {
        !self.is_doomed && !self.is_closed && mono < self.ends
    }
}
