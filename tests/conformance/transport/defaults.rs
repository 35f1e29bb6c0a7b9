//! What is served when nobody says anything.

use std::net::Ipv4Addr;
use std::path::Path;

use turnserver::config::load_text;
use turnserver::stun::Method;

use crate::draft::Draft;
use crate::probe::Probe;
use crate::row::not_asked;
use crate::scene::Scene;
use crate::target::Target;
use crate::wire::{Launch, Link, tls};

/// The ports that IANA gave to STUN, plain and in TLS.
const PORTS: (u16, u16) = (3478, 5349);

/// On the port that serves STUN over TCP, before and after a client that does not speak TLS.
pub(super) fn trn_004_tls_is_recognised_on_the_plain_port() {
    let target = Target::get();
    let (_, certificate) = target.tls.as_ref().unwrap_or_else(|| not_asked("TLS_SERVER is not set"));
    for _ in 0..2 {
        assert_eq!(Probe::tcp().code(&Draft::request(Method::BINDING)), 0);
        let tls = Link::Tls(Box::new(tls::connect(target.addr, certificate)), Vec::new());
        let mut scene = Scene::over(Probe::over(tls));
        scene.send(b"in TLS on the plain port");
        scene.peer_gets(b"in TLS on the plain port");
    }
}

/// On an address of its own, so that another server of this machine can have these ports as well.
pub(super) fn trn_003_default_ports() {
    let config = load_text("", Path::new("nothing.toml")).expect("nothing is a configuration").config;
    assert_eq!((config.listen.port, config.listen.tls_port), PORTS);
    assert!(config.listen.udp && config.listen.tcp && config.listen.tls);

    let [high, low] = (std::process::id() as u16).to_be_bytes();
    let ip = Ipv4Addr::new(127, 100, high, low.clamp(1, 254));
    let ip_text: &'static str = Box::leak(ip.to_string().into_boxed_str());
    let certificate = tls::Certificate::new();
    let launch = Launch::new(&[]).on_default_ports().listening_on(&[ip_text]);
    let server = certificate.given_to(launch).start();
    let (plain, secure) = ((ip, PORTS.0).into(), (ip, PORTS.1).into());
    assert_eq!(server.addr, plain);
    let tls = Link::Tls(Box::new(tls::connect(secure, &certificate)), Vec::new());
    for link in [Link::udp(plain), Link::tcp(plain), tls] {
        let mut probe = Probe::over(link);
        assert_eq!(probe.ask(&Draft::request(Method::BINDING)).mapped(), probe.local());
    }
}
