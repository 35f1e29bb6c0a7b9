//! T33, T35: what strangers can make the server write, and remember.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use turnserver::clock;
use turnserver::stun::{AttributeType, Class, MessageType, Method, TransactionId, Writer};

use crate::meter::Meter;
use crate::wire::{Client, Server, poll_until};
use crate::{ALICE, alice, launch};

/// Names, realms and peers that are made up, of each so many.
const NAMES: u32 = 100_000;

/// Lines about refusals that a worker writes, at once and per second: so many of who gets its answers, and so many of
/// whoever wrote a source address.
const LINES: usize = 20;

/// An id of its own for each request: the same one again would be a retransmission, and dropped while the first waits.
pub(crate) fn fresh_id() -> TransactionId {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let mut id = TransactionId([3; 12]);
    id.0[4..].copy_from_slice(&NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    id
}

/// A signed Refresh in somebody's name, whatever that is.
pub(crate) fn named(name: &[u8], realm: &[u8], nonce: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 2048];
    let kind = MessageType { method: Method::REFRESH, class: Class::Request };
    let mut writer = Writer::new(&mut bytes, kind, fresh_id());
    writer.attribute(AttributeType::SOFTWARE, b"soft\r\nware\x1b[31m");
    // ORIGIN, a draft's.
    writer.attribute(AttributeType(0x802F), b"https://\r\n\0");
    writer.attribute(AttributeType::USERNAME, name);
    writer.attribute(AttributeType::REALM, realm);
    writer.attribute(AttributeType::NONCE, nonce);
    writer.attribute(AttributeType::MESSAGE_INTEGRITY, &[7; 20]);
    let len = writer.finish().expect("room");
    bytes.truncate(len);
    bytes
}

/// A Refresh that is sealed and names nobody: 400.
fn nameless() -> Vec<u8> {
    let mut bytes = vec![0; 64];
    let kind = MessageType { method: Method::REFRESH, class: Class::Request };
    let mut writer = Writer::new(&mut bytes, kind, fresh_id());
    writer.attribute(AttributeType::MESSAGE_INTEGRITY, &[7; 20]);
    let len = writer.finish().expect("room");
    bytes.truncate(len);
    bytes
}

/// REALM and NONCE of a challenge.
pub(crate) fn challenge(client: &mut Client) -> (Vec<u8>, Vec<u8>) {
    let reply = client.allocate();
    let value = |kind: AttributeType| reply.value(kind).expect("a challenge has it");
    (value(AttributeType::REALM), value(AttributeType::NONCE))
}

/// Whether a line is a record of its own, made of what can be seen.
fn is_record(line: &str) -> bool {
    let is_time = line.len() > 27 && line.as_bytes()[..4].iter().all(u8::is_ascii_digit) && &line[10..11] == "T";
    let is_level = ["ERROR", "WARN", "INFO"].iter().any(|level| line.contains(level));
    is_time && is_level && line.chars().all(|c| !c.is_control() && c != '\u{202E}')
}

/// Beyond: logs in JSON.
#[test]
fn t33_no_name_forges_a_line() {
    let server = launch(&[]).start();
    let long = [b'n'; 508];
    let longer = [b'n'; 509];
    let names: [&[u8]; 9] = [
        b"a\r\n2030-01-01T00:00:00Z  INFO allocation created user=\"root\"",
        b"a\nb",
        b"a\rb",
        b"\x1b[31mred\x1b[0m\x07",
        b"nul\0nul",
        "rtl\u{202E}ltr".as_bytes(),
        b"\xFF\xFE\xC0\x80",
        &long,
        &longer,
    ];
    for (index, name) in names.iter().enumerate() {
        // One line a second and source: each name from a source of its own.
        let mut client = Client::udp_from(IpAddr::from([127, 0, 3, index as u8 + 1]), server.addr);
        let (realm, nonce) = challenge(&mut client);
        let source = format!("client=127.0.3.{}:", index + 1);
        // Sources may share a second's line by chance; then it takes another second, and another request.
        let line = poll_until("a line", || {
            client.send_bytes(&named(name, &realm, &nonce));
            server
                .log
                .text()
                .lines()
                .find(|line| line.contains("request refused") && line.contains(&source))
                .map(String::from)
        });
        assert!(line.contains("WARN"), "{line}");
        assert!(line.matches("user=\"").count() >= 1 && line.contains("code=401"), "{line}");
    }
    let text = server.log.text();
    assert!(text.lines().all(is_record), "{text}");
    assert!(!text.lines().any(|line| line.starts_with("2030-")), "{text}");
}

/// What deserves a line comes in thousands, from hundreds of addresses; lines do not. The row has 100,000 packets a
/// second; here it is 20,000, as fast as they are taken. The bound is one of the server's and not of what comes.
#[test]
fn t33_a_flood_of_bad_packets_is_a_trickle_of_lines() {
    let server = launch(&[]).start();
    let begin = clock::now().mono;
    let mut pacer = alice(&server);
    pacer.relayed();
    let (realm, nonce) = (b"example.org", [b'A'; 28]);
    for number in 0..250u16 {
        let [high, low] = number.to_be_bytes();
        let mut client = Client::udp_from(IpAddr::from([127, 1, high, low + 1]), server.addr);
        let (_, own) = challenge(&mut client);
        // 400, 401, 438, and what gets no answer at all.
        for _ in 0..20 {
            for packet in [&nameless(), &named(b"x", realm, &own), &named(b"x", realm, &nonce), &vec![0xFF; 40]] {
                client.send_bytes(packet);
            }
        }
        assert_eq!(pacer.refresh(600).code(), 0);
    }
    let secs = clock::now().mono.since(begin).as_secs() as usize + 1;
    let lines = server.log.text().lines().count();
    assert!(lines < 20 + 2 * (LINES + LINES * secs), "{lines} lines in {secs} s");
    assert!(server.log.count(&["request refused"]) >= LINES, "what happens is told");
}

/// Addresses that nobody showed to be theirs have lines of their own, the guesser's own address among them.
#[test]
fn t33_strangers_do_not_hide_a_guesser() {
    let server = launch(&[]).start();
    let mut pacer = alice(&server);
    pacer.relayed();
    let mut guesser = Client::udp_from(IpAddr::from([127, 9, 9, 9]), server.addr);
    let (realm, nonce) = challenge(&mut guesser);
    let strangers = |last: u8| Client::udp_from(IpAddr::from([127, 8, 0, last]), server.addr);
    let mut strangers: Vec<Client> = (1..=60).map(strangers).collect();
    for stranger in &mut strangers {
        stranger.send_bytes(&nameless());
    }
    guesser.send_bytes(&nameless());
    assert_eq!(pacer.refresh(600).code(), 0);
    guesser.send_bytes(&named(b"alice", &realm, &nonce));
    assert_eq!(pacer.refresh(600).code(), 0);
    let told = server.log.find(&["request refused", "client=127.9.9.9:", "code=401", "user=\"alice\""]);
    assert!(told.is_some(), "{}", server.log.text());
    assert!(server.log.count(&["request refused", "code=400"]) >= LINES, "strangers are told as well");
}

/// There are no metrics yet; what is counted is counted by reason. Beyond: series and the size of a scrape.
#[test]
fn t35_what_is_counted_does_not_grow_with_names() {
    let mut server = launch(&["--unauthorized-ratelimit=off"]).start();
    let meter = Meter::of(&server);
    let mut client = alice(&server);
    client.relayed();
    // Its own nonce, so that names are looked at.
    let (realm, nonce) = client.challenge().cloned().expect("it was challenged");
    let flood = |from: u32, count: u32, client: &mut Client| {
        for number in from..from + count {
            client.send_bytes(&named(format!("user-{number}").as_bytes(), &realm, &nonce));
            client.send_bytes(&named(b"alice", format!("realm-{number}").as_bytes(), &nonce));
            let peer = std::net::SocketAddr::from((number.to_be_bytes(), 7));
            client.send(peer, b"nobody permitted that");
            if number.is_multiple_of(40) {
                assert_eq!(client.refresh(600).code(), 0);
                client.pending_bytes();
            }
        }
    };
    flood(0, 500, &mut client);
    let kib = meter.kib();
    flood(500, NAMES, &mut client);
    let grown = meter.kib().saturating_sub(kib);
    // Eleven bytes of each name would be more.
    assert!(grown < 1024, "{grown} KiB");
    assert_eq!(client.refresh(600).code(), 0, "all that was said before is counted");
    assert!(server.terminate().success());
    assert_counts(&server);
}

fn assert_counts(server: &Server) {
    let log = server.log.whole();
    let counts: Vec<&str> = log.lines().filter(|line| line.contains("dropped reason=")).collect();
    assert!((1..25).contains(&counts.len()), "{log}");
    assert!(counts.iter().all(|line| !line.contains("user-") && !line.contains("realm-") && !line.contains(ALICE.0)));
    assert_eq!(
        log.lines()
            .filter(|line| line.contains(&format!("dropped reason=\"no_permission\" count={}", 500 + NAMES)))
            .count(),
        1,
        "{log}"
    );
}
