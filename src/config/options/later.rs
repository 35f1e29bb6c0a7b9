//! Options that coturn's users write and that have no effect here, or none yet. They are taken, each with one warning,
//! so that a known command line or file starts the server: clients are served without them as they were, or more safely.

use super::{BASE, Category, Definition, Kind, described};
use crate::config::raw::Value;

/// Those that ask for what is so in any case. Nearly every file of coturn's has some: they are told, and warned of by nobody.
const MET: &[&str] = &[
    "no-dtls",
    "udp-self-balance",
    "no-tcp-relay",
    "no-loopback-peers",
    "stateless-nonce",
    "no-sslv2",
    "no-sslv3",
    "no-tlsv1",
    "no-tlsv1_1",
    "no-rfc5780",
    "response-origin-only-with-rfc5780",
    "no-stun-backward-compatibility",
    "drop-invalid-packets",
    "udp-recvmmsg",
    "no-cli",
    "no-auth-pings",
];

const LATER: Definition = Definition {
    category: Category::Later,
    apply: |raw, it| {
        // A feature that is switched off is off.
        let asks_nothing = it.option.kind == Kind::Switch
            && !it.option.name.starts_with("no-")
            && it.value != Value::Untyped(String::new())
            && it.switch().is_ok_and(|on| !on);
        let is_met = MET.contains(&it.option.name) && it.switch().unwrap_or(true);
        if is_met && !asks_nothing {
            raw.met.entry(it.option.name).or_insert_with(|| it.place.clone());
        } else if !asks_nothing {
            raw.later.entry(it.option.name).or_insert_with(|| it.place.clone());
        }
        Ok(())
    },
    default: described("none"),
    ..BASE
};

const TEXT: Kind = Kind::Text("VALUE");

const fn switch(name: &'static str, doc: &'static str) -> Definition {
    Definition { name, doc, ..LATER }
}

const fn text(name: &'static str, doc: &'static str) -> Definition {
    Definition { name, kind: TEXT, doc, ..LATER }
}

pub(super) static OPTIONS: &[Definition] = &[
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
    // Listeners.
    switch("dtls", "There is no DTLS listener yet; TLS clients are served over TCP."),
    switch("no-dtls", "There is no DTLS listener that could be turned off."),
    text("alt-listening-port", "RFC 5780, which needs it, is not served."),
    text("alt-tls-listening-port", "RFC 5780, which needs it, is not served."),
    switch("udp-self-balance", "Every thread serves all listeners already."),
    text("sock-buf-size", "Sockets have as much as the system grants; see net.core.rmem_max."),
    text("acme-redirect", "HTTP is not answered; let the certificate be renewed by a web server or by DNS."),
    switch("respond-http-unsupported", "Who speaks HTTP is disconnected."),
    // Relays.
    switch("no-tcp-relay", "There are no TCP relays that could be turned off."),
    switch("keep-address-family", "Without a family asked for a relayed address is IPv4, as RFC 8656 says."),
    Definition {
        name: "allocation-default-address-family",
        short: Some('A'),
        kind: TEXT,
        doc: "Without a family asked for a relayed address is IPv4, as RFC 8656 says.",
        ..LATER
    },
    switch("server-relay", "Every peer needs a permission."),
    switch("multiplex-peer", "Each allocation has a port of its own, from min-port to max-port."),
    text("multiplex-peer-port", "Each allocation has a port of its own, from min-port to max-port."),
    text("multiplex-peer-max-peers", "Each allocation has a port of its own, from min-port to max-port."),
    switch("no-loopback-peers", "Loopback peers are denied already."),
    // Credentials.
    text("server-name", "Only tokens of RFC 7635 need it, which are not taken."),
    switch("check-origin-consistency", "ORIGIN is not looked at; user and nonce must fit."),
    switch("stateless-nonce", "Nonces need no state already."),
    // TLS. What rustls has is TLS 1.2 and 1.3 with forward secrecy.
    Definition { secret: true, ..text("pkey-pwd", "Encrypted keys are not read; decrypt the file and keep it 0600.") },
    text("cipher-list", "Ciphers are those of TLS 1.2 with forward secrecy, and of 1.3."),
    text("ec-curve-name", "Curves are X25519, P-256 and P-384."),
    text("dh-file", "Keys are agreed on over curves only."),
    switch("dh566", "Keys are agreed on over curves only."),
    switch("dh1066", "Keys are agreed on over curves only."),
    switch("tlsv1", "TLS 1.2 and 1.3 are served."),
    switch("tlsv1_1", "TLS 1.2 and 1.3 are served."),
    switch("no-sslv2", "SSL is not served."),
    switch("no-sslv3", "SSL is not served."),
    switch("no-tlsv1", "TLS 1.0 is not served."),
    switch("no-tlsv1_1", "TLS 1.1 is not served."),
    switch("raw-public-keys", "Certificates alone are shown."),
    text("secret-key-file", "It decrypts passwords of MySQL, which is not asked."),
    Definition {
        name: "redis-statsdb",
        short: Some('O'),
        kind: TEXT,
        secret: true,
        doc: "Statistics are not written to Redis.",
        ..LATER
    },
    // Protocol.
    switch("mobility", "A client that changes its address makes a new allocation."),
    switch("rfc5780", "NAT behaviour is not told."),
    switch("no-rfc5780", "RFC 5780 is not served."),
    switch("response-origin-only-with-rfc5780", "RESPONSE-ORIGIN is not sent."),
    switch("stun-backward-compatibility", "MAPPED-ADDRESS is not sent beside XOR-MAPPED-ADDRESS."),
    switch("no-stun-backward-compatibility", "MAPPED-ADDRESS is not sent."),
    switch("rfc3489-compatibility", "Requests without the magic cookie are not answered."),
    switch("no-software-attribute", "SOFTWARE is sent where software-attribute asks for it."),
    switch("drop-invalid-packets", "What is neither STUN nor ChannelData is dropped already."),
    switch("drop-invalid-packets-log", "What is dropped is counted, not logged."),
    switch("udp-recvmmsg", "Datagrams are received in batches already."),
    switch("udp-recvmmsg-log", "Batches are not logged."),
    switch("udp-sendmmsg-log", "Batches are not logged."),
    switch("udp-gso", "Datagrams leave one by one."),
    // Administration.
    switch("cli", "There is no console; signals and the configuration file do its work."),
    switch("no-cli", "There is no console that could be turned off."),
    text("cli-ip", "There is no console."),
    text("cli-port", "There is no console."),
    Definition { secret: true, ..text("cli-password", "There is no console.") },
    text("cli-max-output-sessions", "There is no console."),
    switch("no-auth-pings", "A user database is looked at without pings."),
    switch("web-admin", "There is no administration over the web."),
    text("web-admin-ip", "There is no administration over the web."),
    text("web-admin-port", "There is no administration over the web."),
    switch("web-admin-listen-on-workers", "There is no administration over the web."),
    // The process.
    text("cpus", "Say with relay-threads how many threads relay."),
    text("ne", "There is one engine."),
    switch("prod", "It never says more than it must."),
    text("secret-ts-exp-time", "The time in the user name says until when a credential holds."),
];
