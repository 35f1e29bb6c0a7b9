//! Clients that send anything at all: the worker and its other client do not notice.

use std::io::Write;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use crate::certificates::Files;
use crate::client::{TlsClient, channel_data, request, stun};
use crate::worker::{ALL, Worker};

#[derive(Clone, Debug)]
enum Act {
    Send(Vec<u8>),
    /// Inside TLS, if there is TLS.
    Seal(Vec<u8>),
    Answer(usize),
    Relay(usize),
    Allocated(bool),
    Wait(u64),
    End,
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        3 => (0..200usize, any::<u8>()).prop_map(|(words, fill)| stun(0x0001, words * 4, fill)),
        2 => (0..5000usize, any::<u8>()).prop_map(|(len, fill)| channel_data(len, fill)),
        1 => vec(any::<u8>(), 0..50),
        1 => (0x14..0x19u8, vec(any::<u8>(), 0..50)).prop_map(|(kind, body)| [&[kind, 3, 3, 0, body.len() as u8], &body[..]].concat()),
        1 => (0..30usize).prop_map(|len| stun(0x0003, 400, 1)[..len].to_vec()),
    ]
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        3 => bytes().prop_map(Act::Send),
        6 => bytes().prop_map(Act::Seal),
        3 => (0..60_000usize).prop_map(Act::Answer),
        3 => (4..60_000usize).prop_map(Act::Relay),
        1 => any::<bool>().prop_map(Act::Allocated),
        1 => (0..20_000u64).prop_map(Act::Wait),
        1 => Just(Act::End),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_a_client_does_harms_another(is_tls in any::<bool>(), acts in vec(act(), 1..30)) {
        let files = Files::new("turn.example.org");
        let mut worker = Worker::new(ALL, files.load());
        let mut other = TlsClient::connect(&worker, files.client().into());
        let other_id = worker.accepted();
        other.shake_hands(&mut worker);
        worker.streams.set_allocated(worker.now, other_id, true);
        other.send(&mut worker, &request(1));
        worker.messages(1);

        let mut client = TlsClient::connect(&worker, files.client().into());
        let id = worker.accepted();
        if is_tls {
            client.shake_hands(&mut worker);
        }
        for act in acts {
            match act {
                Act::Send(bytes) => drop(client.tcp.socket.write(&bytes)),
                Act::Seal(bytes) if is_tls => drop(client.tls.writer().write_all(&bytes)),
                Act::Seal(bytes) => drop(client.tcp.socket.write(&bytes)),
                Act::Answer(len) => drop(worker.answer(id, &vec![7; len])),
                Act::Relay(len) => drop(worker.relay(id, &vec![8; len])),
                Act::Allocated(allocated) => worker.streams.set_allocated(worker.now, id, allocated),
                Act::Wait(millis) => worker.advance(Duration::from_millis(millis)),
                Act::End => client.tcp.shut_down_if_open(),
            }
            if is_tls && client.error.is_none() {
                client.pump();
            } else {
                client.tcp.receive();
            }
            worker.turn();
        }
        worker.inbox.clear();
        other.send(&mut worker, &request(2));
        worker.until(|worker| {
            worker.inbox.iter().any(|(path, message)| path.link == other_id.into() && *message == request(2)).then_some(())
        });
        drop(client);
        worker.until(|worker| {
            let is_alone = worker.streams.len() == 1;
            if !is_alone {
                worker.advance_secs(10);
            }
            is_alone.then_some(())
        });
        prop_assert_eq!(worker.shared.unallocated(), 0);
    }
}
