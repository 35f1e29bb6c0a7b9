//! The server's own services as peers, and what strangers get from a relayed port.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};

use turnserver::stun::Method;

use crate::draft::Draft;
use crate::peer::Peer;
use crate::probe::Probe;
use crate::scene::{Scene, client_of, launch};
use crate::target::Target;
use crate::wire::{free_ports, tls};

fn binding() -> Vec<u8> {
    Draft::request(Method::BINDING).bytes(None)
}

/// Neither a channel nor data to a port of the server; an answer from there would come back as data.
fn is_out_of_reach(probe: &mut Probe, service: SocketAddr) {
    assert_eq!(probe.bind(0x4100, service), 403, "{service}");
    probe.send_channel(0x4100, &binding());
    probe.tell(&Draft::send(service, &binding()));
    probe.receives_nothing();
}

pub(super) fn sec_004_the_servers_own_listeners_are_no_peers() {
    let mut scene = Scene::new();
    is_out_of_reach(&mut scene.probe, Target::get().addr);
    if let Some((tls, _)) = &Target::get().tls {
        is_out_of_reach(&mut scene.probe, *tls);
    }
    // Two clients of one server still reach each other.
    let mut other = Scene::new();
    let (here, there) = (scene.relayed, other.relayed);
    assert_eq!((scene.probe.permit(there), other.probe.permit(here)), (0, 0));
    scene.probe.tell(&Draft::send(there, b"from relay to relay"));
    assert_eq!(other.probe.receive(), crate::wire::Received::Indication(here, b"from relay to relay".to_vec()));
}

/// There are no administration or database ports yet; listeners and metrics are the services, on whatever port and address
/// they are configured, also on addresses the operator opened by name and also in the most open profile.
pub(super) fn sec_023_services_are_out_of_reach() {
    let certificate = tls::Certificate::new();
    for (profile, open) in [
        ("default", "allowed-peer-ip = [\"127.0.0.0/8\"]"),
        ("coturn", "allow-loopback-peers = true"),
        ("hardened", ""),
    ] {
        let launch = launch(profile, open).listening_on(&["127.0.0.1", "127.0.0.3"]);
        let metrics = free_ports(1);
        let launch = launch.and(&["--prometheus", &format!("--prometheus-port={metrics}")]);
        let server = certificate.given_to(launch).start();
        let mut probe = client_of(&server);
        probe.allocate();
        let _ = probe.permit(server.addr);
        for ip in [Ipv4Addr::LOCALHOST, Ipv4Addr::new(127, 0, 0, 3)] {
            is_out_of_reach(&mut probe, SocketAddr::new(ip.into(), server.addr.port()));
            is_out_of_reach(&mut probe, SocketAddr::new(ip.into(), server.tls_addr.port()));
            is_out_of_reach(&mut probe, SocketAddr::new(ip.into(), metrics));
        }
    }
}

/// What a stranger's datagrams hold, STUN and channels among them.
fn bait() -> Vec<Vec<u8>> {
    let allocate = Draft::allocate().bare().bytes(None);
    vec![binding(), allocate, b"\x40\x00\x00\x04data".to_vec(), vec![0xFF; 1200], Vec::new()]
}

pub(super) fn sec_015_strangers_get_nothing_back() {
    let (mut probe, stranger) = (Probe::udp(), Peer::new());
    let relayed = probe.allocate();
    // A connected socket would be told of ICMP errors as well.
    stranger.socket().connect(relayed).expect("the relayed address has a route");
    for _ in 0..20 {
        for datagram in bait() {
            stranger.socket().send(&datagram).expect("no ICMP error came back");
        }
    }
    probe.receives_nothing();
    stranger.receives_nothing(&mut probe);
    assert!(stranger.socket().take_error().expect("a socket of ours").is_none(), "no ICMP error came back");
}

pub(super) fn sec_016_a_relayed_port_is_no_public_port() {
    let mut scene = Scene::new();
    let local: SocketAddr = ([127, 0, 0, 2], 0).into();
    let stranger = UdpSocket::bind(local).expect("all of 127.0.0.0/8 is this host");
    for datagram in bait() {
        stranger.send_to(&datagram, scene.relayed).expect("the relayed address has a route");
    }
    let refused = TcpStream::connect(scene.relayed).map(drop).map_err(|error| error.kind());
    assert_eq!(refused, Err(ErrorKind::ConnectionRefused), "nobody listens there");
    scene.probe.receives_nothing();
    stranger.set_nonblocking(true).expect("a socket of ours");
    assert_eq!(stranger.recv(&mut [0; 8]).map_err(|error| error.kind()), Err(ErrorKind::WouldBlock));
}
