//! A worker that breaks off where nothing contains it: others go on, what it shared with them is free again, and whoever
//! started the server learns of it.

use std::io::ErrorKind;
use std::net::{TcpStream, UdpSocket};

use rustix::event::epoll;
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};

use crate::wire::{Client, Launch, Server, free_ports};
use crate::{allocate_pair, token};

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

/// Has the worker break off in whose epoll set something of this kind is.
fn break_off(server: &Server, kind: u64) {
    let pid = Pid::from_raw(i32::try_from(server.pid()).expect("a process id")).expect("a process id");
    let process = pidfd_open(pid, PidfdFlags::empty()).expect("the server runs");
    let set = pidfd_getfd(process, epoll_set(server, kind), PidfdGetfdFlags::empty());
    let set = set.expect("a process of our own, as far as the system lets look into one");
    let (readable, writer) = std::io::pipe().expect("a descriptor");
    drop(writer);
    epoll::add(set, &readable, epoll::EventData::new_u64(NO_ACCEPTOR), epoll::EventFlags::IN).expect("an epoll set");
    assert!(server.log.find(&["a worker broke off"]).is_some(), "{}", server.log.whole());
}

#[test]
fn the_last_worker_takes_the_process_along_and_its_status_says_so() {
    let mut server = start(&[]);
    assert_eq!(alice(&server).binding().code(), 0);
    break_off(&server, LISTENER);
    assert_eq!(server.end().code(), Some(255), "as nobody serves any more");
    assert!(server.log.whole().contains("1 workers had broken off"), "{}", server.log.whole());
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
    break_off(&server, RELAY);
    clients.retain(|client| {
        client.set_nonblocking(true).expect("a socket");
        client.peek(&mut [0]).is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    });
    assert!(clients.len() < before, "its clients are gone");
    fill(&mut clients);
    assert_eq!(clients.len(), before, "as many as both workers held");
    assert_eq!(server.terminate().code(), Some(255));
}

/// The ports of its allocations and reservations can be had again, and are no way to whatever else listens there.
#[test]
fn what_a_worker_held_goes_back_and_others_serve_on() {
    let first = free_ports(6);
    let range = [format!("--min-port={first}"), format!("--max-port={}", first + 5)];
    let mut server = start(&["--relay-threads=2", &range[0], &range[1]]);
    let (_client, reply) = allocate_pair(server.addr);
    assert_eq!(token(&reply).len(), 8);
    break_off(&server, RELAY);

    let stranger = UdpSocket::bind(reply.relayed()).expect("its socket is closed");
    stranger.set_nonblocking(true).expect("a socket");
    let mut clients = vec![alice(&server)];
    assert_eq!(clients[0].allocate().code(), 0, "the other worker serves");
    assert_eq!(clients[0].permit(reply.relayed().ip()).code(), 0);
    clients[0].send(reply.relayed(), b"for whoever has the port");
    clients[0].settle();
    assert!(stranger.recv(&mut [0; 64]).is_err(), "no allocation has that port any more");
    drop(stranger);
    clients.extend((1..6).map(|_| alice(&server)));
    let codes: Vec<u16> = clients[1..].iter_mut().map(|client| client.allocate().code()).collect();
    assert_eq!(codes, [0; 5], "all six ports can be had");
    assert_eq!(alice(&server).allocate().code(), 508);
    assert_eq!(server.terminate().code(), Some(255), "it served to the end, and yet something was wrong");
}
