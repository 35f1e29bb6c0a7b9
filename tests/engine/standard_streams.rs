//! Whoever reads the log, or does not, the server serves and ends when it is told to.

use std::io::pipe;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::Stdio;

use turnserver::stun::{AttributeType, Method};

use crate::process::{Process, read_all};
use crate::wire::{Client, Received};

/// Rounds of [`log_much`].
const ROUNDS: u8 = 10;
/// Permissions of an allocation, each of which is a line of the log when it comes and when it goes.
const PERMISSIONS: u16 = 1024;
/// Peers in one request.
const PEERS: u16 = 64;

fn alice(server: SocketAddr) -> Client {
    Client::udp(server).with_user("alice", "secret")
}

/// Has a verbose server log 20,000 lines of about a hundred bytes each.
fn log_much(server: SocketAddr) {
    for round in 0..ROUNDS {
        let mut client = alice(server);
        client.relayed();
        for first in (0..PERMISSIONS).step_by(usize::from(PEERS)) {
            let peer = |number: u16| IpAddr::from([10, round, number.to_be_bytes()[0], number.to_be_bytes()[1]]);
            let reply = client.ask(Method::CREATE_PERMISSION, |writer| {
                (first..first + PEERS).for_each(|number| {
                    writer.xor_address(AttributeType::XOR_PEER_ADDRESS, SocketAddr::new(peer(number), 9));
                });
            });
            assert_eq!(reply.code(), 0);
        }
        assert_eq!(client.refresh(0).code(), 0);
    }
}

/// A client is answered on every transport, and what it sends is relayed.
fn assert_serves(server: SocketAddr) {
    assert_eq!((Client::udp(server).binding().code(), Client::tcp(server).binding().code()), (0, 0));
    let (mut a, mut b) = (alice(server), alice(server));
    let (a_relayed, b_relayed) = (a.relayed(), b.relayed());
    let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
    assert_eq!((a.permit(loopback).code(), b.permit(loopback).code()), (0, 0));
    a.send(b_relayed, b"relayed");
    assert_eq!(b.receive(), Received::Indication(a_relayed, b"relayed".to_vec()));
}

const VERBOSE: [&str; 2] = ["--verbose", "--allow-loopback-peers"];

#[test]
fn a_log_that_nobody_reads_stops_neither_relaying_nor_the_end() {
    let (unread, log) = pipe().expect("a pipe");
    let mut server = Process::start(&VERBOSE, Stdio::null(), log);
    log_much(server.addr);
    assert_serves(server.addr);
    assert!(server.terminate().success());
    let held = read_all(unread);
    assert!(held.contains("permission installed"), "{held}");
    assert!(!held.contains("SIGTERM"), "the pipe was full, so the last lines had no room in it");
}

#[test]
fn with_both_standard_streams_in_a_pipe_that_nobody_reads_the_server_ends() {
    let (unread, log) = pipe().expect("a pipe");
    let mut server = Process::start(&VERBOSE, log.try_clone().expect("a descriptor"), log);
    log_much(server.addr);
    assert_serves(server.addr);
    assert!(server.terminate().success());
    assert!(!read_all(unread).contains("SIGTERM"), "the pipe was full, so the last lines had no room in it");
}

#[test]
fn with_a_closed_output_and_a_log_that_nobody_reads_the_server_ends() {
    let (unread, log) = pipe().expect("a pipe");
    let (closed, output) = pipe().expect("a pipe");
    drop(closed);
    let mut server = Process::start(&VERBOSE, output, log);
    log_much(server.addr);
    assert_serves(server.addr);
    assert!(server.terminate().success());
    assert!(!read_all(unread).contains("SIGTERM"), "the pipe was full, so the last lines had no room in it");
}

#[test]
fn with_a_closed_output_the_server_serves() {
    let (closed, output) = pipe().expect("a pipe");
    drop(closed);
    let (read, log) = pipe().expect("a pipe");
    let mut server = Process::start(&["--allow-loopback-peers"], output, log);
    assert_serves(server.addr);
    assert!(server.terminate().success());
    let log = read_all(read);
    assert_eq!(log.matches("cannot write to standard output").count(), 1, "{log}");
    assert!(log.contains("stopped"), "{log}");
}

#[test]
fn with_both_standard_streams_closed_the_server_serves() {
    let (closed, output) = pipe().expect("a pipe");
    drop(closed);
    let mut server = Process::start(&VERBOSE, output.try_clone().expect("a descriptor"), output);
    log_much(server.addr);
    assert_serves(server.addr);
    assert!(server.terminate().success());
}
