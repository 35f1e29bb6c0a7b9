//! Clients that take their time, in virtual time.

use turnserver::stream::{CloseReason, Kind};

use crate::client::{Client, channel_data, request};
use crate::plain::begun;
use crate::worker::Worker;

/// Whether the only connection is still there just before `secs` have passed, and gone for `reason` after them.
fn lasts(worker: &mut Worker, secs: u64, reason: CloseReason) -> bool {
    worker.advance_secs(secs - 1);
    let there = worker.streams.len() == 1;
    worker.advance_secs(1);
    worker.turn();
    there && worker.streams.is_empty() && worker.streams.tally().closed(reason) == 1
}

#[test]
fn a_silent_connection_is_closed_after_10_s() {
    let mut worker = Worker::plain();
    let mut client = Client::connect(&worker);
    worker.accepted();
    assert_eq!(worker.streams.poll_timeout(), Some(worker.now.plus_secs(10)));
    assert!(lasts(&mut worker, 10, CloseReason::SlowFirstMessage));
    client.expect_end(&mut worker);
    assert_eq!(worker.streams.poll_timeout(), None);
}

#[test]
fn a_first_message_in_crumbs_is_closed_after_10_s() {
    let mut worker = Worker::plain();
    let mut client = Client::connect(&worker);
    worker.accepted();
    for byte in request(1).iter().take(9) {
        client.send(&[*byte]);
        worker.settle();
        worker.advance_secs(1);
        assert_eq!(worker.streams.len(), 1);
    }
    worker.advance_secs(1);
    assert_eq!((worker.streams.len(), worker.streams.tally().closed(CloseReason::SlowFirstMessage)), (0, 1));
}

#[test]
fn half_a_hello_is_closed_after_10_s() {
    for bytes in [&[0x16][..], &[0x16, 3], &[0x16, 3, 1, 1, 0, 1, 0]] {
        let certificates = crate::certificates::Files::new("turn.example.org").load();
        let mut worker = Worker::new(crate::worker::ALL, certificates);
        let mut client = Client::connect(&worker);
        worker.accepted();
        client.send(bytes);
        worker.settle();
        let reason = if bytes.len() == 1 { CloseReason::SlowFirstMessage } else { CloseReason::SlowHandshake };
        assert!(lasts(&mut worker, 10, reason), "{bytes:02x?}");
        client.expect_end(&mut worker);
    }
}

#[test]
fn a_client_that_speaks_once_a_minute_stays() {
    let mut worker = Worker::plain();
    let (mut client, _) = begun(&mut worker);
    for _ in 0..5 {
        worker.advance_secs(60);
        client.send(&request(2));
        assert_eq!(worker.messages(1).len(), 1);
    }
    assert!(lasts(&mut worker, 62, CloseReason::Idle));
    assert_eq!(worker.closed.len(), 1);
}

#[test]
fn a_client_with_an_allocation_may_be_silent() {
    let mut worker = Worker::plain();
    let (_client, id) = begun(&mut worker);
    worker.streams.set_allocated(worker.now, id, true);
    worker.advance_secs(3600);
    assert_eq!(worker.streams.len(), 1);
    worker.streams.set_allocated(worker.now, id, false);
    assert!(lasts(&mut worker, 62, CloseReason::Idle));
}

#[test]
fn half_a_message_is_closed_after_30_s() {
    for allocated in [false, true] {
        let mut worker = Worker::plain();
        let (mut client, id) = begun(&mut worker);
        worker.streams.set_allocated(worker.now, id, allocated);
        client.send(&[request(2), channel_data(100, 1)[..10].to_vec()].concat());
        worker.messages(1);
        worker.advance_secs(20);
        client.send(&[1]);
        worker.settle();
        assert!(lasts(&mut worker, 10, CloseReason::SlowMessage), "allocated: {allocated}");
    }
}

#[test]
fn each_message_has_its_own_30_s() {
    let mut worker = Worker::plain();
    let (mut client, id) = begun(&mut worker);
    worker.streams.set_allocated(worker.now, id, true);
    let message = channel_data(40, 1);
    client.send(&message[..10]);
    worker.settle();
    for _ in 0..5 {
        worker.advance_secs(20);
        client.send(&[&message[10..], &message[..10]].concat());
        assert_eq!(worker.messages(1), [&message[..]]);
    }
    client.send(&message[10..]);
    worker.messages(1);
    worker.advance_secs(3600);
    assert_eq!(worker.streams.len(), 1);
}

#[test]
fn a_timer_that_fires_early_looks_again_and_leaves_none_behind() {
    let mut worker = Worker::plain();
    let (mut client, id) = begun(&mut worker);
    worker.streams.set_allocated(worker.now, id, true);
    for _ in 0..100 {
        client.send(&request(1));
        worker.messages(1);
        let _ = worker.streams.send(worker.now, id, [b"x", b"", b""], Kind::Answer);
        worker.advance_secs(1);
    }
    worker.advance_secs(100);
    assert_eq!((worker.streams.len(), worker.streams.poll_timeout()), (1, None));
}
