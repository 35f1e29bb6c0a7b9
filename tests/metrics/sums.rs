//! What is counted is what clients sent and received: while they do, and exactly at the end.

use std::net::UdpSocket;

use crate::exposition::Scrape;
use crate::wire::{Client, Received};
use crate::{Shown, address, peer};

/// Packets and bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Payload {
    packets: f64,
    bytes: f64,
}

impl Payload {
    fn add(&mut self, data: &[u8]) {
        self.packets += 1.0;
        self.bytes += data.len() as f64;
    }
}

fn counted(scrape: &Scrape, leg: &str, transport: &str) -> Payload {
    let labels = [("leg", leg), ("transport", transport)];
    Payload {
        packets: scrape.sum("turnserver_relayed_packets_total", &labels),
        bytes: scrape.sum("turnserver_relayed_bytes_total", &labels),
    }
}

/// Sends to the peer, by channel or in an indication, and back.
fn go_round(client: &mut Client, peer: &UdpSocket, round: usize, sent: &mut Payload, received: &mut Payload) {
    let data = vec![round as u8; 1 + round * 37 % 1100];
    match round % 2 {
        0 => client.send_channel(0x4000, &data),
        _ => client.send(address(peer), &data),
    }
    sent.add(&data);
    let mut room = [0; 2048];
    let (len, relayed) = peer.recv_from(&mut room).expect("it is relayed");
    assert_eq!(room[..len], data);
    let answer = [&data[..], b"back"].concat();
    peer.send_to(&answer, relayed).expect("loopback has a route");
    assert_eq!(client.receive(), Received::Channel(0x4000, answer.clone()));
    received.add(&answer);
}

#[test]
fn what_clients_send_and_receive_is_counted_while_they_do_and_exactly() {
    const ROUNDS: usize = 50;
    let shown = Shown::start(&["--relay-threads=2"]);
    for (transport, mut client) in shown.clients() {
        let (peer, _) = (peer(), client.relayed());
        assert_eq!(client.bind(0x4000, address(&peer)).code(), 0);
        let (mut sent, mut received) = (Payload::default(), Payload::default());
        let mut before = Payload::default();
        for round in 0..ROUNDS {
            go_round(&mut client, &peer, round, &mut sent, &mut received);
            if round % 10 == 9 {
                let is_counted = |scrape: &Scrape| counted(scrape, "server_to_client", transport) == received;
                let scrape = shown.scrape_until("what came back is counted", is_counted);
                assert_eq!(counted(&scrape, "client_to_server", transport), sent, "{transport}, live");
                assert!(before.packets < sent.packets, "it moves");
                before = sent;
            }
        }
        client.settle();
        let scrape = shown.scrape();
        for (leg, payload) in [
            ("client_to_server", sent),
            ("server_to_peer", sent),
            ("peer_to_server", received),
            ("server_to_client", received),
        ] {
            assert_eq!(counted(&scrape, leg, transport), payload, "{leg} {transport}");
        }
    }
    // coturn's names tell the same.
    let scrape = shown.scrape();
    for (name, leg) in [("rcvb", "client_to_server"), ("sentb", "server_to_client")] {
        let ours = scrape.sum("turnserver_relayed_bytes_total", &[("leg", leg)]);
        assert!(ours > 0.0);
        assert_eq!(scrape.sum(&format!("turn_total_traffic_{name}"), &[]), ours);
        assert_eq!(scrape.sum(&format!("turn_traffic_{name}"), &[("realm", "r")]), ours);
    }
}

#[test]
fn what_goes_nowhere_is_counted_by_its_reason_and_not_as_relayed() {
    let shown = Shown::start(&[]);
    for (count, (transport, mut client)) in (1..).zip(shown.clients()) {
        let (stranger, relayed) = (peer(), client.relayed());
        client.send(address(&stranger), b"without a permission");
        client.send_channel(0x4001, b"on no channel");
        stranger.send_to(b"without a permission", relayed).expect("loopback has a route");
        client.settle();
        let scrape = shown.scrape();
        for (from, reason) in [("client", "no_permission"), ("client", "no_channel"), ("peer", "no_permission")] {
            let labels = [("from", from), ("reason", reason)];
            let dropped = scrape.sum("turnserver_dropped_packets_total", &labels);
            assert_eq!(dropped, f64::from(count), "{from} {reason} after {transport}");
        }
        assert_eq!(scrape.sum("turnserver_relayed_packets_total", &[]), 0.0);
    }
}

#[test]
fn what_the_system_does_not_take_is_unsent_and_not_relayed() {
    // From an address of loopback nothing leaves the host.
    const ELSEWHERE: ([u8; 4], u16) = ([10, 1, 2, 3], 7);
    let shown = Shown::start(&["-v"]);
    for (count, (transport, mut client)) in (1..).zip(shown.clients()) {
        client.relayed();
        assert_eq!(client.bind(0x4000, ELSEWHERE.into()).code(), 0);
        client.send_channel(0x4000, b"on a channel");
        client.send(ELSEWHERE.into(), b"in an indication");
        client.settle();
        let scrape = shown.scrape();
        assert_eq!(scrape.sum("turnserver_unsent_datagrams_total", &[]), f64::from(2 * count), "after {transport}");
        let received = Payload { packets: 2.0, bytes: 28.0 };
        assert_eq!(counted(&scrape, "client_to_server", transport), received, "{transport}");
        assert_eq!(counted(&scrape, "server_to_peer", transport), Payload::default(), "{transport}");
        assert_eq!(client.refresh(0).code(), 0);
        let ended = shown.server.log.find(&["allocation ended", &format!("client={} ", client.local())]);
        let ended = ended.expect("its end is told");
        assert!(ended.contains("to_peer_packets=0 to_peer_bytes=0 "), "what was not sent is no traffic: {ended}");
    }
}

#[test]
fn bandwidth_drops_are_counted_apart_from_what_is_relayed() {
    const SENT: u32 = 200;
    let shown = Shown::start(&["--max-bps=4000"]);
    let [(_, mut client), ..] = shown.clients();
    let (peer, _) = (peer(), client.relayed());
    assert_eq!(client.permit(address(&peer).ip()).code(), 0);
    for _ in 0..SENT {
        client.send(address(&peer), &[7; 1000]);
        client.settle();
    }
    let scrape = shown.scrape();
    let dropped = scrape.sum("turnserver_dropped_packets_total", &[("from", "client"), ("reason", "bandwidth")]);
    let relayed = counted(&scrape, "server_to_peer", "udp");
    assert!(dropped > 0.0, "beyond any limit");
    assert_eq!(dropped + relayed.packets, f64::from(SENT));
    assert_eq!(relayed.bytes, relayed.packets * 1000.0);
}

#[test]
fn requests_and_answers_are_counted_by_method_and_code() {
    let shown = Shown::start(&["--user-quota=1"]);
    let answers = |scrape: &Scrape, method: &str, code: &str| {
        scrape.sum("turnserver_responses_total", &[("method", method), ("code", code)])
    };
    let [(_, mut client), (_, mut second), _] = shown.clients();
    client.relayed();
    assert_eq!(client.refresh(600).code(), 0);
    assert_eq!(second.allocate().code(), 486);
    let mut guesser = Client::udp(shown.server.addr).with_user("alice", "wrong");
    assert_eq!(guesser.allocate().code(), 401);
    let mut nobody = Client::udp(shown.server.addr).with_user("nobody", "wrong");
    assert_eq!(nobody.allocate().code(), 401);
    (0..5).for_each(|_| assert_eq!(client.binding().code(), 0));
    let scrape = shown.scrape_until("all is counted", |scrape| answers(scrape, "binding", "success") == 5.0);
    assert_eq!(scrape.sum("turnserver_requests_total", &[("method", "binding")]), 5.0);
    assert_eq!(scrape.sum("stun_binding_request", &[]), 5.0);
    assert_eq!(answers(&scrape, "allocate", "success"), 1.0);
    assert_eq!(answers(&scrape, "allocate", "486"), 1.0);
    assert_eq!(answers(&scrape, "refresh", "success"), 1.0);
    let asked = scrape.sum("turnserver_requests_total", &[]);
    assert_eq!(scrape.sum("turnserver_responses_total", &[]), asked, "each request has one answer");
    let refused = |reason| scrape.sum("turnserver_allocations_refused_total", &[("reason", reason)]);
    assert_eq!((refused("quota_reached"), refused("no_capacity")), (1.0, 0.0));
    assert_eq!(refused("unauthenticated"), answers(&scrape, "allocate", "401"));
    let failed = |reason| scrape.sum("turnserver_auth_failures_total", &[("reason", reason)]);
    assert_eq!((failed("wrong_password"), failed("unknown_user")), (1.0, 1.0));
    assert!(failed("unsigned") >= 3.0, "first requests");
}
