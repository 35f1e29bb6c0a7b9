//! Peers and limits of a database, which hold within seconds, for live allocations as well.

use std::net::{Ipv4Addr, UdpSocket};

use crate::file::Turndb;
use crate::wire::{Client, Received, Server, poll_until};
use crate::{ALICE, REALM, launch, start};

/// A peer that is nobody: an address in a private range.
const PRIVATE: Ipv4Addr = Ipv4Addr::new(10, 1, 2, 3);

fn alice(server: &Server) -> Client {
    let mut client = Client::udp(server.addr).with_user(ALICE.0, ALICE.1);
    assert_eq!(client.allocate().code(), 0);
    client
}

fn with_alice() -> Turndb {
    let file = Turndb::new();
    file.add_user(ALICE);
    file
}

fn permits(client: &mut Client) -> bool {
    client.permit(PRIVATE.into()).code() == 0
}

#[test]
fn peers_denied_in_the_database_are_denied() {
    let file = with_alice();
    file.run(&format!("INSERT INTO denied_peer_ip VALUES ('{REALM}', '10.0.0.0-10.255.255.255')"));
    file.run("INSERT INTO denied_peer_ip VALUES ('elsewhere', '172.16.0.1'), ('', '192.168.7.0/24')");
    let server = start(&file);
    let mut client = alice(&server);
    assert!(!permits(&mut client));
    assert_eq!(client.permit([172, 16, 0, 1].into()).code(), 0, "that row is for another realm");
    assert_eq!(client.permit([192, 168, 7, 9].into()).code(), 403, "that one is for all");
    file.run("DELETE FROM denied_peer_ip");
    poll_until("it is denied no longer", || permits(&mut client).then_some(()));
}

#[test]
fn peers_allowed_in_the_database_stand_beside_those_of_the_configuration() {
    let file = with_alice();
    file.run(&format!("INSERT INTO allowed_peer_ip VALUES ('{REALM}', '10.1.2.3')"));
    let server = launch(&file, &["--denied-peer-ip=10.0.0.0/8", "--allowed-peer-ip=10.9.9.9"]).start();
    let mut client = alice(&server);
    assert!(permits(&mut client) && client.permit([10, 9, 9, 9].into()).code() == 0);
    assert_eq!(client.permit([10, 1, 2, 4].into()).code(), 403);
    let unread = launch(&file, &["--denied-peer-ip=10.0.0.0/8", "--no-dynamic-ip-list"]).start();
    assert!(!permits(&mut alice(&unread)));
}

#[test]
fn a_peer_denied_while_data_flows_gets_nothing_more() {
    let file = with_alice();
    let server = start(&file);
    let peer = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let peer_addr = peer.local_addr().expect("bound");
    let mut client = Client::udp(server.addr).with_user(ALICE.0, ALICE.1);
    let relayed = client.relayed();
    assert_eq!(client.bind(0x4000, peer_addr).code(), 0);
    client.send_channel(0x4000, b"before");
    let mut data = [0; 16];
    assert_eq!(peer.recv(&mut data).expect("loopback"), 6);
    peer.send_to(b"back", relayed).expect("loopback");
    assert_eq!(client.receive(), Received::Channel(0x4000, b"back".to_vec()));

    file.run(&format!("INSERT INTO denied_peer_ip VALUES ('{REALM}', '127.0.0.1')"));
    poll_until("the row is read", || (client.permit(peer_addr.ip()).code() == 403).then_some(()));
    client.send_channel(0x4000, b"after");
    client.settle();
    peer.set_nonblocking(true).expect("a socket");
    assert!(peer.recv(&mut data).is_err(), "nothing reaches the peer");
    assert_eq!(client.refresh(600).code(), 0, "the allocation lives on");
}

/// A reload reads the file of options, and what stands in the database stays beside it.
#[test]
fn a_reload_keeps_the_peers_of_the_database() {
    let file = with_alice();
    file.run(&format!("INSERT INTO denied_peer_ip VALUES ('{REALM}', '10.1.2.3')"));
    let server = start(&file);
    let mut client = alice(&server);
    server.signal(rustix::process::Signal::HUP);
    assert!(server.log.find(&["configuration read again"]).is_some());
    assert!(!permits(&mut client));
    file.run("DELETE FROM denied_peer_ip");
    poll_until("it is denied no longer", || permits(&mut client).then_some(()));
}

#[test]
fn a_row_that_is_no_range_is_told_of_once_and_the_others_hold() {
    let file = with_alice();
    file.run(&format!("INSERT INTO denied_peer_ip VALUES ('{REALM}', '10.0.0.0/8'), ('{REALM}', 'ten dot x\n')"));
    file.run(&format!("INSERT INTO turn_realm_option VALUES ('{REALM}', 'user-quota', 'many')"));
    let server = start(&file);
    let mut client = alice(&server);
    assert!(!permits(&mut client));
    let told = |what: &str| server.log.count(&["WARN", "counts for nothing", what]);
    assert_eq!((told("denied_peer_ip"), told("user-quota is no number")), (1, 1), "{}", server.log.text());
    file.run("DELETE FROM denied_peer_ip WHERE ip_range = '10.0.0.0/8'");
    poll_until("the change is read", || permits(&mut client).then_some(()));
    assert_eq!(told("denied_peer_ip"), 1, "it is no news");
}

#[test]
fn limits_of_the_realm_hold_and_change() {
    let file = with_alice();
    file.run(&format!(
        "INSERT INTO turn_realm_option VALUES ('{REALM}', 'user-quota', '1'), ('elsewhere', 'total-quota', '0')"
    ));
    let code = |server: &Server| {
        let mut client = Client::udp(server.addr).with_user(ALICE.0, ALICE.1);
        (client.allocate().code(), client)
    };
    let server = launch(&file, &["--user-quota=5"]).start();
    let first = alice(&server);
    assert_eq!(code(&server).0, 486, "the database's 1 stands in for 5");
    file.run("UPDATE turn_realm_option SET value = '2' WHERE opt = 'user-quota'");
    let second = poll_until("the change is read", || Some(code(&server)).filter(|(code, _)| *code == 0));
    assert_eq!(code(&server).0, 486);
    drop((first, second));
    let unread = launch(&file, &["--user-quota=5", "--no-dynamic-realms"]).start();
    let both = [alice(&unread), alice(&unread), alice(&unread)];
    drop(both);
}
