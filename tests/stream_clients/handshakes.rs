//! Handshakes: off the worker's thread, and bounded.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use turnserver::stream::CloseReason;

use crate::certificates::Files;
use crate::client::{Client, TlsClient, VERSIONS, request, trusting};
use crate::worker::{ALL, Worker};

fn serving() -> (Files, Worker) {
    let files = Files::new("turn.example.org");
    let worker = Worker::new(ALL, files.load());
    (files, worker)
}

fn host(number: u8) -> IpAddr {
    Ipv4Addr::new(127, 0, 0, number).into()
}

#[test]
fn nothing_of_a_handshake_is_done_by_the_worker() {
    let (files, mut worker) = serving();
    for version in VERSIONS {
        let mut client = TlsClient::connect(&worker, trusting(version, files.der.clone()).into());
        worker.accepted();
        worker.takes_handshakes = false;
        let before = worker.wakes.load(Ordering::Relaxed);
        client.pump();
        worker.until(|worker| (worker.wakes.load(Ordering::Relaxed) > before).then_some(()));
        worker.settle();
        client.tcp.receive();
        assert_eq!(client.tcp.received, b"", "the answer waits where the worker was woken for");
        worker.takes_handshakes = true;
        client.shake_hands(&mut worker);
        worker.settle();
        assert!(worker.wakes.load(Ordering::Relaxed) >= before + 2, "both flights were worked on elsewhere");
    }
}

#[test]
fn a_connection_that_ends_while_its_handshake_is_away_is_forgotten() {
    let (files, mut worker) = serving();
    for _ in 0..3 {
        let mut client = TlsClient::connect(&worker, files.client().into());
        worker.accepted();
        worker.takes_handshakes = false;
        let before = worker.wakes.load(Ordering::Relaxed);
        client.pump();
        worker.until(|worker| (worker.wakes.load(Ordering::Relaxed) > before).then_some(()));
        drop(client);
        assert!(worker.ends(CloseReason::ClientEnded));
        worker.takes_handshakes = true;
        worker.settle();
        assert!(worker.streams.is_empty());
    }
    TlsClient::connect(&worker, files.client().into()).shake_hands(&mut worker);
}

#[test]
fn a_handshake_that_stops_half_way_is_closed_after_10_s() {
    let (files, mut worker) = serving();
    let mut client = TlsClient::connect(&worker, files.client().into());
    worker.accepted();
    client.pump();
    worker.until(|_| {
        client.tcp.receive();
        (!client.tcp.received.is_empty()).then_some(())
    });
    worker.advance_secs(9);
    assert_eq!(worker.streams.len(), 1);
    worker.advance_secs(1);
    assert_eq!((worker.streams.len(), worker.streams.tally().closed(CloseReason::SlowHandshake)), (0, 1));
}

#[test]
fn a_slow_handshake_leaves_time_for_the_first_message() {
    let (files, mut worker) = serving();
    let mut client = TlsClient::connect(&worker, files.client().into());
    worker.accepted();
    worker.advance_secs(8);
    client.shake_hands(&mut worker);
    worker.advance_secs(9);
    client.send(&mut worker, &request(1));
    worker.messages(1);
}

#[test]
fn bytes_that_come_while_a_handshake_is_away_are_kept() {
    let (files, mut worker) = serving();
    let mut client = TlsClient::connect(&worker, trusting(VERSIONS[1], files.der.clone()).into());
    worker.accepted();
    client.pump();
    worker.until(|_| {
        client.tcp.receive();
        (!client.tcp.received.is_empty()).then_some(())
    });
    worker.takes_handshakes = false;
    // The last flight, and while it is worked on a message and half of another.
    let mut bytes = &std::mem::take(&mut client.tcp.received)[..];
    client.tls.read_tls(&mut bytes).expect("memory gives everything");
    client.tls.process_new_packets().expect("the server keeps to the protocol");
    client.pump();
    let before = worker.wakes.load(Ordering::Relaxed);
    worker.until(|worker| (worker.wakes.load(Ordering::Relaxed) > before).then_some(()));
    std::io::Write::write_all(&mut client.tls.writer(), &[request(1), request(2)[..10].to_vec()].concat())
        .expect("memory");
    client.pump();
    worker.settle();
    worker.takes_handshakes = true;
    assert_eq!(worker.messages(1), [request(1)]);
    client.send(&mut worker, &request(2)[10..]);
    assert_eq!(worker.messages(1), [request(2)]);
}

#[test]
fn too_many_bytes_while_a_handshake_is_away_wait_in_the_kernel() {
    let (files, mut worker) = serving();
    let mut client = TlsClient::connect(&worker, files.client().into());
    worker.accepted();
    worker.takes_handshakes = false;
    let before = worker.wakes.load(Ordering::Relaxed);
    client.pump();
    worker.until(|worker| (worker.wakes.load(Ordering::Relaxed) > before).then_some(()));
    client.tcp.send(&[0x17; 20_000]);
    worker.settle();
    assert!(!worker.is_busy());
    worker.takes_handshakes = true;
    assert!(worker.ends(CloseReason::BadRecord));
}

#[test]
fn a_hundred_handshakes_begin_in_a_second_and_the_others_wait() {
    let (files, mut worker) = serving();
    let config = Arc::new(files.client());
    let mut clients: Vec<TlsClient> = (0..120)
        .map(|number| {
            let tcp = Client::connect_from(&worker, host(1 + number / 60), None);
            TlsClient::over(tcp, Arc::clone(&config))
        })
        .collect();
    clients.iter_mut().for_each(TlsClient::pump);
    pump_until(&mut worker, &mut clients, 100);
    worker.settle();
    assert_eq!(worker.streams.tally().handshakes, 100);
    assert_eq!(worker.streams.poll_timeout(), Some(worker.now.plus_secs(1)));
    worker.advance_secs(1);
    pump_until(&mut worker, &mut clients, 120);
}

fn pump_until(worker: &mut Worker, clients: &mut [TlsClient], handshakes: u64) {
    worker.until(|worker| {
        clients.iter_mut().for_each(TlsClient::pump);
        (worker.streams.tally().handshakes == handshakes).then_some(())
    });
}

#[test]
fn handshakes_that_are_over_leave_room() {
    let (files, mut worker) = serving();
    let config = Arc::new(files.client());
    for number in 1..=210 {
        TlsClient::connect(&worker, Arc::clone(&config)).shake_hands(&mut worker);
        if number % 50 == 0 {
            worker.advance_secs(1);
        }
    }
}

#[test]
fn half_open_handshakes_keep_nobody_out() {
    let (files, mut worker) = serving();
    let config = Arc::new(files.client());
    // More than are ever worked on at once, and all of them stop after their first flight.
    let half_open: Vec<TlsClient> = (0..250)
        .map(|number| {
            let tcp = Client::connect_from(&worker, host(1 + number / 60), None);
            worker.accepted();
            let mut client = TlsClient::over(tcp, Arc::clone(&config));
            client.tls.write_tls(&mut client.tcp.socket).expect("room in the kernel");
            client
        })
        .collect();
    // A hundred begin in each second.
    for _ in 0..3 {
        worker.settle();
        worker.advance_secs(1);
    }
    let mut honest = TlsClient::connect(&worker, files.client().into());
    honest.shake_hands(&mut worker);
    drop(half_open);
}
