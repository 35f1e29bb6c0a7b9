//! Certificates.

use super::{BASE, Category, Definition, Kind, described};

const TLS: Definition = Definition { category: Category::Tls, reloadable: true, survives: true, ..BASE };

pub(super) static OPTIONS: &[Definition] = &[
    Definition {
        name: "cert",
        kind: Kind::Text("FILE"),
        default: described("no TLS"),
        example: &["/etc/turnserver/fullchain.pem"],
        doc: "The certificate chain, PEM, the server's own certificate first.",
        more: "Needs pkey. Browsers ask for a host name in it and for an issuer they trust.",
        apply: |raw, it| it.path().map(|path| raw.cert = Some(it.at(path))),
        ..TLS
    },
    Definition {
        name: "pkey",
        kind: Kind::Text("FILE"),
        default: described("no TLS"),
        example: &["/etc/turnserver/privkey.pem"],
        doc: "The private key of the certificate, PEM, not encrypted.",
        apply: |raw, it| it.path().map(|path| raw.pkey = Some(it.at(path))),
        ..TLS
    },
    Definition {
        name: "no-tlsv1_2",
        doc: "Serve TLS 1.3 alone, and not TLS 1.2.",
        more: "Clients that know TLS 1.2 at most, among them older telephones, cannot connect then.",
        apply: |raw, it| it.switch().map(|on| raw.no_tls12 = it.at(on)),
        survives: false,
        ..TLS
    },
];
