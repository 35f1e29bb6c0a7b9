//! A worker that breaks off where nothing contains it: it begins anew on its sockets, so that everybody stays with a
//! worker; what it held is free again. One that breaks off all the time ends the server, and its status says so.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream, UdpSocket};

use rustix::event::epoll;
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, Resource, Rlimit, pidfd_getfd, pidfd_open, prlimit};

use crate::wire::{Client, Launch, Server, free_ports, http, poll_until, tls};
use crate::{CLIENTS, allocate_pair, ask_for_pair, token};

/// What a worker calls its UDP listener, and the relay sockets it holds, in its epoll set.
const LISTENER: u64 = 1;
const RELAY: u64 = 2;
/// A TCP listener that no worker has: told to accept from it, a worker looks for it outside of the core, and panics.
const NO_ACCEPTOR: u64 = 3 << 32 | 0xFFFF;

fn start(args: &[&str]) -> Server {
    Launch::new(&["-a", "--realm=r", "--user=alice:secret", "--profile=default"]).and(args).start()
}

fn alice(server: &Server) -> Client {
    Client::udp(server.addr).with_user("alice", "secret")
}

/// The epoll set of a server in which something of this kind is; data of epoll sets is shown by the system.
fn epoll_set(server: &Server, kind: u64) -> i32 {
    let dir = format!("/proc/{}/fdinfo", server.pid());
    let holds = |text: &str| {
        let data = text.lines().filter_map(|line| line.split_once("data:")?.1.split_whitespace().next());
        data.filter_map(|data| u64::from_str_radix(data, 16).ok()).any(|data| data >> 32 == kind)
    };
    let sets = std::fs::read_dir(dir).expect("the server runs").filter_map(|entry| {
        let entry = entry.ok()?;
        // What was closed meanwhile is no epoll set.
        holds(&std::fs::read_to_string(entry.path()).ok()?).then_some(entry.file_name())
    });
    let set = sets.min().expect("a worker has it");
    set.to_str().and_then(|set| set.parse().ok()).expect("a descriptor")
}

/// Lines that say that a worker broke off, and that it is back.
const BROKE_OFF: &str = "a worker broke off; this is a bug";
const ANEW: &str = "the worker begins anew";

/// Has the worker break off in whose epoll set something of this kind is.
fn break_off(server: &Server, kind: u64) {
    let before = server.log.count(&[BROKE_OFF]);
    let pid = Pid::from_raw(i32::try_from(server.pid()).expect("a process id")).expect("a process id");
    let process = pidfd_open(pid, PidfdFlags::empty()).expect("the server runs");
    let set = pidfd_getfd(process, epoll_set(server, kind), PidfdGetfdFlags::empty());
    let set = set.expect("a process of our own, as far as the system lets look into one");
    let (readable, writer) = std::io::pipe().expect("a descriptor");
    drop(writer);
    epoll::add(set, &readable, epoll::EventData::new_u64(NO_ACCEPTOR), epoll::EventFlags::IN).expect("an epoll set");
    poll_until("a worker breaks off", || (server.log.count(&[BROKE_OFF]) > before).then_some(()));
}

/// The same for a worker that comes back: waits until it did, and tells its number.
fn begin_anew(server: &Server, kind: u64) -> u8 {
    let before = server.log.count(&[ANEW]);
    break_off(server, kind);
    poll_until("the worker begins anew", || {
        let log = server.log.text();
        let line = log.lines().filter(|line| line.contains(ANEW)).nth(before)?;
        line.split_once("worker=")?.1.trim().parse().ok()
    })
}

fn descriptors(server: &Server) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", server.pid())).expect("the server runs").count()
}

/// One socket less among those that share a port, and the kernel deals the clients of all workers out anew.
#[test]
fn everybody_stays_with_a_worker_when_one_breaks_off() {
    // Coturn's profile: no quota counts how many streams it takes to come to one worker.
    let launch = Launch::new(&["-a", "--realm=r", "--user=alice:secret", "--relay-threads=4"]);
    let mut server = launch.start();
    let clients: Vec<(Client, u8)> = (0..40)
        .map(|_| {
            let (client, reply) = allocate_pair(server.addr);
            (client, token(&reply)[0])
        })
        .collect();
    let held = descriptors(&server);
    let broken = begin_anew(&server, RELAY);
    let (lost, kept): (Vec<_>, Vec<_>) = clients.into_iter().partition(|(_, worker)| *worker == broken);
    assert!(!lost.is_empty() && !kept.is_empty(), "{} clients of the broken worker", lost.len());
    assert_eq!(descriptors(&server), held - 2 * lost.len(), "its relay sockets and reservations are closed");

    let mut codes: Vec<_> = kept.into_iter().map(|(mut client, worker)| (client.refresh(600).code(), worker)).collect();
    codes.retain(|(code, _)| *code != 0);
    assert_eq!(codes, [], "the others serve theirs as before");
    for (mut client, _) in lost {
        assert_eq!(client.refresh(600).code(), 437, "it is served, and has nothing any more");
        let reply = ask_for_pair(&mut client);
        assert_eq!(token(&reply)[0], broken, "it is still with the worker that has its 5-tuple");
    }
    let accepts = (0..CLIENTS).any(|_| {
        let mut client = Client::tcp(server.addr).with_user("alice", "secret");
        token(&ask_for_pair(&mut client))[0] == broken
    });
    assert!(accepts, "streams come to it as well");
    assert_eq!(server.terminate().code(), Some(0));
    assert!(server.log.whole().contains("reason=\"break_offs\" count=1"), "{}", server.log.whole());
}

#[test]
fn a_worker_that_breaks_off_again_and_again_takes_the_process_along_and_its_status_says_so() {
    let certificate = tls::Certificate::new();
    let launch = Launch::new(&["-a", "--realm=r", "--user=alice:secret", "--relay-threads=1"]);
    let mut server = certificate.given_to(launch).start();
    for _ in 0..5 {
        begin_anew(&server, LISTENER);
        assert_eq!(alice(&server).allocate().code(), 0, "over UDP");
        let mut client = Client::tls(server.tls_addr, &certificate).with_user("alice", "secret");
        assert_eq!(client.allocate().code(), 0, "over TLS, whose handshakes another thread hands back");
    }
    break_off(&server, LISTENER);
    assert_eq!(server.end().code(), Some(255), "as it does not get better");
    let log = server.log.whole();
    assert!(log.contains("a worker broke off more than 5 times within a minute"), "{log}");
}

#[test]
fn a_worker_that_has_nothing_to_begin_anew_with_takes_the_process_along() {
    let mut server = start(&["--relay-threads=2"]);
    let process = Pid::from_raw(i32::try_from(server.pid()).expect("a process id"));
    prlimit(process, Resource::Nofile, Rlimit { current: Some(0), maximum: Some(0) }).expect("a process of our own");
    break_off(&server, LISTENER);
    assert_eq!(server.end().code(), Some(255), "as its sockets serve nobody");
    let log = server.log.whole();
    assert!(log.contains("a worker broke off and cannot begin anew"), "{log}");
}

#[test]
fn what_a_worker_held_is_counted_down_when_it_breaks_off() {
    let port = free_ports(1);
    let server = start(&["--relay-threads=1", &format!("--prometheus-port={port}")]);
    let held = |allocations: u32, connections: u32| {
        let text = http::get(([127, 0, 0, 1], port).into(), "/metrics").body;
        let [udp, tcp] =
            ["udp", "tcp"].map(|over| format!("turnserver_allocations{{transport=\"{over}\"}} {allocations}\n"));
        let tables = ["permissions", "channels"].map(|table| format!("turnserver_{table} {}\n", 2 * allocations));
        let streams = format!("turnserver_stream_connections{{state=\"allocated\"}} {connections}\n");
        [&udp, &tcp, &tables[0], &tables[1], &streams].iter().all(|line| text.contains(*line)).then_some(text)
    };
    let mut clients = [alice(&server), Client::tcp(server.addr).with_user("alice", "secret")];
    for client in &mut clients {
        client.relayed();
        assert_eq!(client.bind(0x4000, ([8, 8, 8, 8], 9).into()).code(), 0);
    }
    poll_until("all of it is counted", || held(1, 1));
    begin_anew(&server, RELAY);
    let text = poll_until("nothing of it is left", || held(0, 0));
    assert!(text.contains("turnserver_worker_break_offs_total 1\n"), "{text}");
    assert_eq!(clients[0].refresh(600).code(), 437);
    let (reply, channel) = (clients[0].allocate(), clients[0].bind(0x4000, ([8, 8, 8, 8], 9).into()));
    assert_eq!((reply.code(), channel.code()), (0, 0));
    let is_one = "turnserver_allocations{transport=\"udp\"} 1\n";
    let count = || http::get(([127, 0, 0, 1], port).into(), "/metrics").body;
    poll_until("what begins then is counted", || count().contains(is_one).then_some(()));
    assert!(count().contains("turnserver_channels 1\n"), "{}", count());
}

/// Streams take descriptors, of which each worker may take all that are left.
#[test]
fn what_the_streams_of_a_worker_took_goes_back() {
    let launch = Launch::new(&["-a", "--realm=r", "--user=alice:secret", "--relay-threads=2"]);
    let mut server = launch.with_descriptors(96).start();
    let fill = |clients: &mut Vec<TcpStream>| {
        let refused = (0..96).find_map(|_| {
            let mut client = Client::tcp(server.addr).with_user("alice", "secret");
            let code = client.allocate().code();
            clients.push(client.into_tcp());
            (code != 0).then_some(code)
        });
        assert_eq!(refused, Some(508));
        clients.pop();
    };
    let mut clients = Vec::new();
    fill(&mut clients);
    let before = clients.len();
    begin_anew(&server, RELAY);
    clients.retain(|client| {
        client.set_nonblocking(true).expect("a socket");
        client.peek(&mut [0]).is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    });
    assert!(clients.len() < before, "its clients are gone");
    fill(&mut clients);
    assert_eq!(clients.len(), before, "as many as both workers held");
    assert_eq!(server.terminate().code(), Some(0));
}

/// A server with six ports, one pair of which was held by a worker that broke off, and where the allocation was.
fn after_a_pair_was_lost() -> (Server, SocketAddr) {
    let first = free_ports(6);
    let range = [format!("--min-port={first}"), format!("--max-port={}", first + 5)];
    let server = start(&["--relay-threads=2", &range[0], &range[1]]);
    let (_client, reply) = allocate_pair(server.addr);
    assert_eq!(token(&reply).len(), 8);
    begin_anew(&server, RELAY);
    (server, reply.relayed())
}

#[test]
fn the_ports_of_allocations_and_reservations_can_be_had_again() {
    let (mut server, _) = after_a_pair_was_lost();
    let mut clients: Vec<Client> = (0..6).map(|_| alice(&server)).collect();
    let codes: Vec<u16> = clients.iter_mut().map(|client| client.allocate().code()).collect();
    assert_eq!(codes, [0; 6], "on either worker");
    assert_eq!(alice(&server).allocate().code(), 508);
    assert_eq!(server.terminate().code(), Some(0));
}

#[test]
fn the_ports_of_a_worker_that_broke_off_are_no_way_to_whatever_else_listens_there() {
    let (server, relayed) = after_a_pair_was_lost();
    let stranger = UdpSocket::bind(relayed).expect("its socket is closed");
    stranger.set_nonblocking(true).expect("a socket");
    let mut client = alice(&server);
    assert_eq!(client.allocate().code(), 0);
    assert_eq!(client.permit(relayed.ip()).code(), 0);
    client.send(relayed, b"for whoever has the port");
    client.settle();
    assert!(stranger.recv(&mut [0; 64]).is_err(), "no allocation has that port any more");
}

/// Operators find out who was who from these lines, and usage is counted from them.
#[test]
fn allocations_of_a_worker_that_breaks_off_are_told_as_ended() {
    let server = start(&["--relay-threads=1", "--allowed-peer-ip=127.0.0.1"]);
    let mut clients: Vec<Client> =
        vec![alice(&server), Client::tcp(server.addr).with_user("alice", "secret"), alice(&server)];
    let relayed: Vec<SocketAddr> = clients.iter_mut().map(Client::relayed).collect();
    assert_eq!(clients[2].permit(relayed[0].ip()).code(), 0);
    clients[2].send(relayed[0], b"seven b");
    clients[2].settle();
    begin_anew(&server, RELAY);
    for (client, relayed) in clients.iter().zip(&relayed) {
        let parts = [format!("client={} ", client.local()), format!("relayed={relayed} ")];
        let line = ["INFO", "allocation ended", "reason=fault", "user=\"alice\"", &parts[0], &parts[1]];
        assert_eq!(server.log.count(&line), 1, "{line:?} in\n{}", server.log.text());
    }
    let told = server.log.find(&["reason=fault", "to_peer_packets=1 to_peer_bytes=7 "]);
    assert!(told.is_some_and(|line| line.contains(&clients[2].local().to_string())), "{}", server.log.text());
    alice(&server).relayed();
}
