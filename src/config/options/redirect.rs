//! Other servers that clients are sent to.

use super::{BASE, Category, Definition, Kind, described};

const REDIRECT: Definition = Definition {
    category: Category::Redirect,
    kind: Kind::Text("IP[:PORT]"),
    repeatable: true,
    default: described("none"),
    reloadable: true,
    ..BASE
};

/// The ports of RFC 8656 section 5.
const PORT: u16 = 3478;
const TLS_PORT: u16 = 5349;

pub(super) static OPTIONS: &[Definition] = &[
    Definition {
        name: "alternate-server",
        example: &["198.51.100.7", "[2001:db8::7]:3478"],
        doc: "Another server, to which whoever asks for an allocation is sent (300 Try Alternate).",
        more: "Without a port 3478. Several take turns, those of the client's own family only; a client of a family that \
               has none is served here. Where both families are there, the other family's next one is told as a second \
               choice: give both addresses of a server with two at the same place among those of their families.",
        apply: |raw, it| it.server(PORT).map(|server| raw.alternate_servers.push(it.at(server))),
        ..REDIRECT
    },
    Definition {
        name: "tls-alternate-server",
        example: &["198.51.100.7:443"],
        doc: "The same for TLS clients, instead of alternate-server.",
        more: "Without a port 5349. It must show a certificate for the name by which clients know this server.",
        apply: |raw, it| it.server(TLS_PORT).map(|server| raw.tls_alternate_servers.push(it.at(server))),
        ..REDIRECT
    },
    Definition {
        name: "udp-alternate-server",
        example: &["198.51.100.7"],
        doc: "The same for UDP clients, instead of alternate-server.",
        more: "Without a port 3478.",
        apply: |raw, it| it.server(PORT).map(|server| raw.udp_alternate_servers.push(it.at(server))),
        ..REDIRECT
    },
    Definition {
        name: "tcp-alternate-server",
        example: &["198.51.100.7"],
        doc: "The same for plain TCP clients, instead of alternate-server.",
        more: "Without a port 3478.",
        apply: |raw, it| it.server(PORT).map(|server| raw.tcp_alternate_servers.push(it.at(server))),
        ..REDIRECT
    },
];
