//! The operator's lists over real sockets: ranges that are no prefixes, and lists that cannot be read.

use std::net::IpAddr;

use crate::lab::{Lab, Over, client};
use crate::netns::can_make_hosts;
use crate::wire::Launch;
use crate::wire::tls::Certificate;

/// Ranges that begin and end anywhere.
const DENIED: [&str; 2] = ["9.0.0.250-9.0.2.5", "2a00:1:0:ffff::7-2a00:1:2::3"];
const ALLOWED: [&str; 2] = ["10.1.2.3-10.1.4.1", "192.168.7.255-192.168.9.0"];

const CLOSED: &str = "9.0.0.250 9.0.1.0 9.0.1.255 9.0.2.5 2a00:1:0:ffff::7 2a00:1:0:ffff::8 2a00:1:1:: 2a00:1:1:ffff:: \
    2a00:1:2:: 2a00:1:2::3 10.1.2.2 10.1.4.2 192.168.7.254 192.168.9.1 \
    ::ffff:10.1.2.3 64:ff9b::10.1.2.3 2002:a01:203::";
const OPEN: &str = "9.0.0.249 9.0.2.6 2a00:1:0:ffff::6 2a00:1:2::4 2a00:1::ffff 2a00:1:2:0:1:: \
    10.1.2.3 10.1.3.0 10.1.3.255 10.1.4.1 192.168.7.255 192.168.8.0 192.168.9.0";

#[test]
fn lists_need_not_be_prefixes() {
    if !can_make_hosts("ranges given as options") {
        return;
    }
    for profile in ["default", "hardened"] {
        let lab = Lab::new();
        let certificate = Certificate::new();
        let denied = DENIED.iter().map(|range| format!("--denied-peer-ip={range}"));
        let lists: Vec<String> =
            denied.chain(ALLOWED.iter().map(|range| format!("--allowed-peer-ip={range}"))).collect();
        let mut args = vec!["--profile", profile];
        args.extend(lists.iter().map(String::as_str));
        let server = lab.start(&certificate, &args);
        for (peers, code) in [(CLOSED, 403), (OPEN, 0)] {
            for peer in peers.split_whitespace() {
                let peer: IpAddr = peer.parse().expect("an address");
                let (mut client, _) = client(&lab, &server, &certificate, Over::Udp, peer);
                assert_eq!(client.permit(peer).code(), code, "{peer} in {profile}");
                assert_eq!(client.refresh(0).code(), 0);
            }
        }
    }
}

/// A list that is not understood protects nobody, so there is no server with it.
#[test]
fn a_malformed_range_is_refused_at_start_with_its_place() {
    for text in
        ["10.0.0.0/33", "10.0.0.9-10.0.0.1", "10.0.0.1-::1", "10.0.0", "fe80::/129", "somewhere", "1.2.3.4/", "-"]
    {
        for option in ["denied-peer-ip", "allowed-peer-ip"] {
            let ended = Launch::new(&[&format!("--{option}={text}")]).run();
            assert!(!ended.status.success(), "{option}={text}");
            let said = format!("{}{}", ended.log, ended.out);
            assert!(said.contains(option) && said.contains(text), "{said}");

            let ended =
                Launch::new(&[]).with_file(&format!("realm = \"r\"\n{option} = [\"10.0.0.1\", \"{text}\"]\n")).run();
            let said = format!("{}{}", ended.log, ended.out);
            assert!(said.contains("configuration.toml:2:") && said.contains(option), "{said}");
        }
    }
}
