//! Sockets that whoever starts the server opened for it: they are served instead of being bound.

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};
use socket2::{Domain, Socket, Type};
use tempfile::TempDir;

use crate::process::{Running, arguments, free_address, prepare, program};
use crate::wire::{Client, poll_until};

/// A shell puts the two descriptors it has as standard streams where the protocol has them.
const HAND_OVER: &str = "exec 3<&0 4<&1 0</dev/null 1>/dev/null; export LISTEN_FDS=2 LISTEN_PID=$$; exec \"$@\"";

/// A server with two inherited sockets, and what it logged.
struct Activated {
    server: Running,
    dir: TempDir,
}

impl Activated {
    fn start(sockets: [OwnedFd; 2], addr: SocketAddr, args: &[&str]) -> Activated {
        let dir = tempfile::tempdir().expect("a directory");
        let log = std::fs::File::create(dir.path().join("log")).expect("a directory of our own");
        let [first, second] = sockets;
        let mut command = Command::new("sh");
        command.args(["-c", HAND_OVER, "sh"]).arg(program()).args(arguments(addr)).args(args);
        prepare(&mut command, dir.path());
        let child = command.stdin(first).stdout(second).stderr(log).spawn().expect("sh is there");
        Activated { server: Running(child), dir }
    }

    fn log(&self) -> String {
        read(&self.dir.path().join("log"))
    }

    fn listens(&self) {
        poll_until("it listens", || self.log().contains("workers=").then_some(()));
    }

    fn terminate(&mut self) -> Option<i32> {
        kill_process(Pid::from_child(&self.server.0), Signal::TERM).expect("the server runs");
        poll_until("it ends", || self.server.0.try_wait().expect("our child")).code()
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).expect("a log is text")
}

fn shared_udp(addr: SocketAddr) -> UdpSocket {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).expect("a descriptor");
    socket.set_reuse_port(true).expect("a socket");
    socket.bind(&addr.into()).expect("a free port");
    socket.into()
}

/// How many UDP sockets are bound to a port.
fn udp_sockets(addr: SocketAddr) -> usize {
    let port = format!(":{:04X}", addr.port());
    let is_there = |line: &&str| line.split_whitespace().nth(1).is_some_and(|local| local.ends_with(&port));
    read(Path::new("/proc/net/udp")).lines().filter(is_there).count()
}

#[test]
fn inherited_sockets_are_served_and_stay_open_for_whoever_comes_after() {
    let addr = free_address();
    let udp = UdpSocket::bind(addr).expect("a free port");
    let tcp = TcpListener::bind(addr).expect("a free port");
    // Asked before anybody serves: the question waits in the socket.
    let mut early = Client::udp(addr).with_user("alice", "secret");
    early.send_binding();
    for _ in 0..2 {
        let sockets = [udp.try_clone().expect("a descriptor").into(), tcp.try_clone().expect("a descriptor").into()];
        let mut server = Activated::start(sockets, addr, &[]);
        server.listens();
        assert_eq!(early.allocate().code(), 0, "{}", server.log());
        assert_eq!(Client::tcp(addr).with_user("alice", "secret").allocate().code(), 0);
        assert_eq!(server.log().matches("listening on inherited sockets").count(), 2, "{}", server.log());
        assert_eq!(udp_sockets(addr), 1, "nothing is bound beside it");
        assert_eq!(server.terminate(), Some(0), "{}", server.log());
    }
}

#[test]
fn one_worker_serves_an_inherited_socket_that_does_not_share_its_port() {
    let addr = free_address();
    let udp = UdpSocket::bind(addr).expect("a free port");
    let other = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let stranger = other.local_addr().expect("a bound socket");
    let server = Activated::start([udp.into(), other.into()], addr, &["--relay-threads=3", "--no-tcp"]);
    server.listens();
    let mut clients: Vec<Client> = (0..16).map(|_| Client::udp(addr).with_user("alice", "secret")).collect();
    assert!(clients.iter_mut().all(|client| client.allocate().code() == 0));
    assert_eq!(udp_sockets(addr), 1);
    let log = server.log();
    assert!(log.contains("fewer inherited sockets than workers"), "{log}");
    assert!(log.contains("no listener of this configuration") && log.contains(&stranger.to_string()), "{log}");
    assert!(UdpSocket::bind(stranger).is_ok(), "what is of no use is closed");
}

#[test]
fn inherited_sockets_that_share_a_port_are_dealt_out_to_the_workers() {
    let addr = free_address();
    let sockets = [shared_udp(addr).into(), shared_udp(addr).into()];
    let server = Activated::start(sockets, addr, &["--relay-threads=3", "--no-tcp"]);
    server.listens();
    // The kernel deals these out over all sockets: an answer to each shows that each has a reader.
    let mut clients: Vec<Client> = (0..64).map(|_| Client::udp(addr)).collect();
    assert!(clients.iter_mut().all(|client| client.binding().code() == 0));
    assert_eq!(udp_sockets(addr), 3, "one for each worker");

    let addr = free_address();
    let sockets = [shared_udp(addr).into(), shared_udp(addr).into()];
    let server = Activated::start(sockets, addr, &["--relay-threads=1", "--no-tcp"]);
    server.listens();
    let mut clients: Vec<Client> = (0..64).map(|_| Client::udp(addr)).collect();
    assert!(clients.iter_mut().all(|client| client.binding().code() == 0), "one worker reads both");
    assert_eq!(udp_sockets(addr), 2);
}

#[test]
fn a_socket_on_every_address_is_of_no_use() {
    let addr = free_address();
    let udp = UdpSocket::bind(("0.0.0.0", addr.port())).expect("a free port");
    let other = udp.try_clone().expect("a descriptor");
    let server = Activated::start([udp.into(), other.into()], addr, &[]);
    server.listens();
    assert!(server.log().contains("name the addresses in the socket unit"), "{}", server.log());
    assert_eq!(Client::udp(addr).binding().code(), 0, "it binds its own");
}
