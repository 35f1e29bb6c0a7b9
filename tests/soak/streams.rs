//! A hundred thousand streams of random and bent bytes, half of them after an allocation, some inside TLS.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use crate::alphabet::{Alphabet, Signature};
use crate::closes::reset;
use crate::figures::{Figures, assert_healthy, await_descriptors};
use crate::wire::tls::{self, Certificate};
use crate::wire::{Client, Launch, Server};
use crate::{alice, launch, launch_shipped, own_network, times};

/// Streams open at once: fewer than a source may have without an allocation.
const ROUND: usize = 32;
/// One of so many strangers, and of so many with an allocation, speaks inside TLS, which costs a handshake.
const TLS_EVERY: usize = 20;

struct Crowd {
    server: Server,
    certificate: Certificate,
    alphabet: Alphabet,
    witness: Client,
    said: usize,
    strangers: usize,
    clients: usize,
    /// Clients with an allocation whose hostile bytes were answered.
    answered: usize,
}

impl Crowd {
    /// Half of the streams have an allocation, the other half never get that far. All end by a reset, after the server
    /// has read what they said.
    fn round(&mut self) {
        let mut streams = Vec::new();
        for turn in 0..ROUND {
            streams.push(if turn % 2 == 0 { self.with_allocation() } else { self.stranger(turn) });
        }
        self.witness.settle();
        for (turn, stream) in streams.into_iter().enumerate() {
            self.answered += usize::from(turn % 2 == 0 && holds_answers(&stream));
            reset(stream);
        }
    }

    fn with_allocation(&mut self) -> TcpStream {
        self.clients += 1;
        let (mut client, stream) =
            if self.clients.is_multiple_of(TLS_EVERY) { self.inside_tls() } else { self.in_the_clear() };
        client.relayed();
        let signature = Signature::of_alice(client.challenge().expect("it was challenged"));
        let bytes = self.alphabet.stream(Some(&signature));
        self.said += bytes.len();
        limit_writing(&stream);
        // It may have had enough before the end.
        let _ = client.try_send_bytes(&bytes);
        stream
    }

    fn in_the_clear(&self) -> (Client, TcpStream) {
        let stream = TcpStream::connect(self.server.addr).expect("the server listens");
        (alice(Client::on_stream(stream.try_clone().expect("a descriptor"))), stream)
    }

    fn inside_tls(&self) -> (Client, TcpStream) {
        let stream = tls::connect(self.server.tls_addr, &self.certificate);
        let socket = stream.sock.try_clone().expect("a descriptor");
        (alice(Client::on_tls(stream)), socket)
    }

    fn stranger(&mut self, turn: usize) -> TcpStream {
        self.strangers += 1;
        let bytes = self.alphabet.stream(None);
        if self.strangers.is_multiple_of(TLS_EVERY) {
            let mut stream = tls::connect(self.server.tls_addr, &self.certificate);
            self.said += bytes.len();
            // The server may have had enough before the end.
            let _ = stream.write_all(&bytes).and_then(|()| stream.flush());
            return stream.sock;
        }
        // Both ports take both kinds of first bytes.
        let port = if turn % 4 == 1 { self.server.addr } else { self.server.tls_addr };
        let stream = TcpStream::connect(port).expect("the server listens");
        let hello: &[u8] = if turn % 8 == 3 { &[0x16, 3, 1, 2, 0, 1, 0, 1, 0xFC, 3, 3] } else { &[] };
        self.say(&stream, &[hello, &bytes].concat());
        stream
    }

    fn say(&mut self, mut stream: &TcpStream, bytes: &[u8]) {
        self.said += bytes.len();
        limit_writing(stream);
        let _ = stream.write_all(bytes);
    }
}

/// Whether something lies there to be read.
fn holds_answers(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).is_ok() && stream.peek(&mut [0]).is_ok_and(|len| len > 0)
}

/// Nobody reads the answers, so a server that cannot write them may stop reading; it does not get all then.
fn limit_writing(stream: &TcpStream) {
    stream.set_write_timeout(Some(Duration::from_millis(200))).expect("a timeout");
}

#[test]
fn hostile_streams_cost_no_memory_and_no_descriptor() {
    streams(launch(&[]), times(800, 75_000));
}

#[test]
fn hostile_streams_are_survived_in_the_shipped_profile() {
    streams(launch_shipped(&[]), times(400, 25_000));
}

/// So many streams for a server.
fn streams(launch: Launch, count: usize) {
    let _network = own_network();
    let rounds = count.div_ceil(ROUND);
    let certificate = Certificate::new();
    let server = certificate.given_to(launch).start();
    let witness = Client::udp(server.addr);
    let mut live = alice(Client::tcp(server.addr));
    live.relayed();
    let alphabet = Alphabet::new(2, 9);
    let mut crowd = Crowd { server, certificate, alphabet, witness, said: 0, strangers: 0, clients: 0, answered: 0 };
    // Code paged in, tables and buffers of as many streams as are open at once, TLS among them.
    let warm_up = (rounds / 10).clamp(10, 300);
    (0..warm_up).for_each(|_| crowd.round());
    crowd.witness.settle();
    let descriptors = crate::figures::descriptors(&crowd.server);
    let mut before = Figures::of(&crowd.server);
    for _ in 0..rounds {
        crowd.round();
        before.sample(&crowd.server);
    }
    assert_eq!(live.refresh(600).code(), 0, "who lived through it goes on");
    await_descriptors(&crowd.server, descriptors);
    let what = format!(
        "{} streams with {} bytes, {} of {} with an allocation were answered",
        rounds * ROUND,
        crowd.said,
        crowd.answered,
        crowd.clients
    );
    let after = before.report(&crowd.server, what);
    before.assert_memory(&after);
    let dropped = assert_healthy(crowd.server);
    // What was said was read and judged, not closed unread.
    let (clients, answered) = (crowd.clients, crowd.answered);
    assert!(answered > clients / 4, "{answered} of {clients} clients were answered");
    assert!(dropped > clients / 5, "{dropped} messages of {clients} clients and as many strangers were judged");
}
