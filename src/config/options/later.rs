//! Options that coturn's users write today and that have no effect yet. They are taken, each with one warning, so that
//! a known command line starts the server.

use super::{BASE, Category, Definition, Kind, described};

const LATER: Definition = Definition {
    category: Category::Later,
    apply: |raw, it| {
        raw.later.entry(it.option.name).or_insert_with(|| it.place.clone());
        Ok(())
    },
    default: described("none"),
    ..BASE
};

pub(super) static OPTIONS: &[Definition] = &[
    Definition { name: "no-cli", doc: "There is no console that could be turned off.", ..LATER },
    Definition {
        name: "prometheus-cert",
        kind: Kind::Text("FILE"),
        doc: "Metrics are not served over TLS yet.",
        ..LATER
    },
    Definition {
        name: "prometheus-key",
        kind: Kind::Text("FILE"),
        doc: "Metrics are not served over TLS yet.",
        ..LATER
    },
    Definition { name: "no-dtls", doc: "There is no DTLS listener that could be turned off.", ..LATER },
];
