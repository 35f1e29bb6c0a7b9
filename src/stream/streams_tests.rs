//! What a worker holds for its connections: timer entries, memory.

use std::io::Write;
use std::net::TcpListener;
use std::time::Duration;

use super::super::shared::StreamSettings;
use super::super::tls::Certificates;
use super::*;

/// A worker with one connection, and its client.
fn connected() -> (Streams, Poller, StreamId, TcpStream) {
    let settings = StreamSettings { tcp: true, tls: true, channel_number_max: 0x4FFF, idle: Duration::from_secs(62) };
    let certificates = Certificates::none().expect("randomness");
    let shared = StreamShared::new(settings, certificates, 10, [1, 2, 3, 4]).expect("threads");
    let poller = Poller::new().expect("an epoll set");
    let mut streams = Streams::new(Arc::new(shared), Arc::new(|| {}), Mono(0));
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let server = listener.local_addr().expect("a bound socket");
    let client = TcpStream::connect(server).expect("a listener");
    let (socket, address) = listener.accept().expect("a connection");
    let id = streams.open(Mono(0), socket, address, server, &poller).expect("room");
    (streams, poller, id, client)
}

fn request() -> Vec<u8> {
    [&[0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42][..], &[7; 12]].concat()
}

#[test]
fn a_busy_client_has_few_timer_entries() {
    let (mut streams, poller, id, mut client) = connected();
    let mut messages = Vec::new();
    let bytes = request();
    for second in 0..300 {
        let now = Mono(0).plus_secs(second);
        // Half a request, and the other half.
        for half in [&bytes[..10], &bytes[10..]] {
            client.write_all(half).expect("room in the kernel");
            let _ = streams.read(now, id, &poller, &mut messages);
            let _ = streams.send(now, id, [b"answer", b"", b""], Kind::Answer);
            streams.flush(now, &poller);
            streams.handle_timeout(now, &poller);
        }
        assert!(streams.wheel.len() <= 3, "{} entries", streams.wheel.len());
    }
    assert_eq!(messages.len(), 300);
}

#[test]
fn an_idle_connection_owns_no_buffer() {
    let (mut streams, poller, id, mut client) = connected();
    let mut messages = Vec::new();
    client.write_all(&[request(), request()].concat()[..30]).expect("room in the kernel");
    let _ = streams.read(Mono(0), id, &poller, &mut messages);
    let connection = streams.slots.get(id).expect("a connection");
    assert_eq!((connection.partial.len(), connection.partial.capacity()), (10, 10));
    client.write_all(&request()[10..]).expect("room in the kernel");
    let _ = streams.read(Mono(0), id, &poller, &mut messages);
    let _ = streams.send(Mono(0), id, [b"answer", b"", b""], Kind::Answer);
    streams.flush(Mono(0), &poller);
    let connection = streams.slots.get(id).expect("a connection");
    assert_eq!((connection.partial.capacity(), connection.received.capacity(), messages.len()), (0, 0, 2));
    assert!(size_of::<Connection>() <= 512, "{} bytes", size_of::<Connection>());
}

#[test]
fn messages_that_are_let_go_leave_the_same_memory_to_the_next() {
    let (mut streams, poller, id, mut client) = connected();
    let mut places = std::collections::BTreeSet::new();
    let mut messages = Vec::new();
    for _ in 0..50_000 {
        client.write_all(&request()).expect("room in the kernel");
        let _ = streams.read(Mono(0), id, &poller, &mut messages);
        places.extend(messages.drain(..).map(|message: Bytes| message.as_ptr() as usize / (1024 * 1024)));
    }
    assert!(places.len() <= 2, "{} places", places.len());
}
