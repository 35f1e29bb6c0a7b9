//! Addresses and ports of relayed transport addresses.

use std::collections::BTreeSet;

use crate::wire::{Client, free_ports};
use crate::{alice, launch, start};

pub(crate) fn relayed_addresses_are_on_the_relay_ip() {
    let server = start(&["--relay-ip=127.0.0.2"]);
    assert_eq!(alice(&server).relayed().ip().to_string(), "127.0.0.2");
    let plain = start(&[]);
    assert_eq!(alice(&plain).relayed().ip().to_string(), "127.0.0.1");
    let ended = launch(&["--relay-ip=203.0.113.9"]).run();
    assert!(!ended.status.success() && ended.log.contains("cannot relay from 203.0.113.9"), "{}", ended.log);
}

pub(crate) fn relayed_addresses_are_told_by_their_external_ip() {
    let server = start(&["--external-ip=203.0.113.5/127.0.0.1", "-X", "203.0.113.6/127.0.0.9"]);
    let mut client = alice(&server);
    let relayed = client.relayed();
    assert_eq!(relayed.ip().to_string(), "203.0.113.5");
    assert!(server.log.find(&["allocation created", &format!("relayed={relayed} ")]).is_some());
    assert!(server.log.find(&["WARN", "203.0.113.6/127.0.0.9", "no relay address"]).is_some());
}

pub(crate) fn relayed_ports_start_at_min_port() {
    // The upper end of the range stays where it is.
    let server = start(&["--min-port=65400"]);
    let mut clients: Vec<Client> = (0..8).map(|_| alice(&server)).collect();
    let ports: BTreeSet<u16> = clients.iter_mut().map(|client| client.relayed().port()).collect();
    assert!(ports.len() == 8 && ports.iter().all(|port| *port >= 65400), "{ports:?}");
}

pub(crate) fn relayed_ports_end_at_max_port() {
    let first = free_ports(4);
    let server = start(&[&format!("--min-port={first}"), &format!("--max-port={}", first + 3)]);
    let mut clients: Vec<Client> = (0..4).map(|_| alice(&server)).collect();
    let ports: BTreeSet<u16> = clients.iter_mut().map(|client| client.relayed().port()).collect();
    assert_eq!(ports, (first..first + 4).collect(), "all ports of the range are given out, each once");
    assert_eq!(alice(&server).allocate().code(), 508, "there is no port left");
    assert_eq!(clients[0].refresh(0).code(), 0);
    assert!(ports.contains(&alice(&server).relayed().port()), "a port that was given back is given out again");
}
