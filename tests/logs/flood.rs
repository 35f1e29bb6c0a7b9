//! Whatever strangers send, and from wherever, the log stays short.

use std::io::Write;
use std::net::IpAddr;

use turnserver::clock;

use crate::packets::{challenge, forged, nameless};
use crate::wire::tls::Certificate;
use crate::wire::{Client, Link, Server};
use crate::{alice, assert_record, launch};

/// Sources, and what each of them sends.
const SOURCES: u16 = 500;
const DATAGRAMS: usize = 190;
const STREAMS: usize = 10;

/// Sends from `sources` addresses all that is wrong; how many datagrams and connections that were.
fn flood(server: &Server, sources: u16) -> usize {
    let mut pacer = alice(server);
    pacer.relayed();
    for number in 0..sources {
        let [high, low] = number.to_be_bytes();
        let source = IpAddr::from([127, 1 + high, low, 1]);
        let mut client = Client::udp_from(source, server.addr);
        let (realm, nonce) = challenge(&mut client);
        for round in 0..DATAGRAMS {
            let name = format!("user-{number}-{round}");
            let packet = match round % 6 {
                0 => vec![0xFF; 40],
                1 => nameless(),
                2 => forged(name.as_bytes(), &realm, &[b'A'; 28]),
                3 => forged(name.as_bytes(), &realm, &nonce),
                4 => forged(b"alice", name.as_bytes(), &nonce),
                // The header of a message, and half of an attribute.
                _ => nameless()[..21].to_vec(),
            };
            client.send_bytes(&packet);
        }
        for stream in 0..STREAMS {
            let to = if stream % 2 == 0 { server.addr } else { server.tls_addr };
            if let Link::Tcp(mut socket, _) = Link::tcp(to) {
                let bytes: &[u8] = match stream % 4 {
                    0 => &[0x16, 3, 1, 0, 5, 1, 0, 0, 1, 0],
                    1 => b"GET / HTTP/1.1\r\n\r\n",
                    2 => &[0xFF; 64],
                    _ => &[0x16, 3, 1, 0xFF, 0xFF, 1],
                };
                // It may have been closed already.
                let _ = socket.write_all(bytes);
            }
        }
        assert_eq!(pacer.refresh(600).code(), 0, "what was sent was taken");
    }
    usize::from(sources) * (DATAGRAMS + STREAMS)
}

fn start(args: &[&str]) -> Server {
    let certificate = Certificate::new();
    certificate.given_to(launch(args)).start()
}

#[test]
fn a_hundred_thousand_bad_packets_are_fewer_than_a_hundred_lines() {
    let mut server = start(&["--unauthorized-ratelimit=off"]);
    assert_eq!(flood(&server, SOURCES), 100_000);
    assert!(server.terminate().success());
    let log = server.log.whole();
    log.lines().for_each(assert_record);
    let lines = log.lines().count();
    assert!(lines < 100, "{lines} lines:\n{log}");
    for told in ["code=401", "code=400", "why=unknown_user", "suppressed="] {
        assert!(log.contains(told), "{told} is not told:\n{log}");
    }
    let suppressed = |line: &str| line.split_once("suppressed=").and_then(|(_, rest)| rest.parse::<u64>().ok());
    // With the next line there is room for: how many there are depends on how long all of it took.
    assert!(log.lines().filter_map(suppressed).sum::<u64>() > 0, "what was left out is counted:\n{log}");
}

#[test]
fn at_the_most_talkative_level_strangers_get_no_more_lines() {
    let mut server = start(&["-V"]);
    flood(&server, SOURCES / 5);
    assert!(server.terminate().success());
    let log = server.log.whole();
    // Those of the one client that is no stranger are not theirs.
    let lines = log.lines().filter(|line| !line.contains("allocation refreshed")).count();
    assert!(lines < 150, "{lines} lines:\n{log}");
    assert!(log.contains("connection closed"), "{log}");
}

/// Records of allocations take a password, and are too many only when somebody does nothing else.
#[test]
fn a_client_that_allocates_all_the_time_does_not_fill_the_log() {
    let mut server = start(&[]);
    let begin = clock::now().mono;
    let mut client = alice(&server);
    for _ in 0..3000 {
        client.relayed();
        assert_eq!(client.refresh(0).code(), 0);
    }
    let secs = clock::now().mono.since(begin).as_secs() as usize + 1;
    // From elsewhere: what was left out of one source's records is told with the next one.
    let source = IpAddr::from([127, 4, 4, 4]);
    let mut other = Client::udp_from(source, server.addr).with_user("alice", "wonderland-27");
    other.relayed();
    assert_eq!(other.refresh(0).code(), 0);
    assert!(server.terminate().success());
    let log = server.log.whole();
    let created = log.lines().filter(|line| line.contains("allocation created")).count();
    assert!(created <= 2000 + 100 * secs + 1, "{created} in {secs} s");
    let told = log.lines().filter(|line| line.contains("records of allocations were left out"));
    let suppressed = |line: &str| line.rsplit_once("suppressed=")?.1.parse::<usize>().ok();
    let beginnings_and_ends = log.lines().filter(|line| line.contains(" INFO allocation ")).count();
    let left_out: usize = told.filter_map(suppressed).sum();
    assert_eq!(beginnings_and_ends + left_out, 2 * 3001, "every one is told or counted");
}
