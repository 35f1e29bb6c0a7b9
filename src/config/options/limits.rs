//! Quotas, lifetimes and rates.

use super::{BASE, Category, Definition, Kind, YEAR_SECS, always, by_profile};

const LIMITS: Definition = Definition { category: Category::Limits, reloadable: true, ..BASE };

const COUNT: Kind = Kind::Integer { min: 0, max: u32::MAX as i64, alone: None };

/// A terabyte a second is beyond every machine.
const BYTES_PER_SEC: Kind = Kind::Integer { min: 0, max: 1_000_000_000_000, alone: None };

const RATE: Kind = Kind::Integer { min: 0, max: 1_000_000, alone: None };

const fn seconds(alone: i64) -> Kind {
    Kind::Integer { min: 1, max: YEAR_SECS, alone: Some(alone) }
}

pub(super) static OPTIONS: &[Definition] = &[
    Definition {
        name: "user-quota",
        short: Some('q'),
        kind: COUNT,
        default: by_profile("100", "0", "10"),
        doc: "Allocations a user may hold at a time; 0: no bound.",
        more: "One two-party call may hold four. Of a time-limited user name, what stands behind the expiry time counts.",
        apply: |raw, it| it.integer().map(|count| raw.user_quota = it.at(count)),
        ..LIMITS
    },
    Definition {
        name: "total-quota",
        short: Some('Q'),
        kind: COUNT,
        default: always("0"),
        doc: "Allocations in all; 0: no bound but the ports.",
        apply: |raw, it| it.integer().map(|count| raw.total_quota = it.at(count)),
        ..LIMITS
    },
    Definition {
        name: "max-bps",
        short: Some('s'),
        kind: BYTES_PER_SEC,
        default: always("0"),
        doc: "Bytes per second an allocation may relay, each way; 0: no bound.",
        more: "Payload counts, of a datagram at least 28 bytes; a fifth of a second's worth, and no less than 1500 bytes, \
               may come at once. A longer datagram passes after a pause, and is paid for with the next one. What is beyond \
               is discarded, never queued.",
        apply: |raw, it| it.integer().map(|rate| raw.max_bps = it.at(rate)),
        ..LIMITS
    },
    Definition {
        name: "user-bps",
        kind: BYTES_PER_SEC,
        default: always("0"),
        doc: "Bytes per second all allocations of a user may relay together, each way; 0: no bound.",
        more: "Counted as for max-bps. Users are those of user-quota; where they have no names, a client address, or \
               IPv6 /64, is one.",
        apply: |raw, it| it.integer().map(|rate| raw.user_bps = it.at(rate)),
        ..LIMITS
    },
    Definition {
        name: "bps-capacity",
        short: Some('B'),
        kind: BYTES_PER_SEC,
        default: always("0"),
        doc: "Bytes per second the server may relay in all, each way; 0: no bound.",
        more: "Counted as for max-bps, which must be given with it. Allocations are never refused for it.",
        apply: |raw, it| it.integer().map(|rate| raw.bps_capacity = it.at(rate)),
        ..LIMITS
    },
    Definition {
        name: "max-allocate-lifetime",
        kind: seconds(3600),
        default: always("3600"),
        doc: "The longest lifetime of an allocation between two refreshes, in seconds.",
        apply: |raw, it| it.integer().map(|secs| raw.max_allocate_lifetime = it.at(secs)),
        ..LIMITS
    },
    Definition {
        name: "min-allocate-lifetime",
        kind: Kind::Integer { min: 1, max: 600, alone: None },
        default: always("600"),
        doc: "The shortest lifetime of an allocation that a client may ask for, in seconds.",
        more: "RFC 8656 says 600, which is also what a client gets that asks for none. Lower, ports of clients that went \
               without a word are free sooner, if those clients asked for it.",
        apply: |raw, it| it.integer().map(|secs| raw.min_allocate_lifetime = it.at(secs)),
        ..LIMITS
    },
    Definition {
        name: "max-allocate-timeout",
        kind: Kind::Integer { min: 1, max: YEAR_SECS, alone: None },
        default: always("60"),
        doc: "How long a TCP or TLS client without an allocation may be silent, in seconds.",
        more: "It is closed two seconds later. Its first message is not waited for longer than 10 seconds.",
        apply: |raw, it| it.integer().map(|secs| raw.max_allocate_timeout = it.at(secs)),
        ..LIMITS
    },
    Definition {
        name: "channel-lifetime",
        kind: seconds(600),
        default: always("600"),
        doc: "How long a channel lives without being bound again, in seconds.",
        more: "RFC 8656 says 600, and clients count on it.",
        apply: |raw, it| it.integer().map(|secs| raw.channel_lifetime = it.at(secs)),
        ..LIMITS
    },
    Definition {
        name: "permission-lifetime",
        kind: seconds(300),
        default: always("300"),
        doc: "How long a permission lives without being renewed, in seconds.",
        more: "RFC 8656 says 300, and clients count on it.",
        apply: |raw, it| it.integer().map(|secs| raw.permission_lifetime = it.at(secs)),
        ..LIMITS
    },
    Definition {
        name: "unauthorized-ratelimit",
        default: by_profile("true", "false", "true"),
        doc: "Bound the answers that a UDP source address gets without authentication.",
        more: "Counted are 401, 400, 420, 438, unsigned 300 and Binding answers, per IPv4 address or IPv6 /64; above the \
               bound there is silence.",
        apply: |raw, it| it.switch().map(|on| raw.unauthorized_ratelimit = it.at(on)),
        ..LIMITS
    },
    Definition {
        name: "unauthorized-ratelimit-rps",
        kind: Kind::Integer { min: 1, max: 1_000_000, alone: Some(10) },
        default: by_profile("100", "10", "20"),
        doc: "That bound in answers per second; implies unauthorized-ratelimit.",
        more: "Five seconds' worth may come at once (in the coturn profile one). An office behind one NAT must pass.",
        apply: |raw, it| it.integer().map(|rate| raw.unauthorized_ratelimit_rps = it.at(rate)),
        ..LIMITS
    },
    Definition {
        name: "auth-failures-per-minute",
        kind: RATE,
        default: by_profile("20", "0", "20"),
        doc: "Wrong passwords answered a minute, per source address and user name; 0: all.",
        more: "Above it UDP clients hear nothing and streams are closed. It bounds what guessers are told, not what they \
               try: right ones are always served, so nobody can be locked out, and who hits on one is. Weak passwords \
               stay weak.",
        apply: |raw, it| it.integer().map(|count| raw.auth_failures_per_minute = it.at(count)),
        ..LIMITS
    },
    Definition {
        name: "new-peers-per-minute",
        kind: RATE,
        default: by_profile("60", "0", "60"),
        doc: "New peer addresses an allocation may be given a minute; 0: no bound.",
        more: "Scanning a network through the relay takes many. The first 64 may come at once; renewing a permission is \
               free. All allocations of a user together, or of a client address where users have no names, may be given \
               eight times as many by each relay thread.",
        apply: |raw, it| it.integer().map(|count| raw.new_peers_per_minute = it.at(count)),
        ..LIMITS
    },
];
