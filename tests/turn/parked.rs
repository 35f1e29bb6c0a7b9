//! Requests that wait, and what is left of them: nothing, and no reason to wake up.

use std::net::SocketAddr;
use std::path::Path as FilePath;
use std::sync::Arc;
use std::time::Duration;

use turnserver::auth::LongTermKey;
use turnserver::config::load_text;
use turnserver::stun::{AttributeType, Class, ErrorCode, Message, MessageType, Method, TransactionId, Writer};
use turnserver::turn::address::{FiveTuple, LinkId, RequestId, Transport, WorkerId};
use turnserver::turn::bandwidth::Bandwidth;
use turnserver::turn::io::{ClientPath, UserRecord};
use turnserver::turn::limits::{LOOK_UPS_MAX, LOOK_UPS_OF_SOURCE_MAX, PARKED_SECS};
use turnserver::turn::nonce::Nonces;
use turnserver::turn::policy::{OwnNet, PeerPolicy};
use turnserver::turn::settings::Hooks;
use turnserver::turn::time::{Mono, Now, UnixTime};
use turnserver::turn::timers::Wheel;
use turnserver::turn::{Answer, AnswerBuf, DropReason, Output, Path, Server, Settings, Verdict};

const REALM: &str = "example.org";
const SECOND: u64 = 1_000_000_000;
/// More than one turn of the timer wheel, whose slots are seconds.
const SECS: u64 = 4200;
/// Requests in each of them.
const PER_SEC: u64 = 25;

fn sock(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn at(nanos: u64) -> Now {
    Now { mono: Mono(nanos), wall: UnixTime(1_800_000_000 + nanos / SECOND) }
}

/// A core whose user look-ups the test answers, and a client of it that knows a nonce.
struct Stage {
    server: Server,
    path: ClientPath,
    datagram: Vec<u8>,
    requests: u64,
}

impl Stage {
    fn new() -> Stage {
        let text = format!("realm = {REALM:?}\nuser = [\"alice:wonderland-7\"]\nlt-cred-mech = true\n");
        let config = load_text(&text, FilePath::new("stage.toml")).expect("a good configuration").config;
        let own = OwnNet::new(vec![3478], config.relay.ports.clone());
        let nonces = Nonces::new(&[7; 32], None, REALM, config.auth.nonce_lifetime_secs);
        let tuple =
            FiveTuple { transport: Transport::Udp, client: sock("203.0.113.1:40000"), server: sock("130.89.1.1:3478") };
        let nonce = nonces.mint(at(0).wall, 1, &tuple);
        let settings = Settings {
            bandwidth: Bandwidth::new(&config.limits),
            policy: PeerPolicy::new(&config.peers, own),
            config: Arc::new(config),
            nonces,
            listeners: vec![tuple.server],
            draining: false,
            hooks: Hooks::default(),
        };
        let server = Server::new(Arc::new(settings), WorkerId(0), [3; 32], at(0));
        let datagram = allocate(&nonce, "a wrong password");
        Stage { server, path: ClientPath { tuple, link: LinkId(0) }, datagram, requests: 0 }
    }

    /// Is another client from here on, with a nonce of its own.
    fn at(&mut self, client: SocketAddr) {
        self.path.tuple.client = client;
        let nonce = Nonces::new(&[7; 32], None, REALM, 600).mint(at(0).wall, 1, &self.path.tuple);
        self.datagram = allocate(&nonce, "a wrong password");
    }

    /// Sends the request once more, as another one, and gives the number of the look-up it waits for; none: there is no
    /// room.
    fn ask(&mut self, now: Now) -> Option<RequestId> {
        self.requests += 1;
        self.datagram[12..20].copy_from_slice(&self.requests.to_be_bytes());
        let mut answer = AnswerBuf::default();
        match self.server.handle_datagram(now, Path::Client(self.path), &self.datagram, &mut answer) {
            Verdict::Drop(DropReason::Parked) => {}
            Verdict::Drop(DropReason::Busy) => return None,
            other => panic!("{other:?}"),
        }
        match self.server.poll_output() {
            Some(Output::LookUpUser(look_up)) => Some(look_up.request),
            other => panic!("a look-up was expected: {other:?}"),
        }
    }

    /// Answers a look-up and gives the code the client hears; none: it hears nothing.
    fn answer(&mut self, now: Now, request: RequestId) -> Option<u16> {
        self.hear(now, Answer::User { request, record: Some(alice(false)) })
    }

    /// Takes an answer of the world.
    fn hear(&mut self, now: Now, answer: Answer) -> Option<u16> {
        self.server.handle_answer(now, answer);
        let outputs: Vec<Output> = std::iter::from_fn(|| self.server.poll_output()).collect();
        outputs.iter().find_map(|output| match output {
            Output::Transmit(transmit) => Some(code_of(&transmit.bytes)),
            _ => None,
        })
    }
}

fn alice(renewable: bool) -> UserRecord {
    let key = LongTermKey::derive(b"alice", REALM.as_bytes(), b"wonderland-7");
    UserRecord { keys: vec![Arc::new(key)], quota: Arc::from(*b"alice"), usable: true, renewable }
}

/// An Allocate of alice's, signed with a password; what is signed is wrong for every other transaction id as well.
fn allocate(nonce: &[u8], password: &str) -> Vec<u8> {
    let mut bytes = vec![0; 512];
    let kind = MessageType { method: Method::ALLOCATE, class: Class::Request };
    let mut writer = Writer::new(&mut bytes, kind, TransactionId([0; 12]));
    writer.attribute(AttributeType::REQUESTED_TRANSPORT, &[17, 0, 0, 0]);
    writer.attribute(AttributeType::USERNAME, b"alice");
    writer.attribute(AttributeType::REALM, REALM.as_bytes());
    writer.attribute(AttributeType::NONCE, nonce);
    writer.integrity(LongTermKey::derive(b"alice", REALM.as_bytes(), password.as_bytes()).integrity());
    let len = writer.finish().expect("it fits");
    bytes.truncate(len);
    bytes
}

fn code_of(answer: &[u8]) -> u16 {
    let message = Message::parse(answer).expect("well-formed");
    message.value(AttributeType::ERROR_CODE).and_then(ErrorCode::decode).map_or(200, ErrorCode::code)
}

#[test]
fn wrong_passwords_leave_nothing_behind() {
    let mut stage = Stage::new();
    for second in 0..SECS {
        let now = at(second * SECOND);
        for _ in 0..PER_SEC {
            let request = stage.ask(now).expect("there is room");
            assert_eq!((stage.server.parked(), stage.answer(now, request)), (1, Some(401)));
        }
        assert_eq!((stage.server.parked(), stage.server.poll_timeout()), (0, None), "after {second} s");
    }
}

#[test]
fn requests_that_nobody_answers_end_at_their_own_deadlines() {
    let mut stage = Stage::new();
    let step = SECOND / 4;
    let lifetime = u64::from(PARKED_SECS) * SECOND;
    let requests: Vec<RequestId> = (0..8).map(|turn| stage.ask(at(turn * step)).expect("there is room")).collect();
    for turn in 0..8 {
        let end = turn * step + lifetime;
        assert_eq!(stage.server.poll_timeout(), Some(Mono(end)), "the oldest is the next");
        stage.server.handle_timeout(at(end - 1));
        assert_eq!(stage.server.parked(), 8 - turn as usize);
        stage.server.handle_timeout(at(end));
        assert_eq!(stage.server.parked(), 7 - turn as usize);
    }
    assert_eq!(stage.server.poll_timeout(), None);
    let late = at(10 * SECOND);
    assert!(requests.into_iter().all(|request| stage.answer(late, request).is_none()), "the client hears nothing");
}

#[test]
fn an_answered_request_takes_its_deadline_along() {
    let mut stage = Stage::new();
    let [first, second] = [0, SECOND].map(|nanos| stage.ask(at(nanos)).expect("there is room"));
    assert_eq!(stage.answer(at(SECOND), first), Some(401));
    assert_eq!(stage.server.poll_timeout(), Some(Mono(SECOND * (1 + u64::from(PARKED_SECS)))));
    assert_eq!(stage.answer(at(2 * SECOND), second), Some(401));
    assert_eq!(stage.server.poll_timeout(), None);
}

#[test]
fn what_waits_is_bounded_and_makes_room_when_its_time_is_over() {
    let mut stage = Stage::new();
    for round in 0..3 {
        let now = at(round * 6 * SECOND);
        stage.server.handle_timeout(now);
        let mut parked = 0;
        for source in 0..100 {
            stage.at(sock(&format!("203.0.113.{source}:40000")));
            parked += (0..LOOK_UPS_OF_SOURCE_MAX).filter_map(|_| stage.ask(now)).count();
        }
        assert_eq!((parked, stage.server.parked()), (LOOK_UPS_MAX, LOOK_UPS_MAX));
        assert_eq!(stage.server.check(now), Ok(()));
    }
    stage.server.handle_timeout(at(3 * 6 * SECOND));
    assert_eq!((stage.server.parked(), stage.server.poll_timeout()), (0, None));
}

#[test]
fn a_wheel_that_fired_everything_is_empty() {
    const ENTRIES: u64 = 100_000;
    let mut wheel = Wheel::new(Mono(0));
    (0..ENTRIES).for_each(|key| wheel.schedule(Mono((key % 9000) * SECOND + key), key));
    assert_eq!(wheel.len(), ENTRIES as usize);
    let end = Mono(0) + Duration::from_secs(9001);
    let mut fired: Vec<u64> = std::iter::from_fn(|| wheel.poll(end)).collect();
    fired.sort_unstable();
    assert!(fired.into_iter().eq(0..ENTRIES), "each once");
    assert!(wheel.is_empty());
    assert_eq!((wheel.next(), wheel.poll(end)), (None, None));
}

/// Look-ups of a core that broke off may end when another one has its place, which then must not take them for its own.
#[test]
fn a_core_that_begins_anew_knows_nothing_of_former_questions() {
    let mut stage = Stage::new();
    let former = stage.ask(at(0)).expect("there is room");
    stage.server = stage.server.anew([4; 32], at(1));
    let own = stage.ask(at(1)).expect("there is room");
    assert_eq!(stage.answer(at(2), former), None, "nobody waits for it");
    assert_eq!(stage.answer(at(2), own), Some(401));
}

/// A store may say again and again that it knows something newer.
#[test]
fn no_request_asks_more_than_once_again() {
    let endings: [fn(RequestId) -> Answer; 3] = [
        |request| Answer::User { request, record: Some(alice(true)) },
        |request| Answer::User { request, record: None },
        |request| Answer::LookUpFailed { request },
    ];
    for ending in endings {
        let mut stage = Stage::new();
        let first = stage.ask(at(0)).expect("there is room");
        stage.server.handle_answer(at(0), Answer::User { request: first, record: Some(alice(true)) });
        let Some(Output::LookUpUser(second)) = stage.server.poll_output() else { panic!("another look-up") };
        assert_eq!((second.again, &*second.name, stage.server.parked()), (true, &b"alice"[..], 1));
        assert_eq!(stage.server.poll_output(), None, "no answer yet");
        assert_eq!(stage.hear(at(SECOND), ending(second.request)), Some(401));
        assert_eq!((stage.server.parked(), stage.server.poll_timeout()), (0, None));
        assert_eq!(stage.answer(at(SECOND), first), None, "that question is over");
    }
}

#[test]
fn a_request_that_waits_once_more_ends_as_any_other() {
    let mut stage = Stage::new();
    let first = stage.ask(at(0)).expect("there is room");
    let waits = stage.hear(at(SECOND), Answer::User { request: first, record: Some(alice(true)) });
    let end = SECOND * (1 + u64::from(PARKED_SECS));
    assert_eq!((waits, stage.server.poll_timeout()), (None, Some(Mono(end))));
    stage.server.handle_timeout(at(end));
    assert_eq!((stage.server.parked(), stage.server.poll_timeout(), stage.server.poll_output()), (0, None, None));
}

// Whoever has no password must not keep others out, whatever he sends, and from wherever in his network.
#[test]
fn a_source_has_a_few_of_the_places_only() {
    for (own, neighbour, other) in [
        ("203.0.113.1:40000", "203.0.113.1:40001", "203.0.113.2:40000"),
        ("[2001:db8::1]:40000", "[2001:db8::ffff:0:0:2]:40000", "[2001:db8:0:1::1]:40000"),
    ] {
        let (mut stage, now) = (Stage::new(), at(SECOND));
        let (mut asked, ask) = (Vec::new(), |stage: &mut Stage, from: &str| {
            stage.at(sock(from));
            stage.ask(now)
        });
        asked.extend((0..LOOK_UPS_OF_SOURCE_MAX + 100).filter_map(|_| ask(&mut stage, own)));
        assert_eq!(asked.len(), LOOK_UPS_OF_SOURCE_MAX);
        assert_eq!(ask(&mut stage, neighbour), None, "the same source");
        let of_other = ask(&mut stage, other).expect("another source has places of its own");
        assert_eq!(stage.answer(now, of_other), Some(401));
        // An answer makes room for one.
        assert_eq!(stage.answer(now, asked[0]), Some(401));
        assert!(ask(&mut stage, neighbour).is_some());
        assert_eq!((ask(&mut stage, own), stage.server.check(now)), (None, Ok(())));
        stage.server.handle_timeout(at(7 * SECOND));
        assert_eq!((stage.server.parked(), stage.server.check(at(7 * SECOND))), (0, Ok(())));
    }
}
