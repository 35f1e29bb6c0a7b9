//! The process around the server, and which set of defaults everything starts from.

use super::{BASE, Definition, Kind, Preset, described};
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
];
