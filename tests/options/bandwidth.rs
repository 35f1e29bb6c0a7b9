//! Limits of bandwidth.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use turnserver::clock;

use crate::wire::{Client, Server, poll_until};
use crate::{alice, bob, launch, start};

/// Bytes a second, of which a fifth may come at once.
const LIMIT: f64 = 100_000.0;
const LIMITED: &str = "100000";
/// So many datagrams of a thousand bytes are sent: several seconds' worth.
const SENT: usize = 400;
const PAYLOAD: [u8; 1000] = [7; 1000];

/// A client with a permission for a peer, and that peer.
struct Call {
    client: Client,
    relayed: SocketAddr,
    peer: UdpSocket,
}

impl Call {
    fn of(mut client: Client) -> Call {
        let relayed = client.relayed();
        let peer = UdpSocket::bind(("127.0.0.1", 0)).expect("a free port");
        peer.set_nonblocking(true).expect("a socket of ours");
        let addr = peer.local_addr().expect("a bound socket");
        assert_eq!(client.permit(addr.ip()).code(), 0);
        Call { client, relayed, peer }
    }

    /// Sends one datagram from the client to the peer.
    fn send_one(&mut self) -> usize {
        self.client.send(self.peer.local_addr().expect("a bound socket"), &PAYLOAD);
        self.client.settle();
        std::iter::from_fn(|| self.peer.recv(&mut [0; 2000]).ok()).count()
    }

    /// Sends a few datagrams from the client to the peer, no more than sockets hold; gives how many arrived.
    fn send_some(&mut self) -> usize {
        let addr = self.peer.local_addr().expect("a bound socket");
        (0..20).for_each(|_| self.client.send(addr, &PAYLOAD));
        self.client.settle();
        let mut datagram = [0; 2000];
        std::iter::from_fn(|| self.peer.recv(&mut datagram).ok()).count()
    }

    /// The same from the peer to the client.
    fn send_some_back(&mut self) -> usize {
        for _ in 0..20 {
            self.peer.send_to(&PAYLOAD, self.relayed).expect("loopback has a route");
        }
        self.client.settle();
        self.client.pending().len()
    }
}

/// How many of all bytes that these calls sent at once arrived, and how many may have: the burst, and what came back
/// meanwhile.
fn assert_limited(calls: &mut [&mut Call], limit: f64, send_some: fn(&mut Call) -> usize) {
    let start = clock::now().mono;
    let arrived: usize = (0..SENT / 20 / calls.len())
        .flat_map(|_| calls.iter_mut().map(|call| send_some(call)).collect::<Vec<_>>())
        .sum();
    let (bytes, secs) = ((arrived * PAYLOAD.len()) as f64, clock::now().mono.since(start).as_secs_f64());
    assert!(bytes <= limit / 5.0 + limit * secs, "{bytes} bytes arrived in {secs} s");
    assert!(bytes >= limit / 5.0 - 1000.0, "{bytes} bytes arrived in {secs} s, a fifth of a second's worth is a burst");
}

/// Both directions have the limit, each for itself.
fn assert_both_limited(calls: &mut [&mut Call], limit: f64) {
    assert_limited(calls, limit, Call::send_some);
    assert_limited(calls, limit, Call::send_some_back);
}

/// One client sends ten times what it may for five seconds, another one half of what it may.
fn assert_held_for_five_seconds(limited: &Server) {
    let (mut greedy, mut modest) = (Call::of(alice(limited)), Call::of(bob(limited)));
    let start = clock::now().mono;
    let (mut sent, mut arrived) = (0, 0);
    let elapsed = || clock::now().mono.since(start).as_secs_f64();
    while elapsed() < 5.0 {
        let next = clock::now().mono + Duration::from_millis(20);
        sent += 20;
        arrived += greedy.send_some();
        assert_eq!(modest.send_one(), 1, "another client has its own limit");
        poll_until("the next round begins", || (clock::now().mono >= next).then_some(()));
    }
    let (bytes, secs) = ((arrived * PAYLOAD.len()) as f64, elapsed());
    assert!(bytes <= 1.05 * LIMIT * secs, "{bytes} bytes arrived in {secs} s");
    // A slow machine offers less.
    let offered = (sent * PAYLOAD.len()) as f64;
    assert!(bytes >= 0.5 * (LIMIT * secs).min(offered), "{bytes} bytes arrived of {offered} in {secs} s");
}

fn server(args: &[&str]) -> Server {
    start(&[&["--allow-loopback-peers"], args].concat())
}

pub(crate) fn an_allocation_relays_so_many_bytes_a_second() {
    let limited = server(&["-s", LIMITED]);
    let (mut first, mut second) = (Call::of(alice(&limited)), Call::of(alice(&limited)));
    assert_both_limited(&mut [&mut first], LIMIT);
    assert_both_limited(&mut [&mut second], LIMIT);
    assert_held_for_five_seconds(&limited);
    let free = server(&[]);
    let mut call = Call::of(alice(&free));
    let arrived: usize = (0..20).map(|_| call.send_some() + call.send_some_back()).sum();
    assert_eq!(arrived, 2 * SENT, "without the option there is no limit");
}

pub(crate) fn a_user_relays_so_many_bytes_a_second() {
    let limited = server(&["--user-bps", LIMITED]);
    let (mut first, mut second) = (Call::of(alice(&limited)), Call::of(alice(&limited)));
    let mut other = Call::of(bob(&limited));
    assert_both_limited(&mut [&mut first, &mut second], LIMIT);
    assert_both_limited(&mut [&mut other], LIMIT);
}

pub(crate) fn the_server_relays_so_many_bytes_a_second() {
    let limited = server(&["-s", LIMITED, "-B", "150000"]);
    let (mut first, mut second) = (Call::of(alice(&limited)), Call::of(bob(&limited)));
    assert_both_limited(&mut [&mut first, &mut second], 150_000.0);
    let alone = launch(&["--bps-capacity=150000"]).run();
    let told = "--bps-capacity: bps-capacity is given without max-bps";
    assert!(!alone.status.success() && alone.log.contains(told), "{}", alone.log);
}
