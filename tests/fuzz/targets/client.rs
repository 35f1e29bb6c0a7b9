//! The whole server and clients that know their passwords: one begins with an allocation, a permission and a channel.
//!
//! Requests are signed after the fuzzer chose what stands in them, so that it reaches what lies behind authentication.
//! The world answers late, badly or twice; peers send; time passes; the core is handed over to another one.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use turnserver::auth::{LongTermKey, Scheme};
use turnserver::config::{IpRange, Peers, Profile};
use turnserver::stun::{
    AttributeType, ChannelData, ChannelNumber, Class, ErrorCode, Message, Method, PasswordAlgorithm, TransactionId,
};
use turnserver::turn::address::{EvenPort, FiveTuple, LinkId, RelayId, Transport, WorkerId};
use turnserver::turn::io::{ClientPath, Credit, Direction, Forward};
use turnserver::turn::time::{Mono, Now};
use turnserver::turn::{Answer, AnswerBuf, Destination, DropReason, Output, Path, Server, Settings, Snapshot, Verdict};

use super::book::{self, Book};
use super::engine::{Engine, Manner};
use super::input::Input;
use super::kit::{self, ALICE, BOB, Kit, Person};
use super::message::{self, Pen, peer};

const CLIENTS: u8 = 4;

/// What a client remembers.
#[derive(Default)]
struct Memory {
    nonce: Vec<u8>,
    last: Vec<u8>,
    /// The answer that told of its allocation, and how it was asked for.
    allocated: Option<(Vec<u8>, Scheme)>,
}

struct Stage {
    kit: &'static Kit,
    settings: Arc<Settings>,
    denied: Vec<IpRange>,
    server: Server,
    engine: Engine,
    book: Book,
    now: Now,
    memories: [Memory; CLIENTS as usize],
    keys: [LongTermKey; 2],
    /// Requests whose answer is to come.
    awaited: Vec<(ClientPath, Vec<u8>)>,
    token: [u8; 8],
    ids: u32,
    hand_overs: u8,
}

/// Plays what the bytes say and holds the core to its book after each step.
pub(crate) fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let kit = kit::of(input.byte());
    let mut stage = Stage::new(kit);
    stage.set_up();
    while !input.is_empty() {
        stage.step(&mut input);
        stage.assert_sound();
    }
    stage.assert_state_survives();
    stage.end();
}

impl Stage {
    fn new(kit: &'static Kit) -> Stage {
        Stage {
            kit,
            settings: kit.settings.clone(),
            denied: Vec::new(),
            server: Server::new(kit.settings.clone(), WorkerId(0), [7; 32], kit::START),
            engine: Engine::new(kit),
            book: Book::default(),
            now: kit::START,
            memories: Default::default(),
            keys: [ALICE, BOB].map(|person| kit.key_of(person)),
            awaited: Vec::new(),
            token: [0; 8],
            ids: 0,
            hand_overs: 0,
        }
    }

    /// The first client allocates and binds a channel to a peer; an empty nonce earns it a good one.
    fn set_up(&mut self) {
        let (allocate, bind): (&[u8], &[u8]) = (&[0, 1, 0], &[3, 2, 4, 2, 12]);
        for script in [allocate, allocate, bind] {
            let datagram = self.compose(0, ALICE, &mut Input::new(script));
            self.send(0, &datagram, false);
        }
        assert_eq!(self.server.allocations(), 1, "the stage is set");
        assert_eq!(self.held(0).and_then(|held| held.channel(0x4000, kit::START.mono)), Some(peer(12)));
    }

    fn held(&mut self, client: u8) -> Option<&mut book::Held> {
        self.book.of_tuple(&path(client).tuple)
    }

    fn step(&mut self, input: &mut Input<'_>) {
        let code = input.byte();
        let (client, flag, other) = (code & 3, code & 4 != 0, code & 8 != 0);
        match code >> 4 {
            0..=5 => {
                let is_bob = (client == 1) != other;
                let datagram = self.compose(client, if is_bob { BOB } else { ALICE }, input);
                self.send(client, &datagram, flag);
            }
            6 => self.send(client, input.bytes(), flag),
            7 => {
                let last = std::mem::take(&mut self.memories[usize::from(client)].last);
                self.send(client, &last, flag);
            }
            8 => {
                let (number, data) = (ChannelNumber(0x4000 + u16::from(input.byte())), input.bytes());
                let datagram = [&ChannelData::header(number, data.len() as u16), data].concat();
                self.send(client, &datagram, flag);
            }
            9 => {
                let (relay, from) = (RelayId(u32::from(code & 3)), peer(input.byte()));
                self.receive(relay, from, input.bytes(), flag);
            }
            10 => self.wait(kit::SPANS_MILLIS[usize::from(code & 0x0F)]),
            // Datagrams come before the timers that are due: at the very moment that something ends, or some time later.
            11 if other => self.now = self.book.next_end(self.now.mono).map_or(self.now, |end| self.moment(end)),
            11 => self.now = kit::later(self.now, kit::SPANS_MILLIS[usize::from(code & 0x0F)]),
            12 => self.answer_one(input),
            13 if flag => self.now.wall.0 = kit::START.wall.0.wrapping_add_signed(i64::from(input.word() as i16)),
            13 => self.engine.is_prompt = other,
            14 if flag => self.fault(client, other),
            14 => self.tell(Answer::Disconnected { tuple: path(client).tuple }),
            15 if flag => self.change_peers(client),
            _ => self.hand_over(),
        }
    }

    fn compose(&mut self, client: u8, person: Person, input: &mut Input<'_>) -> Vec<u8> {
        self.ids += 1;
        let mut id = [0x5A; 12];
        id[..4].copy_from_slice(&self.ids.to_be_bytes());
        let key = &self.keys[usize::from(person.name == BOB.name)];
        let nonce = &self.memories[usize::from(client)].nonce;
        let user = &self.kit.name_of(person);
        message::write(input, &Pen { id: TransactionId(id), user, key, nonce, token: self.token })
    }

    fn send(&mut self, client: u8, datagram: &[u8], is_unsent: bool) {
        let path = path(client);
        self.memories[usize::from(client)].last = datagram.into();
        let mut answer = AnswerBuf::default();
        let verdict = self.server.handle_datagram(self.now, Path::Client(path), datagram, &mut answer);
        match verdict {
            Verdict::Drop(DropReason::Parked) => self.expect_answer(path, datagram),
            Verdict::Drop(_) | Verdict::Respond(_) => {}
            Verdict::Forward(forward) => self.check_to_peer(path.tuple, &forward, datagram, is_unsent),
        }
        self.drain();
        if let Verdict::Respond(credit) = verdict {
            self.check_answer(path, datagram, answer.bytes(), credit);
        }
    }

    /// One answer is to come, however often a request is repeated.
    fn expect_answer(&mut self, path: ClientPath, datagram: &[u8]) {
        // Nothing but this one waits: what is older was forgotten.
        if self.server.parked() <= 1 {
            self.awaited.clear();
        }
        let is_same = |(known, request): &(ClientPath, Vec<u8>)| *known == path && request[8..20] == datagram[8..20];
        if !self.awaited.iter().any(is_same) {
            self.awaited.push((path, datagram.into()));
        }
    }

    /// A peer sends something to a relay socket.
    fn receive(&mut self, relay: RelayId, from: SocketAddr, data: &[u8], is_unsent: bool) {
        let mut answer = AnswerBuf::default();
        let verdict = self.server.handle_datagram(self.now, Path::Peer { relay, from }, data, &mut answer);
        match verdict {
            Verdict::Drop(_) => {}
            Verdict::Respond(_) => panic!("a peer is never answered"),
            Verdict::Forward(forward) => self.check_to_client(relay, from, &forward, data, is_unsent),
        }
        assert_eq!(self.server.poll_output(), None, "data asks nothing and tells nothing");
    }

    fn check_to_peer(&mut self, tuple: FiveTuple, forward: &Forward, datagram: &[u8], is_unsent: bool) {
        let Destination::Peer { relay, to, .. } = forward.to else { panic!("{forward:?} goes back") };
        assert_eq!(self.engine.grant(relay).local.is_ipv4(), to.is_ipv4(), "the family of the relay");
        assert!(!book::is_forbidden(to, self.kit.config().profile), "{to} is reached");
        assert!(!self.denies(to.ip()), "{to} is reached, which is denied now");
        let held = self.book.of_tuple(&tuple).expect("who sends data has an allocation");
        assert!(held.relays.contains(&relay.0), "data leaves by its own allocation");
        let payload = held.payload(datagram, to, self.now.mono);
        assert!(std::ptr::eq(payload, &datagram[forward.range.as_range()]), "the data, whole, and nothing else");
        assert!(forward.prefix.as_slice().is_empty() && forward.suffix.as_slice().is_empty());
        if is_unsent {
            self.server.handle_unsent(Direction::ToPeer(relay), payload.len());
        } else {
            held.traffic.to_peer_packets += 1;
            held.traffic.to_peer_bytes += payload.len() as u64;
        }
    }

    fn check_to_client(&mut self, relay: RelayId, from: SocketAddr, forward: &Forward, data: &[u8], is_unsent: bool) {
        let Destination::Client(path) = forward.to else { panic!("{forward:?} goes back") };
        let is_denied = self.denies(from.ip());
        let (tuple, held) = self.book.of_relay(relay.0).expect("only relays of allocations pass data");
        assert_eq!(path.tuple, tuple, "data goes to the owner of the relay");
        assert!(held.permits(from.ip(), self.now.mono), "{from} has no permission");
        assert!(!is_denied, "{from} is heard, who is denied now");
        assert_eq!(forward.range.as_range(), 0..data.len());
        let bytes = [forward.prefix.as_slice(), data, forward.suffix.as_slice()].concat();
        if bytes[0] >= 0x40 {
            let read = ChannelData::parse(&bytes).expect("whole ChannelData");
            assert_eq!((held.channel(read.number.0, self.now.mono), read.data), (Some(from), data));
            assert!(!tuple.transport.is_stream() || bytes.len().is_multiple_of(4), "streams are padded");
        } else {
            let read = Message::parse(&bytes).expect("a whole message");
            assert_eq!((read.kind().method, read.kind().class), (Method::DATA, Class::Indication));
            assert_eq!(read.xor_address(AttributeType::XOR_PEER_ADDRESS), Some(Ok(from)));
            assert_eq!(read.value(AttributeType::DATA), Some(data));
            assert!(read.fingerprint_holds());
        }
        if is_unsent {
            self.server.handle_unsent(Direction::ToClient(tuple), data.len());
        } else {
            held.traffic.to_client_packets += 1;
            held.traffic.to_client_bytes += data.len() as u64;
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.server.poll_output() {
            match output {
                Output::Transmit(transmit) => {
                    let is_asked = |(path, datagram): &(ClientPath, Vec<u8>)| {
                        *path == transmit.to && datagram.get(8..20) == transmit.bytes.get(8..20)
                    };
                    let place = self.awaited.iter().position(is_asked).expect("one answer to one request");
                    let (path, datagram) = self.awaited.remove(place);
                    self.check_answer(path, &datagram, &transmit.bytes, transmit.credit);
                }
                Output::LookUpUser(_) | Output::OpenRelay(_) | Output::Claim(_) if self.engine.is_prompt => {
                    let answer = self.engine.answer(self.now, &output, Manner::Well);
                    self.server.handle_answer(self.now, answer);
                }
                Output::LookUpUser(_) | Output::OpenRelay(_) | Output::Claim(_) => {
                    self.engine.asked.push((self.now.mono, output));
                }
                Output::CloseRelay(relay) => self.engine.close(relay),
                Output::Release(token) => self.engine.release(token),
                Output::Event(event) => self.book.note(event, self.now.mono),
            }
        }
    }

    fn check_answer(&mut self, path: ClientPath, request: &[u8], answer: &[u8], credit: Credit) {
        let asked = Message::parse(request).expect("only messages are answered");
        let said = Message::parse(answer).expect("answers are messages");
        assert_eq!(asked.kind().class, Class::Request, "only requests are answered");
        assert_eq!((said.id(), said.kind().method), (asked.id(), asked.kind().method));
        assert!(said.fingerprint_holds() && !said.has_unknown_required());
        let is_signed = self.check_seal(path, &asked, &said);
        let is_anonymous = self.kit.is_anonymous();
        let is_earned = credit == Credit::Authenticated;
        assert!(is_signed == is_earned || is_anonymous && !is_signed, "who proved who it is gets signed answers");
        let code = said.value(AttributeType::ERROR_CODE).and_then(ErrorCode::decode).map(ErrorCode::code);
        match said.kind().class {
            Class::Success => {
                assert!(is_signed || is_anonymous || asked.kind().method == Method::BINDING);
                self.book.succeeded(&path.tuple, &asked, self.now.mono, self.kit.config());
            }
            Class::Error if is_anonymous => assert!(!matches!(code, None | Some(401 | 438 | 441 | 500)), "{code:?}"),
            Class::Error if !is_signed => {
                assert!(matches!(code, Some(400 | 401 | 420 | 437 | 438)), "{code:?} before authentication");
            }
            Class::Error => assert!(code.is_some_and(|code| code != 500), "{code:?}"),
            class => panic!("{class:?} is no answer"),
        }
        if let Some(nonce) = said.value(AttributeType::NONCE) {
            self.memories[path.link.0 as usize].nonce = nonce.into();
        }
        if let Some(token) = said.value(AttributeType::RESERVATION_TOKEN) {
            self.token = token.try_into().expect("RFC 8656 section 18.10: 8 bytes");
        }
    }

    /// Whether an answer is signed: then as its request asks, and one that changed an allocation was no step back.
    fn check_seal(&mut self, path: ClientPath, asked: &Message<'_>, said: &Message<'_>) -> bool {
        let seals = [AttributeType::MESSAGE_INTEGRITY, AttributeType::MESSAGE_INTEGRITY_SHA256];
        let seals = seals.map(|kind| said.has(kind));
        let allocated = &mut self.memories[path.link.0 as usize].allocated;
        if seals == [false; 2] || allocated.as_ref().is_some_and(|(answer, _)| answer == said.bytes()) {
            return seals != [false; 2];
        }
        let scheme = message::scheme_of(asked);
        assert_eq!(seals, [scheme == Scheme::Unnamed, scheme != Scheme::Unnamed], "{scheme:?}");
        assert!(self.keys.iter().any(|key| key.verifies(said, scheme)), "signed otherwise than by {scheme:?}");
        if said.kind().class == Class::Success {
            if asked.kind().method == Method::ALLOCATE {
                *allocated = Some((said.bytes().into(), scheme));
            }
            let (_, maker) = allocated.as_ref().expect("nothing succeeds before Allocate");
            let sha256 = Scheme::Named(PasswordAlgorithm::Sha256);
            assert!(*maker != sha256 || scheme == sha256, "{scheme:?} on an allocation made with SHA-256");
        }
        true
    }

    /// A later moment, by both clocks.
    fn moment(&self, mono: Mono) -> Now {
        let passed = kit::later(self.now, mono.since(self.now.mono).as_millis() as u64);
        Now { mono, wall: passed.wall }
    }

    /// Time passes, and the core does what is due when it is.
    fn wait(&mut self, millis: u64) {
        let target = kit::later(self.now, millis);
        let mut stops = 0;
        while let Some(next) = self.server.poll_timeout().filter(|next| *next <= target.mono) {
            self.now = self.moment(self.now.mono.max(next));
            self.settle();
            stops += 1;
            assert!(stops < 10_000, "the core asks for the same moment again and again");
        }
        self.now = Now { mono: target.mono.max(self.now.mono), wall: target.wall };
        self.settle();
    }

    fn settle(&mut self) {
        self.server.handle_timeout(self.now);
        self.drain();
        assert!(self.server.poll_timeout().is_none_or(|next| next > self.now.mono), "all that was due is done");
        self.book.assert_nothing_is_overdue(self.now.mono);
    }

    /// The world answers something it was asked, in its own order, perhaps twice; what reserves a port once, and in time.
    fn answer_one(&mut self, input: &mut Input<'_>) {
        if self.engine.asked.is_empty() {
            return;
        }
        let place = usize::from(input.byte()) % self.engine.asked.len();
        let how = input.byte();
        let (since, asked) = self.engine.asked.remove(place);
        let reserves =
            matches!(&asked, Output::OpenRelay(open) if matches!(open.even, Some(EvenPort::EvenAndReserve(_))));
        let is_over = self.now.mono >= since.plus_secs(self.kit.config().limits.reservation_secs);
        let manner = match Manner::ALL[usize::from(how & 0x7F) % Manner::ALL.len()] {
            _ if reserves && is_over => Manner::Nothing,
            manner => manner,
        };
        for _ in 0..=if reserves { 0 } else { how >> 7 } {
            let answer = self.engine.answer(self.now, &asked, manner);
            self.tell(answer);
        }
    }

    fn tell(&mut self, answer: Answer) {
        self.server.handle_answer(self.now, answer);
        self.drain();
    }

    /// A bug elsewhere made the core panic over something of this client.
    fn fault(&mut self, client: u8, is_peer: bool) {
        let relay = RelayId(u32::from(client));
        let path = if is_peer { Path::Peer { relay, from: peer(12) } } else { Path::Client(path(client)) };
        self.server.handle_fault(self.now, &path);
        self.drain();
    }

    /// The operator denies other peers.
    fn change_peers(&mut self, number: u8) {
        self.denied = kit::denied(number);
        let peers = Peers { denied: self.denied.clone(), ..self.kit.config().peers.clone() };
        let policy = self.settings.policy.with_lists(&peers);
        self.settings = Arc::new(Settings { policy, ..(*self.settings).clone() });
        self.server.handle_settings(self.now, Arc::clone(&self.settings));
        self.drain();
        let (denied, profile) = (&self.denied, self.kit.config().profile);
        self.book.forget_peers(|ip| is_denied(denied, profile, ip));
    }

    fn denies(&self, ip: IpAddr) -> bool {
        is_denied(&self.denied, self.kit.config().profile, ip)
    }

    /// Another core goes on. What waits is left behind, and so is what it asked for, so there must be nothing.
    fn hand_over(&mut self) {
        if self.server.parked() > 0 || !self.engine.asked.is_empty() {
            return;
        }
        self.hand_overs = self.hand_overs.wrapping_add(1);
        self.server = self.restored(self.hand_overs);
        self.book.forget_handles();
        self.awaited.clear();
    }

    /// A core made from what this one writes out, as text.
    fn restored(&self, seed: u8) -> Server {
        let text = serde_json::to_vec(&self.server.export()).expect("a state can be written");
        let snapshot: Snapshot = serde_json::from_slice(&text).expect("what was written can be read");
        let mut server = Server::new(self.settings.clone(), WorkerId(0), [100 ^ seed; 32], self.now);
        server.import(snapshot);
        server
    }

    fn assert_sound(&self) {
        assert_eq!(self.server.allocations(), self.book.len(), "every allocation is known to a client");
        assert_eq!(self.engine.open(), self.book.relays(), "every relay socket has an allocation");
        assert!(self.server.allocations() <= usize::from(CLIENTS), "one allocation a 5-tuple");
        self.book.assert_bounds(&self.kit.config().limits);
    }

    fn assert_state_survives(&self) {
        let restored = self.restored(0);
        assert!(restored.export() == self.server.export(), "a state read back is the same");
        assert_eq!(restored.allocations(), self.server.allocations());
    }

    /// The world answers that it has nothing, and nobody says anything more: all must end by itself.
    fn end(&mut self) {
        self.engine.is_prompt = true;
        for (_, asked) in std::mem::take(&mut self.engine.asked) {
            let answer = self.engine.answer(self.now, &asked, Manner::Nothing);
            self.tell(answer);
        }
        self.wait(3_700_000);
        self.assert_sound();
        assert_eq!((self.server.allocations(), self.server.parked()), (0, 0), "nothing lives for ever");
        assert_eq!((self.engine.open().len(), self.engine.reserved()), (0, 0), "no socket and no port is left");
        assert_eq!(self.server.poll_timeout(), None, "no timer without an owner");
    }
}

/// Our own relayed addresses are reached whatever the lists say, but as coturn has it.
fn is_ours(ip: IpAddr) -> bool {
    kit::listeners().iter().any(|listener| listener.ip() == ip)
}

/// Four clients: two over UDP, one of each family, one over TCP and one over TLS.
fn path(client: u8) -> ClientPath {
    let (transport, address): (_, SocketAddr) = match client {
        0 => (Transport::Udp, ([9, 9, 9, 9], 40_000).into()),
        1 => (Transport::Tcp, ([9, 9, 9, 10], 40_001).into()),
        2 => (Transport::Udp, ([0x2a02, 0x26f0, 0, 0, 0, 0, 0, 0x99], 40_002).into()),
        _ => (Transport::Tls, ([9, 9, 9, 9], 40_003).into()),
    };
    let tuple = FiveTuple { transport, client: address, server: kit::listener_for(address) };
    ClientPath { tuple, link: LinkId(u32::from(client)) }
}

fn is_denied(denied: &[IpRange], profile: Profile, ip: IpAddr) -> bool {
    let is_listed = denied.iter().any(|range| (range.first..=range.last).contains(&ip));
    is_listed && (profile == Profile::Coturn || !is_ours(ip))
}
