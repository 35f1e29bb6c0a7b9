//! What comes faster than it is taken is lost in the system, and counted to the last datagram.

use std::net::{SocketAddr, UdpSocket};
use std::sync::{Condvar, Mutex, PoisonError};

use turnserver::turn::settings::Hooks;
use turnserver::turn::{DropReason, Path};
use turnserver::udp::{Engine, Side};

use crate::inside;
use crate::wire::{Client, poll_until};

/// More than any receive buffer that a listener asks for holds.
const SENT: u64 = 20_000;
const BLOCK: &[u8] = b"planted block";

/// What the worker waits for: the number of the block that it may leave.
static GATE: (Mutex<u32>, Condvar) = (Mutex::new(0), Condvar::new());

fn block(_path: &Path, datagram: &[u8]) {
    if let Some((&number, BLOCK)) = datagram.split_last() {
        let guard = GATE.0.lock().unwrap_or_else(PoisonError::into_inner);
        drop(GATE.1.wait_while(guard, |open| *open < u32::from(number)));
    }
}

fn open(number: u32) {
    *GATE.0.lock().unwrap_or_else(PoisonError::into_inner) = number;
    GATE.1.notify_all();
}

/// Sends to a worker that does not look, and lets it look then.
fn flood(to: SocketAddr, server: SocketAddr, number: u8) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    socket.send_to(&[BLOCK, &[number]].concat(), server).expect("loopback has a route");
    for _ in 0..SENT {
        socket.send_to(&[0xFF; 1000], to).expect("loopback has a route");
    }
    open(u32::from(number));
}

/// Enough for a worker to take all that a relay socket holds, in the shares that each wake-up gives it.
const SETTLINGS: usize = 25;

#[test]
fn what_a_socket_loses_is_counted() {
    let (config, server) = inside::config("");
    let engine: Engine = inside::start(config, None, Hooks { before_datagram: Some(block), ..Hooks::default() });
    let readings = engine.readings();
    let mut client = Client::udp(server).with_user("alice", "secret");
    let relayed = client.relayed();
    assert_eq!(readings.overflows(), (0, 0));

    flood(server, server, 1);
    let all = || readings.dropped(Side::Client, DropReason::NotStun) + readings.overflows().0 == SENT;
    poll_until("the listener's are taken or lost", || all().then_some(()));
    assert!(readings.overflows().0 > 0, "20 MB fit nowhere");

    flood(relayed, server, 2);
    (0..SETTLINGS).for_each(|_| client.settle());
    assert_eq!(client.refresh(0).code(), 0);
    // Its sender is this host, and no relay.
    let all = || readings.dropped(Side::Peer, DropReason::Forbidden) + readings.overflows().1 == SENT;
    poll_until("the relay's are taken or lost", || all().then_some(()));
    assert!(readings.overflows().1 > 0);
    engine.stop().expect("no worker broke off");
}
