//! T22, T23, T24: streams that say little, read nothing, or talk nonsense.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use turnserver::clock;
use turnserver::stun::Method;

use crate::meter::Meter;
use crate::wire::tls::Certificate;
use crate::wire::{Client, poll_until};
use crate::{ALICE, alice, launch};

/// Connects from a given address.
pub(crate) fn connect_from(source: IpAddr, server: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::for_address(server), Type::STREAM, None).expect("a descriptor");
    // The port is chosen when it connects, so that there are as many as one likes.
    socket.bind(&SocketAddr::new(source, 0).into()).expect("an address of this machine");
    socket.connect(&server.into()).expect("the server listens");
    socket.into()
}

/// Sends a beginning that nothing follows: nothing, one byte, half a STUN header, half a TLS hello.
pub(crate) fn crumbs(mut stream: TcpStream, kind: usize) -> TcpStream {
    const HELLO: &[u8] = &[0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xFC, 0x03, 0x03];
    let crumbs: &[u8] = match kind % 4 {
        0 => &[],
        1 => &[0],
        2 => &[0x00, 0x03, 0x00, 0x08, 0x21, 0x12, 0xA4, 0x42, 1, 2],
        _ => HELLO,
    };
    // Whoever was refused cannot be written to.
    let _ = stream.write_all(crumbs);
    stream
}

/// Whether the other side has not closed it so far; nothing is waited for.
pub(crate) fn is_open(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).expect("a socket");
    let mut byte = [0];
    let read = { stream }.read(&mut byte);
    matches!(read, Err(error) if error.kind() == ErrorKind::WouldBlock)
}

/// Ten seconds to the first message or the end of the handshake, for every kind of slowness. Half a message later and
/// silence without an allocation have 30 and 60 s, which other suites let pass in virtual time. The row has 10,000
/// connections; here it is one of each kind and listener, and a thousand where they are counted.
#[test]
fn t22_slow_beginners_are_closed_after_ten_seconds() {
    let certificate = Certificate::new();
    let server = certificate.given_to(launch(&[])).start();
    let begin = clock::now().mono;
    let mut streams: Vec<TcpStream> = [server.addr, server.tls_addr]
        .into_iter()
        .flat_map(|address| (0..4).map(move |kind| crumbs(connect_from([127, 0, 0, 1].into(), address), kind)))
        .collect();
    let mut dripping = connect_from([127, 0, 0, 1].into(), server.addr);
    let mut header = [0x00, 0x01, 0x00, 0x00, 0x21, 0x12, 0xA4, 0x42].into_iter().chain([7; 12]);
    let mut drops = 0;
    poll_until("all of them are closed", || {
        let secs = clock::now().mono.since(begin).as_secs();
        if secs >= drops && drops < 15 {
            let _ = dripping.write_all(&[header.next().expect("20 bytes")]);
            drops += 1;
        }
        let before = streams.len();
        streams.retain(is_open);
        assert!(before == streams.len() || clock::now().mono.since(begin) > Duration::from_millis(9900), "too early");
        (streams.is_empty() && !is_open(&dripping)).then_some(())
    });
    assert_eq!(Client::tcp(server.addr).binding().code(), 0);
}

/// The row's 10,000 connections are a thousand here, far more than the descriptors, of which a fifth is theirs.
#[test]
fn t22_streams_without_an_allocation_are_counted() {
    const CONNECTIONS: usize = 1000;
    const DESCRIPTORS: u32 = 512;
    // With a certificate: half a hello would be closed at once without.
    let server = Certificate::new().given_to(launch(&[])).with_descriptors(DESCRIPTORS).start();
    let meter = Meter::of(&server);
    let mut client = Client::tcp(server.addr).with_user(ALICE.0, ALICE.1);
    client.relayed();
    let (kib, descriptors) = (meter.kib(), meter.descriptors());
    let open = |streams: &[TcpStream]| streams.iter().filter(|stream| is_open(stream)).count();

    let source = |last: usize| IpAddr::from([127, 0, 1, last as u8]);
    let mut streams: Vec<_> = (0..200).map(|kind| crumbs(connect_from(source(0), server.addr), kind)).collect();
    poll_until("one address has 64", || (open(&streams) == 64).then_some(()));
    for number in 0..CONNECTIONS {
        streams.push(crumbs(connect_from(source(number % 50), server.addr), number));
        streams.retain(is_open);
    }
    let share = DESCRIPTORS as usize / 5;
    poll_until("all together have a fifth", || {
        streams.retain(is_open);
        (streams.len() <= share).then_some(())
    });
    assert!(streams.len() > 64 && meter.descriptors() <= descriptors + share, "{} streams", streams.len());
    // 4 KiB each, and what the allocator takes at once.
    let grown = meter.kib().saturating_sub(kib);
    assert!(grown < share as u64 * 4 + 1024, "{grown} KiB for {} streams", streams.len());
    assert_eq!(client.refresh(600).code(), 0, "who has an allocation keeps it");
    let mut other = alice(&server);
    assert_eq!((other.allocate().code(), other.refresh(0).code()), (0, 0), "datagrams need no stream");
    drop(streams);
    poll_until("their descriptors are back", || (meter.descriptors() <= descriptors).then_some(()));
    assert_eq!(Client::tcp(server.addr).binding().code(), 0);
}

/// The row's 100 Mbit/s for a minute are 24 MB here; it is what is kept that counts. A client that stays stuck is
/// closed after 30 s, which another suite lets pass in virtual time.
#[test]
fn t23_a_client_that_does_not_read_costs_little() {
    let server = launch(&[]).start();
    let meter = Meter::of(&server);
    let mut sleeper = Client::tcp(server.addr).with_user(ALICE.0, ALICE.1);
    let mut sender = alice(&server);
    let (to, from) = (sleeper.relayed(), sender.relayed());
    assert_eq!((sleeper.permit(from.ip()).code(), sender.bind(0x4000, to).code()), (0, 0));
    let mut send = |datagrams: usize| {
        for number in 0..datagrams {
            sender.send_channel(0x4000, &[number as u8; 1200]);
            if number.is_multiple_of(50) {
                assert_eq!(sender.refresh(600).code(), 0);
            }
        }
    };
    send(1000);
    let kib = meter.kib();
    send(20_000);
    let grown = meter.kib().saturating_sub(kib);
    assert!(grown < 1024, "{grown} KiB");
    assert_eq!(sleeper.refresh(600).code(), 0, "its answer was not dropped");
    let came = sleeper.unread();
    assert!((1..20_000).contains(&came), "{came} of 21,000 came: the late ones were dropped");
}

#[test]
fn t24_streams_that_talk_nonsense_are_closed() {
    let certificate = Certificate::new();
    let server = certificate.given_to(launch(&[])).start();
    let header = |len: u16| [&[0x00, 0x03][..], &len.to_be_bytes(), &[0x21, 0x12, 0xA4, 0x42], &[7; 12]].concat();
    let channel = |number: u16, len: u16| [number.to_be_bytes(), len.to_be_bytes()].concat();
    for (nonsense, what) in [
        (header(3), "a length that is no multiple of four"),
        (header(65_532), "a longest message before authentication"),
        (header(4100), "a message beyond 4 KiB before authentication"),
        (channel(0x4000, 65_535), "a longest frame before authentication"),
        (channel(0x5000, 4), "a channel number beyond RFC 8656"),
        (channel(0x8000, 4), "first bits of nothing"),
        (vec![0xFF; 8], "first bits of nothing"),
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), "HTTP"),
        (vec![0; 20], "no magic cookie"),
    ] {
        let mut clients = [Client::tcp(server.addr), Client::tls(server.addr, &certificate)];
        for client in &mut clients {
            client.send_bytes(&nonsense);
            assert!(client.is_closed(), "{what}");
        }
    }
    assert_eq!(Client::tcp(server.addr).binding().code(), 0);
}

/// On streams ChannelData is padded, may be empty, and may be as long as it can (RFC 8656 section 12.5).
#[test]
fn t24_whole_frames_pass_on_streams() {
    let server = launch(&[]).start();
    let mut sender = Client::tcp(server.addr).with_user(ALICE.0, ALICE.1);
    let mut receiver = alice(&server);
    let (from, to) = (sender.relayed(), receiver.relayed());
    assert_eq!((sender.bind(0x4000, to).code(), receiver.bind(0x4001, from).code()), (0, 0));
    for len in [0, 1, 2, 3, 4, 1200, 65_000] {
        sender.send_channel(0x4000, &vec![len as u8; len]);
        let received = receiver.receive();
        assert_eq!(received, crate::wire::Received::Channel(0x4001, vec![len as u8; len]));
    }
    // Longer than a datagram can be: dropped, and the stream goes on.
    sender.send_channel(0x4000, &vec![1; 65_532]);
    assert_eq!(sender.refresh(600).code(), 0);
    let unknown =
        sender.ask(Method::REFRESH, |writer| writer.attribute_u32(turnserver::stun::AttributeType(0x7F00), 1));
    assert_eq!(unknown.code(), 420);
}
