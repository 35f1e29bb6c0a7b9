//! What is relayed, and by which transports the server is reached.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use turnserver::stun::Method;

use crate::draft::Draft;
use crate::probe::Probe;
use crate::scene::{Scene, launch};
use crate::wire::{Link, Received, Server, tls};

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
/// the TLS port. Without plain TCP that port is closed, and the TLS port answers TLS alone.
pub(super) fn sec_017_plain_transports_can_be_switched_off() {
    let certificate = tls::Certificate::new();
    let open = certificate.given_to(launch("default", "")).start();
    for link in [Link::udp(open.addr), Link::tcp(open.addr), Link::tcp(open.tls_addr)] {
        assert_eq!(Probe::over(link).code(&Draft::request(Method::BINDING)), 0, "unless switched off");
    }
    let tls_only = launch("default", "no-udp = true\nno-tcp = true\nallowed-peer-ip = [\"127.0.0.1\"]");
    let server = certificate.given_to(tls_only).start();
    assert_eq!(udp_ends_with(&server), Some(ErrorKind::ConnectionRefused), "UDP is closed");
    let tcp = TcpStream::connect(server.addr).map_err(|error| error.kind());
    assert_eq!(tcp.map(|_| ()), Err(ErrorKind::ConnectionRefused), "TCP is closed");
    is_closed_unanswered(server.tls_addr);
    let link = Link::Tls(Box::new(tls::connect(server.tls_addr, &certificate)), Vec::new());
    let mut scene = Scene::over(Probe::over(link));
    scene.send(b"over TLS");
    scene.peer_gets(b"over TLS");
    scene.peer_sends(b"and back");
    assert_eq!(scene.probe.receive(), Received::Indication(scene.peer.addr(), b"and back".to_vec()));
}

/// Plain STUN is answered by the end of the connection.
fn is_closed_unanswered(port: SocketAddr) {
    let mut plain = TcpStream::connect(port).expect("TLS listens there");
    plain.set_read_timeout(Some(PATIENCE)).expect("a socket of ours");
    plain.write_all(&Draft::request(Method::BINDING).bytes(None)).expect("it is open");
    match plain.read(&mut [0; 100]) {
        Ok(0) => {}
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        other => panic!("plain TCP to {port} is closed without an answer: {other:?}"),
    }
}

/// The error that a question over UDP ends with; none if there is an answer.
fn udp_ends_with(server: &Server) -> Option<ErrorKind> {
    let udp = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    udp.connect(server.addr).expect("loopback has a route");
    udp.set_read_timeout(Some(PATIENCE)).expect("a socket of ours");
    udp.send(&Draft::request(Method::BINDING).bytes(None)).expect("the first one leaves");
    udp.recv(&mut [0; 100]).err().map(|error| error.kind())
}
