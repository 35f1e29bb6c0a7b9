//! Connections that do nothing: bounded in number, time and memory.

use std::io::{ErrorKind, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use turnserver::clock;
use turnserver::stun::Method;

use crate::draft::Draft;
use crate::probe::Probe;
use crate::scene::launch;
use crate::wire::{Link, Server, poll_until};
use crate::worker::Worker;

/// What the server is given; a fifth of them may be connections of strangers.
const DESCRIPTORS: u32 = 1000;
const PER_SOURCE: usize = 64;
/// Connections opened before the server closes what is too much.
const BATCH: usize = 100;
/// How long a connection may be silent from its beginning, short of it by a little.
const IDLE: Duration = Duration::from_secs(9);
/// Far below what ten thousand connections would take, each with its buffers.
const GROWTH_MAX: u64 = 16 * 1024 * 1024;

/// Connections that were not closed by the server.
#[derive(Default)]
struct Held(Vec<TcpStream>);

impl Held {
    fn open(&mut self, server: SocketAddr, source: IpAddr, count: usize) {
        for _ in 0..count {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a descriptor");
            socket.bind(&SocketAddr::new(source, 0).into()).expect("all of 127.0.0.0/8 is this host");
            socket.connect(&server.into()).expect("the server takes it, if only to close it");
            socket.set_nonblocking(true).expect("a socket of ours");
            self.0.push(socket.into());
        }
    }

    /// How many the server did not close; the others are let go.
    fn count(&mut self) -> usize {
        let is_open = |stream: &mut TcpStream| matches!(stream.peek(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock);
        self.0.retain_mut(is_open);
        self.0.len()
    }
}

/// Waits until what is too much was closed, which must be for its number: every connection is closed once it was idle for
/// long enough.
fn closed_at_once(is_done: impl FnMut() -> Option<()>) {
    let begin = clock::now().mono;
    poll_until("what is too much is closed", is_done);
    let waited = clock::now().mono.since(begin);
    assert!(waited < IDLE, "{waited:?}");
}

pub(super) fn resident_bytes(server: &Server) -> u64 {
    server.resident_kib() * 1024
}

pub(super) fn sec_020_idle_connections_are_bounded() {
    ten_thousand_idle_connections();
    silence_is_timed_out();
}

/// Half of them from one source, half from a hundred.
fn ten_thousand_idle_connections() {
    let server = launch("default", "").with_descriptors(DESCRIPTORS).start();
    let before = resident_bytes(&server);
    let (mut one, mut many) = (Held::default(), Held::default());
    for _ in 0..5000 / BATCH {
        one.open(server.addr, Ipv4Addr::LOCALHOST.into(), BATCH);
        closed_at_once(|| (one.count() <= PER_SOURCE).then_some(()));
    }
    assert_eq!(one.0.len(), PER_SOURCE, "and what it may have is left alone");
    for host in 1..=100 {
        many.open(server.addr, Ipv4Addr::new(127, 0, 1, host).into(), 5000 / 100);
        closed_at_once(|| (one.count() + many.count() <= DESCRIPTORS as usize / 5).then_some(()));
    }
    assert!(many.0.len() > PER_SOURCE, "one source does not take the places of others");
    let grown = resident_bytes(&server).saturating_sub(before);
    assert!(grown < GROWTH_MAX, "{grown} bytes");
    assert_eq!(Probe::over(Link::udp(server.addr)).code(&Draft::request(Method::BINDING)), 0, "UDP is served");
    drop((one, many));
    poll_until("there is room again", || {
        let mut stream = TcpStream::connect(server.addr).ok()?;
        stream.set_read_timeout(Some(IDLE)).ok()?;
        stream.write_all(&Draft::request(Method::BINDING).bytes(None)).ok()?;
        stream.peek(&mut [0]).ok().filter(|len| *len > 0)
    });
}

/// In virtual time, on connections of this test.
fn silence_is_timed_out() {
    let binding = Draft::request(Method::BINDING).bytes(None);
    let begun = [&binding[..], &binding[..3]].concat();
    for (sent, messages, lasts, what) in [
        (&b""[..], 0, 10, "silence"),
        (&binding[..3], 0, 10, "3 bytes and silence"),
        (&begun, 1, 30, "a message, 3 bytes and silence"),
        (&binding, 1, 62, "a message and silence"),
    ] {
        let mut worker = Worker::plain();
        let mut client = TcpStream::connect(worker.address(Ipv4Addr::LOCALHOST.into())).expect("it listens");
        worker.accepted();
        client.write_all(sent).expect("it is open");
        worker.messages(messages);
        worker.settle();
        worker.advance_secs(lasts - 1);
        assert_eq!(worker.streams.len(), 1, "{what}: not before its time");
        worker.advance_secs(1);
        assert_eq!(worker.streams.len(), 0, "{what}: {lasts} s are enough");
    }
}
