//! Where clients are listened for.

use std::io::ErrorKind;
use std::net::{Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use crate::wire::tls::Certificate;
use crate::wire::{Client, Launch, free_ports};
use crate::{alice, launch, start};

/// Whether the system says that nobody listens there for UDP.
fn is_udp_refused(address: SocketAddr) -> bool {
    let any: SocketAddr = if address.is_ipv4() { ([127, 0, 0, 1], 0).into() } else { (Ipv6Addr::LOCALHOST, 0).into() };
    let socket = UdpSocket::bind(any).expect("a free port");
    socket.connect(address).expect("loopback has a route");
    socket.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
    let heard = socket.send(&[0; 20]).and_then(|_| socket.recv(&mut [0; 1500]));
    heard.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

/// Whether the system says that nobody listens there for TCP.
fn is_tcp_refused(address: SocketAddr) -> bool {
    TcpStream::connect(address).is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

pub(crate) fn every_listening_ip_is_served() {
    let has_ipv6 = UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).is_ok();
    let ips: &[&str] = if has_ipv6 { &["127.0.0.1", "127.0.0.2", "::1"] } else { &["127.0.0.1", "127.0.0.2"] };
    let server = launch(&[]).listening_on(ips).start();
    let port = server.addr.port();
    for ip in ips {
        let mut client = Client::udp(SocketAddr::new(ip.parse().expect("an address"), port));
        assert_eq!(client.binding().mapped(), client.local());
    }
    assert!(is_udp_refused(([127, 0, 0, 3], port).into()), "127.0.0.3 was not asked for");
}

pub(crate) fn the_listening_port_is_served_and_no_other() {
    let port = free_ports(2);
    let server = Launch::new(&[&format!("--listening-port={port}")]).start();
    // The one that every server of these tests is given first.
    assert!(is_udp_refused(server.addr) && is_tcp_refused(server.addr), "the last port given counts, which is {port}");
    let address = SocketAddr::new(server.addr.ip(), port);
    for mut client in [Client::udp(address), Client::tcp(address)] {
        assert_eq!(client.binding().mapped(), client.local());
    }
}

pub(crate) fn the_tls_port_takes_tls_and_plain_tcp() {
    let certificate = Certificate::new();
    let port = free_ports(1);
    let server = certificate.given_to(launch(&[&format!("--tls-listening-port={port}")])).start();
    let address = SocketAddr::new(server.addr.ip(), port);
    for mut client in [Client::tls(address, &certificate), Client::tcp(address)] {
        assert_eq!(client.binding().mapped(), client.local());
    }
    assert!(is_udp_refused(address), "the TLS port has no UDP");
    assert!(is_tcp_refused(server.tls_addr), "the last port given counts, which is {port}");
    let bare = start(&[]);
    assert!(is_tcp_refused(bare.tls_addr), "without a certificate nothing listens on the TLS port");
}

pub(crate) fn no_udp_leaves_tcp() {
    let server = start(&["--no-udp"]);
    assert!(is_udp_refused(server.addr));
    let mut client = Client::tcp(server.addr).with_user(crate::ALICE.0, crate::ALICE.1);
    assert_eq!(client.relayed().ip(), server.addr.ip(), "relaying to peers over UDP is not affected");
}

pub(crate) fn no_tcp_leaves_udp() {
    let server = start(&["--no-tcp"]);
    assert!(is_tcp_refused(server.addr));
    assert_eq!(alice(&server).relayed().ip(), server.addr.ip());
    let plain = start(&[]);
    assert_eq!(Client::tcp(plain.addr).binding().code(), 0);
    // A certificate opens the TLS port, and nothing else: not even TLS is served on the other one.
    let certificate = Certificate::new();
    let secure = certificate.given_to(launch(&["--no-tcp"])).start();
    assert!(is_tcp_refused(secure.addr));
    assert_eq!((alice(&secure).binding().code(), Client::tls(secure.tls_addr, &certificate).binding().code()), (0, 0));
    let mut alone = certificate.given_to(launch(&["--no-tcp", "--no-udp"])).start();
    assert!(is_tcp_refused(alone.addr) && is_udp_refused(alone.addr));
    assert!(alone.terminate().success());
    let (printed, tls) = (alone.out.whole(), format!("  {} (tls)", alone.tls_addr));
    assert!(printed.lines().any(|line| line == tls), "{printed}");
    assert!(!printed.contains(&alone.addr.to_string()), "nothing listens there: {printed}");
}

pub(crate) fn no_tls_ignores_the_certificate() {
    let certificate = Certificate::new();
    let server = certificate.given_to(launch(&["--no-tls"])).start();
    assert!(is_tcp_refused(server.tls_addr));
    assert_eq!(alice(&server).binding().code(), 0);
}
