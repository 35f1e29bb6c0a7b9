//! Which peers may be reached.

use super::{BASE, Category, Definition, Kind, always, described};

const PEERS: Definition = Definition { category: Category::Peers, reloadable: true, ..BASE };

pub(super) static OPTIONS: &[Definition] = &[
    Definition {
        name: "allowed-peer-ip",
        kind: Kind::Text("RANGE"),
        repeatable: true,
        default: described("none"),
        example: &["10.0.0.0/24", "10.1.0.1-10.1.0.9", "2001:db8:1::5"],
        doc: "Peers that may be reached: IP, IP-IP or CIDR.",
        more: "Wins over denied-peer-ip (in the hardened profile it loses) and over the private ranges that are denied \
               by default. Loopback, link-local, multicast, reserved and cloud metadata addresses stay denied.",
        apply: |raw, it| it.range().map(|range| raw.allowed_peers.push(it.at(range))),
        ..PEERS
    },
    Definition {
        name: "denied-peer-ip",
        kind: Kind::Text("RANGE"),
        repeatable: true,
        default: described("none"),
        example: &["10.0.0.0/8", "fd00::/8"],
        doc: "Peers that may not be reached: IP, IP-IP or CIDR.",
        more: "On top of what is denied anyhow: loopback, link-local, multicast, reserved and cloud metadata addresses, \
               and private ranges unless the profile is coturn.",
        apply: |raw, it| it.range().map(|range| raw.denied_peers.push(it.at(range))),
        ..PEERS
    },
    Definition {
        name: "no-multicast-peers",
        default: always("true"),
        doc: "Deny multicast peers.",
        more: "Only the coturn profile takes false.",
        apply: |raw, it| it.switch().map(|on| raw.no_multicast_peers = it.at(on)),
        ..PEERS
    },
    Definition {
        name: "allow-loopback-peers",
        doc: "Allow loopback peers: only for tests, it opens what runs on this machine.",
        more: "Only the coturn profile takes true.",
        apply: |raw, it| it.switch().map(|on| raw.allow_loopback_peers = it.at(on)),
        ..PEERS
    },
];
