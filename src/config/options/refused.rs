//! Options of coturn that cannot be passed over: without them clients would be let in that were kept out, or kept out
//! that were let in. Switched off, a switch asks for nothing and is taken.

use super::{BASE, Category, Definition, Kind, described};

const REFUSED: Definition = Definition {
    category: Category::Refused,
    apply: |_, it| {
        if it.option.kind == Kind::Switch && !it.switch()? {
            return Ok(());
        }
        Err(it.problem("cannot be served").hint(it.option.doc))
    },
    default: described("none"),
    ..BASE
};

const fn switch(name: &'static str, doc: &'static str) -> Definition {
    Definition { name, doc, ..REFUSED }
}

const fn text(name: &'static str, value: &'static str, doc: &'static str) -> Definition {
    Definition { name, kind: Kind::Text(value), doc, ..REFUSED }
}

/// A database with a password in its address.
const fn database(name: &'static str, letter: char) -> Definition {
    Definition {
        name,
        short: Some(letter),
        kind: Kind::Text("ADDRESS"),
        secret: true,
        doc: "Users are read from the configuration, and from SQLite.",
        ..REFUSED
    }
}

pub(super) static OPTIONS: &[Definition] = &[
    Definition {
        short: Some('d'),
        ..text("listening-device", "DEVICE", "Give the addresses of the device as listening-ip.")
    },
    Definition { short: Some('i'), ..text("relay-device", "DEVICE", "Give an address of the device as relay-ip.") },
    text("aux-server", "IP:PORT", "Clients are listened for on listening-port and tls-listening-port."),
    text("tcp-proxy-port", "PORT", "The PROXY protocol is not spoken; let TCP through as it is."),
    switch("no-udp-relay", "Relaying over UDP is all there is; stun-only turns it off."),
    switch("oauth", "Tokens of RFC 7635 are not taken; use static-auth-secret for credentials that expire."),
    text("CA-file", "FILE", "Clients are not asked for certificates; keep strangers out by user names or a firewall."),
    Definition { aliases: &["sql-userdb"], ..database("psql-userdb", 'e') },
    database("mysql-userdb", 'M'),
    database("mongo-userdb", 'J'),
    database("redis-userdb", 'N'),
];
