//! T02: answers that hit somebody who never asked.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr, UdpSocket};

use turnserver::stun::{AttributeType, Class, MessageType, Method, TransactionId, Writer};
use turnserver::{clock, turn::time::Mono};

use crate::network::in_network;
use crate::wire::Client;
use crate::{ALICE, launch};

/// What a source may get unearned: at once, and per second.
const BURST: f64 = 500.0;
const PER_SEC: f64 = 100.0;

/// Whoever is meant to be hit: sockets that are there, so that every answer can be counted.
struct Victims {
    sockets: Vec<(IpAddr, UdpSocket)>,
    answers: BTreeMap<IpAddr, usize>,
    begin: Mono,
}

impl Victims {
    fn at(addresses: &[SocketAddr]) -> Victims {
        let bind = |address: &SocketAddr| {
            let socket = UdpSocket::bind(address).expect("an address of this network");
            socket.set_nonblocking(true).expect("a socket");
            (address.ip(), socket)
        };
        Victims { sockets: addresses.iter().map(bind).collect(), answers: BTreeMap::new(), begin: clock::now().mono }
    }

    /// Asks in each victim's name, so often each, and counts what comes meanwhile. `pacer` is answered after everything
    /// sent before, so that the server never has more than a few hundred to do.
    fn flood(&mut self, server: SocketAddr, times: usize, pacer: &mut Client) {
        for round in 0..times {
            for (place, (_, socket)) in self.sockets.iter().enumerate() {
                socket.send_to(&question(round + place), server).expect("loopback takes it");
            }
            if round.is_multiple_of(1 + 100 / self.sockets.len()) {
                assert_eq!(pacer.refresh(600).code(), 0);
                self.count();
            }
        }
        assert_eq!((pacer.refresh(600).code(), pacer.refresh(600).code()), (0, 0));
        self.count();
    }

    fn count(&mut self) {
        let mut answer = [0; 2048];
        for (ip, socket) in &self.sockets {
            while socket.recv(&mut answer).is_ok() {
                *self.answers.entry(*ip).or_default() += 1;
            }
        }
    }

    /// Asserts that each group of addresses got, together, what one source may get: all of it and no more. Which sources
    /// share a bucket of the 4096 is dice: two groups may have to share what one may get, or one and the pacer's single
    /// challenge. Three that share one are a fault.
    fn assert_bounded(&self, groups: &[Vec<IpAddr>]) {
        let secs = clock::now().mono.since(self.begin).as_secs_f64();
        let most = BURST + PER_SEC * secs + 1.0;
        let answers = |group: &Vec<IpAddr>| group.iter().filter_map(|ip| self.answers.get(ip)).sum::<usize>() as f64;
        let answers: Vec<f64> = groups.iter().map(answers).collect();
        assert!(answers.iter().all(|answers| *answers <= most), "{groups:?} got {answers:?} answers in {secs} s");
        let least = BURST * (groups.len() - 1) as f64 - 1.0;
        assert!(answers.iter().sum::<f64>() >= least, "{groups:?} got {answers:?} answers in {secs} s");
        assert!(
            groups.len() >= 3 && answers.iter().all(|answers| *answers > 0.0),
            "{groups:?} got {answers:?} answers"
        );
    }
}

/// Whatever a stranger is answered to: Binding, 401, 400, 420, 438.
fn question(number: usize) -> Vec<u8> {
    let method = if number.is_multiple_of(5) || number % 5 == 3 { Method::BINDING } else { Method::ALLOCATE };
    let mut id = TransactionId([0; 12]);
    id.0[..8].copy_from_slice(&number.to_be_bytes());
    let mut bytes = vec![0; 256];
    let mut writer = Writer::new(&mut bytes, MessageType { method, class: Class::Request }, id);
    match number % 5 {
        2 => writer.attribute(AttributeType::MESSAGE_INTEGRITY, &[7; 20]),
        3 => writer.attribute(AttributeType(0x7F00), &[]),
        4 => {
            writer.attribute(AttributeType::USERNAME, b"alice");
            writer.attribute(AttributeType::REALM, b"example.org");
            writer.attribute(AttributeType::NONCE, b"a nonce of nobody");
            writer.attribute(AttributeType::MESSAGE_INTEGRITY, &[7; 20]);
        }
        _ => {}
    }
    let len = writer.finish().expect("room");
    bytes.truncate(len);
    bytes
}

fn run(listen: &'static str, victims: &[SocketAddr], times: usize, groups: &[Vec<IpAddr>]) {
    let server = launch(&["--user-quota=0"]).listening_on(&[listen, "127.0.0.1"]).start();
    let beside = SocketAddr::new([127, 0, 0, 1].into(), server.addr.port());
    // On a socket of its own for IPv6, whose queue is another one; the worker is the same.
    let mut pacer = Client::udp(if listen.contains(':') { beside } else { server.addr }).with_user(ALICE.0, ALICE.1);
    pacer.relayed();
    let mut victims = Victims::at(victims);
    victims.flood(server.addr, times, &mut pacer);
    victims.assert_bounded(groups);
    // Streams have shown their address.
    let mut stream = Client::tcp(beside);
    assert!((0..600).all(|_| stream.binding().code() == 0));
    // Twenty lines at once and twenty a second, whoever asks.
    let lines = server.log.count(&["request refused"]);
    let secs = clock::now().mono.since(victims.begin).as_secs() as usize;
    assert!(lines <= 20 + 20 * (secs + 1), "{lines} lines in {secs} s:\n{}", server.log.text());
}

/// One victim at many ports, and its neighbours: the ports share a budget, the neighbours have their own. Beyond: a
/// second, wider budget for each network.
#[test]
fn t02_reflection_is_bounded_per_address() {
    in_network("t02_reflection_is_bounded_per_address", || {
        let victim = |last: u8, port: u16| SocketAddr::from(([10, 0, 7, last], port));
        let mut addresses: Vec<SocketAddr> = (1..=20).map(|port| victim(99, 1000 + port)).collect();
        addresses.extend([100, 101].map(|last| victim(last, 1000)));
        let groups: Vec<Vec<IpAddr>> = [99, 100, 101].map(|last| vec![victim(last, 0).ip()]).into();
        run("127.0.0.1", &addresses, 700, &groups);
    });
}

/// A customer of IPv6 has a /64, which is one source; the next /64 is another.
#[test]
fn t02_reflection_is_bounded_per_ipv6_network() {
    in_network("t02_reflection_is_bounded_per_ipv6_network", || {
        let victim = |network: u16, last: u16| SocketAddr::from(([0xfd00, 0, 0, network, 0, 0, 0, last], 1000));
        let network = |network: u16| (1..=8).map(move |last| victim(network, last * 0x111));
        let addresses: Vec<SocketAddr> = (1..=3).flat_map(network).collect();
        let groups: Vec<Vec<IpAddr>> = [1, 2, 3].map(|number| network(number).map(|at| at.ip()).collect()).into();
        run("::1", &addresses, 150, &groups);
    });
}
