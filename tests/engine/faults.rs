//! A panic of the core in a running server: who made it happen loses the session, nobody else notices.

use std::net::SocketAddr;

use turnserver::turn::Path;
use turnserver::turn::settings::Hooks;
use turnserver::udp::Engine;

use crate::inside;
use crate::wire::{Client, Received};

/// Data that makes the core panic, as a bug would.
const POISON: &[u8] = b"planted panic";

fn panic_at_poison(_path: &Path, datagram: &[u8]) {
    assert!(!datagram.windows(POISON.len()).any(|window| window == POISON), "planted");
}

/// A server with one worker, so that everybody is on the one that panics.
fn poisonable() -> (Engine, SocketAddr) {
    let (config, server) = inside::config("");
    (inside::start(config, None, Hooks { before_datagram: Some(panic_at_poison), ..Hooks::default() }), server)
}

pub(crate) fn alice(server: SocketAddr) -> Client {
    Client::udp(server).with_user("alice", "secret")
}

pub(crate) fn alice_on_stream(server: SocketAddr) -> Client {
    Client::tcp(server).with_user("alice", "secret")
}

/// Two clients that can reach each other.
pub(crate) fn pair(server: SocketAddr) -> (Client, Client, SocketAddr, SocketAddr) {
    let (mut a, mut b) = (alice(server), alice(server));
    let (a_relayed, b_relayed) = (a.relayed(), b.relayed());
    assert_eq!((a.permit(b_relayed.ip()).code(), b.permit(a_relayed.ip()).code()), (0, 0));
    (a, b, a_relayed, b_relayed)
}

#[test]
fn a_panic_ends_the_session_it_concerns_and_no_other() {
    let (engine, server) = poisonable();
    let (mut a, mut b, a_relayed, b_relayed) = pair(server);
    let mut victim = alice(server);
    let gone = victim.relayed();

    victim.send(a_relayed, POISON);
    assert_eq!(victim.refresh(600).code(), 437, "the allocation is gone");
    assert_ne!(victim.relayed(), gone, "its client may begin anew");

    a.send(b_relayed, b"still here");
    assert_eq!(b.receive(), Received::Indication(a_relayed, b"still here".to_vec()));
    let readings = engine.readings();
    engine.stop().expect("no worker broke off");
    assert_eq!(readings.faults_and_break_offs(), (1, 0));
}

#[test]
fn a_stream_whose_message_panics_is_closed() {
    let (engine, server) = poisonable();
    let (mut a, mut b, a_relayed, b_relayed) = pair(server);
    let mut victim = alice_on_stream(server);
    victim.relayed();
    // A second panic, of what came behind the first, would end everybody's session.
    victim.send_bytes(&[Client::indication(a_relayed, POISON), Client::indication(a_relayed, POISON)].concat());
    assert!(victim.is_closed(), "the connection is over");
    a.send(b_relayed, b"still here");
    assert_eq!(b.receive(), Received::Indication(a_relayed, b"still here".to_vec()));
    engine.stop().expect("no worker broke off");
}

#[test]
fn a_second_panic_within_a_minute_restarts_the_core_and_loses_no_port() {
    let (engine, server) = poisonable();
    let (mut a, ..) = pair(server);
    for _ in 0..2 {
        let mut victim = alice(server);
        let relayed = victim.relayed();
        victim.send(relayed, POISON);
        assert_eq!(victim.binding().code(), 0, "the worker goes on");
    }
    assert_eq!(a.refresh(600).code(), 437, "the core began anew");
    assert_eq!(alice(server).allocate().code(), 0);
    engine.stop().expect("no worker broke off");
}
