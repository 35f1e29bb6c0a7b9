//! A network of a test's own, in which every address of 10.0.0.0/8 and fd00::/8 is at hand, and packets whose source is
//! a lie.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, SocketAddr, SocketAddrV4};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::fd::AsFd;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use socket2::{Domain, Protocol, Socket, Type};

/// Its routes: addresses are local without being given to an interface. `cat` ends when we do, and the network with it.
const SET_UP: &str = "ip link set lo up && ip route add local 10.0.0.0/8 dev lo && \
                      ip -6 route add local fd00::/8 dev lo && \
                      echo 1 >/proc/sys/net/ipv6/ip_nonlocal_bind && echo ready && exec cat";

/// Tests of this process that did not run.
static SKIPPED: AtomicUsize = AtomicUsize::new(0);

/// Runs a test in a network of its own; nothing of it is left afterwards, however it ends. Needs root: without, the
/// test is not run and says so; where `CI` is set it fails instead.
pub(crate) fn in_network(test: &str, body: impl FnOnce() + Send) {
    if !rustix::process::geteuid().is_root() {
        assert!(std::env::var_os("CI").is_none(), "needs root: {test}");
        let skipped = SKIPPED.fetch_add(1, Ordering::Relaxed) + 1;
        // Past the test harness, which keeps what passing tests print to itself.
        let line = format!("needs root: {test} was NOT run ({skipped} not run so far)\n");
        std::io::stderr().write_all(line.as_bytes()).expect("standard error");
        return;
    }
    let network = Network::new();
    let outcome = std::thread::scope(|scope| {
        let inside = scope.spawn(|| {
            network.enter();
            body();
        });
        inside.join()
    });
    outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
}

/// A network without a name: it lives as long as threads and processes in it.
struct Network {
    keeper: Child,
}

impl Network {
    fn new() -> Network {
        let mut command = Command::new("unshare");
        command.args(["--net", "sh", "-c", SET_UP]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut keeper = command.spawn().expect("util-linux is installed");
        let mut line = String::new();
        let output = keeper.stdout.take().expect("stdout is piped");
        BufReader::new(output).read_line(&mut line).expect("a readable pipe");
        assert_eq!(line, "ready\n", "a network was set up (this takes root, and iproute2)");
        Network { keeper }
    }

    /// Moves the thread, and those it starts, into the network.
    fn enter(&self) {
        let file = File::open(format!("/proc/{}/ns/net", self.keeper.id())).expect("the network is there");
        move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).expect("root may enter it");
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // Its input ends, and so does it; it may have ended already.
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// Sends datagrams from whatever address one likes.
pub(crate) struct Forger {
    raw: Socket,
}

impl Forger {
    pub(crate) fn new() -> Forger {
        // IPPROTO_RAW: what is sent begins with an IP header.
        let raw = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(255))).expect("root may forge");
        Forger { raw }
    }

    pub(crate) fn send(&self, from: SocketAddrV4, to: SocketAddr, payload: &[u8]) {
        let IpAddr::V4(ip) = to.ip() else { panic!("forged packets are IPv4") };
        let udp_len = (8 + payload.len()) as u16;
        let mut packet = vec![0x45, 0];
        packet.extend((20 + udp_len).to_be_bytes());
        packet.extend([0, 0, 0, 0, 64, 17, 0, 0]);
        packet.extend(from.ip().octets());
        packet.extend(ip.octets());
        packet.extend(from.port().to_be_bytes());
        packet.extend(to.port().to_be_bytes());
        packet.extend(udp_len.to_be_bytes());
        // No checksum.
        packet.extend([0, 0]);
        packet.extend(payload);
        self.raw.send_to(&packet, &SocketAddr::new(to.ip(), 0).into()).expect("loopback takes it");
    }
}
