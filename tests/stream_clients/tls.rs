//! TLS: versions, messages and records, protocol names, tickets, the end.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rustls::HandshakeKind;
use turnserver::stream::{CloseReason, Kind, StreamId};
use turnserver::turn::address::Transport;

use crate::certificates::Files;
use crate::client::{Client, TlsClient, VERSIONS, channel_data, request, stun, trusting};
use crate::worker::{ALL, Worker};

/// A client whose handshake is over, and its connection.
pub(crate) fn established(worker: &mut Worker, files: &Files) -> (TlsClient, StreamId) {
    let mut client = TlsClient::connect(worker, files.client().into());
    let id = worker.accepted();
    client.shake_hands(worker);
    (client, id)
}

fn serving() -> (Files, Worker) {
    let files = Files::new("turn.example.org");
    let worker = Worker::new(ALL, files.load());
    (files, worker)
}

/// The lengths of the records in these bytes.
fn records(bytes: &[u8]) -> Vec<usize> {
    let (mut rest, mut lens) = (bytes, Vec::new());
    while let [0x17, 3, 3, l0, l1, ..] = *rest {
        let len = usize::from(u16::from_be_bytes([l0, l1]));
        lens.push(len);
        rest = &rest[5 + len..];
    }
    assert_eq!(rest, b"");
    lens
}

#[test]
fn both_versions_carry_messages_both_ways() {
    let (files, mut worker) = serving();
    worker.answer = |message| Some(message.to_vec());
    for version in VERSIONS {
        let mut client = TlsClient::connect(&worker, trusting(version, files.der.clone()).into());
        client.shake_hands(&mut worker);
        assert_eq!(client.tls.protocol_version(), Some(version.version));
        for fill in 0..5 {
            client.send(&mut worker, &request(fill));
            assert_eq!(client.expect(&mut worker, 20), request(fill));
        }
        let (path, _) = worker.inbox.pop().expect("a message");
        assert_eq!((path.tuple.transport, path.tuple.client), (Transport::Tls, client.tcp.address()));
    }
    assert_eq!(worker.streams.tally().handshakes, 2);
}

#[test]
fn one_port_takes_tls_and_tcp_together() {
    let (files, mut worker) = serving();
    let (mut tls, _) = established(&mut worker, &files);
    let mut plain = Client::connect(&worker);
    plain.send(&request(1));
    tls.send(&mut worker, &request(2));
    worker.until(|worker| (worker.inbox.len() == 2).then_some(()));
    let transports: Vec<_> = worker.inbox.iter().map(|(path, message)| (path.tuple.transport, message[8])).collect();
    assert!(transports.contains(&(Transport::Tcp, 1)) && transports.contains(&(Transport::Tls, 2)), "{transports:?}");
}

#[test]
fn a_message_right_behind_the_handshake_is_not_lost() {
    let (files, mut worker) = serving();
    for version in VERSIONS {
        let mut client = TlsClient::connect(&worker, trusting(version, files.der.clone()).into());
        // Given to TLS before anything was sent, so that it leaves with the client's last flight.
        client.tls.writer().write_all(&request(9)).expect("memory takes everything");
        client.shake_hands(&mut worker);
        client.pump();
        assert_eq!(worker.messages(1), [request(9)]);
    }
}

#[test]
fn many_messages_in_one_record_and_one_message_in_many() {
    let (files, mut worker) = serving();
    for version in VERSIONS {
        let mut client = TlsClient::connect(&worker, trusting(version, files.der.clone()).into());
        client.shake_hands(&mut worker);
        let messages: Vec<_> = (0..30).map(request).collect();
        client.send(&mut worker, &messages.concat());
        assert_eq!(worker.messages(30), messages);
        let message = stun(0x0003, 100, 5);
        for byte in &message {
            client.send(&mut worker, &[*byte]);
            worker.turn();
        }
        assert_eq!(worker.messages(1), [message]);
    }
}

#[test]
fn a_record_byte_by_byte_is_one_message() {
    let (files, mut worker) = serving();
    let (mut client, _) = established(&mut worker, &files);
    client.tls.writer().write_all(&request(3)).expect("memory takes everything");
    let mut bytes = Vec::new();
    client.tls.write_tls(&mut bytes).expect("memory takes everything");
    for byte in bytes {
        assert_eq!(worker.inbox.len(), 0);
        client.tcp.send(&[byte]);
        worker.turn();
    }
    assert_eq!(worker.messages(1), [request(3)]);
}

#[test]
fn a_hello_byte_by_byte_and_in_many_records_is_one() {
    let (files, mut worker) = serving();
    let mut client = TlsClient::connect(&worker, files.client().into());
    let mut hello = Vec::new();
    client.tls.write_tls(&mut hello).expect("memory takes everything");
    for (number, piece) in hello[5..].chunks(hello.len() / 6).enumerate() {
        let record = [&[0x16, 3, 1, 0, piece.len() as u8], piece].concat();
        for byte in record {
            client.tcp.send(&[byte]);
            worker.turn();
        }
        worker.settle();
        assert_eq!(worker.wakes.load(Ordering::Relaxed), number + 1, "once for each record");
    }
    client.shake_hands(&mut worker);
    client.send(&mut worker, &request(1));
    worker.messages(1);
}

#[test]
fn a_hello_in_crumbs_of_records_is_given_up() {
    let (files, mut worker) = serving();
    let mut client = TlsClient::connect(&worker, files.client().into());
    let mut hello = Vec::new();
    client.tls.write_tls(&mut hello).expect("memory takes everything");
    for byte in &hello[5..40] {
        if client.tcp.ended {
            break;
        }
        let _ = client.tcp.socket.write(&[0x16, 3, 1, 0, 1, *byte]);
        worker.settle();
        client.tcp.receive();
    }
    client.tcp.expect_end(&mut worker);
    assert_eq!(worker.streams.tally().closed(CloseReason::BadHandshake), 1);
}

#[test]
fn each_message_leaves_in_a_record_of_its_own() {
    let (files, mut worker) = serving();
    let (mut client, id) = established(&mut worker, &files);
    client.send(&mut worker, &request(1));
    worker.messages(1);
    client.pump();
    for fill in 0..10 {
        let _ = worker.relay(id, &channel_data(172, fill));
    }
    worker.settle();
    client.tcp.receive();
    assert_eq!(records(&client.tcp.received), [176 + 17; 10]);
    let expected: Vec<u8> = (0..10).flat_map(|fill| channel_data(172, fill)).collect();
    assert_eq!(client.expect(&mut worker, expected.len()), expected);
}

#[test]
fn much_data_comes_through_both_ways() {
    let (files, mut worker) = serving();
    for version in VERSIONS {
        let mut client = TlsClient::connect(&worker, trusting(version, files.der.clone()).into());
        let id = worker.accepted();
        client.shake_hands(&mut worker);
        worker.streams.set_allocated(worker.now, id, true);
        let messages: Vec<_> = (0..60u8).map(|fill| channel_data(usize::from(fill) * 1000 + 3, fill)).collect();
        client.tls.writer().write_all(&messages.concat()).expect("memory takes everything");
        worker.until(|worker| {
            client.pump();
            (worker.inbox.len() == 60).then_some(())
        });
        assert_eq!(worker.messages(60), messages);
        for message in &messages {
            worker.until(|worker| {
                client.pump();
                (worker.relay(id, message) == turnserver::stream::Sent::Queued).then_some(())
            });
        }
        assert_eq!(client.expect(&mut worker, messages.concat().len()), messages.concat());
    }
}

#[test]
fn protocol_names_of_rfc_7443_are_chosen_and_others_ignored() {
    let (files, mut worker) = serving();
    type Names<'a> = &'a [&'a [u8]];
    let cases: [(Names<'_>, Option<&[u8]>); 5] = [
        (&[], None),
        (&[b"stun.turn"], Some(b"stun.turn")),
        (&[b"h2", b"stun.nat-discovery"], Some(b"stun.nat-discovery")),
        (&[b"stun.nat-discovery", b"stun.turn"], Some(b"stun.turn")),
        (&[b"h2", b"http/1.1"], None),
    ];
    for version in VERSIONS {
        for (offered, chosen) in cases {
            let mut config = trusting(version, files.der.clone());
            config.alpn_protocols = offered.iter().map(|name| name.to_vec()).collect();
            let mut client = TlsClient::connect(&worker, config.into());
            client.shake_hands(&mut worker);
            assert_eq!(client.tls.alpn_protocol(), chosen);
        }
    }
}

#[test]
fn a_ticket_is_good_at_every_worker_and_carries_no_early_data() {
    let (files, mut first) = serving();
    let mut second = Worker::with_shared(Arc::clone(&first.shared));
    for version in VERSIONS {
        let mut config = trusting(version, files.der.clone());
        config.enable_early_data = true;
        let config = Arc::new(config);
        let mut client = TlsClient::connect(&first, Arc::clone(&config));
        client.shake_hands(&mut first);
        client.send(&mut first, &request(1));
        first.messages(1);
        first.settle();
        client.pump();
        assert_eq!(client.tls.handshake_kind(), Some(HandshakeKind::Full));

        let mut again = TlsClient::connect(&second, config);
        assert!(again.tls.early_data().is_none());
        again.shake_hands(&mut second);
        assert_eq!(again.tls.handshake_kind(), Some(HandshakeKind::Resumed), "{version:?}");
        again.send(&mut second, &request(2));
        assert_eq!(second.messages(1), [request(2)]);
    }
}

#[test]
fn a_good_bye_of_the_client_ends_it_after_the_answers() {
    let (files, mut worker) = serving();
    for version in VERSIONS {
        let mut client = TlsClient::connect(&worker, trusting(version, files.der.clone()).into());
        let id = worker.accepted();
        client.shake_hands(&mut worker);
        client.tls.writer().write_all(&request(1)).expect("memory takes everything");
        client.tls.send_close_notify();
        client.pump();
        worker.messages(1);
        worker.settle();
        assert_eq!(worker.streams.len(), 1);
        let _ = worker.streams.send(worker.now, id, [b"an ", b"answer", b""], Kind::Answer);
        assert_eq!(client.expect(&mut worker, 9), b"an answer");
        client.expect_end(&mut worker);
        assert!(client.closed && worker.streams.is_empty());
    }
    assert_eq!(worker.closed.len(), 2);
}

#[test]
fn the_server_says_good_bye() {
    let (files, mut worker) = serving();
    for version in VERSIONS {
        let mut client = TlsClient::connect(&worker, trusting(version, files.der.clone()).into());
        client.shake_hands(&mut worker);
        worker.advance_secs(10);
        client.expect_end(&mut worker);
        assert!(client.closed && client.error.is_none());
    }
    assert_eq!(worker.streams.tally().closed(CloseReason::SlowFirstMessage), 2);
}

#[test]
fn bad_messages_inside_tls_are_closed() {
    let (files, mut worker) = serving();
    for bytes in [&b"GET / HTTP/1.1\r\n"[..], &[0x80], &[0x16, 3, 1], &stun(1, 4080, 1)[..4]] {
        let (mut client, _) = established(&mut worker, &files);
        client.send(&mut worker, bytes);
        client.expect_end(&mut worker);
    }
    assert_eq!(worker.streams.tally().closed(CloseReason::BadMessage), 4);
    assert_eq!(worker.inbox.len(), 0);
}

#[test]
fn a_damaged_record_is_answered_by_an_alert() {
    let (files, mut worker) = serving();
    for version in VERSIONS {
        let mut client = TlsClient::connect(&worker, trusting(version, files.der.clone()).into());
        client.shake_hands(&mut worker);
        client.tcp.send(&[[0x17, 3, 3, 0, 40].as_slice(), &[7; 40]].concat());
        client.expect_end(&mut worker);
        let alert = rustls::AlertDescription::BadRecordMac;
        assert_eq!(client.error, Some(rustls::Error::AlertReceived(alert)));
    }
    assert_eq!(worker.streams.tally().closed(CloseReason::BadRecord), 2);
}

#[test]
fn a_long_record_needs_an_allocation() {
    let (files, mut worker) = serving();
    let messages: Vec<_> = (0..200).map(|fill| stun(0x0011, 60, fill)).collect();
    let (mut client, _) = established(&mut worker, &files);
    client.tls.writer().write_all(&messages.concat()).expect("memory takes everything");
    worker.until(|worker| {
        client.pump();
        (worker.streams.tally().closed(CloseReason::BadRecord) == 1).then_some(())
    });
    assert_eq!(worker.inbox.len(), 0);

    let (mut client, id) = established(&mut worker, &files);
    worker.streams.set_allocated(worker.now, id, true);
    client.send(&mut worker, &messages.concat());
    assert_eq!(worker.messages(200), messages);
}

#[test]
fn garbage_that_begins_like_tls_is_closed() {
    let (_files, mut worker) = serving();
    let cases: [(&[u8], CloseReason); 5] = [
        (&[0x16, 3, 1, 0, 5, 1, 0, 0, 1, 0], CloseReason::BadHandshake),
        (&[0x16, 3, 1, 0, 4, 9, 0, 0, 0], CloseReason::BadHandshake),
        (&[0x16, 3, 1, 0, 0], CloseReason::BadHandshake),
        (&[0x16, 3, 1, 0xFF, 0xFF], CloseReason::BadRecord),
        (&[0x16, 3, 9, 0, 4, 1, 0, 0, 0], CloseReason::BadHandshake),
    ];
    for (bytes, reason) in cases {
        let mut client = Client::connect(&worker);
        client.send(bytes);
        assert!(worker.ends(reason), "{bytes:02x?} {:?}", worker.streams.tally());
        client.expect_end(&mut worker);
    }
    assert_eq!(worker.closed.len(), 0);
}

#[test]
fn older_versions_are_refused() {
    let (_files, mut worker) = serving();
    // TLS 1.0 and 1.1: a whole ClientHello with one cipher suite and no extensions.
    for minor in [1, 2] {
        let mut client = Client::connect(&worker);
        let hello = [&[3, minor][..], &[5; 32], &[0, 0, 2, 0xC0, 0x13, 1, 0]].concat();
        let message = [&[1, 0, 0, hello.len() as u8][..], &hello].concat();
        client.send(&[&[0x16, 3, 1, 0, message.len() as u8][..], &message].concat());
        assert!(worker.ends(CloseReason::BadHandshake));
        client.expect_end(&mut worker);
        assert_eq!((client.received[0], client.received[5]), (0x15, 2), "a fatal alert");
    }
}
