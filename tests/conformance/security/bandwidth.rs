//! Data that goes round between two servers (RFC 8656 section 21.1.7).

use std::net::SocketAddr;
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, Type};
use turnserver::clock;

use crate::probe::Probe;
use crate::relaying::{own_server, probe_of};
use crate::wire::{Link, Server, busy, poll_until};

/// Bytes a second of a user, each way; as many may come at once.
const LIMIT: u64 = 100_000;
const PAYLOAD_LEN: u64 = 1000;
/// How long the allocations of the loop live.
const LIFETIME_SECS: u64 = 3;
const CHANNEL: u16 = 0x4000;

fn server() -> Server {
    let limits = format!("user-bps = {LIMIT}\nmax-allocate-lifetime = {LIFETIME_SECS}");
    own_server(&["127.0.0.1"], &format!("{limits}\nallowed-peer-ip = [\"127.0.0.1\"]"))
}

/// A client that speaks to `to` from the very address that `from` listens on, as an attacker who forges its source and
/// learns the answers. As long as it lives it gets what `to` sends to that address, and `from` does not.
fn forger(from: &Server, to: &Server) -> Probe {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).expect("a socket");
    socket.set_reuse_port(true).expect("an option");
    socket.bind(&SockAddr::from(from.addr)).expect("the server shares its address within one user");
    socket.connect(&SockAddr::from(to.addr)).expect("loopback has a route");
    Probe::over(Link::Udp(socket.into()))
}

/// What the log of a server says of the allocation at `relayed`, once it is over: its reason and packets and bytes relayed
/// to peers and to the client.
fn ended(server: &Server, relayed: SocketAddr) -> [u64; 4] {
    let line = server.log.find(&["allocation ended", &format!("relayed={relayed}"), "reason=expired"]);
    let line = line.expect("the server goes on");
    ["to_peer_packets", "to_peer_bytes", "to_client_packets", "to_client_bytes"].map(|name| {
        let value = line.split(&format!("{name}=")).nth(1).and_then(|rest| rest.split_whitespace().next());
        value.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name} in {line}"))
    })
}

/// The client of A's allocation is B itself, and the other way round; a channel of each leads to the relayed address of the
/// other. What comes to A on its channel goes out of its relayed address to that of B, from there on B's channel to A.
pub(super) fn sec_003_a_loop_of_two_servers_is_bounded() {
    let [a, b] = [server(), server()];
    relayed_ports_are_random(&a);
    let start = clock::now().mono;
    let busy_before = busy(a.pid()) + busy(b.pid());
    let at_a = forger(&b, &a).allocate();
    let at_b = {
        let mut as_a = forger(&a, &b);
        let at_b = as_a.allocate();
        assert_eq!(as_a.bind(CHANNEL, at_a), 0);
        at_b
    };
    let mut as_b = forger(&b, &a);
    assert_eq!(as_b.bind(CHANNEL, at_b), 0);
    let mut injected = 0;
    while clock::now().mono.since(start) < Duration::from_secs(LIFETIME_SECS - 1) {
        as_b.send_channel(CHANNEL, &[7; PAYLOAD_LEN as usize]);
        injected += 1;
        let next = clock::now().mono + Duration::from_millis(20);
        poll_until("the next datagram is due", || (clock::now().mono >= next).then_some(()));
    }
    let [to_peer, to_peer_bytes, ..] = ended(&a, at_a);
    let [.., to_client, to_client_bytes] = ended(&b, at_b);
    let nanos = clock::now().mono.since(start).as_nanos() as u64;
    assert!(to_peer > 2 * injected, "of {injected} datagrams {to_peer} went round");
    assert!(to_client > to_peer / 2, "{to_client} of {to_peer} went on");
    let allowed = LIMIT + LIMIT * (nanos / 1000) / 1_000_000;
    for bytes in [to_peer_bytes, to_client_bytes] {
        assert!(bytes <= allowed, "{bytes} bytes went round in {nanos} ns, {allowed} may");
        assert!(bytes >= LIMIT * 3 / 2, "{bytes} bytes went round in {nanos} ns");
    }
    // Ten times what a slow build takes for a datagram, where an endless loop takes all there is.
    let spent = (busy(a.pid()) + busy(b.pid()) - busy_before).as_micros() as u64;
    let handled = injected + to_peer + to_client;
    assert!(spent <= 200_000 + 500 * handled, "{spent} us for {handled} datagrams");
    assert_eq!(as_b.refresh(600), 437, "the allocation is over, and the loop with it");
}

/// Whoever cannot read the answers must guess the relayed address.
fn relayed_ports_are_random(server: &Server) {
    let ports: Vec<u16> = (0..50).map(|_| probe_of(server).allocate().port()).collect();
    let near = ports.windows(2).filter(|pair| pair[0].abs_diff(pair[1]) <= 2).count();
    assert!(near <= 3, "relayed ports follow each other: {ports:?}");
    let rising = ports.windows(2).filter(|pair| pair[0] < pair[1]).count();
    assert!((8..=41).contains(&rising), "relayed ports have an order: {ports:?}");
    let (least, most) = (ports.iter().min(), ports.iter().max());
    assert!(least.zip(most).is_some_and(|(least, most)| most - least > 4096), "relayed ports are close: {ports:?}");
}
