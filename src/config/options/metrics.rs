//! Metrics and health over HTTP.

use super::{BASE, Category, Definition, Kind, PORT, Preset, always, by_profile};

const METRICS: Definition = Definition { category: Category::Metrics, ..BASE };

pub(super) static OPTIONS: &[Definition] = &[
    Definition {
        name: "prometheus",
        default: by_profile("true", "false", "true"),
        doc: "Show metrics for Prometheus, and health, over HTTP.",
        more: "Health is /livez and /readyz. A second server on a host needs a prometheus-port of its own: where the \
               default address and port are taken, or in profile coturn any, the server goes on without, and says so; \
               where others were asked for, it does not start.",
        apply: |raw, it| it.switch().map(|on| raw.prometheus = it.at(on)),
        ..METRICS
    },
    Definition {
        name: "prometheus-address",
        kind: Kind::Text("IP"),
        default: [Preset::Described("127.0.0.1"), Preset::Described("every address"), Preset::Described("127.0.0.1")],
        example: &["127.0.0.1"],
        doc: "The address metrics and health are shown on.",
        more: "Nobody is asked who he is there: keep it on loopback or on a network for administration. 0.0.0.0 and :: \
               stand for every address of their family; without IPv6, every address is 0.0.0.0.",
        apply: |raw, it| it.ip().map(|ip| raw.prometheus_address = Some(it.at(ip))),
        ..METRICS
    },
    Definition {
        name: "prometheus-port",
        kind: PORT,
        default: always("9641"),
        doc: "The port metrics and health are shown on.",
        more: "Clients never reach it through the relay.",
        apply: |raw, it| it.integer().map(|port| raw.prometheus_port = it.at(port)),
        ..METRICS
    },
    Definition {
        name: "prometheus-path",
        kind: Kind::Text("PATH"),
        default: always("/metrics"),
        doc: "The path of the metrics.",
        apply: |raw, it| it.text().map(|path| raw.prometheus_path = it.at(path.to_owned())),
        ..METRICS
    },
    Definition {
        name: "prometheus-username-labels",
        doc: "Refused: a label a user name for every metric lets whoever has a credential fill the memory of both sides.",
        more: "What a user does stands in the log. In profile coturn it is a warning, elsewhere an error.",
        apply: |raw, it| it.switch().map(|on| raw.prometheus_username_labels = it.at(on)),
        ..METRICS
    },
    Definition {
        name: "prometheus-tls",
        doc: "Metrics over TLS are not there yet: with this, metrics are on, without TLS, and on loopback only.",
        more: "Put a proxy in front that has the certificate.",
        apply: |raw, it| it.switch().map(|on| raw.prometheus_tls = it.at(on)),
        ..METRICS
    },
];
