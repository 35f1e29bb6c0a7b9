//! A thousand connections that end without a word: in the middle of handshakes and frames, with allocations, by halves.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream, UdpSocket};
use std::time::Duration;

use crate::figures::{Figures, assert_healthy, await_descriptors, descriptors};
use crate::wire::tls::{self, Certificate};
use crate::wire::{Client, Server, free_ports};
use crate::{LOOPBACK, alice, launch, own_network, times};

/// Relay ports, few enough to be allocated all.
pub(crate) const PORTS: u16 = 32;
/// The first bytes of a TLS ClientHello, of a message and of ChannelData whose ends never come.
const HALF_HELLO: [u8; 11] = [0x16, 3, 1, 2, 0, 1, 0, 1, 0xFC, 3, 3];
const HALF_MESSAGE: [u8; 24] =
    [0, 1, 0, 100, 0x21, 0x12, 0xA4, 0x42, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0x80, 0x22, 0, 96];
const HALF_DATA: [u8; 6] = [0x40, 0, 4, 0, 1, 2];

/// Ends a connection by RST: what was not sent or read is gone.
pub(crate) fn reset(stream: TcpStream) {
    let socket = socket2::SockRef::from(&stream);
    socket.set_linger(Some(Duration::ZERO)).expect("a socket");
}

/// Ends the client's half, and leaves the rest to the server.
fn half_close(mut stream: TcpStream) {
    // Gone already if the server closed it first.
    if stream.shutdown(Shutdown::Write).is_ok() {
        stream.set_read_timeout(Some(Duration::from_millis(1))).expect("a timeout");
        let _ = stream.read(&mut [0; 4096]);
    }
    reset(stream);
}

/// How far a client comes before it goes.
const STAGES: usize = 9;

struct Goers<'s> {
    server: &'s Server,
    certificate: &'s Certificate,
    peer: UdpSocket,
}

impl Goers<'_> {
    /// Goes at one of the stages, abruptly or by halves.
    fn go(&self, number: usize) {
        let stream = match number % STAGES {
            0 => self.plain(&[]),
            1 => self.plain(&HALF_MESSAGE),
            2 => self.plain(&HALF_HELLO),
            3 => self.tls(&[]),
            4 => self.tls(&HALF_MESSAGE),
            5 => self.in_a_record(),
            6 => self.with_allocation(&[]),
            7 => self.with_allocation(&HALF_DATA),
            _ => self.tls_with_allocation(),
        };
        if (number / STAGES).is_multiple_of(2) { reset(stream) } else { half_close(stream) }
    }

    fn plain(&self, bytes: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(self.server.tls_addr).expect("the server listens");
        stream.write_all(bytes).expect("a new connection takes some bytes");
        stream
    }

    fn tls(&self, bytes: &[u8]) -> TcpStream {
        let mut stream = tls::connect(self.server.tls_addr, self.certificate);
        stream.write_all(bytes).and_then(|()| stream.flush()).expect("a new connection takes some bytes");
        stream.sock
    }

    /// In the middle of a TLS record.
    fn in_a_record(&self) -> TcpStream {
        let mut stream = tls::connect(self.server.tls_addr, self.certificate).sock;
        stream.write_all(&[0x17, 3, 3, 0, 200, 1, 2, 3]).expect("a new connection takes some bytes");
        stream
    }

    /// With an allocation that relays when its client goes.
    fn with_allocation(&self, bytes: &[u8]) -> TcpStream {
        let stream = TcpStream::connect(self.server.addr).expect("the server listens");
        let mut client = alice(Client::on_stream(stream.try_clone().expect("a descriptor")));
        self.allocate(&mut client);
        (&stream).write_all(bytes).expect("a live connection");
        stream
    }

    fn tls_with_allocation(&self) -> TcpStream {
        let stream = tls::connect(self.server.tls_addr, self.certificate);
        let socket = stream.sock.try_clone().expect("a descriptor");
        self.allocate(&mut alice(Client::on_tls(stream)));
        socket
    }

    fn allocate(&self, client: &mut Client) {
        let relayed = client.relayed();
        let peer = self.peer.local_addr().expect("a bound socket");
        assert_eq!((client.permit(LOOPBACK).code(), client.bind(0x4000, peer).code()), (0, 0));
        client.send_channel(0x4000, b"on my way");
        (0..4).for_each(|_| assert!(self.peer.send_to(&[7; 1000], relayed).is_ok()));
    }
}

/// Every port of the range can be allocated, and not one more.
pub(crate) fn assert_all_ports(server: &Server, first: u16) {
    let mut clients: Vec<Client> = (0..PORTS).map(|_| alice(Client::udp(server.addr))).collect();
    let mut ports: Vec<u16> = clients.iter_mut().map(|client| client.relayed().port()).collect();
    ports.sort_unstable();
    assert_eq!(ports, (first..first + PORTS).collect::<Vec<_>>());
    assert_eq!(alice(Client::udp(server.addr)).allocate().code(), 508);
    clients.iter_mut().for_each(|client| assert_eq!(client.refresh(0).code(), 0));
}

/// The arguments for a relay range that begins at a port.
pub(crate) fn range(first: u16) -> [String; 2] {
    [format!("--min-port={first}"), format!("--max-port={}", first + PORTS - 1)]
}

#[test]
fn abrupt_ends_leave_nothing_behind() {
    let _network = own_network();
    let ends = times(180, 1000);
    let first = free_ports(PORTS);
    let certificate = Certificate::new();
    let server = certificate.given_to(launch(&range(first).each_ref().map(String::as_str))).start();
    let peer = UdpSocket::bind((LOOPBACK, 0)).expect("a free port");
    let goers = Goers { server: &server, certificate: &certificate, peer };
    let empty = descriptors(&server);
    // Code paged in and tables at their first size: each stage both ways.
    (0..2 * STAGES).for_each(|number| goers.go(number));
    assert_all_ports(&server, first);
    await_descriptors(&server, empty);
    let mut before = Figures::of(&server);
    for number in 0..ends {
        goers.go(number);
        if number % 20 == 0 {
            before.sample(&server);
        }
    }
    await_descriptors(&server, empty);
    assert_all_ports(&server, first);
    await_descriptors(&server, empty);
    let after = before.report(&server, format!("{ends} connections ended abruptly, all {PORTS} ports are free again"));
    before.assert_memory(&after);
    assert_healthy(server);
}
