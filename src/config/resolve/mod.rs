//! From single values to a [`Config`] without contradictions. All of them are looked for, so that an operator is told
//! everything at once; a value that was refused before is never also reported as missing.

mod auth;
mod log;
mod metrics;
mod redirect;
mod relay;

pub use auth::{is_example_secret, short_secret};

use std::net::IpAddr;

use super::error::Place;
use super::profile::Rules;
use super::raw::{Placed, Raw};
use super::{
    AuthMode, BindingRule, Config, Database, IpRange, Limits, Listen, Peers, Problem, Process, Profile, Protocol, Rate,
    ReasonPhrases, TlsFiles, Warning, options,
};

/// What is wrong and what is doubtful. The configuration beside it is good only while nothing is wrong.
#[derive(Default)]
pub(super) struct Found {
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<Warning>,
}

impl Found {
    fn wrong(&mut self, place: &Place, message: impl Into<String>, hint: &str) {
        self.problems.push(Problem::new(place, message).hint(hint));
    }

    fn doubtful(&mut self, place: &Place, message: impl Into<String>, hint: &str) {
        self.warnings.push(Warning::new(place, message).hint(hint));
    }

    /// What coturn passes over, and its profile here.
    fn passed_over_by_coturn(&mut self, profile: Profile, place: &Place, message: impl Into<String>, hint: &str) {
        match profile {
            Profile::Coturn => self.doubtful(place, message, hint),
            Profile::Default | Profile::Hardened => self.wrong(place, message, hint),
        }
    }
}

pub(super) fn resolve(raw: &Raw) -> (Config, Found) {
    let mut found = Found { warnings: raw.survived.clone(), ..Found::default() };
    let rules = raw.profile.rules();
    say_what_comes_later(raw, &mut found);
    let tls = tls(raw, &mut found);
    let listen = listen(raw, tls.is_some(), &mut found);
    let metrics = metrics::metrics(raw, &listen, tls.is_some(), &mut found);
    let relay = relay::relay(raw, &mut found);
    let redirect = redirect::redirect(raw, &listen, tls.is_some(), &relay.external, &mut found);
    let mut peers = peers(raw, &rules, &mut found);
    if raw.profile == Profile::Coturn {
        // coturn puts these on its white list: hosts behind the same NAT reach each other by them.
        let private = relay.external.pairs.iter().map(|pair| IpRange { first: pair.private, last: pair.private });
        peers.allowed.extend(private);
    }
    let auth = auth::auth(raw, &rules, &mut found);
    let config = Config {
        profile: raw.profile,
        listen,
        relay,
        protocol: protocol(raw, &rules, auth.mode, &mut found),
        auth,
        database: database(raw),
        tls,
        peers,
        limits: limits(raw, &rules, &mut found),
        redirect,
        log: log::log(raw, &mut found),
        metrics,
        process: process(raw),
    };
    (config, found)
}

fn say_what_comes_later(raw: &Raw, found: &mut Found) {
    for (name, place) in &raw.later {
        let doc = options::find(name).map_or("", |option| option.doc);
        found.doubtful(place, format!("{name} has no effect yet"), doc);
    }
    for (name, place) in &raw.met {
        let doc = options::find(name).map_or("", |option| option.doc);
        found.warnings.push(Warning::note(place, format!("{name}: it is so already")).hint(doc));
    }
}

fn tls(raw: &Raw, found: &mut Found) -> Option<TlsFiles> {
    let (there, message) = match (&raw.cert, &raw.pkey) {
        (Some(cert), Some(pkey)) => {
            let (cert, key) = (cert.value.clone(), pkey.value.clone());
            return Some(TlsFiles { cert, key, is_tls13_only: raw.no_tls12.value });
        }
        (Some(cert), None) if !raw.broken.contains("pkey") => (cert, "cert is given without pkey"),
        (None, Some(pkey)) if !raw.broken.contains("cert") => (pkey, "pkey is given without cert"),
        _ => return None,
    };
    found.passed_over_by_coturn(raw.profile, &there.place, message, "TLS needs both, and is not served without");
    None
}

fn listen(raw: &Raw, certified: bool, found: &mut Found) -> Listen {
    let listen = Listen {
        ips: addresses(&raw.listening_ips),
        port: raw.listening_port.value,
        tls_port: raw.tls_listening_port.value,
        udp: !raw.no_udp.value,
        tcp: !raw.no_tcp.value,
        tls: !raw.no_tls.value,
    };
    if !(listen.udp || listen.tcp || (listen.tls && certified)) {
        let tls = if listen.tls { "there is no certificate for TLS" } else { "so does no-tls" };
        let message = format!("no-udp and no-tcp leave no transport to serve: {tls}");
        found.wrong(&raw.no_tcp.place, message, "leave one of them out");
    }
    listen
}

fn peers(raw: &Raw, rules: &Rules, found: &mut Found) -> Peers {
    let loopback = &raw.allow_loopback_peers;
    let multicast = &raw.no_multicast_peers;
    if !rules.opens_special_peers {
        let mut useless = |place: &Place, what: &str| {
            let message = format!("{what} has no effect in the {} profile", raw.profile);
            found.doubtful(place, message, "such peers stay denied; only profile coturn opens them");
        };
        if loopback.value {
            useless(&loopback.place, "allow-loopback-peers");
        }
        if !multicast.value {
            useless(&multicast.place, "no-multicast-peers=false");
        }
    }
    Peers {
        allowed: raw.allowed_peers.iter().map(|range| range.value).collect(),
        denied: raw.denied_peers.iter().map(|range| range.value).collect(),
        private: rules.private_peers,
        loopback: rules.opens_special_peers && loopback.value,
        multicast: rules.opens_special_peers && !multicast.value,
        deny_wins: rules.deny_wins,
        own: rules.own,
    }
}

fn limits(raw: &Raw, rules: &Rules, found: &mut Found) -> Limits {
    // As coturn: what one allocation may take of the whole must be said.
    if raw.bps_capacity.value > 0 && raw.max_bps.value == 0 && !raw.broken.contains("max-bps") {
        let message = "bps-capacity is given without max-bps";
        found.wrong(&raw.bps_capacity.place, message, "say with max-bps how much of it one allocation may take");
    }
    let (least, most) = (&raw.min_allocate_lifetime, &raw.max_allocate_lifetime);
    if least.is_set() && least.value > most.value && !raw.broken.contains("max-allocate-lifetime") {
        let message = format!("min-allocate-lifetime {} is above max-allocate-lifetime {}", least.value, most.value);
        found.wrong(&least.place, message, "leave it out, or lower it");
    }
    let switch = &raw.unauthorized_ratelimit;
    let rate = &raw.unauthorized_ratelimit_rps;
    let limited = if switch.is_set() { switch.value } else { switch.value || rate.is_set() };
    Limits {
        user_quota: raw.user_quota.value,
        total_quota: raw.total_quota.value,
        max_bps: raw.max_bps.value,
        user_bps: raw.user_bps.value,
        bps_capacity: raw.bps_capacity.value,
        allocate_lifetime_secs_max: raw.max_allocate_lifetime.value,
        allocate_lifetime_secs_min: raw.min_allocate_lifetime.value,
        unallocated_secs_max: raw.max_allocate_timeout.value,
        channel_lifetime_secs: raw.channel_lifetime.value,
        permission_lifetime_secs: raw.permission_lifetime.value,
        permissions_max: rules.permissions_max,
        channels_max: rules.permissions_max,
        reservation_secs: rules.reservation_secs,
        unauthorized: limited
            .then(|| Rate { per_sec: rate.value, burst: rate.value.saturating_mul(rules.unauthorized_burst_secs) }),
        auth_failures_per_minute: raw.auth_failures_per_minute.value,
        new_peers_per_minute: raw.new_peers_per_minute.value,
    }
}

fn protocol(raw: &Raw, rules: &Rules, mode: AuthMode, found: &mut Found) -> Protocol {
    Protocol {
        turn: !raw.stun_only.value,
        binding: binding(raw, mode, found),
        // RFC 8656 section 12 against RFC 5766 section 11.
        channel_number_max: if raw.rfc5766_channel_numbers.value { 0x7FFF } else { 0x4FFF },
        channel_extends_permission: raw.channel_extends_permission.value,
        fingerprint: raw.fingerprint.value,
        software: raw.software_attribute.value,
        reason_phrases: match &raw.include_reason_string {
            None => rules.reason_phrases,
            Some(asked) if asked.value => ReasonPhrases::Always,
            Some(_) => ReasonPhrases::Never,
        },
        coturn_errors: rules.coturn_errors,
    }
}

fn database(raw: &Raw) -> Option<Database> {
    let file = raw.userdb.as_ref()?.value.clone();
    let (peer_lists, realm_options) = (!raw.no_dynamic_ip_list.value, !raw.no_dynamic_realms.value);
    Some(Database { file, peer_lists, realm_options })
}

fn binding(raw: &Raw, mode: AuthMode, found: &mut Found) -> BindingRule {
    let secured = &raw.secure_stun;
    if raw.no_stun.value {
        if raw.stun_only.value {
            found.wrong(&raw.no_stun.place, "stun-only and no-stun leave nothing to serve", "leave one of them out");
        }
        if secured.value {
            found.doubtful(&secured.place, "secure-stun has no effect", "no-stun leaves no Binding request answered");
        }
        return BindingRule::Ignored;
    }
    let has_users = matches!(mode, AuthMode::LongTerm | AuthMode::SharedSecret);
    match (secured.value, has_users, raw.profile) {
        (false, ..) => return BindingRule::Open,
        (true, true, _) => return BindingRule::Authenticated,
        (true, false, Profile::Coturn) => {
            found.doubtful(&secured.place, "secure-stun has no effect, for nobody has credentials", "add users");
        }
        (true, false, Profile::Default | Profile::Hardened) => {
            found.wrong(&secured.place, "secure-stun is on and nobody has credentials", "add users or a secret");
        }
    }
    BindingRule::Open
}

fn process(raw: &Raw) -> Process {
    Process {
        // coturn's 0 puts everything into one thread.
        threads: raw.relay_threads.as_ref().map(|threads| threads.value.max(1)),
        pidfile: raw.pidfile.as_ref().map(|path| path.value.clone()).filter(|path| !path.as_os_str().is_empty()),
        user: raw.proc_user.as_ref().map(|user| user.value.clone()),
        group: raw.proc_group.as_ref().map(|group| group.value.clone()),
        daemon: raw.daemon.value,
        drain_secs_max: Some(raw.drain_timeout.value).filter(|secs| *secs > 0),
        drain_allocations_min: raw.drain_min_allocations.value,
    }
}

/// The addresses of a list option, each once, in the order given.
fn addresses(list: &[Placed<IpAddr>]) -> Vec<IpAddr> {
    let mut addresses = Vec::with_capacity(list.len());
    for ip in list {
        if !addresses.contains(&ip.value) {
            addresses.push(ip.value);
        }
    }
    addresses
}
