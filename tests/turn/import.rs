//! A snapshot that comes after its clients: what they did meanwhile counts, and nothing stays open for nobody.

use std::net::SocketAddr;

use turnserver::stun::{AttributeType, Class, MessageType, Method, TransactionId, Writer};
use turnserver::turn::address::{FiveTuple, LinkId, RelayId, Transport};
use turnserver::turn::io::{ClientPath, RelayGrant};
use turnserver::turn::settings::Hooks;
use turnserver::turn::{Answer, AnswerBuf, Destination, DropReason, Output, Path, Server, Verdict};

use crate::bare_core::{NOW, core, sock};

const PEER: &str = "8.8.4.4:5000";

fn path(client: &str) -> ClientPath {
    let tuple = FiveTuple { transport: Transport::Udp, client: sock(client), server: sock("130.89.1.1:3478") };
    ClientPath { tuple, link: LinkId(0) }
}

fn request(method: Method, number: u8, body: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let mut bytes = vec![0; 256];
    let kind = MessageType { method, class: Class::Request };
    let mut writer = Writer::new(&mut bytes, kind, TransactionId([number; 12]));
    body(&mut writer);
    let len = writer.finish().expect("it fits");
    bytes.truncate(len);
    bytes
}

fn ask(server: &mut Server, path: ClientPath, request: &[u8]) -> Verdict {
    server.handle_datagram(NOW, Path::Client(path), request, &mut AnswerBuf::default())
}

fn outputs(server: &mut Server) -> Vec<Output> {
    std::iter::from_fn(|| server.poll_output()).collect()
}

/// Allocates on the relay socket of this number, with a permission for the peer.
fn allocate(server: &mut Server, path: ClientPath, relay: u32) {
    let wish = request(Method::ALLOCATE, relay as u8, |writer| {
        writer.attribute(AttributeType::REQUESTED_TRANSPORT, &[17, 0, 0, 0]);
    });
    assert_eq!(ask(server, path, &wish), Verdict::Drop(DropReason::Parked));
    let Some(Output::OpenRelay(open)) = server.poll_output() else { panic!("a relay was expected to be asked for") };
    let local = SocketAddr::new(sock(PEER).ip(), 50_000 + relay as u16);
    let first = RelayGrant { relay: RelayId(relay), local, external: local };
    server.handle_answer(NOW, Answer::Opened { request: open.request, first, second: None });
    let permission = request(Method::CREATE_PERMISSION, relay as u8 + 100, |writer| {
        writer.xor_address(AttributeType::XOR_PEER_ADDRESS, sock(PEER));
    });
    assert!(matches!(ask(server, path, &permission), Verdict::Respond(_)));
    outputs(server);
}

/// Who gets what the peer sends to a relay socket.
fn receiver(server: &mut Server, relay: u32) -> Option<SocketAddr> {
    let from = Path::Peer { relay: RelayId(relay), from: sock(PEER) };
    match server.handle_datagram(NOW, from, b"data", &mut AnswerBuf::default()) {
        Verdict::Forward(forward) => match forward.to {
            Destination::Client(path) => Some(path.tuple.client),
            other => panic!("{other:?}"),
        },
        Verdict::Drop(DropReason::NoAllocation) => None,
        other => panic!("{other:?}"),
    }
}

#[test]
fn of_two_allocations_of_one_client_the_newer_stays_and_the_imported_relay_is_closed() {
    let (quick, patient) = (path("203.0.113.1:40000"), path("203.0.113.2:40000"));
    let mut old = core(Hooks::default());
    allocate(&mut old, quick, 1);
    allocate(&mut old, patient, 2);
    let snapshot = old.export();

    let mut new = core(Hooks::default());
    allocate(&mut new, quick, 3);
    new.import(snapshot);
    assert_eq!(new.allocations(), 2);
    assert_eq!(outputs(&mut new), [Output::CloseRelay(RelayId(1))]);
    assert_eq!(receiver(&mut new, 3), Some(quick.tuple.client), "what the client allocated anew");
    assert_eq!(receiver(&mut new, 2), Some(patient.tuple.client), "what was handed over");
    assert_eq!(receiver(&mut new, 1), None, "what the client has no use for");

    // Each ends once, and gives its own relay back.
    new.handle_stop(NOW);
    let closed = outputs(&mut new).into_iter().filter_map(|output| match output {
        Output::CloseRelay(relay) => Some(relay.0),
        _ => None,
    });
    let mut closed: Vec<u32> = closed.collect();
    closed.sort_unstable();
    assert_eq!((closed, new.allocations()), (vec![2, 3], 0));
}

#[test]
fn a_snapshot_imported_twice_adds_nothing() {
    let client = path("203.0.113.1:40000");
    let mut old = core(Hooks::default());
    allocate(&mut old, client, 1);
    let mut again = old.export();
    again.rename(|_, link| link, |relay| RelayId(relay.0 + 10));
    let mut new = core(Hooks::default());
    new.import(old.export());
    new.import(again);
    assert_eq!((new.allocations(), outputs(&mut new)), (1, vec![Output::CloseRelay(RelayId(11))]));
    assert_eq!(receiver(&mut new, 1), Some(client.tuple.client));
    assert_eq!(receiver(&mut new, 11), None);
}
