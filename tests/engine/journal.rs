//! What the log says, and what a client cannot make it say.

use std::net::{IpAddr, SocketAddr, UdpSocket};

use turnserver::auth::{LongTermKey, rest};
use turnserver::stun::{AttributeType, Method, Writer};

use crate::wire::{Client, Launch, Reply, Server, timed_name};

const SECRET: &str = "a-secret-of-this-test-88";

/// User names that would end the quotes, the line or the terminal's patience.
const FORGERIES: [&[u8]; 9] = [
    b"x\" code=401 client=8.8.8.8:1\n",
    b"x\n2026-01-01T00:00:00.000000Z  WARN request refused transport=udp client=8.8.8.8:1 user=\"root\" code=401",
    b"x\r\ncode=401 client=8.8.8.8:1",
    b"with spaces  code=401 client=8.8.8.8:1\tand a tab",
    b"\\\" code=401 client=8.8.8.8:1 \\",
    b"\x1b[2J\x1b[31mcode=401 client=8.8.8.8:1\x1b]0;title\x07",
    "\u{202E}1:8.8.8.8=tneilc\u{2066} \u{2028} \u{85} \u{200B}".as_bytes(),
    b"\xFF\xFE\x80 code=401 client=8.8.8.8:1 \xC3",
    b"\0code=401 client=8.8.8.8:1\x7F",
];

/// An Allocate under any name; text is not asked for.
fn allocate_as(client: &mut Client, name: &[u8], password: &str) -> Reply {
    let transport = |writer: &mut Writer<'_>| writer.attribute(AttributeType::REQUESTED_TRANSPORT, &[17, 0, 0, 0]);
    let challenge = client.ask_once(Method::ALLOCATE, transport);
    let value = |kind: AttributeType| challenge.value(kind).expect("a challenge");
    let (realm, nonce) = (value(AttributeType::REALM), value(AttributeType::NONCE));
    client.ask_once(Method::ALLOCATE, |writer| {
        transport(writer);
        writer.attribute(AttributeType::USERNAME, name);
        writer.attribute(AttributeType::REALM, &realm);
        writer.attribute(AttributeType::NONCE, &nonce);
        writer.integrity(LongTermKey::derive(name, &realm, password.as_bytes()).integrity());
    })
}

/// A line without what stands in quotes; a backslash takes its quote for text.
fn outside_quotes(line: &str) -> String {
    let (mut outside, mut is_inside, mut is_escaped) = (String::new(), false, false);
    for c in line.chars() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => is_inside = !is_inside,
            _ if is_inside => {}
            _ => outside.push(c),
        }
    }
    assert!(!is_inside, "quotes that do not end: {line}");
    outside
}

/// The one line with these parts, which shows the name in quotes, and nothing of it elsewhere.
fn assert_told_once(server: &Server, parts: &[&str], name: &[u8]) -> String {
    let line = server.log.find(parts).unwrap_or_else(|| panic!("{parts:?} is not told"));
    assert_eq!(server.log.count(parts), 1, "{parts:?}");
    let quoted = format!("user={:?}", String::from_utf8_lossy(name));
    assert!(line.contains(&quoted), "{quoted} is not in {line}");
    let outside = outside_quotes(&line);
    assert!(!outside.contains("8.8.8.8") && outside.contains("client=127.0.0.1:"), "{line}");
    line
}

/// Every line begins with a time and its level, and holds nothing that a terminal obeys.
fn assert_plain(log: &str) {
    for line in log.lines() {
        let mut words = line.split_whitespace();
        let time = words.next().unwrap_or_default();
        assert!(time.starts_with("20") && time.ends_with('Z'), "{line:?} does not begin with a time");
        assert!(words.next().is_some_and(|level| ["INFO", "WARN"].contains(&level)), "{line:?}");
        let is_obeyed = |c: char| c.is_control() || "\u{202E}\u{2066}\u{2028}\u{200B}".contains(c);
        assert!(!line.contains(is_obeyed), "{line:?}");
    }
}

#[test]
fn a_user_name_stays_inside_its_quotes() {
    let secret = format!("--static-auth-secret={SECRET}");
    let mut server = Launch::new(&["--realm=r", &secret]).start();
    for forgery in FORGERIES {
        let name = [timed_name(':', "").as_bytes(), forgery].concat();
        let mut client = Client::udp(server.addr);
        assert_eq!(allocate_as(&mut client, &name, &rest::password(SECRET.as_bytes(), &name)).code(), 0);
        let from = format!("client={} ", client.local());
        assert_told_once(&server, &["INFO", "allocation created", &from], &name);
    }
    assert!(server.terminate().success());
    assert_eq!(server.log.whole().matches("reason=stopped").count(), FORGERIES.len());
    assert_plain(&server.log.text());
}

#[test]
fn a_refused_name_is_one_line_and_stays_inside_its_quotes() {
    for forgery in FORGERIES {
        // Refusals of one source are told once a second, so each has a server of its own.
        let mut server = Launch::new(&["-a", "--realm=r", "--user=alice:secret"]).start();
        assert_eq!(allocate_as(&mut Client::udp(server.addr), forgery, "wrong").code(), 401);
        let line = assert_told_once(&server, &["WARN", "request refused", "code=401"], forgery);
        assert_eq!(outside_quotes(&line).matches("code=401").count(), 1, "{line}");
        assert!(server.terminate().success());
        assert_plain(&server.log.whole());
    }
}

#[test]
fn live_allocations_are_told_when_the_server_ends() {
    let mut server = Launch::new(&["-a", "--realm=r", "--user=alice:secret", "--relay-threads=2"]).start();
    let connect = |number: usize| match number % 2 {
        0 => Client::udp(server.addr),
        _ => Client::tcp(server.addr),
    };
    let mut clients: Vec<Client> = (0..8).map(|number| connect(number).with_user("alice", "secret")).collect();
    let relayed: Vec<SocketAddr> = clients.iter_mut().map(Client::relayed).collect();
    assert_eq!(clients[7].refresh(0).code(), 0);
    assert!(server.terminate().success());
    server.log.whole();
    for (client, relayed) in clients.iter().zip(&relayed).take(7) {
        let parts = [format!("client={} ", client.local()), format!("relayed={relayed} ")];
        let line = ["INFO", "allocation ended", "reason=stopped", "user=\"alice\"", &parts[0], &parts[1]];
        assert_eq!(server.log.count(&line), 1, "{line:?} in\n{}", server.log.text());
    }
    assert_eq!((server.log.count(&["reason=stopped"]), server.log.count(&["reason=deleted"])), (7, 1));
}

#[test]
fn drops_of_all_workers_are_summed_up_by_reason_when_the_server_ends() {
    const CLIENTS: usize = 32;
    let args = ["-a", "--realm=r", "--user=alice:secret", "--relay-threads=2", "--allow-loopback-peers"];
    let mut server = Launch::new(&args).start();
    let nobody = SocketAddr::new(IpAddr::from([10, 1, 2, 3]), 9);
    for _ in 0..CLIENTS {
        let mut client = Client::udp(server.addr).with_user("alice", "secret");
        let relayed = client.relayed();
        client.send(nobody, b"without a permission");
        client.send_channel(0x4000, b"on no channel");
        client.send_channel(0x4000, b"on no channel");
        let peer = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        peer.send_to(b"without a permission", relayed).expect("loopback has a route");
        client.settle();
        assert_eq!(client.refresh(0).code(), 0);
        client.send(nobody, b"without an allocation");
        client.settle();
    }
    assert!(server.terminate().success());
    server.log.whole();
    for (reason, count) in [("no_permission", 2 * CLIENTS), ("no_channel", 2 * CLIENTS), ("no_allocation", CLIENTS)] {
        let parts = ["INFO", "dropped", &format!("reason=\"{reason}\""), &format!("count={count}")];
        assert_eq!(server.log.count(&parts), 1, "{parts:?} in\n{}", server.log.text());
    }
    assert_eq!(server.log.count(&["dropped reason="]), 3, "what did not happen is not told");
}
