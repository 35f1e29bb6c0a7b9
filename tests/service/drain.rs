//! SIGUSR1: nobody new, everybody who is there, then the end.

use std::net::UdpSocket;

use rustix::process::Signal;

use crate::supervisor::Supervisor;
use crate::wire::{Client, Received, Server};
use crate::{alice, launch};

/// RFC 8656 section 7.2: a server that gives no more allocations says 508.
const INSUFFICIENT_CAPACITY: u16 = 508;

fn drain(server: &Server) {
    server.signal(Signal::USR1);
    assert!(server.log.find(&["SIGUSR1: draining"]).is_some(), "{}", server.log.text());
}

/// Relays both ways, over a channel not used before.
fn assert_relays(client: &mut Client, channel: u16) {
    let peer = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let address = peer.local_addr().expect("a bound socket");
    assert_eq!(client.bind(channel, address).code(), 0, "what is there is served in every way");
    client.send_channel(channel, b"there");
    let mut bytes = [0; 64];
    let (len, relayed) = peer.recv_from(&mut bytes).expect("it is relayed");
    assert_eq!(&bytes[..len], b"there");
    peer.send_to(b"and back", relayed).expect("an address");
    assert_eq!(client.receive(), Received::Channel(channel, b"and back".to_vec()));
}

#[test]
fn a_server_that_drains_serves_what_is_there_and_ends_with_the_last_one() {
    let mut supervisor = Supervisor::new();
    let launch = launch(&["--profile=default", "--allowed-peer-ip=127.0.0.1"]);
    let launch = launch.with_env("NOTIFY_SOCKET", &supervisor.name).with_env("WATCHDOG_USEC", "200000");
    let mut server = launch.start();
    let mut clients: [Client; 2] = std::array::from_fn(|_| alice(&server));
    for client in &mut clients {
        client.relayed();
    }
    drain(&server);
    supervisor.wait_for("STATUS=draining, allocations: 2", 0);
    assert_eq!(alice(&server).allocate().code(), INSUFFICIENT_CAPACITY);
    assert_eq!(alice(&server).binding().code(), 0, "who only asks is answered");
    clients.iter_mut().for_each(|client| assert_relays(client, 0x4000));
    assert_eq!(clients[0].refresh(600).code(), 0);

    server.signal(Signal::USR1);
    assert!(server.log.find(&["it drains already"]).is_some());
    server.signal(Signal::HUP);
    let reloading = supervisor.wait_for("RELOADING=1", 0);
    supervisor.wait_for("READY=1", reloading);
    assert_eq!(alice(&server).allocate().code(), INSUFFICIENT_CAPACITY, "it goes on draining after a reload");

    assert_eq!(clients[0].refresh(0).code(), 0);
    supervisor.wait_for("STATUS=draining, allocations: 1", 0);
    assert_relays(&mut clients[1], 0x4001);
    assert_eq!(clients[1].refresh(0).code(), 0);
    assert_eq!(server.end().code(), Some(0));
    assert!(server.log.whole().contains("drained allocations=0"), "{}", server.log.whole());
    assert_eq!(supervisor.count("STOPPING=1"), 1);
    assert!(supervisor.count("EXTEND_TIMEOUT_USEC=") > 1, "draining takes longer than stopping: {:?}", supervisor.told);
}

#[test]
fn a_drain_is_over_in_time_whoever_is_left() {
    let mut server = launch(&["--drain-timeout=1"]).start();
    let mut client = alice(&server);
    client.relayed();
    drain(&server);
    assert_eq!(server.end().code(), Some(0));
    let log = server.log.whole();
    assert!(log.contains("drain-timeout is over, what is left is cut allocations=1"), "{log}");
}

#[test]
fn a_drain_ends_with_as_many_as_may_be_left() {
    let mut server = launch(&["--drain-min-allocations=1"]).start();
    let mut clients: [Client; 2] = std::array::from_fn(|_| alice(&server));
    for client in &mut clients {
        client.relayed();
    }
    drain(&server);
    assert_relays(&mut clients[0], 0x4000);
    assert_eq!(clients[1].refresh(0).code(), 0);
    assert_eq!(server.end().code(), Some(0));
    assert!(server.log.whole().contains("drained allocations=1"), "{}", server.log.whole());
}

#[test]
fn an_idle_server_is_drained_at_once_and_sigterm_ends_one_that_is_not() {
    let mut server = launch(&[]).start();
    drain(&server);
    assert_eq!(server.end().code(), Some(0));

    let mut server = launch(&["--drain-timeout=0"]).start();
    let mut client = alice(&server);
    client.relayed();
    drain(&server);
    assert_eq!(client.refresh(600).code(), 0);
    assert!(server.terminate().success());
    assert!(server.log.whole().contains("terminating on SIGTERM"));
}
