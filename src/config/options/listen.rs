//! Addresses, ports and transports that clients use.

use super::{BASE, Category, Definition, Kind, PORT, always, described};

const LISTEN: Definition = Definition { category: Category::Listen, ..BASE };

pub(super) static OPTIONS: &[Definition] = &[
    Definition {
        name: "listening-ip",
        short: Some('L'),
        kind: Kind::Text("IP"),
        repeatable: true,
        default: described("every address of the interfaces that are up, loopback included, link-local not"),
        example: &["192.0.2.1", "2001:db8::1"],
        doc: "An address to listen on.",
        more: "0.0.0.0 and :: stand for every address of their family.",
        apply: |raw, it| it.ip().map(|ip| raw.listening_ips.push(it.at(ip))),
        ..LISTEN
    },
    Definition {
        name: "listening-port",
        short: Some('p'),
        kind: PORT,
        default: always("3478"),
        doc: "The port of UDP and TCP clients.",
        more: "Over TCP it takes TLS clients as well, when there is a certificate.",
        apply: |raw, it| it.integer().map(|port| raw.listening_port = it.at(port)),
        ..LISTEN
    },
    Definition {
        name: "tls-listening-port",
        kind: PORT,
        default: always("5349"),
        doc: "The port of TLS clients.",
        more: "It takes plain TCP clients as well, unless no-tcp is set. Without a certificate nothing listens there. \
               Clients behind strict firewalls often reach 443 only.",
        apply: |raw, it| it.integer().map(|port| raw.tls_listening_port = it.at(port)),
        ..LISTEN
    },
    Definition {
        name: "no-udp",
        doc: "Do not serve UDP clients.",
        more: "Relaying to peers over UDP is not affected.",
        apply: |raw, it| it.switch().map(|on| raw.no_udp = it.at(on)),
        ..LISTEN
    },
    Definition {
        name: "no-tcp",
        doc: "Do not serve plain TCP clients.",
        more: "listening-port is then closed for TCP, and TLS clients are served on tls-listening-port alone.",
        apply: |raw, it| it.switch().map(|on| raw.no_tcp = it.at(on)),
        ..LISTEN
    },
    Definition {
        name: "no-tls",
        doc: "Do not serve TLS clients, even with a certificate.",
        apply: |raw, it| it.switch().map(|on| raw.no_tls = it.at(on)),
        ..LISTEN
    },
];
