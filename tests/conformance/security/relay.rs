//! What is relayed, and by which transports the server is reached.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::time::Duration;

use turnserver::stun::Method;

use crate::draft::Draft;
use crate::probe::Probe;
use crate::scene::{Scene, launch};
use crate::wire::{Link, tls};

const PATIENCE: Duration = Duration::from_secs(30);

pub(super) fn sec_024_nested_messages_are_relayed_once() {
    for (over, probe) in Probe::over_each() {
        let mut scene = Scene::over(probe).with_channel();
        let peer = scene.peer.addr();
        let inner = b"\x40\x00\x00\x08\x40\x00\x00\x04data";
        scene.probe.send_channel(0x4000, inner);
        scene.peer_gets(inner);
        let send = Draft::send(peer, b"inside").bytes(None);
        scene.send(&send);
        scene.peer_gets(&send);
        scene.peer_sends(inner);
        let bytes = scene.probe.receive_bytes();
        assert_eq!(bytes, [b"\x40\x00\x00\x0C", &inner[..]].concat(), "over {over}");
        scene.nothing_moves();
    }
}

/// Decided: with a certificate both TCP ports serve TLS and plain STUN alike, as there are clients that speak plain STUN on
/// the TLS port. So what is switched off is not a port but the plain transport, on both of them; the plain one stays open
/// for TLS over TCP, and is closed for UDP.
pub(super) fn sec_017_plain_transports_can_be_switched_off() {
    let certificate = tls::Certificate::new();
    let open = certificate.given_to(launch("default", "")).start();
    assert_eq!(Probe::over(Link::tcp(open.tls_addr)).code(&Draft::request(Method::BINDING)), 0, "unless switched off");
    let launch = launch("default", "no-udp = true\nno-tcp = true\nallowed-peer-ip = [\"127.0.0.1\"]");
    let server = certificate.given_to(launch).start();
    let question = Draft::request(Method::BINDING).bytes(None);

    let udp = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    udp.connect(server.addr).expect("loopback has a route");
    udp.set_read_timeout(Some(PATIENCE)).expect("a socket of ours");
    udp.send(&question).expect("the first one leaves");
    let refused = udp.recv(&mut [0; 100]).map_err(|error| error.kind());
    assert_eq!(refused, Err(ErrorKind::ConnectionRefused), "UDP is closed");

    for port in [server.addr, server.tls_addr] {
        let mut plain = TcpStream::connect(port).expect("TLS listens there");
        plain.set_read_timeout(Some(PATIENCE)).expect("a socket of ours");
        plain.write_all(&question).expect("it is open");
        match plain.read(&mut [0; 100]) {
            Ok(0) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            other => panic!("plain TCP to {port} is closed without an answer: {other:?}"),
        }
    }
    for port in [server.addr, server.tls_addr] {
        let mut scene = Scene::over(Probe::over(Link::Tls(Box::new(tls::connect(port, &certificate)), Vec::new())));
        scene.send(b"over TLS");
        scene.peer_gets(b"over TLS");
    }
}
