//! How many streams without an allocation are let in.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use turnserver::stream::tls::Certificates;
use turnserver::stream::{CloseReason, StreamShared};

use crate::client::Client;
use crate::worker::{ALL, Worker};

fn host(number: u8) -> IpAddr {
    Ipv4Addr::new(127, 0, 0, number).into()
}

/// Connects `count` clients from one address; those that were let in come first.
fn connect(worker: &mut Worker, number: u8, count: usize) -> Vec<Client> {
    let before = worker.opened.len();
    let clients = (0..count).map(|_| Client::connect_from(worker, host(number), None)).collect();
    worker.until(|worker| (worker.opened.len() == before + count).then_some(()));
    clients
}

fn let_in(worker: &mut Worker, number: u8, count: usize) -> usize {
    let before = worker.opened.len();
    let clients = connect(worker, number, count);
    let count = worker.opened[before..].iter().flatten().count();
    drop(clients);
    count
}

#[test]
fn a_source_has_64_streams_and_the_next_is_closed() {
    let mut worker = Worker::plain();
    let mut clients = connect(&mut worker, 1, 65);
    assert_eq!(worker.opened.iter().flatten().count(), 64);
    assert_eq!((worker.streams.tally().opened, worker.streams.tally().refused), (64, 1));
    clients[64].expect_end(&mut worker);
    assert_eq!(let_in(&mut worker, 2, 3), 3);
}

#[test]
fn a_closed_stream_makes_room() {
    let mut worker = Worker::plain();
    let mut clients = connect(&mut worker, 1, 64);
    assert_eq!(let_in(&mut worker, 1, 1), 0);
    clients.pop();
    assert!(worker.ends(CloseReason::ClientEnded));
    assert_eq!(let_in(&mut worker, 1, 1), 1);
}

#[test]
fn a_stream_with_an_allocation_does_not_count() {
    let mut worker = Worker::plain();
    let _clients = connect(&mut worker, 1, 64);
    let ids: Vec<_> = worker.opened.iter().flatten().copied().collect();
    for id in &ids[..10] {
        worker.streams.set_allocated(worker.now, *id, true);
        worker.streams.set_allocated(worker.now, *id, true);
    }
    assert_eq!(worker.shared.unallocated(), 54);
    let _more = connect(&mut worker, 1, 10);
    assert_eq!((worker.shared.unallocated(), worker.streams.len()), (64, 74));
    worker.streams.set_allocated(worker.now, ids[0], false);
    worker.streams.set_allocated(worker.now, ids[0], false);
    assert_eq!((worker.shared.unallocated(), worker.streams.len()), (65, 74));
    assert_eq!(let_in(&mut worker, 1, 1), 0);
    worker.streams.close_all(worker.now);
    assert_eq!(worker.shared.unallocated(), 0);
}

#[test]
fn all_workers_count_together() {
    let certificates = Certificates::none().expect("randomness");
    let shared = Arc::new(StreamShared::new(ALL, certificates, 70, [1, 2, 3, 4]).expect("threads"));
    let mut first = Worker::with_shared(Arc::clone(&shared));
    let mut second = Worker::with_shared(shared);
    let _clients = connect(&mut first, 1, 40);
    let _more = connect(&mut second, 1, 40);
    assert_eq!((first.streams.len(), second.streams.len()), (40, 24));
    let _others = connect(&mut first, 2, 10);
    assert_eq!(first.streams.len(), 46, "70 in all");
}
