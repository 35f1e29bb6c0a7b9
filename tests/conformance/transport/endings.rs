//! How long a connection lasts, and how it ends.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use turnserver::stun::Method;

use super::framing::streams;
use crate::draft::{Draft, is_of};
use crate::peer::Peer;
use crate::probe::Probe;
use crate::target::Target;
use crate::wire::{Link, Received, free_ports, poll_until};
use crate::worker::Worker;

/// Far beyond what a busy machine takes.
const PATIENCE: Duration = Duration::from_secs(30);

fn binding() -> Draft {
    Draft::request(Method::BINDING)
}

/// The wire part shows that answers leave the connection open, the other one what a minute of silence does.
pub(super) fn trn_008_an_idle_connection_stays_open() {
    for mut probe in streams() {
        for draft in [binding(), Draft::allocate().bare(), Draft::request(Method(0x00D)).bare()] {
            probe.tell(&draft);
            assert_eq!(probe.code(&binding()), 0);
        }
    }
    if Target::get().is_ours() {
        a_minute_passes();
    }
}

fn a_minute_passes() {
    let mut worker = Worker::plain();
    worker.answer = |request| Some([&[1, 1, 0, 0][..], &request[4..20]].concat());
    let mut client = TcpStream::connect(worker.address([127, 0, 0, 1].into())).expect("it listens");
    for _ in 0..2 {
        let (draft, mut answer) = (binding(), [0; 20]);
        client.write_all(&draft.bytes(None)).expect("it is there");
        worker.messages(1);
        client.set_read_timeout(Some(PATIENCE)).expect("a socket");
        worker.settle();
        client.read_exact(&mut answer).expect("an answer");
        assert!(is_of(&answer, draft.id));
        worker.advance_secs(60);
        assert_eq!(worker.streams.len(), 1, "60 s of silence");
    }
    drop(client);
    worker.until(|worker| worker.streams.is_empty().then_some(()));
}

pub(super) fn trn_009_a_request_is_answered_before_the_connection_ends() {
    let mut probe = Probe::tcp();
    let credentials = probe.challenged().clone();
    for draft in [binding(), Draft::allocate().bare(), Draft::allocate()] {
        let mut stream = TcpStream::connect(Target::get().addr).expect("the server listens for TCP");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        stream.write_all(&draft.bytes(Some(&credentials))).expect("the server is there");
        stream.shutdown(Shutdown::Write).expect("a connected socket");
        let mut answer = Vec::new();
        // The answer, then the end, of whatever kind.
        let end = stream.read_to_end(&mut answer);
        assert!(end.is_ok() || !Target::get().is_ours(), "{end:?}");
        assert!(is_of(&answer, draft.id), "{answer:02x?}");
    }
    nobody_is_called_back();
}

/// The client is gone; what reaches its relayed address makes the server open no connection to it.
fn nobody_is_called_back() {
    let peer = Peer::new();
    let mut probe = Probe::over(Link::Tcp(connect_from(port_to_keep()), Vec::new()));
    let (local, relayed) = (probe.local(), probe.allocate());
    assert_eq!(probe.permit(peer.addr()), 0);
    drop(probe);
    let listener = Socket::new(Domain::for_address(local), Type::STREAM, Some(Protocol::TCP)).expect("a socket");
    listener.set_reuse_address(true).expect("an option");
    listener.bind(&local.into()).expect("the client's port is free again");
    listener.listen(8).expect("a bound socket");
    let listener = TcpListener::from(listener);
    listener.set_nonblocking(true).expect("an option");
    for _ in 0..3 {
        peer.send(relayed, b"is anybody there");
    }
    Probe::udp().settle();
    let called = listener.accept().map(|(_, from)| from).map_err(|error| error.kind());
    assert_eq!(called, Err(ErrorKind::WouldBlock));
}

/// An address for connections that nobody else is given while there is none: systems give no ports of this range to
/// whoever asks for any.
fn port_to_keep() -> SocketAddr {
    let ip = Probe::tcp().local().ip();
    SocketAddr::new(ip, free_ports(1))
}

/// A connection from this address that leaves nothing behind when it is dropped, so that it can be made again.
///
/// A process that another row starts has a copy of the one before until it runs a program of its own.
fn connect_from(local: SocketAddr) -> TcpStream {
    poll_until("the address is free again", || try_connect_from(local).ok())
}

fn try_connect_from(local: SocketAddr) -> io::Result<TcpStream> {
    let server = Target::get().addr;
    let socket = Socket::new(Domain::for_address(server), Type::STREAM, Some(Protocol::TCP)).expect("a socket");
    socket.set_reuse_address(true).expect("an option");
    socket.set_linger(Some(Duration::ZERO)).expect("an option");
    socket.bind(&local.into())?;
    socket.connect(&server.into())?;
    Ok(socket.into())
}

/// Waits until the server closes the connection, which it must; gives what came before.
fn until_closed(probe: &mut Probe) -> Vec<Vec<u8>> {
    let mut came = Vec::new();
    loop {
        match probe.link().receive(PATIENCE) {
            Ok(Some(bytes)) => came.push(bytes),
            Ok(None) => panic!("the connection stays open; {came:02x?} came"),
            Err(_) => return came,
        }
    }
}

pub(super) fn trn_010_a_run_of_invalid_bytes_closes_the_connection() {
    for has_begun in [false, true] {
        for mut probe in streams() {
            if has_begun {
                assert_eq!(probe.code(&binding()), 0);
            }
            // The server need not wait for all of it.
            let _ = probe.link().send(&vec![0xFF; 64 * 1024]);
            assert!(until_closed(&mut probe).is_empty(), "has begun: {has_begun}");
        }
    }
    assert_eq!(Probe::tcp().code(&binding()), 0);
}

pub(super) fn trn_011_a_byte_that_begins_nothing_closes_the_connection() {
    for first in [0x80, 0x50, 0x16] {
        for mut probe in streams() {
            let (mut other, peer) = (Probe::udp(), Peer::new());
            let relayed = other.allocate();
            assert_eq!((other.permit(peer.addr()), probe.code(&binding())), (0, 0));
            // The rest would be a request, if one looked for it.
            let request = binding();
            let _ = probe.link().send(&[&[first][..], &request.bytes(None)].concat());
            assert!(until_closed(&mut probe).is_empty() && probe.pending().is_empty(), "{first:#04x}");
            peer.send(relayed, b"goes on");
            assert_eq!(other.receive(), Received::Indication(peer.addr(), b"goes on".to_vec()));
        }
    }
}

pub(super) fn trn_014_the_allocation_ends_with_its_connection() {
    let local = port_to_keep();
    let mut probe = Probe::over(Link::Tcp(connect_from(local), Vec::new()));
    for round in 0..5 {
        probe.allocate();
        assert_eq!(probe.refresh(600), 0);
        drop(probe);
        probe = Probe::over(Link::Tcp(connect_from(local), Vec::new()));
        assert_eq!((probe.local(), probe.refresh(600)), (local, 437), "round {round}");
    }
}
