//! Bytes without sense, from strangers, clients and peers: some over sockets, and as many as one likes into the core alone
//! (`stage.rs`); by default it is as many as fit into a second or two.

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::process::Command;
use std::time::Duration;

use turnserver::clock;
use turnserver::config::Profile;
use turnserver::stun::{AttributeType, Method};

use super::junk::{Junk, corpus};
use super::stage;
use super::streams::resident_bytes;
use crate::draft::Draft;
use crate::peer::Peer;
use crate::probe::Probe;
use crate::scene::{client_of, launch};
use crate::wire::{Link, Received, Server};
use crate::world::World;

/// What data may reach: nobody else binds it, so that data led astray disturbs no other row.
const PEER_IP: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 77));
const DATAGRAMS: usize = 40_000;
const CONNECTIONS: usize = 200;
const MESSAGES: usize = 50;
const GROWTH_MAX: u64 = 8 * 1024 * 1024;

pub(super) fn sec_019_garbage_breaks_nothing() {
    into_the_core();
    attributes_cost_linear_time(&|count| Draft::request(Method::BINDING).bytes_with(count, 0xC001));
    attributes_cost_linear_time(&|count| Draft::allocate().bare().bytes_with(count, 0x7001));
    let lines = "unauthorized-ratelimit = false\nallowed-peer-ip = [\"127.0.0.77\"]";
    let server = launch("default", lines).listening_on(&["127.0.0.1", "127.0.0.77"]).start();
    let (mut probe, peer) = (client_of(&server), Peer::at(PEER_IP));
    let relayed = probe.allocate();
    assert_eq!(probe.bind(0x4000, peer.addr()), 0);
    // The server's tables and buffers have their size from here on.
    let mut junk = Junk::new(19);
    let corpus = corpus(peer.addr(), |draft| probe.bytes(draft));
    from_clients(&server, &mut probe, &corpus, &mut junk, DATAGRAMS / 10);
    let before = resident_bytes(&server);
    from_clients(&server, &mut probe, &corpus, &mut junk, DATAGRAMS);
    from_peers(&mut probe, &peer, relayed, &corpus, &mut junk);
    over_streams(&server, &corpus, &mut junk);

    assert_eq!(probe.permit(peer.addr()), 0, "the allocation lives");
    let grown = resident_bytes(&server).saturating_sub(before);
    assert!(grown < GROWTH_MAX, "{grown} bytes");
    let log = server.log.text();
    assert!(!log.contains("panic") && !log.contains("ERROR"), "{log}");
}

/// In a process of its own, whose memory is measured; it says how much that was.
fn into_the_core() {
    let program = std::env::current_exe().expect("this program");
    let child = Command::new(program).env(stage::ALONE, "1").output().expect("it runs once more");
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stderr));
    std::io::stdout().write_all(&child.stdout).expect("somebody reads it");
}

impl Draft {
    /// The message with so many empty attributes of one kind.
    fn bytes_with(self, count: usize, kind: u16) -> Vec<u8> {
        (0..count).fold(self, |draft, _| draft.with(AttributeType(kind), b"")).bytes(None)
    }
}

/// Sixteen times the attributes cost sixteen times the time, or about that; with the square it would be 256 times. The
/// quickest of many runs is what the machine's other work does not touch.
fn attributes_cost_linear_time(message: &dyn Fn(usize) -> Vec<u8>) {
    let world = World::of(Profile::Default);
    let client = world.client();
    let cost = |count: usize| {
        let bytes = message(count);
        let run = |_| {
            let begin = clock::now().mono;
            client.datagram(&bytes);
            let cost = clock::now().mono.since(begin);
            client.frames();
            cost
        };
        (0..30).map(run).min().expect("there were runs")
    };
    let (few, many) = (cost(1000), cost(16_000));
    assert!(many < few * 64 + Duration::from_millis(1), "{few:?} for 1000, {many:?} for 16000");
}

/// Half of it from a client with an allocation; what is lost on the way is no loss.
fn from_clients(server: &Server, probe: &mut Probe, corpus: &[Vec<u8>], junk: &mut Junk, count: usize) {
    let stranger = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    stranger.connect(server.addr).expect("loopback has a route");
    for round in 0..count / 2 {
        let _ = stranger.send(junk.of(corpus));
        probe.send_bytes(junk.of(corpus));
        if round % 100 == 0 {
            // The server's buffer is empty again, and the client's.
            probe.settle();
            probe.forget_unread();
        }
    }
}

fn from_peers(probe: &mut Probe, peer: &Peer, relayed: std::net::SocketAddr, corpus: &[Vec<u8>], junk: &mut Junk) {
    for round in 0..DATAGRAMS {
        peer.send(relayed, junk.of(corpus));
        if round % 100 == 0 {
            probe.settle();
            probe.forget_unread();
        }
    }
    probe.settle();
    probe.forget_unread();
    peer.send(relayed, b"after all that");
    assert_eq!(probe.receive(), Received::Channel(0x4000, b"after all that".to_vec()));
}

/// A connection that sends garbage is closed; then there is the next one.
fn over_streams(server: &Server, corpus: &[Vec<u8>], junk: &mut Junk) {
    for _ in 0..CONNECTIONS {
        let mut link = Link::tcp(server.addr);
        for _ in 0..MESSAGES {
            if link.send(junk.of(corpus)).is_err() {
                break;
            }
        }
    }
    let empty = [0x40, 0x00, 0, 0].repeat(16_000);
    let mut probe = Probe::over(Link::tcp(server.addr));
    probe.allocate();
    probe.send_bytes(&empty);
    assert_eq!(probe.code(&Draft::request(Method::BINDING)), 0, "empty messages on a stream are read one by one");
}
