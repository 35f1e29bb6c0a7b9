//! Bytes without sense, from strangers, clients and peers. Billions of them are for the fuzz targets and the long runs;
//! here it is as many as fit into a second or two.

use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::time::Duration;

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use turnserver::clock;
use turnserver::config::Profile;
use turnserver::stun::{AttributeType, Method};

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
    attributes_cost_linear_time(&|count| Draft::request(Method::BINDING).bytes_with(count, 0xC001));
    attributes_cost_linear_time(&|count| Draft::allocate().bare().bytes_with(count, 0x7001));
    let lines = "unauthorized-ratelimit = false\nallowed-peer-ip = [\"127.0.0.77\"]";
    let server = launch("default", lines).listening_on(&["127.0.0.1", "127.0.0.77"]).start();
    let (mut probe, peer) = (client_of(&server), Peer::at(PEER_IP));
    let relayed = probe.allocate();
    assert_eq!(probe.bind(0x4000, peer.addr()), 0);
    // The server's tables and buffers have their size from here on.
    let mut rng = ChaCha12Rng::from_seed([19; 32]);
    let corpus = corpus(&mut probe, &peer);
    from_clients(&server, &mut probe, &corpus, &mut rng, DATAGRAMS / 10);
    let before = resident_bytes(&server);
    from_clients(&server, &mut probe, &corpus, &mut rng, DATAGRAMS);
    from_peers(&mut probe, &peer, relayed, &corpus, &mut rng);
    over_streams(&server, &corpus, &mut rng);

    assert_eq!(probe.permit(peer.addr()), 0, "the allocation lives");
    let grown = resident_bytes(&server).saturating_sub(before);
    assert!(grown < GROWTH_MAX, "{grown} bytes");
    let log = server.log.text();
    assert!(!log.contains("panic") && !log.contains("ERROR"), "{log}");
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

/// One of each kind of message that a client sends.
fn corpus(probe: &mut Probe, peer: &Peer) -> Vec<Vec<u8>> {
    let drafts = [
        Draft::request(Method::BINDING).fingerprint(),
        Draft::allocate().bare(),
        Draft::allocate().lifetime(700).with(AttributeType::EVEN_PORT, &[0x80]),
        Draft::request(Method::REFRESH).lifetime(600),
        Draft::request(Method::CREATE_PERMISSION).peer(peer.addr()).peer(peer.addr()),
        Draft::request(Method::CHANNEL_BIND).channel(0x4000).peer(peer.addr()),
        Draft::send(peer.addr(), b"some data of a client").with(AttributeType::DONT_FRAGMENT, b""),
        Draft::send(peer.addr(), &[7; 1000]).fingerprint(),
    ];
    let mut corpus: Vec<Vec<u8>> = drafts.iter().map(|draft| probe.bytes(draft)).collect();
    corpus.push(b"\x40\x00\x00\x04data".to_vec());
    corpus
}

/// A message with something wrong, or no message at all.
fn garbage(corpus: &[Vec<u8>], rng: &mut ChaCha12Rng) -> Vec<u8> {
    let mut below = |max: usize| rng.next_u32() as usize % max.max(1);
    let mut bytes = corpus[below(corpus.len())].clone();
    match below(6) {
        0 => bytes.truncate(below(bytes.len())),
        1 => bytes.extend(vec![below(256) as u8; below(100)]),
        2 => {
            let other = &corpus[below(corpus.len())];
            let (cut, from) = (below(bytes.len()), below(other.len()));
            bytes.truncate(cut);
            bytes.extend(&other[from..]);
        }
        3 => bytes = (0..below(200)).map(|_| below(256) as u8).collect(),
        _ => {
            for _ in 0..=below(4) {
                let place = below(bytes.len());
                bytes[place] ^= 1 << below(8);
            }
        }
    }
    bytes
}

/// Half of it from a client with an allocation; what is lost on the way is no loss.
fn from_clients(server: &Server, probe: &mut Probe, corpus: &[Vec<u8>], rng: &mut ChaCha12Rng, count: usize) {
    let stranger = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    stranger.connect(server.addr).expect("loopback has a route");
    for round in 0..count / 2 {
        let _ = stranger.send(&garbage(corpus, rng));
        probe.send_bytes(&garbage(corpus, rng));
        if round % 100 == 0 {
            // The server's buffer is empty again, and the client's.
            probe.settle();
            probe.forget_unread();
        }
    }
}

fn from_peers(
    probe: &mut Probe,
    peer: &Peer,
    relayed: std::net::SocketAddr,
    corpus: &[Vec<u8>],
    rng: &mut ChaCha12Rng,
) {
    for round in 0..DATAGRAMS {
        peer.send(relayed, &garbage(corpus, rng));
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
fn over_streams(server: &Server, corpus: &[Vec<u8>], rng: &mut ChaCha12Rng) {
    for _ in 0..CONNECTIONS {
        let mut link = Link::tcp(server.addr);
        for _ in 0..MESSAGES {
            if link.send(&garbage(corpus, rng)).is_err() {
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
