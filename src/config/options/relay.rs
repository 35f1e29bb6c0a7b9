//! Addresses and ports of relayed transport addresses.

use super::{BASE, Category, Definition, Kind, always, described};

const RELAY: Definition = Definition { category: Category::Relay, ..BASE };

/// Ports below 1024 are refused by `resolve`, which says why.
const RELAYED_PORT: Kind = Kind::Integer { min: 0, max: 65535, alone: None };

pub(super) static OPTIONS: &[Definition] = &[
    Definition {
        name: "relay-ip",
        short: Some('E'),
        kind: Kind::Text("IP"),
        repeatable: true,
        default: described("the address the client reached, or else that of the default route"),
        example: &["192.0.2.1"],
        doc: "A local address that relayed addresses are opened on.",
        more: "Without one it is the address that the client reached, when it is not loopback and of the family asked \
               for; else the address of the default route of that family; loopback only when there is nothing else.",
        apply: |raw, it| it.ip().map(|ip| raw.relay_ips.push(it.at(ip))),
        ..RELAY
    },
    Definition {
        name: "external-ip",
        short: Some('X'),
        kind: Kind::Text("PUBLIC[/PRIVATE]"),
        repeatable: true,
        default: described("relayed addresses are told as they are"),
        example: &["203.0.113.5/10.0.0.5"],
        doc: "What a relay address is called outside, behind a 1:1 NAT.",
        more: "PUBLIC alone stands for every relay address of its family and may be given once per family. \
               PUBLIC/PRIVATE pairs map one relay address each; in the coturn profile their private address may be \
               reached as a peer.",
        apply: |raw, it| it.external().map(|form| raw.external.push(it.at(form))),
        ..RELAY
    },
    Definition {
        name: "min-port",
        kind: RELAYED_PORT,
        default: always("49152"),
        doc: "The lowest port of relayed addresses.",
        more: "Ports 1 to 1023 are relayed in the coturn profile alone, and only while the server is root.",
        apply: |raw, it| it.integer().map(|port| raw.min_port = it.at(port)),
        ..RELAY
    },
    Definition {
        name: "max-port",
        kind: RELAYED_PORT,
        default: always("65535"),
        doc: "The highest port of relayed addresses.",
        more: "Open the range from min-port to max-port for UDP in the firewall.",
        apply: |raw, it| it.integer().map(|port| raw.max_port = it.at(port)),
        ..RELAY
    },
];
