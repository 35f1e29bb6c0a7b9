//! Nothing that clients send makes a series, and no secret is shown.

use turnserver::stun::{AttributeType, Class, MessageType, Method, TransactionId, Writer};

use crate::exposition::Scrape;
use crate::wire::{Client, Launch, Secrets, free_ports, http};
use crate::{PASSWORD, Shown};

const NAMES: usize = 100_000;
/// Sent before the server is waited for: less than its receive buffer holds, also where the system grants little.
const AT_ONCE: usize = 200;

/// An Allocate under this name, for this realm, signed by nobody.
fn allocate(number: usize, realm: &str, nonce: &[u8]) -> Vec<u8> {
    let mut bytes = [0; 512];
    let kind = MessageType { method: Method::ALLOCATE, class: Class::Request };
    let mut id = [0; 12];
    id[..8].copy_from_slice(&number.to_be_bytes());
    let mut writer = Writer::new(&mut bytes, kind, TransactionId(id));
    writer.attribute(AttributeType::REQUESTED_TRANSPORT, &[17, 0, 0, 0]);
    writer.attribute(AttributeType::USERNAME, format!("distinct-name-{number}").as_bytes());
    writer.attribute(AttributeType::REALM, realm.as_bytes());
    writer.attribute(AttributeType::NONCE, nonce);
    writer.attribute(AttributeType::MESSAGE_INTEGRITY, &[7; 20]);
    let len = writer.finish().expect("it fits");
    bytes[..len].to_vec()
}

#[test]
fn a_hundred_thousand_names_and_realms_add_no_series() {
    let shown = Shown::start(&[]);
    let mut client = Client::udp(shown.server.addr);
    let challenge = client.ask_once(Method::ALLOCATE, |writer| {
        writer.attribute(AttributeType::REQUESTED_TRANSPORT, &[17, 0, 0, 0]);
    });
    let nonce = challenge.value(AttributeType::NONCE).expect("a challenge");
    let failed = |scrape: &Scrape, why| scrape.sum("turnserver_auth_failures_total", &[("reason", why)]);
    // The workers' clocks have been asked once, so that all series are there.
    let latency = "turnserver_worker_latency_seconds_count";
    let before =
        shown.scrape_until("workers answered", |scrape| scrape.keys().iter().any(|key| key.starts_with(latency)));
    for number in 0..NAMES {
        let realm = if number % 2 == 0 { "r".to_owned() } else { format!("distinct-realm-{number}") };
        client.send_bytes(&allocate(number, &realm, &nonce));
        if number % AT_ONCE == AT_ONCE - 1 {
            client.settle();
        }
    }
    let is_counted = |scrape: &Scrape| failed(scrape, "unknown_user") + failed(scrape, "wrong_realm") >= NAMES as f64;
    let after = shown.scrape_until("all are counted", is_counted);
    assert_eq!(
        (failed(&after, "unknown_user"), failed(&after, "wrong_realm")),
        (NAMES as f64 / 2.0, NAMES as f64 / 2.0)
    );
    assert_eq!(after.keys(), before.keys());
    assert!(!http::get(shown.metrics, "/metrics").body.contains("distinct"));
}

#[test]
fn no_secret_is_shown() {
    const SECRET: &str = "a-secret-of-this-test-88";
    let port = free_ports(1);
    let args = ["--realm=r", &format!("--static-auth-secret={SECRET}"), &format!("--user=alice:{PASSWORD}")];
    let at = format!("--prometheus-port={port}");
    let server = Launch::new(&args).and(&["--prometheus", &at, "--prometheus-address=127.0.0.1"]).start();
    let mut client = Client::udp(server.addr).with_timed_name(&crate::wire::timed_name(':', "bob"), SECRET);
    client.relayed();
    let shown: String = ["/", "/metrics", "/livez", "/readyz", "/x"]
        .map(|path| http::get(([127, 0, 0, 1], port).into(), path).body)
        .concat();
    assert!(shown.contains("turnserver_allocations{transport=\"udp\"} 1"), "{shown}");
    let secrets = Secrets::default().and("the shared secret", SECRET.as_bytes());
    secrets.and("a password", PASSWORD.as_bytes()).assert_hidden("what is shown", &shown);
    for name in ["alice", "bob", "BEGIN"] {
        assert!(!shown.contains(name), "{name} in {shown}");
    }
}

#[test]
fn a_realm_with_signs_of_the_format_is_escaped() {
    let port = free_ports(1);
    let realm = "--realm=r} 1\\ä{x=";
    let args = ["-a", realm, "--user=alice:secret", "--prometheus", "--prometheus-address=127.0.0.1"];
    let _server = Launch::new(&args).and(&[&format!("--prometheus-port={port}")]).start();
    let scrape = crate::scrape(([127, 0, 0, 1], port).into());
    assert!(scrape.keys().contains("turn_traffic_rcvp{realm=\"r} 1\\\\ä{x=\"}"), "{:?}", scrape.keys());
}
