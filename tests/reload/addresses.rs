//! Interfaces are read again with the configuration: an address that came is the server's own, and is not served yet.

use std::net::IpAddr;

use crate::netns::{Host, can_make_hosts};
use crate::stage::Stage;

const NEW: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(130, 89, 7, 7));

#[test]
fn an_address_that_came_is_no_peer_and_waits_to_be_listened_on() {
    if !can_make_hosts("addresses that come and go") {
        return;
    }
    let host = Host::new();
    host.enter();
    let stage = Stage::new(&[("profile", "\"default\""), ("allow-loopback-peers", ""), ("listening-ip", "")]);
    let log = &stage.server.log;
    let mut client = stage.alice();
    client.relayed();
    assert_eq!(client.permit(NEW).code(), 0, "an address of somebody else");
    host.ip("address add 130.89.7.7/32 dev lo");
    assert_eq!(client.permit(NEW).code(), 0, "the interfaces are not read all the time");
    assert!(stage.signal_reload());
    client.settle();
    assert_eq!(client.permit(NEW).code(), 403, "one's own services are not for clients");
    assert_eq!(log.count(&["WARN", "an address that came is listened to after a restart", "130.89.7.7"]), 1);
    assert_eq!(client.refresh(600).code(), 0);
    host.ip("address del 130.89.7.7/32 dev lo");
    assert!(stage.signal_reload());
    client.settle();
    assert_eq!(client.permit(NEW).code(), 0);
    assert_eq!(log.count(&["WARN", "an address that came"]), 1);

    host.ip("address add 130.89.7.8/32 dev lo");
    let other = Stage::new(&[("listening-ip", "")]);
    host.ip("address del 130.89.7.8/32 dev lo");
    assert!(other.signal_reload());
    assert_eq!(other.server.log.count(&["WARN", "an address that went is let go by a restart", "130.89.7.8"]), 1);
}
