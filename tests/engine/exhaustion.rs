//! Descriptors and ports run out while the server runs: it refuses, waits without burning, and goes on when there are
//! some again.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use turnserver::clock;

use crate::wire::{Client, Launch, Received, Server, free_ports, poll_until};

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// How long a waiting connection is left alone to see what it costs.
const WATCHED: Duration = Duration::from_secs(2);
/// What that may cost: some wake-ups. Who spins has at least a tenth of a processor, on a busy machine too.
const BURNT_MAX: Duration = Duration::from_millis(60);
/// `_SC_CLK_TCK` of every Linux that user space sees.
const TICKS_PER_SEC: u64 = 100;

fn start(args: &[&str]) -> Server {
    Launch::new(&["-a", "--realm=r", "--user=alice:secret", "--allow-loopback-peers"]).and(args).start()
}

fn alice(client: Client) -> Client {
    client.with_user("alice", "secret")
}

/// Sets the limit of descriptors of a running server; what it has open stays open. Returns the limit before.
fn limit(server: &Server, current: Option<u64>) -> Option<u64> {
    let pid = Pid::from_raw(i32::try_from(server.pid()).expect("a process id"));
    let maximum = rustix::process::getrlimit(Resource::Nofile).maximum;
    prlimit(pid, Resource::Nofile, Rlimit { current, maximum }).expect("a process of our own").current
}

/// Processor time of the server so far.
fn cpu(server: &Server) -> Duration {
    let text = std::fs::read_to_string(format!("/proc/{}/stat", server.pid())).expect("the server runs");
    let (_, fields) = text.rsplit_once(')').expect("the name ends");
    let ticks = fields.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u64>().expect("a number"));
    Duration::from_millis(ticks.sum::<u64>() * 1000 / TICKS_PER_SEC)
}

/// Two clients that reach each other.
fn pair(server: &Server) -> (Client, SocketAddr, Client, SocketAddr) {
    let (mut a, mut b) = (alice(Client::udp(server.addr)), alice(Client::tcp(server.addr)));
    let (a_relayed, b_relayed) = (a.relayed(), b.relayed());
    assert_eq!((a.permit(LOOPBACK).code(), b.permit(LOOPBACK).code()), (0, 0));
    (a, a_relayed, b, b_relayed)
}

/// Nothing is left, not even what was kept for refusing: the connection waits, and the worker with it.
#[test]
fn a_connection_that_cannot_even_be_refused_waits_and_burns_nothing() {
    let server = start(&[]);
    let (mut a, a_relayed, mut b, b_relayed) = pair(&server);
    let before = limit(&server, Some(3));
    let mut waiting: Vec<Client> = (0..4).map(|_| Client::tcp(server.addr)).collect();
    waiting.iter_mut().for_each(Client::send_binding);

    for round in 0..50 {
        a.send(b_relayed, &[round]);
        assert_eq!(b.receive(), Received::Indication(a_relayed, vec![round]), "live allocations relay");
        assert_eq!(alice(Client::udp(server.addr)).allocate().code(), 508);
    }
    let (begin, cpu_before) = (clock::now().mono, cpu(&server));
    poll_until("some seconds pass", || (clock::now().mono.since(begin) > WATCHED).then_some(()));
    let burnt = cpu(&server) - cpu_before;
    assert!(burnt < BURNT_MAX, "{burnt:?} of processor time while nothing was asked");

    limit(&server, before);
    for client in &mut waiting {
        assert_eq!(client.binding().code(), 0, "who waited is served");
    }
    assert_eq!(alice(Client::tcp(server.addr)).allocate().code(), 0);
    // And the next time it has something to refuse with again.
    limit(&server, Some(3));
    limit(&server, before);
    assert_eq!(Client::tcp(server.addr).binding().code(), 0);
}

#[test]
fn a_server_with_hardly_any_descriptors_says_so_and_does_not_panic() {
    let mut refusals = 0;
    for descriptors in [8, 10, 12, 14, 16] {
        let launch = Launch::new(&["-a", "--realm=r", "--user=alice:secret"]).with_descriptors(descriptors);
        match launch.try_run() {
            Ok(mut server) => assert!(server.terminate().success()),
            Err(ended) => {
                refusals += 1;
                assert!(ended.status.code().is_some_and(|code| code != 0), "{}: {}", ended.status, ended.log);
                assert!(ended.log.contains("Too many open files") && !ended.log.contains("panicked"), "{}", ended.log);
            }
        }
    }
    assert!(refusals > 0, "8 descriptors were enough");
}

/// Other programs have most of the range. Each request tries some ports, and those it found taken are left for a while.
#[test]
fn ports_that_others_have_are_passed_over_and_no_request_tries_for_ever() {
    const PORTS: u16 = 64;
    const FREE: usize = 8;
    let first = free_ports(PORTS);
    let range = [format!("--min-port={first}"), format!("--max-port={}", first + PORTS - 1)];
    let server = start(&[&range[0], &range[1]]);
    let others = |ports: std::ops::Range<u16>| -> Vec<UdpSocket> {
        ports.map(|port| UdpSocket::bind((LOOPBACK, port)).expect("no relay has it")).collect()
    };
    let mut held = others(first..first + PORTS);
    assert_eq!(alice(Client::udp(server.addr)).allocate().code(), 508, "others have every port");

    held.truncate(usize::from(PORTS) - FREE);
    let mut live: Vec<Client> = Vec::new();
    for _ in 0..FREE * usize::from(PORTS) {
        let mut client = alice(Client::udp(server.addr));
        match client.allocate().code() {
            0 => live.push(client),
            code => assert_eq!(code, 508),
        }
        if live.len() == FREE {
            break;
        }
    }
    assert_eq!(live.len(), FREE, "every port that is free is found");
    assert_eq!(alice(Client::udp(server.addr)).allocate().code(), 508);
    assert_eq!(live[0].refresh(0).code(), 0);
    let again = (0..PORTS).any(|_| alice(Client::udp(server.addr)).allocate().code() == 0);
    assert!(again, "what is freed is given");
}
