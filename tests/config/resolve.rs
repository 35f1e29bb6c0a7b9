//! Profiles, ranges, and values that fit together.

use std::net::IpAddr;

use turnserver::config::{Config, IpRange, OwnAddresses, Rate, ReasonPhrases};

use crate::{config, load_line, load_toml, problems, toml_config, warnings};

const CREDENTIALS: &str = "-r r -a -u a:b";

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn profiles() -> [Config; 3] {
    ["default", "coturn", "hardened"].map(|profile| config(&format!("{CREDENTIALS} --profile={profile}")))
}

#[test]
fn profiles_set_limits() {
    let [default, coturn, hardened] = profiles().map(|config| config.limits);
    assert_eq!([default.user_quota, coturn.user_quota, hardened.user_quota], [100, 0, 10]);
    assert_eq!([default.permissions_max, coturn.permissions_max, hardened.permissions_max], [256, 1024, 256]);
    assert_eq!([default.channels_max, coturn.channels_max, hardened.channels_max], [256, 1024, 256]);
    assert_eq!([default.reservation_secs, coturn.reservation_secs, hardened.reservation_secs], [30, 300, 30]);
    assert_eq!(default.unauthorized, Some(Rate { per_sec: 100, burst: 500 }));
    assert_eq!(coturn.unauthorized, None);
    assert_eq!(hardened.unauthorized, Some(Rate { per_sec: 20, burst: 100 }));
    for limits in [default, coturn, hardened] {
        assert_eq!((limits.total_quota, limits.allocate_lifetime_secs_max), (0, 3600));
        assert_eq!((limits.channel_lifetime_secs, limits.permission_lifetime_secs), (600, 300));
    }
}

#[test]
fn profiles_set_the_protocol() {
    let [default, coturn, hardened] = profiles().map(|config| config.protocol);
    assert_eq!([&default, &coturn, &hardened].map(|p| p.channel_number_max), [0x4FFF, 0x7FFF, 0x4FFF]);
    assert_eq!([&default, &coturn, &hardened].map(|p| p.channel_extends_permission), [false, true, false]);
    assert_eq!([&default, &coturn, &hardened].map(|p| p.coturn_errors), [false, true, false]);
    assert_eq!(
        [&default, &coturn, &hardened].map(|p| p.reason_phrases),
        [ReasonPhrases::Signed, ReasonPhrases::Never, ReasonPhrases::Never]
    );
    assert!([&default, &coturn, &hardened].iter().all(|p| !p.software && !p.fingerprint));
}

#[test]
fn profiles_set_peers_and_credentials() {
    let [default, coturn, hardened] = profiles();
    assert_eq!([&default, &coturn, &hardened].map(|c| c.peers.private), [false, true, false]);
    assert_eq!([&default, &coturn, &hardened].map(|c| c.peers.deny_wins), [false, false, true]);
    assert_eq!(
        [&default, &coturn, &hardened].map(|c| c.peers.own),
        [OwnAddresses::LiveOrAllowed, OwnAddresses::AsRanges, OwnAddresses::LiveOnly]
    );
    assert!([&default, &coturn, &hardened].iter().all(|c| !c.peers.multicast && !c.peers.loopback));
    assert_eq!(
        [&default, &coturn, &hardened].map(|c| c.auth.timestamp_ahead_secs_max),
        [Some(604_800), None, Some(86_400)]
    );
    assert_eq!([&default, &coturn, &hardened].map(|c| c.process.pidfile.is_some()), [false, true, false]);
}

#[test]
fn what_a_profile_sets_can_be_set_alone() {
    let config = config(
        "--profile=default -r r -u a:b -q 7 --rfc5766-channel-numbers --channel-extends-permission \
         --include-reason-string --software-attribute -f --pidfile=/run/x.pid",
    );
    assert_eq!((config.limits.user_quota, config.protocol.channel_number_max), (7, 0x7FFF));
    assert!(config.protocol.channel_extends_permission && config.protocol.software && config.protocol.fingerprint);
    assert_eq!(config.protocol.reason_phrases, ReasonPhrases::Always);
    assert!(config.process.pidfile.is_some());
    assert_eq!(toml_config("include-reason-string = false").protocol.reason_phrases, ReasonPhrases::Never);
    assert_eq!(toml_config("profile = \"coturn\"\npidfile = \"\"").process.pidfile, None);
}

#[test]
fn the_rate_of_unauthenticated_answers_has_a_switch_and_a_figure() {
    let rate = |per_sec, burst| Some(Rate { per_sec, burst });
    for (line, expected) in [
        ("--profile=coturn", None),
        ("--profile=coturn --unauthorized-ratelimit", rate(10, 10)),
        ("--profile=coturn --unauthorized-ratelimit --unauthorized-ratelimit-rps=7", rate(7, 7)),
        ("--profile=coturn --unauthorized-ratelimit-rps=7", rate(7, 7)),
        ("--profile=coturn --unauthorized-ratelimit=off --unauthorized-ratelimit-rps=7", None),
        ("--profile=default --unauthorized-ratelimit=off", None),
        ("--profile=default --unauthorized-ratelimit-rps=7", rate(7, 35)),
    ] {
        assert_eq!(config(line).limits.unauthorized, expected, "{line}");
    }
}

#[test]
fn bandwidth_is_unlimited_until_something_is_said() {
    for config in profiles() {
        assert_eq!((config.limits.max_bps, config.limits.user_bps, config.limits.bps_capacity), (0, 0, 0));
    }
    let limits = config("-s 1000 -B 90000000000 --user-bps 5").limits;
    assert_eq!((limits.max_bps, limits.user_bps, limits.bps_capacity), (1000, 5, 90_000_000_000));
    let text = problems(load_toml("user-bps = 5\nbps-capacity = 7"));
    assert!(text.starts_with("t.toml:2:16: bps-capacity is given without max-bps"), "{text}");
    assert_eq!(problems(load_toml("bps-capacity = 7\nmax-bps = \"x\"")).lines().count(), 1, "said once");
    assert_eq!(toml_config("bps-capacity = 0\nmax-bps = 0").limits.bps_capacity, 0);
}

#[test]
fn peer_ranges_have_three_forms() {
    let range = |first, last| IpRange { first: ip(first), last: ip(last) };
    for (text, expected) in [
        ("10.0.0.1", range("10.0.0.1", "10.0.0.1")),
        ("10.0.0.1-10.0.1.0", range("10.0.0.1", "10.0.1.0")),
        ("10.0.0.7/8", range("10.0.0.0", "10.255.255.255")),
        ("0.0.0.0/0", range("0.0.0.0", "255.255.255.255")),
        ("2001:db8::-2001:db8::ff", range("2001:db8::", "2001:db8::ff")),
        ("2001:db8::/126", range("2001:db8::", "2001:db8::3")),
        ("::1", range("::1", "::1")),
        ("::ffff:10.0.0.1", range("10.0.0.1", "10.0.0.1")),
    ] {
        let config = config(&format!("--denied-peer-ip={text} --allowed-peer-ip {text}"));
        assert_eq!((config.peers.denied, config.peers.allowed), (vec![expected], vec![expected]), "{text}");
    }
    for (text, expected) in [
        ("10.0.0.9-10.0.0.1", "ends before it starts (10.0.0.1-10.0.0.9)"),
        ("10.0.0.1-::1", "of different families"),
        ("10.0.0.0/33", "expected IP, IP-IP or CIDR"),
        ("10.0.0", "expected IP, IP-IP or CIDR"),
        ("host", "expected IP, IP-IP or CIDR"),
        ("", "the value is empty"),
        ("10.0.0.1-", "expected IP, IP-IP or CIDR"),
    ] {
        let text = problems(load_toml(&format!("denied-peer-ip = \"{text}\"")));
        assert!(text.starts_with("t.toml:1:18: denied-peer-ip: ") && text.contains(expected), "{text}");
    }
}

#[test]
fn loopback_and_multicast_open_in_the_coturn_profile_only() {
    let options = "--allow-loopback-peers --no-multicast-peers=false";
    let peers = config(options).peers;
    assert!(peers.loopback && peers.multicast);
    for profile in ["default", "hardened"] {
        let line = format!("{CREDENTIALS} {options} --profile={profile}");
        let peers = config(&line).peers;
        assert!(!peers.loopback && !peers.multicast);
        let text = warnings(load_line(&line));
        assert!(text.contains(&format!("allow-loopback-peers has no effect in the {profile} profile")), "{text}");
        assert!(text.contains(&format!("no-multicast-peers=false has no effect in the {profile} profile")), "{text}");
    }
    assert_eq!(warnings(load_line(&format!("{CREDENTIALS} --no-multicast-peers --profile=default"))), "");
}

#[test]
fn external_addresses_come_alone_or_in_pairs() {
    let external =
        config("-X 203.0.113.1 -X 2001:db8::1 -X 203.0.113.2/10.0.0.2 -X [2001:db8::2]/[fd00::2]").relay.external;
    assert_eq!(external.single, [ip("203.0.113.1"), ip("2001:db8::1")]);
    assert_eq!(external.pairs.len(), 2);
    assert_eq!(external.public_of(ip("10.0.0.2")), ip("203.0.113.2"));
    assert_eq!(external.public_of(ip("fd00::2")), ip("2001:db8::2"));
    assert_eq!(external.public_of(ip("10.0.0.9")), ip("203.0.113.1"));
    assert_eq!(external.public_of(ip("127.0.0.1")), ip("127.0.0.1"));
    for (line, expected) in [
        ("-X 1.1.1.1 -X 2.2.2.2 --profile=default", "1.1.1.1 is given already for this family"),
        ("-X 1.1.1.1/10.0.0.1 -X 2.2.2.2/10.0.0.1", "10.0.0.1 stands for 1.1.1.1 already"),
        ("-X 1.1.1.1/::1", "of different families"),
        ("-X 1.1.1.1/", "expected PUBLIC or PUBLIC/PRIVATE"),
        ("-X 0.0.0.0", "no address that peers could reach"),
        ("-X turn.example.org", "host names are not looked up"),
        ("--external-ip=", "the value is empty"),
    ] {
        let text = problems(load_line(line));
        assert!(text.contains("--external-ip: ") && text.contains(expected), "{text}");
    }
}

#[test]
fn the_private_part_of_a_pair_is_an_allowed_peer_for_coturn_only() {
    let line = "-r r -u a:b -X 203.0.113.2/10.0.0.2";
    let private = IpRange { first: ip("10.0.0.2"), last: ip("10.0.0.2") };
    assert_eq!(config(line).peers.allowed, [private]);
    for profile in ["default", "hardened"] {
        assert!(config(&format!("{line} --profile={profile}")).peers.allowed.is_empty());
    }
}

#[test]
fn relay_ports_are_a_range_above_the_well_known_ones() {
    assert_eq!(config("--min-port=1024 --max-port=1024").relay.ports, 1024..=1024);
    assert_eq!(config("").relay.ports, 49152..=65535);
    let text = problems(load_toml("min-port = 60000\nmax-port = 50000"));
    assert!(text.starts_with("t.toml:2:12: min-port 60000 is above max-port 50000"), "{text}");
    for port in [0, 80, 1023] {
        let text = problems(load_toml(&format!("min-port = {port}")));
        assert!(text.starts_with("t.toml:1:12: min-port: "), "{text}");
    }
}

#[test]
fn coturns_ports_may_be_low_ones() {
    assert_eq!(config("-z --min-port=80 --max-port=90").relay.ports, 80..=90);
    let told = warnings(load_line("-z --min-port=80 --max-port=90"));
    assert_eq!(told.matches("a relayed address should never have a port 0..1023").count(), 2, "{told}");
    assert!(problems(load_line("-z --min-port=0")).contains("--min-port: there is no port 0"));
}

#[test]
fn the_first_of_two_external_addresses_counts_for_coturn() {
    let config = config("-z -X 203.0.113.1 -X 203.0.113.2");
    assert_eq!(config.relay.external.single, [ip("203.0.113.1")]);
}

#[test]
fn certificate_and_key_belong_together() {
    let tls = toml_config("cert = \"c.pem\"\npkey = \"k.pem\"").tls.unwrap();
    assert_eq!((tls.cert.to_str(), tls.key.to_str()), (Some("c.pem"), Some("k.pem")));
    assert!(problems(load_toml("cert = \"c.pem\"")).starts_with("t.toml:1:8: cert is given without pkey"));
    assert!(problems(load_toml("pkey = \"k.pem\"")).starts_with("t.toml:1:8: pkey is given without cert"));
    assert_eq!(problems(load_toml("cert = \"c.pem\"\npkey = 5")).lines().count(), 1, "said once");
    assert!(!config("--cert c --pkey k --no-tls").listen.tls);
}

#[test]
fn some_transport_is_left() {
    assert!(problems(load_line("--no-udp --no-tcp")).contains("leave no transport to serve: there is no certificate"));
    assert!(problems(load_line("--no-udp --no-tcp --no-tls --cert c --pkey k")).contains("so does no-tls"));
    assert!(config("--no-udp --no-tcp --cert c --pkey k").listen.tls);
}

#[test]
fn addresses_are_addresses() {
    assert_eq!(config("-L [::1] -L 127.0.0.1 -L ::1").listen.ips, [ip("::1"), ip("127.0.0.1")]);
    for text in ["localhost", "1.2.3", "1.2.3.4:80", "fe80::1%eth0", "[1.2.3.4]", "256.1.1.1"] {
        let text = problems(load_line(&format!("-L {text}")));
        assert!(text.starts_with("command line: --listening-ip: expected an IP address, found"), "{text}");
    }
}

#[test]
fn one_thread_is_the_least() {
    assert_eq!(config("").process.threads, None);
    assert_eq!(config("-m 0").process.threads, Some(1));
    assert_eq!(config("-m 128").process.threads, Some(128));
}
