//! What the server counts, read as a scraper reads it, against what its clients did; and health.

mod documents;
mod exposition;
mod gauges;
mod http_clients;
#[allow(dead_code, reason = "what the engine's own tests need besides")]
#[path = "../engine/inside.rs"]
mod inside;
mod overflows;
mod readiness;
mod series;
mod sums;
#[path = "../wire/mod.rs"]
mod wire;

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use exposition::Scrape;
use wire::tls::Certificate;
use wire::{Client, Launch, Server, free_ports, http, poll_until};

/// A secret of each kind, so that it can be looked for.
const PASSWORD: &str = "wonderland-27-wonderland";

/// A server that shows metrics, and where.
struct Shown {
    server: Server,
    metrics: SocketAddr,
    certificate: Certificate,
}

impl Shown {
    /// In coturn's profile, so that every name is shown.
    fn start(args: &[&str]) -> Shown {
        let (port, certificate) = (free_ports(1), Certificate::new());
        let user = format!("--user=alice:{PASSWORD}");
        let launch = Launch::new(&["-a", "--realm=r", &user, "--allow-loopback-peers", "--prometheus"]);
        let launch = launch.and(&["--prometheus-address=127.0.0.1", &format!("--prometheus-port={port}")]).and(args);
        let server = certificate.given_to(launch).start();
        Shown { server, metrics: ([127, 0, 0, 1], port).into(), certificate }
    }

    fn scrape(&self) -> Scrape {
        scrape(self.metrics)
    }

    /// Scrapes until `holds`: the last of what a worker does may be counted a moment after it is seen.
    fn scrape_until(&self, what: &str, holds: impl Fn(&Scrape) -> bool) -> Scrape {
        poll_until(what, || Some(self.scrape()).filter(&holds))
    }

    /// One client of each transport.
    fn clients(&self) -> [(&'static str, Client); 3] {
        let alice = |client: Client| client.with_user("alice", PASSWORD);
        [
            ("udp", alice(Client::udp(self.server.addr))),
            ("tcp", alice(Client::tcp(self.server.addr))),
            ("tls", alice(Client::tls(self.server.tls_addr, &self.certificate))),
        ]
    }
}

fn scrape(metrics: SocketAddr) -> Scrape {
    let answer = http::get(metrics, "/metrics");
    assert_eq!(answer.status, 200);
    assert!(answer.head.contains("content-type: text/plain; version=0.0.4"), "{}", answer.head);
    Scrape::parse(&answer.body).unwrap_or_else(|error| panic!("{error}"))
}

/// A peer on loopback.
fn peer() -> UdpSocket {
    let peer = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    peer.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
    peer
}

fn address(socket: &UdpSocket) -> SocketAddr {
    socket.local_addr().expect("a bound socket")
}
