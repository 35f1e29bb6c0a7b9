//! The whole server and clients that know no password: whatever they send, it stays empty and says little.

use std::net::SocketAddr;

use turnserver::auth::LongTermKey;
use turnserver::stun::{AttributeType, Class, ErrorCode, Message, Method, TransactionId};
use turnserver::turn::address::{FiveTuple, LinkId, RequestId, Transport, WorkerId};
use turnserver::turn::io::{ClientPath, Credit, UserRecord};
use turnserver::turn::{Answer, AnswerBuf, DropReason, Event, Output, Path, Server, Snapshot, Verdict};

use super::input::Input;
use super::kit::{self, ALICE, Kit, REALM};
use super::message::{self, Pen};

/// What the server asked the world for.
enum Asked {
    User(Box<[u8]>),
    Relay,
}

/// A request that waits for the world.
struct Waiting {
    request: RequestId,
    asked: Asked,
    path: ClientPath,
    datagram: Vec<u8>,
}

struct Stranger {
    kit: &'static Kit,
    server: Server,
    now: turnserver::turn::time::Now,
    empty: Snapshot,
    /// The last nonce that each client was given.
    nonces: [Vec<u8>; 4],
    waiting: Vec<Waiting>,
    wrong_key: LongTermKey,
    ids: u32,
}

/// Sends what the bytes say, from several clients, while time passes and look-ups are answered.
pub(crate) fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let kit = kit::of(input.byte());
    let server = Server::new(kit.settings.clone(), WorkerId(0), [7; 32], kit::START);
    let mut stranger = Stranger {
        kit,
        now: kit::START,
        empty: server.export(),
        server,
        nonces: Default::default(),
        waiting: Vec::new(),
        wrong_key: LongTermKey::derive(kit.name_of(ALICE).as_bytes(), REALM.as_bytes(), b"a guess"),
        ids: 0,
    };
    while !input.is_empty() {
        stranger.step(&mut input);
        assert_eq!(stranger.server.allocations(), 0, "nothing without a password");
        // Where nobody is asked who they are, a token that was asked for may stay a while, though there is no port for it.
        let is_empty = stranger.server.export() == stranger.empty;
        assert!(is_empty || kit.is_anonymous(), "no state without a password");
    }
    stranger.wait(60_000);
    // What waited until then may leave a token behind.
    stranger.wait(1_000 * u64::from(kit.config().limits.reservation_secs) + 1_000);
    assert!(stranger.server.export() == stranger.empty, "nothing stays");
    assert_eq!((stranger.server.parked(), stranger.server.poll_timeout()), (0, None), "nothing is left to wait for");
}

impl Stranger {
    fn step(&mut self, input: &mut Input<'_>) {
        let code = input.byte();
        match code >> 4 {
            0..=8 => {
                let datagram = self.compose(code & 3, input);
                self.send(code & 3, &datagram);
            }
            9..=12 => {
                let datagram = input.bytes();
                self.send(code & 3, datagram);
            }
            13 => self.wait(kit::SPANS_MILLIS[usize::from(code & 0x0F)]),
            // The wall clock is set.
            14 => self.now.wall.0 = kit::START.wall.0.wrapping_add_signed(i64::from(input.word() as i16)),
            _ => self.answer_look_up(input),
        }
    }

    fn compose(&mut self, client: u8, input: &mut Input<'_>) -> Vec<u8> {
        self.ids += 1;
        let mut id = [0x5A; 12];
        // Some transaction ids come again.
        id[..4].copy_from_slice(&(self.ids % 16).to_be_bytes());
        let nonce = &self.nonces[usize::from(client)];
        let user = if self.ids.is_multiple_of(3) { "nobody" } else { &self.kit.name_of(ALICE) };
        message::write(input, &Pen { id: TransactionId(id), user, key: &self.wrong_key, nonce, token: [0; 8] })
    }

    fn send(&mut self, client: u8, datagram: &[u8]) {
        let path = path(client);
        let mut answer = AnswerBuf::default();
        let verdict = self.server.handle_datagram(self.now, Path::Client(path), datagram, &mut answer);
        match verdict {
            Verdict::Drop(_) => {}
            Verdict::Respond(credit) => {
                assert_eq!(credit, Credit::Unauthenticated);
                self.check_answer(path, datagram, answer.bytes());
            }
            Verdict::Forward(forward) => panic!("{forward:?} without an allocation"),
        }
        let waited = self.waiting.len();
        while let Some(output) = self.server.poll_output() {
            match output {
                Output::LookUpUser(look_up) => {
                    self.asks(look_up.request, Asked::User(look_up.name), path, datagram);
                }
                Output::OpenRelay(open) if self.kit.is_anonymous() => {
                    self.asks(open.request, Asked::Relay, path, datagram);
                }
                Output::Claim(claim) if self.kit.is_anonymous() => {
                    self.asks(claim.request, Asked::Relay, path, datagram);
                }
                Output::Event(Event::Refused { .. }) => {}
                other => panic!("{other:?} without a password"),
            }
        }
        let asked = self.waiting.len() - waited;
        assert!(asked == 0 || (asked == 1 && verdict == Verdict::Drop(DropReason::Parked)), "{asked} {verdict:?}");
    }

    fn asks(&mut self, request: RequestId, asked: Asked, path: ClientPath, datagram: &[u8]) {
        self.waiting.push(Waiting { request, asked, path, datagram: datagram.into() });
    }

    fn wait(&mut self, millis: u64) {
        self.now = kit::later(self.now, millis);
        self.server.handle_timeout(self.now);
        while let Some(told) = self.server.poll_output() {
            let is_token = matches!(told, Output::Release(_)) && self.kit.is_anonymous();
            assert!(is_token, "{told:?}, time tells nothing of those who have nothing");
        }
        assert!(self.server.poll_timeout().is_none_or(|next| next > self.now.mono), "all that was due is done");
    }

    /// The world found somebody, or nobody; the guess is wrong in any case. It may answer late, and twice.
    fn answer_look_up(&mut self, input: &mut Input<'_>) {
        if self.waiting.is_empty() {
            return;
        }
        let place = usize::from(input.byte()) % self.waiting.len();
        let how = input.byte();
        let waiting = self.waiting.remove(place);
        let answer = self.answer_to(&waiting, how);
        let mut answered = 0;
        for _ in 0..=how >> 7 {
            self.server.handle_answer(self.now, answer.clone());
            while let Some(output) = self.server.poll_output() {
                match output {
                    Output::Transmit(transmit) => {
                        assert_eq!(transmit.to, waiting.path);
                        let is_proved = transmit.credit == Credit::Authenticated;
                        assert_eq!(is_proved, self.kit.is_anonymous(), "nothing was proved");
                        self.check_answer(waiting.path, &waiting.datagram, &transmit.bytes);
                        answered += 1;
                    }
                    Output::Event(Event::Refused { .. }) => {}
                    other => panic!("{other:?} without a password"),
                }
            }
        }
        assert!(answered <= 1, "one answer to one request");
    }

    /// There are no relayed addresses; users there are.
    fn answer_to(&self, waiting: &Waiting, how: u8) -> Answer {
        let request = waiting.request;
        let Asked::User(name) = &waiting.asked else {
            return if how & 1 == 0 { Answer::NoCapacity { request } } else { Answer::QuotaReached { request } };
        };
        let known = self.kit.users.look_up(name, self.now.wall);
        let record = match how & 3 {
            0 => None,
            1 => known,
            2 => known.map(|record| UserRecord { usable: false, ..record }),
            _ => known.map(|record| UserRecord { keys: Vec::new(), ..record }),
        };
        Answer::User { request, record }
    }

    /// The answer is one of the few that strangers get, and no longer than it must be.
    fn check_answer(&mut self, path: ClientPath, request: &[u8], answer: &[u8]) {
        let asked = Message::parse(request).expect("only messages are answered");
        assert_eq!(asked.kind().class, Class::Request, "only requests are answered");
        assert!(!kit::listeners().contains(&path.tuple.client), "our own listeners are not answered");
        let said = Message::parse(answer).expect("answers are messages");
        assert_eq!((said.id(), said.kind().method), (asked.id(), asked.kind().method));
        let seals = [AttributeType::MESSAGE_INTEGRITY, AttributeType::MESSAGE_INTEGRITY_SHA256];
        assert!(said.fingerprint_holds() && !seals.iter().any(|kind| said.has(*kind)));
        assert!(!said.has_unknown_required() && !said.has(AttributeType::SOFTWARE));
        let fingerprint_len = if said.has(AttributeType::FINGERPRINT) { 8 } else { 0 };
        let len = answer.len() - fingerprint_len;
        let realm_len = REALM.len().next_multiple_of(4);
        if said.kind().class == Class::Success {
            assert_eq!(said.kind().method, Method::BINDING, "all else needs a password");
            let mapped = said.xor_address(AttributeType::XOR_MAPPED_ADDRESS);
            assert_eq!(mapped, Some(Ok(path.tuple.client)));
            return assert_eq!(len, if path.tuple.client.is_ipv4() { 32 } else { 44 });
        }
        let code = said.value(AttributeType::ERROR_CODE).and_then(ErrorCode::decode).expect("an error says which");
        match code.code() {
            401 | 438 if !self.kit.is_anonymous() => {
                let is_offered = self.kit.config().auth.sha256;
                let more = if is_offered { 16 + 12 } else { 0 };
                assert_eq!(len, 64 + realm_len + more, "header, code, nonce and realm; a promise and a list");
                let nonce = said.value(AttributeType::NONCE).expect("a challenge has one");
                assert_eq!(nonce.starts_with(message::PROMISE), is_offered);
                let list = said.value(AttributeType::PASSWORD_ALGORITHMS);
                assert_eq!(list, is_offered.then_some(&message::LIST[..]));
                self.nonces[usize::from(path.link.0 as u8)] = nonce.into();
            }
            400 => assert_eq!(len, 28, "header and code"),
            403 | 437 | 440 | 442 | 443 | 486 | 508 if self.kit.is_anonymous() => {
                assert_eq!(len, 28, "header and code");
            }
            420 => assert!(len <= request.len() + 12, "no longer than the request and a code"),
            other => panic!("a stranger was told {other}"),
        }
    }
}

/// Four clients: over UDP and over a stream, of both families, and one that pretends to be our own listener.
fn path(client: u8) -> ClientPath {
    let (transport, address): (_, SocketAddr) = match client {
        0 => (Transport::Udp, ([9, 9, 9, 9], 40_000).into()),
        1 => (Transport::Tcp, ([9, 9, 9, 10], 40_001).into()),
        2 => (Transport::Udp, ([0x2a02, 0x26f0, 0, 0, 0, 0, 0, 0x99], 40_002).into()),
        _ => (Transport::Udp, kit::listeners()[0]),
    };
    let tuple = FiveTuple { transport, client: address, server: kit::listener_for(address) };
    ClientPath { tuple, link: LinkId(u32::from(client)) }
}
