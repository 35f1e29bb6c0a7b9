//! The core without sockets, pelted with junk from clients, strangers and peers while virtual time passes.

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use turnserver::auth::LongTermKey;
use turnserver::clock;
use turnserver::config::Profile;
use turnserver::stream::framing::{Frame, FrameRules, next_frame};
use turnserver::stun::{AttributeType, Method};
use turnserver::turn::address::{FiveTuple, LinkId, RelayId, Transport, WorkerId};
use turnserver::turn::io::{ClientPath, RelayGrant, UserRecord};
use turnserver::turn::time::Now;
use turnserver::turn::{Answer, AnswerBuf, Destination, Output, Path, Server, Verdict};

use super::junk::{Junk, corpus};
use crate::auth::strangers::resident_kib;
use crate::draft::{Credentials, Draft};
use crate::target::Person;
use crate::wire::Reply;
use crate::world::{ALICE, NOW, REALM, RELAY_V4, SERVER_V4, Setup, ip, sock};

/// How many messages are played; a billion takes some minutes in release.
const COUNT: &str = "GARBAGE";
const COUNT_DEFAULT: u64 = 200_000;
/// After so many the clients renew what they have, with new nonces.
const ROUND: u64 = 10_000;
/// Between two messages; a round takes 20 s, so that nothing ends within one.
const STEP_MILLIS: u64 = 2;
/// After so many rounds there is silence until everything ended.
const ROUNDS_OF_LIFE: u64 = 7;
const SILENCE_MILLIS: u64 = 700_000;
const GROWTH_KIB_MAX: u64 = 4096;

/// Where this is set, this program is the process of [`pelted_alone`]; the rows beside would grow and shrink it.
pub(crate) const ALONE: &str = "CONFORMANCE_PELTED_ALONE";

/// Plays junk in a process whose memory nothing else changes, and says how much in how long.
pub(crate) fn pelted_alone() {
    let count = std::env::var(COUNT).map_or(COUNT_DEFAULT, |count| count.parse().expect("GARBAGE is a number"));
    let (mut stage, mut junk) = (Stage::new(), Junk::new(19));
    // Tables and buffers have their size after one life of everything.
    (0..=ROUNDS_OF_LIFE).for_each(|round| stage.round(round, &mut junk));
    stage.tally = Tally::default();
    let (before, begin) = (resident_kib(), clock::now().mono);
    let rounds = count.div_ceil(ROUND);
    (0..rounds).for_each(|round| stage.round(round, &mut junk));
    let (secs, grown) = (clock::now().mono.since(begin).as_secs_f64(), resident_kib().saturating_sub(before));
    assert!(grown < GROWTH_KIB_MAX, "{grown} KiB");
    let played = rounds * ROUND;
    let Tally { dropped, answered, to_peers, to_clients } = stage.tally;
    let fates = [dropped, answered, to_peers, to_clients];
    assert!(fates.iter().all(|count| *count > played / 100), "too little of it gets anywhere: {fates:?} of {played}");
    let speed = format!("{played} messages into the core in {secs:.1} s, {:.0} a second", played as f64 / secs);
    let fates = format!("{dropped} dropped, {answered} answered, {to_peers} relayed to peers, {to_clients} to clients");
    writeln!(std::io::stdout(), "{speed}: {fates}; {grown} KiB more").expect("somebody reads it");
}

/// The core and who speaks to it.
struct Stage {
    server: Server,
    now: Now,
    answer: AnswerBuf,
    /// The last answer to a request that waited.
    late: Option<Box<[u8]>>,
    clients: [Client; 2],
    /// Whose allocation is being opened.
    opening: usize,
    alice: UserRecord,
    rules: FrameRules,
    tally: Tally,
}

/// What became of messages.
#[derive(Default)]
struct Tally {
    dropped: u64,
    answered: u64,
    to_peers: u64,
    to_clients: u64,
}

/// A client with an allocation; its relay socket has its own place as number.
struct Client {
    path: ClientPath,
    corpus: Vec<Vec<u8>>,
}

/// Who has a channel and a permission.
fn peer() -> SocketAddr {
    sock("8.8.4.4:5000")
}

fn path(transport: Transport, client: SocketAddr, link: u32) -> ClientPath {
    ClientPath { tuple: FiveTuple { transport, client, server: sock(SERVER_V4) }, link: LinkId(link) }
}

impl Stage {
    fn new() -> Stage {
        let settings = Setup::with(Profile::Default, "new-peers-per-minute = 0").build().settings();
        let rules = FrameRules::new(settings.config.protocol.channel_number_max, true);
        let key = LongTermKey::derive(ALICE.name.as_bytes(), REALM.as_bytes(), ALICE.password.as_bytes());
        let clients = [(Transport::Udp, "203.0.113.1:40000"), (Transport::Tcp, "203.0.113.2:40000")];
        let client = |(transport, addr)| Client { path: path(transport, sock(addr), 0), corpus: Vec::new() };
        Stage {
            server: Server::new(settings, WorkerId(0), [7; 32], NOW),
            now: NOW,
            answer: AnswerBuf::default(),
            late: None,
            clients: clients.map(client),
            opening: 0,
            alice: UserRecord {
                keys: vec![Arc::new(key)],
                quota: ALICE.name.as_bytes().into(),
                usable: true,
                renewable: false,
            },
            rules,
            tally: Tally::default(),
        }
    }

    /// Everything is renewed, junk rains, and the tables agree; in some rounds everything ends before.
    fn round(&mut self, round: u64, junk: &mut Junk) {
        if round % ROUNDS_OF_LIFE == ROUNDS_OF_LIFE - 1 {
            self.pass(SILENCE_MILLIS);
            assert_eq!((self.server.allocations(), self.server.poll_timeout()), (0, None), "everything ended");
        }
        (0..self.clients.len()).for_each(|client| self.renew(client));
        for number in 0..ROUND {
            if number % 8 == 0 {
                self.pass(8 * STEP_MILLIS);
            }
            self.pelt(number, junk);
        }
        assert_eq!((self.server.allocations(), self.server.parked()), (2, 0), "no more, and no less");
        assert_eq!(self.server.check(self.now), Ok(()));
    }

    /// Time passes, and what is due is done.
    fn pass(&mut self, millis: u64) {
        let later = self.now.mono.0 + millis * 1_000_000;
        self.now.wall.0 += later / 1_000_000_000 - self.now.mono.secs();
        self.now.mono.0 = later;
        self.server.handle_timeout(self.now);
        self.drain();
    }

    /// A client has an allocation, a permission and a channel for the next minutes, and a corpus that is signed.
    fn renew(&mut self, client: usize) {
        self.opening = client;
        let path = self.clients[client].path;
        let challenge = self.ask(path, &Draft::allocate().bare().bytes(None));
        let value = |kind| challenge.value(kind).expect("a challenge has it");
        let (realm, nonce) = (value(AttributeType::REALM), value(AttributeType::NONCE));
        let person = Person { name: ALICE.name.to_owned(), password: ALICE.password.to_owned() };
        let credentials = Credentials { person, realm, nonce };
        let is_new = self.server.allocations() <= client;
        let drafts = [
            (if is_new { 0 } else { 437 }, Draft::allocate()),
            (0, Draft::request(Method::REFRESH).lifetime(600)),
            (0, Draft::request(Method::CREATE_PERMISSION).peer(peer())),
            (0, Draft::request(Method::CHANNEL_BIND).channel(0x4000).peer(peer())),
        ];
        for (code, draft) in drafts {
            assert_eq!(self.ask(path, &draft.bytes(Some(&credentials))).code(), code);
        }
        self.clients[client].corpus = corpus(peer(), |draft| draft.bytes(Some(&credentials)));
    }

    /// The answer to a request.
    fn ask(&mut self, path: ClientPath, request: &[u8]) -> Reply {
        self.late = None;
        let verdict = self.server.handle_datagram(self.now, Path::Client(path), request, &mut self.answer);
        self.drain();
        match verdict {
            Verdict::Respond(_) => Reply::new(self.answer.bytes().to_vec()),
            _ => Reply::new(self.late.take().expect("an answer").into()),
        }
    }

    /// One message: of a client over UDP, of one over a stream, of a stranger, or of somebody to a relayed address.
    fn pelt(&mut self, number: u64, junk: &mut Junk) {
        let of_datagrams = self.clients[0].path;
        match number % 8 {
            0..=2 => self.play_client(of_datagrams, junk.of(&self.clients[0].corpus)),
            3 | 4 => self.play_stream(self.clients[1].path, junk.of(&self.clients[1].corpus)),
            5 => {
                let host = Ipv4Addr::from(0x0B00_0000 + junk.below(1 << 24) as u32);
                let stranger = path(Transport::Udp, (host, 40_000).into(), 0);
                self.play_client(stranger, junk.of(&self.clients[0].corpus));
            }
            client => {
                let others = [sock("8.8.4.4:6000"), sock("9.9.9.9:5000")];
                let from = others.get(junk.below(4)).copied().unwrap_or(peer());
                self.play_peer(client as usize - 6, from, junk.of(&self.clients[0].corpus));
            }
        }
    }

    fn play_client(&mut self, path: ClientPath, bytes: &[u8]) {
        match self.server.handle_datagram(self.now, Path::Client(path), bytes, &mut self.answer) {
            Verdict::Drop(_) => self.tally.dropped += 1,
            Verdict::Respond(_) => {
                self.tally.answered += 1;
                let answer = self.answer.bytes();
                assert!(answer[0] == 1 && answer[8..20] == bytes[8..20], "an answer is a response to its request");
            }
            Verdict::Forward(forward) => {
                self.tally.to_peers += 1;
                let Destination::Peer { relay, to, .. } = forward.to else { panic!("{forward:?} goes back") };
                assert_eq!(to.ip(), peer().ip(), "nobody else is permitted");
                assert_eq!(self.clients[relay.0 as usize].path, path, "data leaves by its own allocation");
            }
        }
        self.drain();
    }

    /// A stream is cut into messages; one that begins none would be closed.
    fn play_stream(&mut self, path: ClientPath, mut bytes: &[u8]) {
        while let Frame::Whole(len) = next_frame(bytes, self.rules) {
            self.play_client(path, &bytes[..len]);
            bytes = &bytes[len..];
        }
    }

    fn play_peer(&mut self, client: usize, from: SocketAddr, bytes: &[u8]) {
        let path = Path::Peer { relay: RelayId(client as u32), from };
        match self.server.handle_datagram(self.now, path, bytes, &mut self.answer) {
            Verdict::Drop(_) => self.tally.dropped += 1,
            Verdict::Respond(_) => panic!("a peer is never answered"),
            Verdict::Forward(forward) => {
                self.tally.to_clients += 1;
                assert_eq!((forward.to, from.ip()), (Destination::Client(self.clients[client].path), peer().ip()));
                assert_eq!(forward.range.as_range(), 0..bytes.len());
            }
        }
    }

    /// Does what the core asks. Only who renews gets as far as a relayed address.
    fn drain(&mut self) {
        while let Some(output) = self.server.poll_output() {
            let answer = match output {
                Output::LookUpUser(look_up) => {
                    let record = (*look_up.name == *ALICE.name.as_bytes()).then(|| self.alice.clone());
                    Answer::User { request: look_up.request, record }
                }
                Output::OpenRelay(open) => {
                    let local = SocketAddr::new(ip(RELAY_V4), 50_000 + self.opening as u16);
                    let first = RelayGrant { relay: RelayId(self.opening as u32), local, external: local };
                    Answer::Opened { request: open.request, first, second: None }
                }
                Output::Transmit(transmit) => {
                    self.tally.answered += 1;
                    self.late = Some(transmit.bytes);
                    continue;
                }
                Output::CloseRelay(_) | Output::Event(_) => continue,
                Output::Claim(_) | Output::Release(_) => panic!("{output:?}, and nothing is reserved"),
            };
            self.server.handle_answer(self.now, answer);
        }
    }
}
