//! What is told of an allocation over which the core panics: a begin before each end, and the tables agree again.

use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path as FilePath;
use std::sync::Arc;

use turnserver::config::load_text;
use turnserver::stun::{AttributeType, Class, MessageType, Method, TransactionId, Writer};
use turnserver::turn::address::{FiveTuple, LinkId, RelayId, Transport, WorkerId};
use turnserver::turn::bandwidth::Bandwidth;
use turnserver::turn::event::EndReason;
use turnserver::turn::io::{ClientPath, RelayGrant};
use turnserver::turn::nonce::Nonces;
use turnserver::turn::policy::{OwnNet, PeerPolicy};
use turnserver::turn::settings::{Hooks, Midway};
use turnserver::turn::time::{Mono, Now, UnixTime};
use turnserver::turn::{Answer, AnswerBuf, Event, Output, Path, Server, Settings};

const NOW: Now = Now { mono: Mono(1_000_000_000), wall: UnixTime(1_800_000_000) };

fn sock(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

/// A core that lets anybody allocate, and panics over each allocation that it just took in.
fn core() -> Server {
    let loaded = load_text("no-auth = true\nprofile = \"coturn\"\n", FilePath::new("core.toml"));
    let config = loaded.expect("a good configuration").config;
    let settings = Settings {
        policy: PeerPolicy::new(&config.peers, OwnNet::new(vec![3478], config.relay.ports.clone())),
        bandwidth: Bandwidth::new(&config.limits),
        config: Arc::new(config),
        nonces: Nonces::new(&[7; 32], None, "r", 0),
        listeners: Vec::new(),
        hooks: Hooks { midway: Some(|point, _| assert_ne!(point, Midway::Inserted, "planted")), ..Hooks::default() },
    };
    Server::new(Arc::new(settings), WorkerId(0), [3; 32], NOW)
}

fn allocate() -> Vec<u8> {
    let mut bytes = vec![0; 64];
    let kind = MessageType { method: Method::ALLOCATE, class: Class::Request };
    let mut writer = Writer::new(&mut bytes, kind, TransactionId([1; 12]));
    writer.attribute(AttributeType::REQUESTED_TRANSPORT, &[17, 0, 0, 0]);
    let len = writer.finish().expect("it fits");
    bytes.truncate(len);
    bytes
}

#[test]
fn an_end_is_told_behind_its_begin_and_nothing_is_left() {
    let mut server = core();
    for transport in [Transport::Udp, Transport::Tcp] {
        let tuple = FiveTuple { transport, client: sock("203.0.113.1:40000"), server: sock("130.89.1.1:3478") };
        let path = Path::Client(ClientPath { tuple, link: LinkId(0) });
        server.handle_datagram(NOW, path, &allocate(), &mut AnswerBuf::default());
        let Some(Output::OpenRelay(open)) = server.poll_output() else { panic!("a relayed address is asked for") };
        let relayed = sock("130.89.1.1:50000");
        let first = RelayGrant { relay: RelayId(4), local: relayed, external: relayed };
        let answer = Answer::Opened { request: open.request, first, second: None };
        let concern = server.concern_of(&answer).expect("a request waits for it");
        assert_eq!((concern.tuple, concern.link), (tuple, Some(LinkId(0))));
        let broken = catch_unwind(AssertUnwindSafe(|| server.handle_answer(NOW, answer)));
        assert!(broken.is_err(), "planted");
        server.handle_answer_fault(NOW, &concern);
        assert!(server.accounts_for_relay(RelayId(4)), "it is about to be closed");

        let told: Vec<Output> = std::iter::from_fn(|| server.poll_output()).collect();
        assert!(
            matches!(
                &told[..],
                [
                    Output::Event(Event::AllocationCreated { allocation: begun, .. }),
                    Output::CloseRelay(RelayId(4)),
                    Output::Event(Event::AllocationEnded { allocation: ended, reason: EndReason::Fault, .. }),
                ] if begun == ended
            ),
            "{told:?}"
        );
        assert_eq!((server.allocations(), server.check(NOW)), (0, Ok(())));
        assert!(!server.accounts_for_relay(RelayId(4)), "nobody has it any more");
    }
}
