//! Users in a database.

use super::{BASE, Category, Definition, Kind, described};

const DATABASE: Definition = Definition { category: Category::Database, ..BASE };

pub(super) static OPTIONS: &[Definition] = &[
    Definition {
        name: "userdb",
        aliases: &["db"],
        short: Some('b'),
        kind: Kind::Text("FILE"),
        default: described("none; profile coturn: /var/db/turndb, /usr/local/var/db/turndb or /var/lib/turn/turndb"),
        example: &["/var/lib/turn/turndb"],
        doc: "A database of users and shared secrets: an SQLite file as coturn and turnadmin have it.",
        more: "Made with coturn's tables when it is missing. Users of the file are asked first, secrets of both count. Where \
               use-auth-secret is on its secrets are read, else its users.",
        apply: |raw, it| it.path().map(|path| raw.userdb = Some(it.at(path))),
        ..DATABASE
    },
    Definition {
        name: "no-dynamic-ip-list",
        doc: "Do not read the lists of allowed and denied peers in the database.",
        more: "Read, they add to those of this file, and a change holds within seconds, for live allocations as well.",
        apply: |raw, it| it.switch().map(|on| raw.no_dynamic_ip_list = it.at(on)),
        ..DATABASE
    },
    Definition {
        name: "no-dynamic-realms",
        doc: "Do not read max-bps, total-quota and user-quota of the realm in the database.",
        more: "Read, they stand in for those of this file, and a change holds within seconds.",
        apply: |raw, it| it.switch().map(|on| raw.no_dynamic_realms = it.at(on)),
        ..DATABASE
    },
];
