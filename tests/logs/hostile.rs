//! Names that would end the quotes, the line, the object, or the reader's patience, on every way into the log.

use std::net::{IpAddr, SocketAddr};

use turnserver::auth::rest;
use turnserver::stun::{AttributeType, Method};

use crate::packets::{allocate_as, ask_as, challenge, transport};
use crate::wire::{Client, Launch, Server, timed_name};
use crate::{assert_plain, assert_record};

const SECRET: &str = "a-secret-of-this-test-88";
/// What none of them may say outside of its quotes.
const MARK: &str = "client=8.8.8.8:1";

/// Names; each holds the mark.
fn names() -> Vec<Vec<u8>> {
    let mut names: Vec<Vec<u8>> = [
        "x\r\n2026-11-21T00:00:00.000Z  WARN request refused client=8.8.8.8:1 code=401",
        "x\" client=8.8.8.8:1 user=\"root",
        "\\\" client=8.8.8.8:1 \\",
        "x\",\"client\":\"8.8.8.8:1\",\"client=8.8.8.8:1\":{\"",
        "\x1b[2J\x1b]0;client=8.8.8.8:1\x07\u{9b}31m",
        "\u{2028}client=8.8.8.8:1\u{2029}\u{85}\0\t\x7f",
        "\u{202E}client=8.8.8.8:1\u{2066}\u{200F}\u{200B}",
    ]
    .into_iter()
    .map(|name| name.as_bytes().to_vec())
    .collect();
    names.push([b"\xFF\xFE\x80 client=8.8.8.8:1 \xC3", &[0xED, 0xA0, 0x80][..]].concat());
    // RFC 8489 section 14.3: the longest USERNAME, and all of it escaped.
    names.push([MARK.as_bytes(), &[b'\x01'; 508 - 16 - 11]].concat());
    names
}

/// Every way on which a client's words come to the log: how many lines tell of a name.
fn play(server: &Server, names: &[Vec<u8>]) -> usize {
    let mut told = 0;
    for (number, name) in (1..).zip(names) {
        let from = |net: u8| Client::udp_from(IpAddr::from([127, 5, net, number]), server.addr);
        let name = [timed_name(':', "").as_bytes(), name].concat();
        let password = rest::password(SECRET.as_bytes(), &name).into_bytes();
        // Begins, asks for too many peers, ends.
        let mut client = from(1);
        let (realm, nonce) = challenge(&mut client);
        let credentials = (&name[..], &password[..]);
        assert_eq!(ask_as(&mut client, Method::ALLOCATE, credentials, (&realm, &nonce), transport).code(), 0);
        let is_limited = (1..=255).any(|last| {
            let peer = SocketAddr::from(([127, 9, number, last], 9));
            let permit = ask_as(&mut client, Method::CREATE_PERMISSION, credentials, (&realm, &nonce), |writer| {
                writer.xor_address(AttributeType::XOR_PEER_ADDRESS, peer);
            });
            permit.code() != 0
        });
        assert!(is_limited, "it asks for too many");
        let ended = ask_as(&mut client, Method::REFRESH, credentials, (&realm, &nonce), |writer| {
            writer.attribute_u32(AttributeType::LIFETIME, 0);
        });
        assert_eq!(ended.code(), 0);
        // The password is wrong; the realm is another, of which the log tells without a name.
        assert_eq!(allocate_as(&mut from(2), &name, b"wrong").code(), 401);
        let mut client = from(3);
        let (_, nonce) = challenge(&mut client);
        assert_eq!(ask_as(&mut client, Method::ALLOCATE, credentials, (&name, &nonce), |_| {}).code(), 401);
        told += 4;
    }
    told
}

fn launch(args: &[&str]) -> Launch {
    let secret = format!("--static-auth-secret={SECRET}");
    Launch::new(&["--realm=r", &secret, "--allow-loopback-peers", "--new-peers-per-minute=1"]).and(args)
}

fn start(args: &[&str]) -> Server {
    launch(args).start()
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

#[test]
fn in_text_every_name_stays_in_its_quotes_on_one_line() {
    let mut server = start(&["-V", "--log-binding"]);
    let told = play(&server, &names());
    assert!(server.terminate().success());
    let log = server.log.whole();
    log.lines().for_each(assert_record);
    assert!(!log.lines().any(|line| outside_quotes(line).contains("8.8.8.8")), "{log}");
    let with_mark = log.lines().filter(|line| line.contains("8.8.8.8")).count();
    // A refusal is left out where two sources share the line of a second, which few do.
    assert!(
        (told - 6..=told).contains(&with_mark) && log.contains("new peers are asked for faster"),
        "{with_mark} of {told}:\n{log}"
    );
}

#[test]
fn in_json_every_line_is_a_flat_object_with_the_name_in_its_place() {
    assert_flat_objects(start(&["-V", "--log-format=json"]));
}

/// What is printed for a person must not stand among the lines.
#[test]
fn on_standard_output_nothing_but_records_is_written() {
    let launch = |args: &[&str]| launch(args).and(&["-V", "--log-file=stdout"]).logging_on_output();
    assert_flat_objects(launch(&["--log-format=json"]).start());
    let mut server = launch(&[]).start();
    assert!(server.terminate().success());
    server.log.whole().lines().for_each(assert_record);
}

fn assert_flat_objects(mut server: Server) {
    let names = names();
    play(&server, &names);
    assert!(server.terminate().success());
    let log = server.log.whole();
    let mut users = Vec::new();
    for line in log.lines() {
        assert_plain(line);
        let record: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let object = record.as_object().expect("an object");
        assert!(object.values().all(|value| !value.is_object() && !value.is_array()), "{line}");
        assert!(object.contains_key("timestamp") && object.contains_key("level"), "{line}");
        assert!(object.get("client").is_none_or(|client| client.as_str().is_some_and(|text| text.starts_with("127."))));
        users.extend(object.get("user").and_then(|user| user.as_str()).map(str::to_owned));
    }
    for name in names {
        let name = String::from_utf8_lossy(&name).into_owned();
        assert!(users.iter().any(|user| user.ends_with(&name)), "{name:?} is told as it was sent");
    }
}

/// What an operator's tools may have been given by others.
#[test]
fn names_of_files_and_stray_words_stay_on_their_line() {
    let launch = Launch::new(&["stray\nword\x1b[31m"]);
    let name = "a\n2026-11-21T00:00:00.000Z  INFO forged\u{2028}.toml";
    launch.write(name, "realm = \"r\"\nuser = [\"alice:wonderland-27\"]\n");
    let mut server = launch.reading(name).start();
    assert!(server.terminate().success());
    let log = server.log.whole();
    log.lines().for_each(assert_record);
    assert!(log.contains("stray\\nword") && log.contains("a\\n2026-11-21T00:00:00.000Z  INFO forged"), "{log}");
    assert!(!log.lines().any(|line| line.starts_with("2026-11-21T00:00:00.000Z  INFO forged")), "{log}");
}
