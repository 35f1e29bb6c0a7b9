//! The process around the server, and which set of defaults everything starts from.

use super::{BASE, Definition, Kind, Preset, YEAR_SECS, always, described};
use crate::config::Profile;

pub(super) static OPTIONS: &[Definition] = &[
    Definition {
        name: "profile",
        kind: Kind::Word(Profile::NAMES),
        default: described("default; coturn when options came from the command line and no file was read"),
        example: &["default"],
        selects: true,
        doc: "The set of defaults: default, coturn or hardened.",
        more: "default: safe, and as the RFCs say. coturn: what coturn does, minus its holes. hardened: as little as \
               possible to strangers.",
        apply: |raw, it| it.profile().map(|profile| raw.profile = profile),
        ..BASE
    },
    Definition {
        name: "relay-threads",
        short: Some('m'),
        kind: Kind::Integer { min: 0, max: 128, alone: None },
        default: described("one per core"),
        example: &["4"],
        doc: "Worker threads; 0 means one, as it does for coturn.",
        apply: |raw, it| it.integer().map(|count| raw.relay_threads = Some(it.at(count))),
        ..BASE
    },
    Definition {
        name: "pidfile",
        kind: Kind::Text("FILE"),
        default: [Preset::Described("none"), Preset::Value("/var/run/turnserver.pid"), Preset::Described("none")],
        example: &["/var/run/turnserver.pid"],
        doc: "Where the process id is written; empty: nowhere.",
        apply: |raw, it| it.text().map(|path| raw.pidfile = Some(it.at(path.into()))),
        ..BASE
    },
    Definition {
        name: "proc-user",
        kind: Kind::Text("USER"),
        default: described("whoever starts it"),
        example: &["turnserver"],
        doc: "The user the server becomes once its sockets are bound and its keys read.",
        more: "Only root can become somebody else. Without proc-group the group is the user's own.",
        apply: |raw, it| it.text().map(|name| raw.proc_user = Some(it.at(name.to_owned()))),
        ..BASE
    },
    Definition {
        name: "proc-group",
        kind: Kind::Text("GROUP"),
        default: described("proc-user's"),
        example: &["turnserver"],
        doc: "The group the server becomes, and the only one it is in.",
        apply: |raw, it| it.text().map(|name| raw.proc_group = Some(it.at(name.to_owned()))),
        ..BASE
    },
    Definition {
        name: "daemon",
        short: Some('o'),
        doc: "Go on in the background; the command ends when the server is ready, or says why it is not.",
        more: "Without effect where a service manager waits for the server (NOTIFY_SOCKET, LISTEN_FDS).",
        apply: |raw, it| it.switch().map(|on| raw.daemon = it.at(on)),
        ..BASE
    },
    Definition {
        name: "drain-timeout",
        kind: Kind::Integer { min: 0, max: YEAR_SECS, alone: None },
        default: always("3600"),
        reloadable: true,
        doc: "Seconds after SIGUSR1 in which clients may end their allocations; 0: as long as it takes.",
        apply: |raw, it| it.integer().map(|secs| raw.drain_timeout = it.at(secs)),
        ..BASE
    },
    Definition {
        name: "drain-min-allocations",
        kind: Kind::Integer { min: 0, max: u32::MAX as i64, alone: None },
        default: always("0"),
        reloadable: true,
        doc: "A server that drains ends with so many allocations left.",
        apply: |raw, it| it.integer().map(|count| raw.drain_min_allocations = it.at(count)),
        ..BASE
    },
];
