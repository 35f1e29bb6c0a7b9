//! Alternate servers: how they are written, whose clients go where, and which ones nobody can be sent to.

use std::net::SocketAddr;

use crate::{config, load_line, load_toml, problems, toml_config};

fn servers(texts: &[&str]) -> Vec<SocketAddr> {
    texts.iter().map(|text| text.parse().expect("an address")).collect()
}

#[test]
fn a_server_is_an_address_with_or_without_a_port() {
    for (text, plain, tls) in [
        ("198.51.100.7", "198.51.100.7:3478", "198.51.100.7:5349"),
        ("198.51.100.7:5555", "198.51.100.7:5555", "198.51.100.7:5555"),
        ("[2001:db8::7]:3480", "[2001:db8::7]:3480", "[2001:db8::7]:3480"),
        ("[2001:db8::7]", "[2001:db8::7]:3478", "[2001:db8::7]:5349"),
        ("2001:db8::7", "[2001:db8::7]:3478", "[2001:db8::7]:5349"),
        ("[::ffff:198.51.100.7]:1", "198.51.100.7:1", "198.51.100.7:1"),
    ] {
        for option in ["alternate-server", "udp-alternate-server", "tcp-alternate-server"] {
            let redirect = config(&format!("--{option}={text}")).redirect;
            let lists = [redirect.udp, redirect.tcp].concat();
            assert!(!lists.is_empty() && lists.iter().all(|server| [*server] == servers(&[plain])[..]), "{text}");
        }
        assert_eq!(config(&format!("--tls-alternate-server {text}")).redirect.tls, servers(&[tls]), "{text}");
    }
    for text in
        ["turn.example.org", "198.51.100.7:", "198.51.100.7:x", "198.51.100.7:65536", "2001:db8::7:3478:1:2:3:4"]
    {
        let text = problems(load_toml(&format!("alternate-server = [\"{text}\"]")));
        assert!(text.starts_with("t.toml:1:21: alternate-server: expected IP or IP:PORT, found "), "{text}");
    }
    assert!(problems(load_line("--tcp-alternate-server=")).contains("the value is empty"));
}

#[test]
fn each_transport_has_its_own_servers_or_those_of_all() {
    assert!(!config("").redirect.is_on());
    let all = toml_config("alternate-server = [\"198.51.100.1\", \"198.51.100.2\", \"198.51.100.1\"]").redirect;
    let listed = servers(&["198.51.100.1:3478", "198.51.100.2:3478", "198.51.100.1:3478"]);
    assert!(all.is_on() && [&all.udp, &all.tcp, &all.tls].iter().all(|list| **list == listed));
    for (option, port) in [("udp", 3478), ("tcp", 3478), ("tls", 5349)] {
        let line = format!("--alternate-server=198.51.100.1 --{option}-alternate-server=198.51.100.9");
        let redirect = config(&line).redirect;
        let special = SocketAddr::new([198, 51, 100, 9].into(), port);
        for (name, list) in [("udp", redirect.udp), ("tcp", redirect.tcp), ("tls", redirect.tls)] {
            let expected = if name == option { vec![special] } else { listed[..1].to_vec() };
            assert_eq!(list, expected, "{line}: {name}");
        }
        let alone = config(&format!("--{option}-alternate-server=198.51.100.9")).redirect;
        assert!(alone.is_on() && alone.targets().collect::<Vec<_>>() == [special], "nobody else is sent away");
    }
}

#[test]
fn a_server_is_one_that_clients_can_reach() {
    for (server, reason) in [
        ("0.0.0.0", "is not the address of one server"),
        ("[::]:3478", "is not the address of one server"),
        ("224.0.0.1", "is not the address of one server"),
        ("255.255.255.255", "is not the address of one server"),
        ("ff02::1", "is not the address of one server"),
        ("198.51.100.7:0", "has port 0"),
        ("[2001:db8::7]:0", "has port 0"),
        ("127.0.0.1", "is a loopback address"),
        ("127.1.2.3:99", "is a loopback address"),
        ("::1", "is a loopback address"),
        ("::ffff:127.0.0.1", "is a loopback address"),
    ] {
        for option in ["alternate-server", "tls-alternate-server", "udp-alternate-server", "tcp-alternate-server"] {
            let lines = format!("realm = \"r\"\n{option} = [\"198.51.100.1\", \"{server}\"]");
            let text = problems(load_toml(&lines));
            let column = option.len() + 21;
            assert!(text.starts_with(&format!("t.toml:2:{column}: {option}: ")) && text.contains(reason), "{text}");
            assert_eq!(text.lines().count(), 1, "{text}");
        }
    }
}

// On one machine all of it may be on loopback; clients elsewhere are told nothing of that kind.
#[test]
fn loopback_servers_go_with_loopback_listeners() {
    let line = |ips: &str| format!("{ips} --alternate-server=127.0.0.1:4000 --alternate-server=[::1]:4000");
    assert_eq!(config(&line("-L 127.0.0.1")).redirect.udp, servers(&["127.0.0.1:4000", "[::1]:4000"]));
    assert!(config(&line("-L ::1 -L 127.0.0.2")).redirect.is_on());
    for ips in ["", "-L 192.0.2.1", "-L 127.0.0.1 -L 192.0.2.1", "-L 0.0.0.0", "-L ::1 -L ::"] {
        assert!(problems(load_line(&line(ips))).contains("127.0.0.1:4000 is a loopback address"), "{ips}");
    }
}

// ALT-007.
#[test]
fn nobody_is_sent_to_where_they_are() {
    let own = "-L 192.0.2.1 -L 2001:db8::1 -p 4000 --tls-listening-port=4001";
    for (line, is_oneself) in [
        ("--alternate-server=192.0.2.1:4000", true),
        ("--alternate-server=[2001:db8::1]:4000", true),
        ("--tcp-alternate-server=192.0.2.1:4000", true),
        ("--alternate-server=192.0.2.1", false),
        ("--alternate-server=192.0.2.2:4000", false),
        ("--tls-alternate-server=192.0.2.1:4001", false),
        ("--cert=c --pkey=k --tls-alternate-server=192.0.2.1:4001", true),
        ("--cert=c --pkey=k --tls-alternate-server=192.0.2.1:4000", true),
        ("--cert=c --pkey=k --no-tls --tls-alternate-server=192.0.2.1:4001", false),
        ("-X 203.0.113.1 --alternate-server=203.0.113.1:4000", true),
        ("-X 203.0.113.1/192.0.2.1 --alternate-server=203.0.113.1:4000", true),
        ("-X 203.0.113.1/192.0.2.9 --alternate-server=203.0.113.1:4000", false),
        ("-X 203.0.113.1 --alternate-server=203.0.113.1", false),
    ] {
        match load_line(&format!("{own} {line}")) {
            Ok(_) => assert!(!is_oneself, "{line}"),
            Err(problems) => {
                assert!(is_oneself, "{line}: {problems}");
                let text = problems.to_string();
                assert!(text.contains("-alternate-server: ") || text.contains("--alternate-server: "), "{text}");
                assert!(text.contains(" is this server (leave it out: "), "{text}");
            }
        }
    }
}
