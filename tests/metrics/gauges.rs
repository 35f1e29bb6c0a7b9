//! What comes and goes is counted down again, whichever way it goes.

use turnserver::turn::Path;
use turnserver::turn::address::Transport;
use turnserver::turn::settings::Hooks;

use crate::exposition::Scrape;
use crate::inside;
use crate::wire::{Client, poll_until};
use crate::{Shown, address, peer};

/// Allocations, permissions, channels, relay ports in use, connections.
fn held(scrape: &Scrape) -> [f64; 5] {
    [
        scrape.sum("turnserver_allocations", &[]),
        scrape.sum("turnserver_permissions", &[]),
        scrape.sum("turnserver_channels", &[]),
        scrape.sum("turnserver_relay_ports", &[("state", "in_use")]),
        scrape.sum("turnserver_stream_connections", &[]),
    ]
}

/// An allocation with two permissions and one channel, bound twice.
fn settle_in(client: &mut Client) {
    let peer = peer();
    client.relayed();
    assert_eq!(client.permit([127, 0, 0, 9].into()).code(), 0);
    assert_eq!(client.permit([127, 0, 0, 9].into()).code(), 0, "a renewal is no other permission");
    (0..2).for_each(|_| assert_eq!(client.bind(0x4000, address(&peer)).code(), 0));
}

#[test]
fn gauges_come_back_to_zero() {
    let shown = Shown::start(&["--relay-threads=2", "--user-quota=0"]);
    let ports = |scrape: &Scrape| scrape.sum("turnserver_relay_ports", &[]);
    let all = ports(&shown.scrape());
    // Deleted, disconnected where there is a connection, and over.
    for ending in ["deleted", "disconnected", "expired"] {
        let mut clients = shown.clients();
        clients.iter_mut().for_each(|(_, client)| settle_in(client));
        let full = shown.scrape_until("three are counted", |scrape| held(scrape) == [3.0, 6.0, 3.0, 3.0, 2.0]);
        for transport in ["udp", "tcp", "tls"] {
            assert_eq!(full.sum("turnserver_allocations", &[("transport", transport)]), 1.0);
        }
        assert_eq!(full.sum("turnserver_stream_connections", &[("state", "allocated")]), 2.0);
        assert_eq!(ports(&full), all, "a port is in use, resting or free");
        for (transport, client) in &mut clients {
            if ending == "deleted" || *transport == "udp" {
                assert_eq!(client.refresh(0).code(), 0);
            }
        }
        drop(clients);
        let none = shown.scrape_until("all are gone", |scrape| held(scrape) == [0.0; 5]);
        assert_eq!(ports(&none), all);
        assert!(none.sum("turnserver_relay_ports", &[("state", "resting")]) > 0.0);
    }
    let scrape = shown.scrape();
    let ended = |reason| scrape.sum("turnserver_allocations_ended_total", &[("reason", reason)]);
    assert_eq!((ended("deleted"), ended("disconnected")), (5.0, 4.0));
    assert_eq!(scrape.sum("turnserver_allocations_created_total", &[]), 9.0);
    let closed = scrape.sum("turnserver_stream_connections_closed_total", &[]);
    assert_eq!((scrape.sum("turnserver_stream_connections_opened_total", &[]), closed), (6.0, 6.0));
    assert_eq!(scrape.sum("turnserver_tls_handshakes_total", &[]), 3.0);
}

#[test]
fn what_ends_by_its_time_is_counted_down() {
    let times = ["--max-allocate-lifetime=2", "--channel-lifetime=1", "--permission-lifetime=1"];
    let shown = Shown::start(&times);
    let [(_, mut client), ..] = shown.clients();
    settle_in(&mut client);
    let scrape = shown.scrape_until("it is over", |scrape| held(scrape) == [0.0; 5]);
    assert_eq!(scrape.sum("turnserver_allocations_ended_total", &[("reason", "expired")]), 1.0);
}

/// A peer that nothing ever gets to: what is for it makes the core panic.
const FAR: ([u8; 4], u16) = ([8, 8, 8, 8], 9);
const POISON: &[u8] = b"planted panic";

fn panic_at_poison(_path: &Path, datagram: &[u8]) {
    assert!(!datagram.windows(POISON.len()).any(|window| window == POISON), "planted");
}

/// The first panic ends one session, the second one within a minute all of that worker.
#[test]
fn a_panic_of_the_core_leaves_no_count_behind() {
    let (config, server) = inside::config("");
    let hooks = Hooks { before_datagram: Some(panic_at_poison), ..Hooks::default() };
    let engine = inside::start(config, None, hooks);
    let readings = engine.readings();
    let alice = |client: Client| client.with_user("alice", "secret");
    let counts = || (readings.allocations(), readings.permissions_and_channels(), readings.streams().0);
    let mut clients = [
        alice(Client::udp(server)),
        alice(Client::tcp(server)),
        alice(Client::udp(server)),
        alice(Client::tcp(server)),
    ];
    for client in &mut clients {
        client.relayed();
        assert_eq!(client.bind(0x4000, FAR.into()).code(), 0);
    }
    poll_until("all are counted", || (counts() == (4, (4, 4), 2)).then_some(()));
    clients[0].send(FAR.into(), POISON);
    poll_until("one is gone", || (counts() == (3, (3, 3), 2)).then_some(()));
    clients[2].send(FAR.into(), POISON);
    poll_until("all are gone", || (counts() == (0, (0, 0), 0)).then_some(()));
    let ended = |reason| Transport::ALL.into_iter().map(|over| readings.ended(over, reason)).sum::<u64>();
    assert_eq!(ended(turnserver::turn::event::EndReason::Fault), 4);
    assert_eq!(readings.faults_and_break_offs(), (2, 0));
    let mut later = alice(Client::udp(server));
    later.relayed();
    poll_until("a new one is counted", || (counts().0 == 1).then_some(()));
    assert_eq!(later.refresh(0).code(), 0);
    poll_until("and its end", || (counts().0 == 0).then_some(()));
    engine.stop().expect("no worker broke off");
}

/// The first question about a name goes to the database, the next one is answered from memory.
#[test]
fn questions_to_the_user_database_are_counted() {
    let shown = Shown::start(&["--userdb=turndb"]);
    let counted = |scrape: &Scrape| {
        ["up", "look_ups_total", "cache_hits_total", "failures_total"]
            .map(|name| scrape.sum(&format!("turnserver_userdb_{name}"), &[]))
    };
    assert_eq!(counted(&shown.scrape()), [1.0, 0.0, 0.0, 0.0]);
    let mut nobody = Client::udp(shown.server.addr).with_user("nobody-27", "a-password");
    assert_eq!(nobody.allocate().code(), 401);
    let first = shown.scrape();
    assert_eq!(counted(&first), [1.0, 1.0, 0.0, 0.0]);
    assert_eq!(first.sum("turnserver_userdb_cached_names", &[("state", "nobody")]), 1.0);
    assert_eq!(first.sum("turnserver_userdb_cached_names", &[("state", "user")]), 0.0);
}
