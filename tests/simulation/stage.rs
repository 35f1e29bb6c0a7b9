//! A simulation on its way: workers, clients, peers and the network between them, moved through virtual time. What the
//! core does is compared with the model where it comes out (`judge.rs`) and in the books behind each step (`books.rs`).

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;

use turnserver::turn::address::{FiveTuple, LinkId, RequestId, WorkerId};
use turnserver::turn::allocation::AllocationId;
use turnserver::turn::bandwidth::Bandwidth;
use turnserver::turn::io::{ClientPath, OpenRelay};
use turnserver::turn::nonce::Nonces;
use turnserver::turn::policy::{OwnNet, PeerPolicy};
use turnserver::turn::settings::Hooks;
use turnserver::turn::time::{Mono, Now, UnixTime};
use turnserver::turn::{AnswerBuf, Path, Server, Settings};

use crate::action::{Ask, Kind, Pace};
use crate::client::Client;
use crate::dice::Dice;
use crate::engine::Engine;
use crate::model::{Clock, Expect, Model, Reply, SECOND, Who, who};
use crate::plan::{HOST, MONO_START, PEERS, Plan, SERVER_V4, SERVER_V6, WALL_START, ip, sock};
use crate::tally::Tally;

/// Ways of 5-tuples to workers, as a kernel's hash has them.
const SLOTS: usize = 64;

/// What is on its way.
#[derive(Clone, Debug)]
pub(crate) enum Flight {
    ToServer {
        path: ClientPath,
        bytes: Vec<u8>,
    },
    ToClient {
        tuple: FiveTuple,
        bytes: Vec<u8>,
        die: u64,
    },
    ToRelay {
        to: SocketAddr,
        from: SocketAddr,
        bytes: Vec<u8>,
    },
    /// An answer of the world to a core of that generation.
    Answer {
        worker: usize,
        generation: u64,
        ticket: u64,
        asked: Asked,
    },
}

#[derive(Clone, Debug)]
pub(crate) enum Asked {
    User(RequestId, Box<[u8]>),
    Open(OpenRelay),
    Claim(turnserver::turn::io::Claim),
}

pub(crate) struct Stage {
    pub(crate) plan: Plan,
    pub(crate) settings: Arc<Settings>,
    pub(crate) mono: u64,
    /// What the wall clock was set forward by.
    pub(crate) wall_set: i64,
    pub(crate) servers: Vec<Server>,
    pub(crate) generations: Vec<u64>,
    pub(crate) route: [usize; SLOTS],
    pub(crate) engine: Engine,
    pub(crate) model: Model,
    pub(crate) clients: Vec<Client>,
    pub(crate) links: u32,
    /// The way each allocation was made by.
    pub(crate) ways: BTreeMap<Who, LinkId>,
    /// Whose allocation each handle of a worker names.
    pub(crate) handles: HashMap<(usize, AllocationId), Who>,
    pub(crate) flights: BTreeMap<(u64, u64), Flight>,
    pub(crate) flown: u64,
    /// When the last message of a stream arrives: the next is not earlier.
    pub(crate) streams: BTreeMap<u32, u64>,
    pub(crate) look_ups: Pace,
    pub(crate) openings: Pace,
    pub(crate) sending_fails: bool,
    pub(crate) passwords_new: [bool; 3],
    /// Late answers that were foretold, in order.
    pub(crate) foretold: VecDeque<Expect>,
    /// What the core must ask next.
    pub(crate) asks: VecDeque<u64>,
    /// Streams that must end, as their clients guess passwords.
    pub(crate) guessers: Vec<FiveTuple>,
    pub(crate) dice: Dice,
    pub(crate) tally: Tally,
    pub(crate) trace: u64,
    /// How often the books were checked.
    pub(crate) steps: u64,
    pub(crate) last_answer: Vec<u8>,
    pub(crate) answer: Option<Box<AnswerBuf>>,
}

pub(crate) type Checked = Result<(), String>;

impl Stage {
    pub(crate) fn new(seed: u64, plan: Plan) -> Stage {
        let mut dice = Dice::new(seed ^ 0x57A6_E57A_6E57_A6E5);
        let settings = settings(&plan, &mut dice);
        let now = Now { mono: Mono(MONO_START), wall: UnixTime(WALL_START) };
        let server = |worker: usize| Server::new(Arc::clone(&settings), WorkerId(worker as u8), dice.seed(), now);
        let servers: Vec<Server> = (0..plan.workers).map(server).collect();
        let clients: Vec<Client> =
            (0..).zip(&plan.clients).map(|(link, client)| Client::new(*client, LinkId(link))).collect();
        Stage {
            engine: Engine::new(&plan, &mut dice),
            model: Model::new(&plan),
            generations: vec![0; servers.len()],
            route: std::array::from_fn(|slot| slot % servers.len()),
            links: clients.len() as u32,
            servers,
            clients,
            settings,
            mono: MONO_START,
            wall_set: 0,
            ways: BTreeMap::new(),
            handles: HashMap::new(),
            flights: BTreeMap::new(),
            flown: 0,
            streams: BTreeMap::new(),
            look_ups: Pace::AtOnce,
            openings: Pace::AtOnce,
            sending_fails: false,
            passwords_new: [false; 3],
            foretold: VecDeque::new(),
            asks: VecDeque::new(),
            guessers: Vec::new(),
            tally: Tally::default(),
            trace: seed,
            steps: 0,
            last_answer: Vec::new(),
            answer: None,
            dice,
            plan,
        }
    }

    pub(crate) fn clock(&self) -> Clock {
        let wall = WALL_START + (self.mono - MONO_START) / SECOND;
        Clock { mono: self.mono, wall: wall.saturating_add_signed(self.wall_set) }
    }

    pub(crate) fn now(&self) -> Now {
        let Clock { mono, wall } = self.clock();
        Now { mono: Mono(mono), wall: UnixTime(wall) }
    }

    pub(crate) fn slot(who: Who) -> usize {
        let ip = match who.1.ip() {
            std::net::IpAddr::V4(ip) => u64::from(u32::from(ip)),
            std::net::IpAddr::V6(ip) => u128::from(ip) as u64 ^ (u128::from(ip) >> 64) as u64,
        };
        Dice::new(ip ^ u64::from(who.1.port()) << 32 ^ u64::from(who.0) << 60).below(SLOTS)
    }

    pub(crate) fn worker_of(&self, who: Who) -> usize {
        self.route[Stage::slot(who)]
    }

    /// The clients a worker serves, as a question that borrows nothing.
    pub(crate) fn is_of(&self, worker: usize) -> impl Fn(Who) -> bool + use<> {
        let route = self.route;
        move |who| route[Stage::slot(who)] == worker
    }

    pub(crate) fn mix(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.trace = (self.trace ^ u64::from_be_bytes(word)).wrapping_mul(0x0000_0100_0000_01B3).rotate_left(23);
        }
    }

    pub(crate) fn fly(&mut self, at: u64, flight: Flight) {
        self.flown += 1;
        self.flights.insert((at, self.flown), flight);
    }

    /// Hands something to the network: it may be lost, doubled and late; a stream keeps it, in order.
    pub(crate) fn cast(&mut self, link: Option<LinkId>, flight: Flight) {
        let weather = self.plan.weather;
        let delay = |dice: &mut Dice| SECOND / 1000 * (1 + dice.below(weather.jitter + 1) as u64);
        let at = self.mono + delay(&mut self.dice);
        if let Some(link) = link {
            let last = self.streams.entry(link.0).or_default();
            *last = at.max(*last + 1);
            let at = *last;
            return self.fly(at, flight);
        }
        if self.dice.percent(weather.loss) {
            return self.tally.other("lost by the network");
        }
        if self.dice.percent(weather.twice) {
            let again = self.mono + delay(&mut self.dice);
            self.fly(again, flight.clone());
        }
        self.fly(at, flight);
    }

    pub(crate) fn cast_to_server(&mut self, path: ClientPath, bytes: Vec<u8>) {
        let link = path.tuple.transport.is_stream().then_some(path.link);
        self.cast(link, Flight::ToServer { path, bytes });
    }

    /// Lets time pass: what is on its way arrives and timers fire when they asked to.
    pub(crate) fn advance(&mut self, target: u64) -> Checked {
        for _ in 0..200_000 {
            let timer = (0..self.servers.len())
                .filter_map(|worker| Some((self.servers[worker].poll_timeout()?.0, worker)))
                .min()
                .filter(|(at, _)| *at <= target);
            let flight = self.flights.first_key_value().map(|((at, _), _)| *at).filter(|at| *at <= target);
            match (timer, flight) {
                (None, None) => {
                    self.mono = self.mono.max(target);
                    return Ok(());
                }
                (Some((at, worker)), flight) if flight.is_none_or(|flight| at <= flight) => {
                    self.mono = self.mono.max(at);
                    self.settle(worker)?;
                    self.check_books()?;
                }
                (_, Some(at)) => {
                    self.mono = self.mono.max(at);
                    let (_, flight) = self.flights.pop_first().expect("it was there");
                    self.land(flight)?;
                }
                (Some(_), None) => unreachable!("the arm before takes it"),
            }
        }
        Err("the core asks for the same moment again and again".to_owned())
    }

    /// What came while the machine slept is served before the timers.
    pub(crate) fn land_all_due(&mut self) -> Checked {
        while let Some(entry) = self.flights.first_entry().filter(|entry| entry.key().0 <= self.mono) {
            let flight = entry.remove();
            self.land(flight)?;
        }
        Ok(())
    }

    fn land(&mut self, flight: Flight) -> Checked {
        match flight {
            Flight::ToServer { path, bytes } => {
                let is_gone = |client: &Client| client.link != path.link;
                if path.tuple.transport.is_stream() && self.clients.iter().all(is_gone) {
                    return Ok(());
                }
                self.serve_client(path, &bytes)?;
            }
            Flight::ToClient { tuple, bytes, die } => self.deliver(tuple, &bytes, die),
            Flight::ToRelay { to, from, bytes } => self.serve_peer(to, from, &bytes)?,
            Flight::Answer { worker, generation, ticket, asked } => {
                if self.generations[worker] == generation {
                    self.answer_core(worker, ticket, asked)?;
                    self.drain(worker)?;
                    self.settle(worker)?;
                }
            }
        }
        self.check_books()
    }

    /// A datagram, or a message of a stream, reaches a worker.
    pub(crate) fn serve_client(&mut self, path: ClientPath, bytes: &[u8]) -> Checked {
        self.take_in(path, bytes)?;
        self.settle(self.worker_of(who(&path.tuple)))
    }

    pub(crate) fn take_in(&mut self, path: ClientPath, bytes: &[u8]) -> Checked {
        let from = who(&path.tuple);
        let worker = self.worker_of(from);
        self.tally.datagrams += 1;
        self.mix(bytes);
        self.model.at_worker = worker;
        let busy = self.model.busy(self.is_of(worker));
        let expect = self.model.client(self.clock(), from, bytes, busy);
        let mut answer = self.answer.take().unwrap_or_default();
        let now = self.now();
        let verdict = self.servers[worker].handle_datagram(now, Path::Client(path), bytes, &mut answer);
        let judged = self.judge(worker, Some(path), expect, verdict, bytes, answer.bytes());
        self.answer = Some(answer);
        judged.map_err(|why| format!("from {}: {why}", path.tuple.client))?;
        self.drain(worker)
    }

    fn serve_peer(&mut self, to: SocketAddr, from: SocketAddr, bytes: &[u8]) -> Checked {
        let Some((worker, relay)) = self.engine.socket_at(to) else { return Ok(()) };
        let now = self.now();
        self.tally.datagrams += 1;
        let own = self.settings.policy.own_peer(from.ip());
        let named = self.engine.relays.source(from, own, now.mono);
        let foretold = self.model.name_peer(self.clock(), from);
        if named != foretold {
            return Err(format!("data from {from} is named {named:?}, foretold was {foretold:?}"));
        }
        let Some(from) = named else {
            self.tally.other("peer that is ours and no relay");
            return Ok(());
        };
        self.mix(bytes);
        let local = self.engine.socket(worker, relay).expect("it was found").local;
        let expect = self.model.peer(self.clock(), local, from, bytes.len());
        let mut answer = self.answer.take().unwrap_or_default();
        let verdict = self.servers[worker].handle_datagram(now, Path::Peer { relay, from }, bytes, &mut answer);
        self.answer = Some(answer);
        self.judge(worker, None, expect, verdict, bytes, &[]).map_err(|why| format!("from peer {from}: {why}"))?;
        self.drain(worker)?;
        self.settle(worker)
    }

    /// As the engine does: whatever is due is done before it waits again.
    pub(crate) fn settle(&mut self, worker: usize) -> Checked {
        let is_of = self.is_of(worker);
        self.model.at_worker = worker;
        let answers = self.model.timeout(self.clock(), is_of);
        self.foretold.extend(answers);
        let now = self.now();
        self.servers[worker].handle_timeout(now);
        self.drain(worker)?;
        self.close_guessers()
    }

    fn deliver(&mut self, tuple: FiveTuple, bytes: &[u8], die: u64) {
        let Some(index) = self.clients.iter().position(|client| client.path().tuple == tuple) else { return };
        let mut dice = Dice::new(die);
        if let Some(ask) = self.clients[index].receive(bytes) {
            if dice.percent(50) {
                self.log_in(index, &mut dice);
            }
            self.ask(index, ask, false, &mut dice);
        }
    }

    pub(crate) fn log_in(&mut self, client: usize, dice: &mut Dice) {
        let (mode, wall) = (self.plan.mode, self.clock().wall);
        let is_new = self.passwords_new[self.plan.clients[client].user];
        self.clients[client].log_in(mode, wall, is_new, dice);
    }

    /// A client sends a request, and once more with a new nonce if it may.
    pub(crate) fn ask(&mut self, client: usize, ask: Ask, may_repeat: bool, dice: &mut Dice) {
        let (path, bytes) = self.compose(client, ask, may_repeat, dice);
        self.cast_to_server(path, bytes);
    }

    pub(crate) fn compose(
        &mut self,
        client: usize,
        ask: Ask,
        may_repeat: bool,
        dice: &mut Dice,
    ) -> (ClientPath, Vec<u8>) {
        let parts = self.parts(client, &ask, dice);
        let bytes = self.clients[client].encode(&parts, &mut self.model);
        self.clients[client].note_asked(parts.id, ask, may_repeat, &bytes);
        (self.clients[client].path(), bytes)
    }

    pub(crate) fn parts(&mut self, client: usize, ask: &Ask, dice: &mut Dice) -> crate::client::Parts {
        if let Ask::Allocate(Kind::Token(of)) = ask {
            self.clients[client].token = self.clients[*of].token.take();
        }
        let is_ipv4 = dice.percent(70);
        let addresses = self.addresses(is_ipv4);
        self.clients[client].compose(ask, self.plan.mode, &addresses, dice)
    }

    /// Every peer's address, and every client's relayed one.
    pub(crate) fn addresses(&self, is_ipv4: bool) -> Vec<Option<SocketAddr>> {
        let peers = PEERS.iter().map(|peer| Some(sock(peer)));
        peers.chain(self.clients.iter().map(|client| client.relayed_for(is_ipv4))).collect()
    }

    /// Keeps an answer for what hangs on its bytes.
    pub(crate) fn note_answer(&mut self, reply: &Reply, bytes: &[u8]) {
        self.tally.code(reply.code);
        self.last_answer.clear();
        self.last_answer.extend_from_slice(bytes);
        self.mix(&reply.code.to_be_bytes());
    }
}

fn settings(plan: &Plan, dice: &mut Dice) -> Arc<Settings> {
    let config = &plan.config;
    let mut own = OwnNet::new(vec![3478, 5349], plan.ports.clone());
    own.add([ip("130.89.1.1"), ip("2a00:1450::1"), ip(HOST)]);
    plan.relays.iter().for_each(|(local, _)| own.add_relay(*local, &config.relay.external));
    Arc::new(Settings {
        config: Arc::new(config.clone()),
        policy: PeerPolicy::new(&config.peers, own),
        nonces: Nonces::of_config(config, &dice.seed(), None),
        bandwidth: Bandwidth::new(&config.limits),
        listeners: vec![sock(SERVER_V4), sock(SERVER_V6)],
        draining: false,
        hooks: Hooks::default(),
    })
}
