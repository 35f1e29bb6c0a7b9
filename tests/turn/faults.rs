//! What is told of an allocation over which the core panics: a begin before each end, and the tables agree again.

use std::panic::{AssertUnwindSafe, catch_unwind};

use turnserver::stun::{AttributeType, Class, MessageType, Method, TransactionId, Writer};
use turnserver::turn::address::{FiveTuple, LinkId, RelayId, Transport};
use turnserver::turn::event::EndReason;
use turnserver::turn::io::{ClientPath, RelayGrant};
use turnserver::turn::settings::{Hooks, Midway};
use turnserver::turn::{Answer, AnswerBuf, Event, Output, Path};

use crate::bare_core::{NOW, core, sock};

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
    let mut server =
        core(Hooks { midway: Some(|point, _| assert_ne!(point, Midway::Inserted, "planted")), ..Hooks::default() });
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
