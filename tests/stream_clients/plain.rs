//! TCP: framing over a socket, what is refused, how connections end.

use std::net::Ipv4Addr;
use std::time::Duration;

use turnserver::stream::tls::Certificates;
use turnserver::stream::{CloseReason, Sent, StreamSettings};
use turnserver::turn::address::Transport;

use crate::client::{Client, channel_data, request, stun};
use crate::worker::{ALL, Worker};

fn none() -> Certificates {
    Certificates::none().expect("randomness")
}

/// A client that has sent one message already.
pub(crate) fn begun(worker: &mut Worker) -> (Client, turnserver::stream::StreamId) {
    let mut client = Client::connect(worker);
    let id = worker.accepted();
    client.send(&request(1));
    worker.messages(1);
    (client, id)
}

#[test]
fn a_request_comes_with_the_way_back_and_the_answer_goes_it() {
    let mut worker = Worker::plain();
    let mut client = Client::connect(&worker);
    let id = worker.accepted();
    client.send(&request(7));
    worker.until(|worker| worker.inbox.first().map(|_| ()));
    let (path, message) = worker.inbox.remove(0);
    assert_eq!(message, request(7));
    assert_eq!((path.link, path.tuple.transport), (id.into(), Transport::Tcp));
    assert_eq!((path.tuple.client, path.tuple.server), (client.address(), worker.address(Ipv4Addr::LOCALHOST.into())));
    assert_eq!(
        worker.streams.send(worker.now, id, [b"ab", b"cde", b"f"], turnserver::stream::Kind::Answer),
        Sent::Queued
    );
    worker.streams.flush(worker.now, &worker.poller);
    assert_eq!(client.expect(&mut worker, 6), b"abcdef");
}

#[test]
fn two_requests_in_one_segment_are_two() {
    let mut worker = Worker::plain();
    let mut client = Client::connect(&worker);
    client.send(&[request(1), request(2)].concat());
    assert_eq!(worker.messages(2), [request(1), request(2)]);
}

#[test]
fn a_request_byte_by_byte_is_one() {
    let mut worker = Worker::plain();
    let mut client = Client::connect(&worker);
    let message = stun(0x0003, 40, 9);
    for byte in &message {
        assert_eq!(worker.inbox.len(), 0);
        client.send(&[*byte]);
        worker.turn();
    }
    assert_eq!(worker.messages(1), [message]);
}

#[test]
fn channel_data_and_stun_alternate_and_padding_is_counted() {
    let mut worker = Worker::plain();
    let mut client = Client::connect(&worker);
    let messages =
        [request(1), channel_data(5, 3), request(2), channel_data(0, 0), channel_data(8, 4), stun(0x0016, 36, 5)];
    client.send(&messages.concat());
    assert_eq!(worker.messages(6), messages);
}

#[test]
fn what_begins_neither_stun_nor_tls_is_closed() {
    for bytes in
        [&[0x80u8][..], &[0x50], &[0x40, 0, 0, 0], &[0x16, 0x02], &[0x04], &[0xFF; 65_536], b"GET / HTTP/1.1\r\n\r\n"]
    {
        let mut worker = Worker::plain();
        let mut client = Client::connect(&worker);
        client.send(bytes);
        assert!(worker.ends(CloseReason::Garbage), "{:02x?}", &bytes[..1]);
        client.expect_end(&mut worker);
        assert_eq!((worker.inbox.len(), worker.closed.len(), worker.streams.len()), (0, 0, 0));
    }
}

#[test]
fn what_begins_no_message_is_closed_at_once() {
    for bytes in [&[0x80u8][..], &[0x50], &[0x16], &[0x16, 0x03, 0x01], &[0x3F], &[0, 1, 0, 3], &[0; 20], b"GET /"] {
        let mut worker = Worker::plain();
        let (mut client, _) = begun(&mut worker);
        client.send(bytes);
        assert!(worker.ends(CloseReason::BadMessage), "{bytes:02x?}");
        client.expect_end(&mut worker);
        assert_eq!(worker.closed.len(), 1);
    }
}

#[test]
fn messages_in_front_of_a_bad_one_have_no_effect() {
    let mut worker = Worker::plain();
    let (mut client, _) = begun(&mut worker);
    client.send(&[request(2), vec![0xFF]].concat());
    assert!(worker.ends(CloseReason::BadMessage));
    assert_eq!(worker.inbox.len(), 0);
}

#[test]
fn high_channel_numbers_are_as_configured() {
    let mut worker = Worker::new(StreamSettings { channel_number_max: 0x7FFF, ..ALL }, none());
    let (mut client, _) = begun(&mut worker);
    let message = [0x50, 0, 0, 4, 1, 2, 3, 4];
    client.send(&message);
    assert_eq!(worker.messages(1), [message.to_vec()]);
}

#[test]
fn a_message_longer_than_4_kib_needs_an_allocation() {
    let mut worker = Worker::plain();
    let (mut client, _) = begun(&mut worker);
    client.send(&stun(0x0016, 4076, 1));
    assert_eq!(worker.messages(1)[0].len(), 4096);
    client.send(&stun(0x0016, 4080, 1)[..4]);
    assert!(worker.ends(CloseReason::BadMessage));

    let (mut client, _) = begun(&mut worker);
    client.send(&channel_data(65_535, 1)[..4]);
    assert!(worker.ends(CloseReason::BadMessage));
}

#[test]
fn the_longest_messages_pass_with_an_allocation() {
    let mut worker = Worker::plain();
    let (mut client, id) = begun(&mut worker);
    worker.streams.set_allocated(worker.now, id, true);
    let messages = [stun(0x0016, 65_532, 1), channel_data(65_535, 2), request(3), stun(0x0016, 60_000, 4)];
    client.send_all(&mut worker, &messages.concat());
    assert_eq!(worker.messages(4), messages);
    worker.streams.set_allocated(worker.now, id, false);
    client.send(&stun(0x0016, 65_532, 1)[..100]);
    assert!(worker.ends(CloseReason::BadMessage));
}

#[test]
fn kinds_that_are_switched_off_are_closed() {
    let mut worker = Worker::new(StreamSettings { tcp: false, ..ALL }, none());
    let mut client = Client::connect(&worker);
    client.send(&request(1));
    assert!(worker.ends(CloseReason::NotServed));
    client.expect_end(&mut worker);
    assert_eq!((worker.inbox.len(), worker.closed.len()), (0, 0));

    let mut worker = Worker::plain();
    Client::connect(&worker).send(&[0x16, 0x03, 0x01, 0x00]);
    assert!(worker.ends(CloseReason::NotServed), "there is no certificate");
}

#[test]
fn a_client_that_ends_its_side_still_gets_its_answers() {
    let mut worker = Worker::plain();
    worker.answer = |message| Some(message.to_vec());
    let mut client = Client::connect(&worker);
    client.send(&request(1));
    client.shut_down();
    assert_eq!(client.expect(&mut worker, 20), request(1));
    client.expect_end(&mut worker);
    assert_eq!(worker.closed.len(), 1);
}

#[test]
fn a_client_that_ends_its_side_is_waited_with_for_late_answers() {
    let mut worker = Worker::plain();
    let (mut client, id) = begun(&mut worker);
    client.shut_down();
    assert!(!worker.is_busy());
    worker.advance_secs(5);
    assert_eq!((worker.streams.len(), worker.closed.len()), (1, 0));
    assert_eq!(worker.relay(id, b"late data"), Sent::Dropped);
    assert_eq!(worker.answer(id, b"late answer"), Sent::Queued);
    assert_eq!(client.expect(&mut worker, 11), b"late answer");
    client.expect_end(&mut worker);
    assert_eq!(worker.closed.len(), 1);
}

#[test]
fn a_client_that_ends_its_side_is_not_waited_with_for_ever() {
    let mut worker = Worker::plain();
    let (client, _) = begun(&mut worker);
    client.shut_down();
    worker.settle();
    worker.advance(Duration::from_millis(5900));
    assert_eq!(worker.streams.len(), 1);
    worker.advance_secs(1);
    assert_eq!((worker.streams.len(), worker.closed.len()), (0, 1));
}

#[test]
fn a_client_that_is_owed_nothing_ends_the_five_tuple_at_once() {
    let mut worker = Worker::plain();
    worker.answer = |message| Some(message.to_vec());
    let (mut client, _) = begun(&mut worker);
    client.expect(&mut worker, 20);
    let address = client.address();
    drop(client);
    assert!(worker.ends(CloseReason::ClientEnded));
    assert_eq!(
        worker.closed.iter().map(|tuple| (tuple.client, tuple.transport)).collect::<Vec<_>>(),
        [(address, Transport::Tcp)]
    );
}

#[test]
fn a_broken_connection_ends_the_five_tuple() {
    let mut worker = Worker::plain();
    let (client, _) = begun(&mut worker);
    socket2::SockRef::from(&client.socket).set_linger(Some(Duration::ZERO)).expect("an option");
    drop(client);
    assert!(worker.ends(CloseReason::Io));
    assert_eq!(worker.closed.len(), 1);
}

#[test]
fn a_connection_that_never_sent_a_message_ends_no_five_tuple() {
    let mut worker = Worker::plain();
    let mut client = Client::connect(&worker);
    client.send(&request(1)[..10]);
    worker.settle();
    drop(client);
    assert!(worker.ends(CloseReason::ClientEnded));
    assert_eq!(worker.closed.len(), 0);
}

#[test]
fn a_name_does_not_lead_to_the_next_connection() {
    let mut worker = Worker::plain();
    let (client, first) = begun(&mut worker);
    drop(client);
    worker.streams.close(worker.now, first);
    let (mut client, second) = begun(&mut worker);
    assert_ne!(first, second);
    assert_eq!(worker.answer(first, b"for nobody"), Sent::Closed);
    let mut messages = Vec::new();
    let outcome = worker.streams.read(worker.now, first, &worker.poller, &mut messages);
    assert!(outcome.closed && outcome.path.is_none() && messages.is_empty());
    worker.streams.write_ready(worker.now, first, &worker.poller);
    worker.streams.set_allocated(worker.now, first, true);
    assert_eq!(worker.shared.unallocated(), 1);
    worker.settle();
    client.receive();
    assert_eq!(client.received, b"");
}

#[test]
fn all_are_closed_when_the_server_stops() {
    let mut worker = Worker::plain();
    let clients: Vec<_> = (0..5).map(|_| begun(&mut worker)).collect();
    worker.streams.close_all(worker.now);
    worker.turn();
    assert_eq!((worker.streams.len(), worker.closed.len(), worker.shared.unallocated()), (0, 5, 0));
    for (mut client, _) in clients {
        client.expect_end(&mut worker);
    }
}
