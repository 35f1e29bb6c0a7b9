//! T06, T45: more than anybody needs, from everywhere. The floods are as fast as the server takes them: each burst is
//! followed by a question that is answered after it, so that nothing is lost in the system's buffers, on any machine,
//! and what is lost is the server's fault.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::time::Duration;

use turnserver::clock;
use turnserver::stun::{AttributeType, Class, MessageType, Method, TransactionId, Writer};

use crate::live::Live;
use crate::meter::Meter;
use crate::network::{Forger, in_network};
use crate::slow_streams::{connect_from, crumbs, is_open};
use crate::wire::tls::Certificate;
use crate::wire::{Client, poll_until};
use crate::{ALICE, alice, launch};

/// Datagrams between two questions: what lies in the receive buffer of a listener at most, many times over.
const BURST: u32 = 100;

/// A number from the environment, for longer runs.
fn setting(name: &str, default: u32) -> u32 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// An address nobody had before, nor will for 16 million others.
fn source(number: u32) -> SocketAddrV4 {
    SocketAddrV4::new(Ipv4Addr::from(0x0A00_0000 | number & 0x00FF_FFFF), 1000 + (number % 50_000) as u16)
}

/// A well-formed Allocate: bare, or with credentials that are made up.
fn allocate(number: u32) -> Vec<u8> {
    let mut id = TransactionId([0; 12]);
    id.0[..4].copy_from_slice(&number.to_be_bytes());
    let mut bytes = vec![0; 256];
    let mut writer = Writer::new(&mut bytes, MessageType { method: Method::ALLOCATE, class: Class::Request }, id);
    writer.attribute(AttributeType::REQUESTED_TRANSPORT, &[17, 0, 0, 0]);
    if !number.is_multiple_of(2) {
        writer.attribute(AttributeType::USERNAME, ALICE.0.as_bytes());
        writer.attribute(AttributeType::REALM, b"example.org");
        writer.attribute(AttributeType::NONCE, &[b'A' + (number % 26) as u8; 28]);
        writer.attribute(AttributeType::MESSAGE_INTEGRITY, &[number as u8; 20]);
    }
    let len = writer.finish().expect("room");
    bytes.truncate(len);
    bytes
}

/// ABUSE_SOURCES says how many; the row's figure is a million, and its bound a megabyte. Fewer have a lower one, so that
/// sixteen bytes that stay behind of each are seen.
#[test]
fn t06_forged_allocates_leave_nothing_behind() {
    in_network("t06_forged_allocates_leave_nothing_behind", || {
        let server = launch(&[]).start();
        let (meter, forger) = (Meter::of(&server), Forger::new());
        let mut pacer = alice(&server);
        pacer.relayed();
        let mut flood = |from: u32, count: u32| {
            for number in from..from + count {
                forger.send(source(number), server.addr, &allocate(number));
                if number.is_multiple_of(BURST) {
                    assert_eq!(pacer.refresh(600).code(), 0);
                }
            }
        };
        // What a first use of anything takes is not growth.
        flood(0, 2000);
        let (kib, descriptors) = (meter.kib(), meter.descriptors());
        let sources = setting("ABUSE_SOURCES", 100_000);
        flood(2000, sources);
        let grown = meter.kib().saturating_sub(kib);
        let most = (u64::from(sources) * 12 / 1024).min(1024);
        assert!(grown < most, "{grown} KiB, {most} are too many");
        assert_eq!(meter.descriptors(), descriptors, "no socket was opened");
        let mut newcomer = alice(&server);
        assert_eq!(newcomer.allocate().code(), 0, "who is real is served");
        assert_eq!((newcomer.refresh(600).code(), pacer.refresh(600).code()), (0, 0), "newcomers and who was there");
        poll_until("both allocations are told", || (server.log.count(&["allocation created"]) == 2).then_some(()));
    });
}

/// A victim of reflection: one of twenty, each asked for again and again.
fn victim(number: u32) -> SocketAddrV4 {
    SocketAddrV4::new(Ipv4Addr::new(10, 255, 255, (number % 20) as u8), 3000)
}

/// Connections that say little or nothing, from a few addresses; the server closes those it has too many of.
struct SlowStreams {
    server: SocketAddr,
    open: Vec<TcpStream>,
    opened: u32,
}

impl SlowStreams {
    fn open(&mut self, count: u32) {
        for _ in 0..count {
            let source = Ipv4Addr::new(10, 254, 0, (self.opened % 10) as u8);
            self.open.push(crumbs(connect_from(source.into(), self.server), self.opened as usize));
            self.opened += 1;
        }
        // Not more descriptors than a test may have.
        let surplus = self.open.len().saturating_sub(400);
        self.open.drain(..surplus);
    }
}

/// ABUSE_SECS says for how long. Beyond: DTLS handshakes among the floods, and the time that a datagram takes.
#[test]
fn t45_floods_do_not_harm_who_is_served() {
    in_network("t45_floods_do_not_harm_who_is_served", || {
        let server = Certificate::new().given_to(launch(&["--user-quota=0"])).with_descriptors(2048).start();
        let (meter, forger) = (Meter::of(&server), Forger::new());
        let mut live = Live::start(&server, 200);
        let mut streams = SlowStreams { server: server.addr, open: Vec::new(), opened: 0 };

        let calm = meter.busy();
        for _ in 0..20 {
            live.send();
            live.pace();
            live.take();
        }
        let relayed = (meter.busy() - calm) / (20 * 100);

        let descriptors = meter.descriptors();
        streams.open(200);
        let kib = meter.kib();
        let (begin, busy) = (clock::now().mono, meter.busy());
        let secs = u64::from(setting("ABUSE_SECS", 8));
        let mut rounds = 0;
        while rounds < 50 || clock::now().mono.since(begin) < Duration::from_secs(secs) {
            for number in rounds * BURST..(rounds + 1) * BURST {
                forger.send(source(number), server.addr, &allocate(number));
                forger.send(victim(number), server.addr, &allocate(2 * number));
            }
            streams.open(2);
            live.send();
            live.pace();
            live.take();
            rounds += 1;
        }
        let flooded = (meter.busy() - busy) / (rounds * (2 * BURST + 2));
        let (sent, lost) = live.losses();
        assert!(lost * 1000 < sent, "{lost} of {sent} were lost");
        let grown = meter.kib().saturating_sub(kib);
        assert!(grown < 2048, "{grown} KiB in {rounds} rounds");
        // A fifth of the descriptors is for streams that have no allocation.
        assert!(meter.descriptors() < descriptors + 2048 / 5, "{} descriptors", meter.descriptors());
        // The share of live traffic is in it; a datagram relayed goes through the server twice.
        assert!(flooded < 5 * relayed, "a datagram of the flood took {flooded:?}, a relayed one {relayed:?}");
        assert!(streams.open.iter().filter(|stream| is_open(stream)).count() > 0, "there were streams at all");
        assert_eq!(Client::udp(server.addr).with_user(ALICE.0, ALICE.1).allocate().code(), 0, "newcomers are served");
        let lines = server.log.text().lines().count();
        assert!(lines < 300 + 20 * clock::now().mono.since(begin).as_secs() as usize, "{lines} lines");
    });
}
