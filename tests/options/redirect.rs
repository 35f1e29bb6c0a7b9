//! Other servers that clients are sent to.

use std::net::SocketAddr;

use turnserver::stun::{AttributeType, Method};

use crate::wire::tls::Certificate;
use crate::wire::{Client, Reply, Server};
use crate::{ALICE, BOB, alice, launch, start};

/// Where a client that asks for an allocation is sent; empty: it is served.
fn sent(client: &mut Client) -> Vec<SocketAddr> {
    let reply = client.allocate();
    assert_eq!(reply.code(), if reply.alternates().is_empty() { 0 } else { 300 });
    reply.alternates()
}

fn to(server: &str) -> Vec<SocketAddr> {
    let server = server.parse().expect("an address");
    vec![server]
}

pub(crate) fn allocate_is_sent_to_the_alternate_servers() {
    let next = start(&[]);
    let option = format!("--alternate-server={}", next.addr);
    let server = start(&[&option, "--alternate-server=127.0.0.9"]);
    let servers = sent(&mut alice(&server));
    let there = *servers.first().expect("a server");
    assert_eq!(servers, [next.addr]);
    assert_eq!(Client::udp(there).with_user(ALICE.0, ALICE.1).relayed().ip(), next.addr.ip());
    assert_eq!(sent(&mut alice(&server)), to("127.0.0.9:3478"), "they take turns");
    assert_eq!(sent(&mut Client::tcp(server.addr)), [there], "those of each transport");
    assert_eq!(alice(&server).binding().code(), 0, "Allocate alone");
    assert!(server.log.find(&["INFO", "client sent to an alternate server", "transport=udp"]).is_some());
    who_is_asked_first(&option);
    nonces_go_along();
    refused_at_the_start();
}

/// A nonce is of the client's address alone where a client may be sent on, of its UDP port as well where none is.
fn nonces_go_along() {
    for (args, code) in [(&["--tcp-alternate-server=127.0.0.9"][..], 437), (&[], 438)] {
        let server = start(&[args, &["--profile=default"]].concat());
        let (refresh, _) = alice(&server).challenged().signed(Method::REFRESH, |_| {});
        let mut elsewhere = Client::udp(server.addr);
        elsewhere.send_bytes(&refresh);
        let answers = elsewhere.gather(1).into_iter().map(|bytes| Reply::new(bytes).code());
        assert_eq!(answers.collect::<Vec<_>>(), [code], "{args:?}");
    }
}

/// Coturn sends strangers on; otherwise they are asked who they are, and can believe where they are sent.
fn who_is_asked_first(option: &str) {
    for (profile, stranger, is_signed) in [("coturn", 300, false), ("default", 401, true), ("hardened", 401, true)] {
        let server = start(&[&format!("--profile={profile}"), option]);
        assert_eq!(Client::udp(server.addr).allocate().code(), stranger, "{profile}");
        let reply = Client::udp(server.addr).with_user(BOB.0, BOB.1).allocate();
        assert_eq!((reply.code(), reply.has(AttributeType::MESSAGE_INTEGRITY)), (300, is_signed), "{profile}");
        assert_eq!(server.log.count(&["WARN", "request refused"]), 0, "nobody failed: {}", server.log.text());
    }
}

fn refused_at_the_start() {
    for (server, reason) in [("127.0.0.1:4000", "is this server"), ("127.0.0.1:0", "has port 0")] {
        let ended = launch(&["--listening-port=4000", &format!("--alternate-server={server}")]).run();
        assert_eq!(ended.status.code(), Some(255));
        assert!(ended.log.contains(&format!("--alternate-server: {server} {reason}")), "{}", ended.log);
    }
    let ended = launch(&["--listening-ip=0.0.0.0", "--alternate-server=127.0.0.9"]).run();
    assert!(ended.log.contains("127.0.0.9:3478 is a loopback address"), "{}", ended.log);
}

/// Starts a server with an alternate server for all clients and this one; gives where UDP, TCP and TLS clients are sent.
fn by_transport(option: &str) -> [Vec<SocketAddr>; 3] {
    let certificate = Certificate::new();
    let server: Server = certificate.given_to(launch(&["--alternate-server=127.0.0.9", option])).start();
    let clients = [Client::udp(server.addr), Client::tcp(server.addr), Client::tls(server.tls_addr, &certificate)];
    clients.map(|mut client| sent(&mut client))
}

pub(crate) fn tls_clients_have_servers_of_their_own() {
    let all = to("127.0.0.9:3478");
    assert_eq!(by_transport("--tls-alternate-server=127.0.0.8"), [all.clone(), all.clone(), to("127.0.0.8:5349")]);
    assert_eq!(by_transport("--tls-alternate-server=127.0.0.8:443"), [all.clone(), all, to("127.0.0.8:443")]);
}

pub(crate) fn udp_clients_have_servers_of_their_own() {
    let all = to("127.0.0.9:3478");
    assert_eq!(by_transport("--udp-alternate-server=127.0.0.8"), [to("127.0.0.8:3478"), all.clone(), all]);
    let server = start(&["--udp-alternate-server=127.0.0.8"]);
    let mut tcp = Client::tcp(server.addr).with_user(ALICE.0, ALICE.1);
    assert_eq!((sent(&mut alice(&server)), sent(&mut tcp)), (to("127.0.0.8:3478"), vec![]));
}

pub(crate) fn tcp_clients_have_servers_of_their_own() {
    let all = to("127.0.0.9:3478");
    assert_eq!(by_transport("--tcp-alternate-server=127.0.0.8"), [all.clone(), to("127.0.0.8:3478"), all]);
    let server = start(&["--tcp-alternate-server=127.0.0.8"]);
    let mut tcp = Client::tcp(server.addr).with_user(ALICE.0, ALICE.1);
    assert_eq!((sent(&mut alice(&server)), sent(&mut tcp)), (vec![], to("127.0.0.8:3478")));
}
