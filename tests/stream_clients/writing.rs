//! Clients that read slowly, or not at all.

use std::io::Write;
use std::net::Ipv4Addr;
use std::time::Duration;

use turnserver::stream::limits::QUEUE_LEN_MAX;
use turnserver::stream::{CloseReason, Kind, Sent, StreamId};

use crate::certificates::Files;
use crate::client::{Client, TlsClient, channel_data, request};
use crate::worker::{ALL, Worker};

/// A client on TCP or TLS that has an allocation and a small receive buffer, and reads when told to.
enum Reader {
    Plain(Client),
    Tls(Box<TlsClient>),
}

impl Reader {
    fn all() -> [(Worker, Reader, StreamId); 2] {
        let plain = {
            let mut worker = Worker::plain();
            let mut client = Client::connect_from(&worker, Ipv4Addr::LOCALHOST.into(), Some(8192));
            let id = worker.accepted();
            client.send(&request(1));
            worker.messages(1);
            (worker, Reader::Plain(client), id)
        };
        let tls = {
            let files = Files::new("turn.example.org");
            let mut worker = Worker::new(ALL, files.load());
            let tcp = Client::connect_from(&worker, Ipv4Addr::LOCALHOST.into(), Some(8192));
            let mut client = TlsClient::over(tcp, files.client().into());
            let id = worker.accepted();
            client.shake_hands(&mut worker);
            client.send(&mut worker, &request(1));
            worker.messages(1);
            (worker, Reader::Tls(Box::new(client)), id)
        };
        [plain, tls].map(|(mut worker, reader, id)| {
            worker.streams.set_allocated(worker.now, id, true);
            (worker, reader, id)
        })
    }

    fn expect(&mut self, worker: &mut Worker, len: usize) -> Vec<u8> {
        match self {
            Reader::Plain(client) => client.expect(worker, len),
            Reader::Tls(client) => client.expect(worker, len),
        }
    }

    fn expect_end(&mut self, worker: &mut Worker) {
        match self {
            Reader::Plain(client) => client.expect_end(worker),
            Reader::Tls(client) => client.expect_end(worker),
        }
    }
}

/// A message that says which one it is, so that order and wholeness show.
fn numbered(number: u32) -> Vec<u8> {
    let mut message = channel_data(1200, number as u8);
    message[4..8].copy_from_slice(&number.to_be_bytes());
    message
}

/// Relays until the first message is dropped; gives those that were taken.
fn fill(worker: &mut Worker, id: StreamId) -> Vec<Vec<u8>> {
    let mut taken = Vec::new();
    for number in 0.. {
        let message = numbered(number);
        match worker.relay(id, &message) {
            Sent::Queued => taken.push(message),
            Sent::Dropped => return taken,
            Sent::Closed => panic!("the connection is gone"),
        }
        worker.streams.flush(worker.now, &worker.poller);
        assert!(number < 20_000, "nothing is ever dropped");
    }
    taken
}

#[test]
fn relayed_data_beyond_the_queue_is_dropped_and_answers_are_not() {
    for (mut worker, mut reader, id) in Reader::all() {
        let mut expected = fill(&mut worker, id);
        assert!(expected.len() * 1204 > QUEUE_LEN_MAX);
        assert!(!worker.is_busy());
        assert_eq!(worker.relay(id, &numbered(0)), Sent::Dropped);
        assert_eq!(worker.streams.tally().relayed_dropped, 2);
        for fill in 0..50 {
            assert_eq!(worker.answer(id, &request(fill)), Sent::Queued);
            expected.push(request(fill));
        }
        let expected = expected.concat();
        assert!(reader.expect(&mut worker, expected.len()) == expected, "whole and in order");
        assert_eq!(worker.relay(id, &numbered(1)), Sent::Queued, "there is room again");
        assert!(reader.expect(&mut worker, 1204) == numbered(1));
    }
}

#[test]
fn what_is_in_the_kernel_is_little() {
    for (mut worker, _reader, id) in Reader::all() {
        let taken = fill(&mut worker, id).len() * 1204;
        // The client's receive buffer and what the server's kernel holds unsent.
        assert!(taken < QUEUE_LEN_MAX + 400 * 1024, "{taken} bytes taken");
    }
}

#[test]
fn relayed_data_behind_late_data_is_dropped() {
    for (mut worker, mut reader, id) in Reader::all() {
        let mut expected = fill(&mut worker, id).concat();
        // Not so much any more that its length alone would count.
        let mut arrived = reader.expect(&mut worker, 100 * 1024);
        worker.now = worker.now + Duration::from_millis(200);
        assert_eq!(worker.relay(id, &numbered(1)), Sent::Queued);
        worker.now = worker.now + Duration::from_millis(1);
        assert_eq!(worker.relay(id, &numbered(2)), Sent::Dropped);
        assert_eq!(worker.answer(id, &request(7)), Sent::Queued);
        expected.extend([numbered(1), request(7)].concat());
        arrived.extend(reader.expect(&mut worker, expected.len() - arrived.len()));
        assert!(arrived == expected, "whole and in order");
        assert_eq!(worker.relay(id, &numbered(3)), Sent::Queued);
    }
}

#[test]
fn a_client_that_reads_nothing_for_30_s_is_closed() {
    for (mut worker, mut reader, id) in Reader::all() {
        let taken = fill(&mut worker, id).concat();
        worker.settle();
        worker.advance_secs(29);
        assert_eq!(worker.streams.len(), 1);
        // Whoever reads a little has all the time again.
        reader.expect(&mut worker, taken.len() / 2);
        worker.settle();
        fill(&mut worker, id);
        worker.settle();
        worker.advance_secs(20);
        // What is queued meanwhile gives it no more time.
        assert_eq!(worker.answer(id, &request(2)), Sent::Queued);
        worker.advance_secs(9);
        assert_eq!(worker.streams.len(), 1);
        worker.advance_secs(2);
        assert_eq!((worker.streams.len(), worker.streams.tally().closed(CloseReason::Stuck)), (0, 1));
        assert_eq!(worker.closed.len(), 1);
        reader.expect_end(&mut worker);
    }
}

#[test]
fn a_client_without_an_allocation_that_reads_nothing_is_not_read_either() {
    let mut worker = Worker::plain();
    worker.answer = |_| Some(vec![0xAA; 300]);
    let client = Client::connect_from(&worker, Ipv4Addr::LOCALHOST.into(), Some(4096));
    worker.accepted();
    // Requests without end, until nobody takes them any more.
    let burst = request(1).repeat(5000);
    let (mut refused, mut sent) = (0, 0);
    while refused < 5 {
        // On with the request that the kernel took in part.
        match (&client.socket).write(&burst[sent % 20..]) {
            Ok(len) => (refused, sent) = (0, sent + len),
            Err(_) => refused += 1,
        }
        worker.turn();
    }
    assert_eq!(worker.streams.len(), 1);
    assert!(!worker.is_busy());
    // What the kernels hold of the answers, and the answers to what was read at once last.
    let answered = worker.inbox.len() * 300;
    assert!(answered < 200 * 1024, "{answered} bytes of answers");
    worker.advance_secs(31);
    assert!(worker.streams.is_empty(), "stuck, and in the middle of a request perhaps");
}

#[test]
fn too_many_unread_answers_close_the_client() {
    for allocated in [false, true] {
        let (mut worker, mut reader, id) = {
            let [plain, _] = Reader::all();
            plain
        };
        worker.streams.set_allocated(worker.now, id, allocated);
        let mut queued = 0;
        while worker.streams.send(worker.now, id, [&[0xAA; 1000], b"", b""], Kind::Answer) == Sent::Queued {
            worker.streams.flush(worker.now, &worker.poller);
            queued += 1;
            assert!(queued < 20_000, "no bound");
        }
        assert_eq!((worker.streams.len(), worker.streams.tally().closed(CloseReason::Overfull)), (0, 1));
        reader.expect_end(&mut worker);
        worker.turn();
        assert_eq!(worker.closed.len(), 1);
    }
}

#[test]
fn what_waits_is_written_when_the_client_ends_its_side() {
    for (mut worker, mut reader, id) in Reader::all() {
        let mut expected = fill(&mut worker, id).concat();
        let _ = worker.answer(id, b"bye");
        expected.extend(b"bye");
        match &mut reader {
            Reader::Plain(client) => client.shut_down(),
            Reader::Tls(client) => {
                client.tls.send_close_notify();
                client.tls.write_tls(&mut client.tcp.socket).expect("room in the kernel");
            }
        }
        worker.settle();
        assert_eq!(worker.streams.len(), 1);
        assert!(reader.expect(&mut worker, expected.len()) == expected);
        reader.expect_end(&mut worker);
        assert_eq!(worker.closed.len(), 1);
    }
}
