//! What counts in the quotas, and what is looked at before them.

use std::net::SocketAddr;

use turnserver::stun::{AttributeType, Method, Writer};

use crate::wire::{Client, Launch, Reply, Server};
use crate::{allocate_pair, token};

const REQUESTED_FAMILY_V6: [u8; 4] = [2, 0, 0, 0];

/// A server that alice and bob may use.
fn start(args: &[&str]) -> Server {
    Launch::new(&["-a", "--realm=r", "--user=alice:secret", "--user=bob:builder"]).and(args).start()
}

fn alice(server: &Server) -> Client {
    Client::udp(server.addr).with_user("alice", "secret")
}

fn bob(server: &Server) -> Client {
    Client::udp(server.addr).with_user("bob", "builder")
}

/// An Allocate with one more attribute.
fn allocate_with(client: &mut Client, kind: AttributeType, value: &[u8]) -> Reply {
    client.ask(Method::ALLOCATE, |writer: &mut Writer<'_>| {
        writer.attribute(AttributeType::REQUESTED_TRANSPORT, &[17, 0, 0, 0]);
        writer.attribute(kind, value);
    })
}

fn claim(client: &mut Client, token: &[u8]) -> Reply {
    allocate_with(client, AttributeType::RESERVATION_TOKEN, token)
}

fn next_to(relayed: SocketAddr) -> SocketAddr {
    SocketAddr::new(relayed.ip(), relayed.port() + 1)
}

#[test]
fn a_reserved_port_takes_a_place_of_its_user() {
    let server = start(&["--user-quota=2"]);
    let (mut first, _) = allocate_pair(server.addr);
    assert_eq!(alice(&server).allocate().code(), 486, "allocation and reservation are two");
    assert_eq!(bob(&server).allocate().code(), 0, "of another user there is none");

    assert_eq!(first.refresh(0).code(), 0);
    let mut second = alice(&server);
    assert_eq!(second.allocate().code(), 0, "the allocation's place is free");
    assert_eq!(alice(&server).allocate().code(), 486, "the reservation outlives its allocation and keeps its place");
}

#[test]
fn a_claimed_port_keeps_the_place_it_had_as_a_reservation() {
    let server = start(&["--user-quota=2"]);
    let (mut first, reserved) = allocate_pair(server.addr);
    let mut second = alice(&server);
    let claimed = claim(&mut second, &token(&reserved));
    assert_eq!((claimed.code(), claimed.relayed()), (0, next_to(reserved.relayed())));
    assert_eq!(alice(&server).allocate().code(), 486, "two allocations are two");
    assert_eq!((first.refresh(0).code(), second.refresh(0).code()), (0, 0));
    let mut all = [alice(&server), alice(&server)];
    assert_eq!(all.each_mut().map(|client| client.allocate().code()), [0, 0], "no place is lost");
}

#[test]
fn a_port_claimed_by_another_user_counts_for_that_user() {
    let server = start(&["--user-quota=2"]);
    let (_first, reserved) = allocate_pair(server.addr);
    let mut bobs = [bob(&server), bob(&server)];
    assert_eq!(bobs.each_mut().map(|client| client.allocate().code()), [0, 0]);
    let mut full = bob(&server);
    assert_eq!(claim(&mut full, &token(&reserved)).code(), 486, "bob has no place left");
    assert_eq!(alice(&server).allocate().code(), 486, "the reservation is where it was");

    assert_eq!(bobs[0].refresh(0).code(), 0);
    let claimed = claim(&mut full, &token(&reserved));
    assert_eq!((claimed.code(), claimed.relayed()), (0, next_to(reserved.relayed())));
    assert_eq!(bob(&server).allocate().code(), 486);
    assert_eq!(alice(&server).allocate().code(), 0, "it counts for alice no more");
}

#[test]
fn without_a_place_for_the_reservation_nothing_is_allocated() {
    for args in [["--user-quota=1"], ["--total-quota=1"]] {
        let server = start(&args);
        let reply = allocate_with(&mut alice(&server), AttributeType::EVEN_PORT, &[0x80]);
        assert_eq!(reply.code(), 486, "{args:?}");
        assert_eq!(alice(&server).allocate().code(), 0, "{args:?}: the refused request keeps no place");
        assert_eq!(alice(&server).allocate().code(), 486, "{args:?}");
    }
}

#[test]
fn a_reserved_port_takes_a_place_of_all() {
    let server = start(&["--total-quota=3"]);
    allocate_pair(server.addr);
    let mut third = bob(&server);
    assert_eq!((third.allocate().code(), bob(&server).allocate().code()), (0, 486));
}

/// The order of checks: token, family, then quota.
#[test]
fn a_full_quota_hides_neither_an_unknown_token_nor_an_unserved_family() {
    let server = start(&["--user-quota=1"]);
    let mut first = alice(&server);
    first.relayed();
    assert_eq!(alice(&server).allocate().code(), 486);
    assert_eq!(claim(&mut alice(&server), &[7; 8]).code(), 508, "there is no such token");
    let v6 = allocate_with(&mut alice(&server), AttributeType::REQUESTED_ADDRESS_FAMILY, &REQUESTED_FAMILY_V6);
    assert_eq!(v6.code(), 440, "the server relays over IPv4 only");
}
