//! Datagrams under a forged source: the server never talks to itself, and answers nothing that is no question.

use std::net::SocketAddr;

use turnserver::stun::{AttributeType, Class, MessageType, Method, TransactionId, Writer};

use crate::lab::{INSIDE_V4, Lab, SERVER_V6};
use crate::netns::{Packet, can_make_hosts};
use crate::wire::tls::Certificate;
use crate::wire::{Server, poll_until};

const CLASSES: [Class; 4] = [Class::Request, Class::Indication, Class::Success, Class::Error];
const METHODS: [Method; 7] = [
    Method::BINDING,
    Method::ALLOCATE,
    Method::REFRESH,
    Method::SEND,
    Method::DATA,
    Method::CREATE_PERMISSION,
    Method::CHANNEL_BIND,
];

fn message(method: Method, class: Class) -> Vec<u8> {
    let mut bytes = vec![0; 512];
    let mut writer = Writer::new(&mut bytes, MessageType { method, class }, TransactionId([9; 12]));
    if method == Method::ALLOCATE {
        writer.attribute(AttributeType::REQUESTED_TRANSPORT, &[17, 0, 0, 0]);
    }
    let len = writer.finish().expect("room");
    bytes.truncate(len);
    bytes
}

/// Whether the server's listener sent something to `peer`; a question of somebody else, sent last, is answered last.
fn is_answered(lab: &mut Lab, server: &Server, to: SocketAddr, peer: SocketAddr) -> bool {
    let stranger: SocketAddr =
        if to.is_ipv4() { "8.8.8.8:4000" } else { "[2606:4700::1111]:4000" }.parse().expect("it");
    let answer = Packet::Udp { from: to, to: stranger };
    let mut is_heard = false;
    // Twice: whatever was ready together with the first question is done before the second one is answered.
    for _ in 0..2 {
        lab.send_from(stranger, to, &message(Method::BINDING, Class::Request));
        poll_until("a stranger is answered", || {
            let seen = lab.capture.take();
            is_heard |= seen.contains(&Packet::Udp { from: to, to: peer });
            seen.contains(&answer).then_some(())
        });
    }
    assert_eq!(server.log.count(&["panic"]), 0);
    is_heard
}

#[test]
fn nothing_is_said_to_a_listener_of_our_own() {
    if !can_make_hosts("forged sources of our own") {
        return;
    }
    let mut lab = Lab::new();
    let certificate = Certificate::new();
    let mut server = lab.start(&certificate, &["--profile=default", &format!("--listening-ip={INSIDE_V4}")]);
    let port = server.addr.port();
    let pairs = [
        (SocketAddr::new(INSIDE_V4, port), server.addr),
        (server.addr, SocketAddr::new(INSIDE_V4, port)),
        (server.addr, server.addr),
        (SocketAddr::new(SERVER_V6, port), SocketAddr::new(SERVER_V6, port)),
    ];
    for (from, to) in pairs {
        for method in METHODS {
            for class in CLASSES {
                lab.send_from(from, to, &message(method, class));
            }
        }
        // What was sent with both ends alike looks like its own answer; there the counter below tells.
        let is_heard = is_answered(&mut lab, &server, to, from);
        assert_eq!(is_heard, from == to, "{from} to {to}");
    }
    assert!(server.terminate().success());
    let count = format!("count={}", pairs.len() * METHODS.len() * CLASSES.len());
    assert!(server.log.find(&["dropped", "reason=\"own_listener\"", &count]).is_some(), "{}", server.log.text());
}

/// Two servers pointed at each other go quiet.
#[test]
fn responses_and_indications_are_not_answered() {
    if !can_make_hosts("forged responses") {
        return;
    }
    for profile in ["default", "coturn", "hardened"] {
        let mut lab = Lab::new();
        let certificate = Certificate::new();
        let server = lab.start(&certificate, &[&format!("--profile={profile}")]);
        let other: SocketAddr = "8.8.8.8:3478".parse().expect("an address");
        for class in [Class::Success, Class::Error, Class::Indication] {
            METHODS.iter().for_each(|method| lab.send_from(other, server.addr, &message(*method, class)));
            assert!(!is_answered(&mut lab, &server, server.addr, other), "{class:?} in {profile}");
        }
        lab.send_from(other, server.addr, &message(Method::BINDING, Class::Request));
        assert!(is_answered(&mut lab, &server, server.addr, other), "a question of the same source, in {profile}");
    }
}
