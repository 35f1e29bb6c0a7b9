//! T01, T30, T43: what a server starts with, and what it refuses to start with.

use std::fs;

use turnserver::stun::{AttributeType, Method};

use crate::ALICE;
use crate::wire::{Client, Launch, Server};

/// Whether TURN requests are met with silence, and Binding requests with answers.
fn is_stun_only(server: &Server) -> bool {
    let mut client = Client::udp(server.addr);
    let (message, _) = client.signed(Method::ALLOCATE, |writer| {
        writer.attribute(AttributeType::REQUESTED_TRANSPORT, &[17, 0, 0, 0]);
    });
    client.send_bytes(&message);
    client.settle();
    client.unread() == 0
}

/// Beyond: a list of peers that an open relay is held to.
#[test]
fn t01_nobody_relays_without_being_let_in() {
    for profile in ["default", "coturn"] {
        let server = Launch::new(&[&format!("--profile={profile}")]).start();
        assert!(is_stun_only(&server), "{profile}");
        assert_eq!(server.log.count(&["WARN", "only STUN Binding requests are answered"]), 1, "{profile}");
        let nobody = Launch::new(&["-a", "--realm=r", &format!("--profile={profile}")]).start();
        assert_eq!(Client::udp(nobody.addr).with_user(ALICE.0, ALICE.1).allocate().code(), 401, "{profile}");
    }
    for args in [&["--profile=hardened"][..], &["--profile=hardened", "-z"], &["--profile=hardened", "-a"]] {
        let ended = Launch::new(args).run();
        assert!(!ended.status.success(), "{args:?}: nobody can be let in");
    }
    let open = Launch::new(&["-z", "--profile=default"]).start();
    assert_eq!(open.log.count(&["WARN", "anybody who reaches this server may relay through it"]), 1);
    assert_eq!(Client::udp(open.addr).allocate().code(), 0);
}

#[test]
fn t01_the_shipped_file_lets_in_whoever_holds_its_secret() {
    let shipped = fs::read_to_string("turnserver.toml").expect("the shipped file");
    let server = Launch::new(&["--relay-ip=127.0.0.1"]).with_file(&shipped).start();
    assert_eq!(Client::udp(server.addr).allocate().code(), 401);
    let secret = fs::read_to_string(server.dir().join("turn.secret")).expect("made on the first start");
    // T30: 256 bits of the system's randomness.
    assert!(secret.trim().len() == 64 && secret.trim().bytes().all(|byte| byte.is_ascii_hexdigit()));
    let name = crate::wire::timed_name(':', "fred");
    assert_eq!(Client::udp(server.addr).with_timed_name(&name, secret.trim()).allocate().code(), 0);
    assert_eq!(Client::udp(server.addr).with_timed_name(&name, "another").allocate().code(), 401);
}

/// coturn's users have what they have: there it is said, and served.
#[test]
fn t30_what_everybody_knows_is_no_secret() {
    for known in [
        "--static-auth-secret=north",
        "--static-auth-secret=changeme",
        "-u=turn:coturn",
        "-u=user:joshua",
        "-u=a:password",
    ] {
        for profile in ["default", "hardened"] {
            let ended = Launch::new(&["--realm=r", known, &format!("--profile={profile}")]).run();
            assert_eq!(ended.status.code(), Some(255), "{profile}: {known}");
            assert!(ended.log.contains("known to everybody"), "{profile}: {}", ended.log);
        }
        let server = Launch::new(&["-a", "--realm=r", known]).start();
        assert_eq!(server.log.count(&["WARN", "known to everybody"]), 1, "{known}:\n{}", server.log.text());
    }
    for (empty, message) in
        [("--static-auth-secret=", "the secret is empty"), ("--user=alice:", "the password of \"alice\" is empty")]
    {
        for profile in ["default", "coturn", "hardened"] {
            let ended = Launch::new(&["--realm=r", empty, &format!("--profile={profile}")]).run();
            assert!(!ended.status.success() && ended.log.contains(message), "{profile}: {}", ended.log);
        }
    }
    let file = Launch::new(&["--realm=r", "--profile=default", "--secret-file=s"]);
    file.write("s", "changeme\n");
    let ended = file.run();
    assert!(!ended.status.success() && ended.log.contains("documentation uses"), "{}", ended.log);
    let short = Launch::new(&["--realm=r", "--profile=default", "--static-auth-secret=tooshort"]).start();
    assert_eq!(short.log.count(&["WARN", "the secret is shorter than 16 bytes"]), 1);
}

/// Whatever our own documentation shows may be copied as it is.
#[test]
fn t30_no_example_of_ours_starts() {
    let texts = ["README.md", "turnserver.toml"].map(|path| fs::read_to_string(path).expect("our documentation"));
    let mut examples: Vec<&str> = Vec::new();
    for (text, option) in texts.iter().flat_map(|text| ["user = ", "static-auth-secret = "].map(|name| (text, name))) {
        // Not a longer name's end, as proc-user has.
        let is_whole = |place: usize| !text[..place].ends_with('-');
        let found = text.match_indices(option).filter(|(place, _)| is_whole(*place)).map(|(place, _)| &text[place..]);
        // A list, or one value: up to its end.
        let literal = |rest: &str| rest[option.len()..].starts_with(['[', '"']);
        examples.extend(found.filter(|rest| literal(rest)).map(|rest| {
            let end = rest.find([']', '\n']).expect("a line ends");
            rest[..=end].trim_end()
        }));
    }
    assert!(examples.len() >= 3, "{examples:?}");
    for example in examples {
        for profile in ["default", "hardened"] {
            let file = format!("realm = \"r\"\nprofile = {profile:?}\nrelay-ip = [\"127.0.0.1\"]\n{example}\n");
            let ended = Launch::new(&[]).with_file(&file).run();
            assert_eq!(ended.status.code(), Some(255), "{profile}: {example}");
            assert!(ended.log.contains("known to everybody"), "{profile}: {example}: {}", ended.log);
        }
    }
    let words: Vec<&str> = texts.iter().flat_map(|text| text.split_whitespace()).collect();
    let users = words.windows(2).filter(|pair| ["-u", "--user"].contains(&pair[0]) && pair[1].contains(':'));
    let users: Vec<&str> = users.map(|pair| pair[1]).collect();
    assert!(!users.is_empty());
    for user in users {
        let ended = Launch::new(&["--realm=r", "--profile=default", "-u", user]).run();
        assert!(ended.log.contains("known to everybody"), "{user}: {}", ended.log);
    }
}

#[test]
fn t43_numbers_are_whole_or_refused() {
    let ports = ["listening-port", "tls-listening-port", "min-port", "max-port"];
    let bad_ports = ["65536", "-1", "abc", "3478x", "0x1000", "99999999999999999999", "1e3", " 7"];
    let others = ["max-allocate-lifetime", "channel-lifetime", "stale-nonce", "user-quota", "relay-threads"];
    let bad_numbers = ["-1", "abc", "4294967296", "18446744073709551617", "1.5"];
    let cases = ports.iter().flat_map(|name| bad_ports.iter().map(move |value| (name, value)));
    for (name, value) in cases.chain(others.iter().flat_map(|name| bad_numbers.iter().map(move |value| (name, value))))
    {
        let ended = Launch::new(&["-a", "-u=alice:wonderland", "--realm=r", &format!("--{name}={value}")]).run();
        assert_eq!(ended.status.code(), Some(255), "{name}={value}");
        assert!(ended.log.contains(name), "{name}={value}: {}", ended.log);
    }
    let swapped =
        Launch::new(&["-a", "-u=alice:wonderland", "--realm=r", "--min-port=60000", "--max-port=50000"]).run();
    assert!(!swapped.status.success(), "no port at all");
}
