//! Clients are not sent back to where they are; which addresses that are is known for sure when the server starts.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use turnserver::config::ExternalPair;
use turnserver::udp::StartError;

use crate::inside;

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// What a NAT makes of it, where there is one.
const OUTSIDE: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 5));

/// A server on `ips` that sends TCP clients to `target`, on its own port or on another one, is started and ended.
fn start(ips: &[IpAddr], has_nat: bool, target: IpAddr, is_own_port: bool) -> Result<(), StartError> {
    let (mut config, server) = inside::config("");
    config.listen.ips = ips.to_vec();
    config.relay.external.pairs.extend(has_nat.then_some(ExternalPair { public: OUTSIDE, private: LOOPBACK }));
    config.redirect.tcp = vec![SocketAddr::new(target, if is_own_port { server.port() } else { 1 })];
    inside::try_start(config)?.stop().expect("no worker broke off");
    Ok(())
}

// ALT-007.
#[test]
fn a_server_that_would_send_clients_to_itself_does_not_start() {
    let any = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    for (ips, has_nat, target) in [
        (&[any][..], false, LOOPBACK),
        (&[], false, LOOPBACK),
        (&[LOOPBACK], false, LOOPBACK),
        (&[any], true, OUTSIDE),
        (&[LOOPBACK], true, OUTSIDE),
    ] {
        let error = start(ips, has_nat, target, true).expect_err("a circle");
        let text = error.to_string();
        assert!(text.starts_with(&target.to_string()) && text.contains("is this server: leave it out"), "{text}");
    }
    for (has_nat, target, is_own_port) in
        [(false, LOOPBACK, false), (true, OUTSIDE, false), (false, OUTSIDE, true), (true, [127, 0, 0, 9].into(), true)]
    {
        start(&[LOOPBACK], has_nat, target, is_own_port).expect("another server");
    }
}
