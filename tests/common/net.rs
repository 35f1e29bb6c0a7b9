//! Servers, their clients and peers, and the time they live in.

use std::cell::{RefCell, RefMut};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::SeedableRng;
use turnserver::config::Profile;
use turnserver::turn::address::{FiveTuple, ReservationToken, WorkerId};
use turnserver::turn::budgets::Budgets;
use turnserver::turn::io::{ClientPath, Credit, Forward, OwnPeer};
use turnserver::turn::ports::RelayAddresses;
use turnserver::turn::quota::Quotas;
use turnserver::turn::time::{Mono, Now};
use turnserver::turn::{
    Answer, AnswerBuf, AuthFailure, AuthFailures, Destination, DropReason, Event, Output, Path, Server, Settings,
    Snapshot, Verdict,
};

use super::cache::Memory;
use super::client::TestClient;
use super::engine::{Pace, Packet, Reserved, Socket};
use super::peer::TestPeer;
use super::setup::{Setup, sock};
use super::users::Users;

/// A handle on a world; clients and peers hold one too.
#[derive(Clone)]
pub(crate) struct World(Rc<RefCell<Inner>>);

/// Everything there is.
pub(crate) struct Inner {
    pub(super) settings: Arc<Settings>,
    pub(super) now: Now,
    pub(super) workers: Vec<Server>,
    /// The relay sockets of each worker, by their ids.
    pub(super) sockets: Vec<Vec<Option<Socket>>>,
    pub(super) relays: RelayAddresses,
    pub(super) quotas: Arc<Quotas>,
    pub(super) reservations: BTreeMap<ReservationToken, Reserved>,
    pub(super) budgets: Budgets,
    /// Streams that were closed as their clients guess passwords.
    closed: Vec<FiveTuple>,
    pub(super) users: Users,
    /// None: every look-up goes to the database.
    pub(super) memory: Option<Memory>,
    pub(super) rng: ChaCha12Rng,
    pub(super) lookups: Pace,
    pub(super) openings: Pace,
    pub(super) held: Vec<(usize, Output)>,
    pub(super) events: Vec<Event>,
    pub(super) drops: Vec<DropReason>,
    /// How many look-ups the database was asked for.
    pub(super) lookup_count: usize,
    seed: u8,
    client_mail: HashMap<FiveTuple, VecDeque<Vec<u8>>>,
    peer_mail: BTreeMap<SocketAddr, Vec<Packet>>,
    /// What was addressed to one of our own addresses and found no live allocation.
    pub(super) dead_ends: usize,
    clients: u16,
    ids: u64,
}

impl World {
    /// A server of the given profile as it comes.
    pub(crate) fn of(profile: Profile) -> World {
        Setup::of(profile).build()
    }

    pub(super) fn new(setup: Setup) -> World {
        let settings = setup.settings();
        let limits = &settings.config.limits;
        let seed_of = |worker: usize| [setup.seed.wrapping_add(worker as u8); 32];
        let server = |id: usize| Server::new(Arc::clone(&settings), WorkerId(id as u8), seed_of(id), setup.now);
        let inner = Inner {
            now: setup.now,
            workers: (0..setup.workers).map(server).collect(),
            sockets: (0..setup.workers).map(|_| Vec::new()).collect(),
            relays: RelayAddresses::new(setup.relay_ports()),
            quotas: Quotas::new(limits.user_quota, limits.total_quota),
            reservations: BTreeMap::new(),
            budgets: Budgets::new(limits, || [1, 2, 3, 4]),
            closed: Vec::new(),
            users: setup.users,
            memory: setup.remembers.then(Memory::new),
            rng: ChaCha12Rng::from_seed([setup.seed ^ 0x55; 32]),
            lookups: Pace::Prompt,
            openings: Pace::Prompt,
            held: Vec::new(),
            events: Vec::new(),
            drops: Vec::new(),
            lookup_count: 0,
            seed: setup.seed,
            client_mail: HashMap::new(),
            peer_mail: BTreeMap::new(),
            dead_ends: 0,
            clients: 0,
            ids: 0,
            settings,
        };
        World(Rc::new(RefCell::new(inner)))
    }

    pub(crate) fn inner(&self) -> RefMut<'_, Inner> {
        self.0.borrow_mut()
    }

    /// A new client of Alice's, over UDP, on the first worker, from an IPv4 address of its own.
    pub(crate) fn client(&self) -> TestClient {
        let number = {
            let mut inner = self.inner();
            inner.clients += 1;
            inner.clients
        };
        let addr = sock(&format!("203.0.113.{}:{}", number % 250 + 1, 40_000 + number));
        TestClient::new(self.clone(), number, addr)
    }

    pub(crate) fn peer(&self, addr: &str) -> TestPeer {
        TestPeer::new(self.clone(), sock(addr))
    }

    /// The settings of another set-up, for live allocations too, as a reload brings them.
    pub(crate) fn reload(&self, setup: &Setup) {
        let inner = &mut *self.inner();
        inner.settings = setup.settings();
        for worker in 0..inner.workers.len() {
            inner.workers[worker].handle_settings(inner.now, Arc::clone(&inner.settings));
            inner.drain(worker);
        }
    }

    /// Lets time pass; timers fire when the core asked for it.
    pub(crate) fn advance(&self, secs: u64) {
        self.advance_by(Duration::from_secs(secs));
    }

    pub(crate) fn advance_by(&self, span: Duration) {
        let inner = &mut *self.inner();
        let target = inner.now.mono + span;
        let mut stops = 0;
        while let Some((at, worker)) = inner.next_timeout().filter(|(at, _)| *at <= target) {
            stops = if at > inner.now.mono { 0 } else { stops + 1 };
            assert!(stops < 10_000, "the core asks for the same moment again and again");
            inner.move_to(at.max(inner.now.mono));
            inner.workers[worker].handle_timeout(inner.now);
            inner.drain(worker);
        }
        inner.move_to(target);
    }

    /// Sets the wall clock ahead.
    pub(crate) fn jump(&self, secs: u64) {
        self.inner().now.wall.0 += secs;
    }

    pub(crate) fn now(&self) -> Now {
        self.inner().now
    }

    /// Live allocations of all workers.
    pub(crate) fn allocations(&self) -> usize {
        self.inner().workers.iter().map(Server::allocations).sum()
    }

    /// Requests of all workers that wait.
    pub(crate) fn parked(&self) -> usize {
        self.inner().workers.iter().map(Server::parked).sum()
    }

    /// Open relay sockets of all workers.
    pub(crate) fn relay_sockets(&self) -> usize {
        self.inner().sockets.iter().flatten().flatten().count()
    }

    /// Ports taken, resting and free, over all relay addresses.
    pub(crate) fn census(&self) -> (usize, usize, usize) {
        self.inner()
            .relays
            .iter()
            .map(|ports| ports.census())
            .fold((0, 0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1, sum.2 + one.2))
    }

    /// Places taken in the quotas, by allocations and reservations.
    pub(crate) fn quota_total(&self) -> u32 {
        self.inner().quotas.total()
    }

    pub(crate) fn reservations(&self) -> usize {
        self.inner().reservations.len()
    }

    /// Events since the last call.
    pub(crate) fn events(&self) -> Vec<Event> {
        std::mem::take(&mut self.inner().events)
    }

    /// Why requests were not taken as those of users since the last call, on the first worker.
    pub(crate) fn auth_failures(&self) -> Vec<(AuthFailure, u64)> {
        let failures = self.inner().workers[0].take_auth_failures();
        failures.iter().flat_map(AuthFailures::iter).collect()
    }

    /// Why nothing was sent, for each datagram since the last call for which nothing was.
    pub(crate) fn drops(&self) -> Vec<DropReason> {
        std::mem::take(&mut self.inner().drops)
    }

    /// How many user look-ups were asked of the database since the last call.
    pub(crate) fn lookups(&self) -> usize {
        std::mem::take(&mut self.inner().lookup_count)
    }

    /// Streams closed since the last call, as their clients guess passwords.
    pub(crate) fn closed(&self) -> Vec<FiveTuple> {
        std::mem::take(&mut self.inner().closed)
    }

    /// Datagrams for own addresses that found no live allocation.
    pub(crate) fn dead_ends(&self) -> usize {
        self.inner().dead_ends
    }

    pub(crate) fn set_password(&self, name: &str, password: &str) {
        self.inner().users.set(name, password);
    }

    pub(crate) fn remove_user(&self, name: &str) {
        self.inner().users.remove(name);
    }

    /// Whether user look-ups are answered at once.
    pub(crate) fn look_ups(&self, pace: Pace) {
        self.inner().lookups = pace;
    }

    /// Whether relayed addresses are opened at once.
    pub(crate) fn openings(&self, pace: Pace) {
        self.inner().openings = pace;
    }

    /// Answers what was held back so far, in its order.
    pub(crate) fn answer_held(&self) {
        let held = std::mem::take(&mut self.inner().held);
        for (worker, output) in held {
            let inner = &mut *self.inner();
            inner.answer(worker, output);
            inner.drain(worker);
        }
    }

    /// What was asked and held back so far.
    pub(crate) fn held(&self) -> usize {
        self.inner().held.len()
    }

    /// A stream of a client ends.
    pub(crate) fn disconnect(&self, worker: usize, tuple: FiveTuple) {
        let inner = &mut *self.inner();
        inner.workers[worker].handle_answer(inner.now, Answer::Disconnected { tuple });
        inner.drain(worker);
    }

    /// What every worker is told, for a core that a test drives by itself.
    pub(crate) fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.inner().settings)
    }

    /// What a worker holds.
    pub(crate) fn export(&self, worker: usize) -> Snapshot {
        self.inner().workers[worker].export()
    }

    /// Replaces a worker's core by a new one that takes over what the old one wrote out.
    pub(crate) fn replace(&self, worker: usize, snapshot: Snapshot) {
        let inner = &mut *self.inner();
        // Another process rolls other dice.
        inner.ids += 1;
        let mut seed = [inner.seed.wrapping_add(100); 32];
        seed[..8].copy_from_slice(&inner.ids.to_be_bytes());
        let mut server = Server::new(Arc::clone(&inner.settings), WorkerId(worker as u8), seed, inner.now);
        server.import(snapshot);
        inner.workers[worker] = server;
    }

    /// A number that no other call returns.
    pub(super) fn fresh(&self) -> u64 {
        let mut inner = self.inner();
        inner.ids += 1;
        inner.ids
    }
}

impl Inner {
    fn move_to(&mut self, to: Mono) {
        let nanos = self.now.mono.0 % 1_000_000_000 + to.since(self.now.mono).as_nanos() as u64;
        self.now.wall.0 += nanos / 1_000_000_000;
        self.now.mono = to;
    }

    fn next_timeout(&self) -> Option<(Mono, usize)> {
        let timeouts = self.workers.iter().enumerate();
        timeouts.filter_map(|(worker, server)| Some((server.poll_timeout()?, worker))).min()
    }

    /// What the engine does with a datagram of a client.
    pub(super) fn receive_from_client(&mut self, worker: usize, path: ClientPath, datagram: &[u8]) {
        self.handle(worker, Path::Client(path), datagram);
    }

    /// What the engine does with a datagram that reached a relay socket; false when there is none.
    pub(super) fn receive_from_peer(&mut self, from: SocketAddr, relayed: SocketAddr, data: &[u8]) -> bool {
        match self.socket_at(relayed) {
            Some((worker, relay)) => {
                if let Some(from) = self.relays.source(from, self.settings.policy.own_peer(from.ip()), self.now.mono) {
                    self.handle(worker, Path::Peer { relay, from }, data);
                }
                true
            }
            None => false,
        }
    }

    fn handle(&mut self, worker: usize, path: Path, datagram: &[u8]) {
        let mut answer = AnswerBuf::default();
        match self.workers[worker].handle_datagram(self.now, path, datagram, &mut answer) {
            Verdict::Drop(reason) => self.drops.push(reason),
            Verdict::Respond(credit) => match path {
                Path::Client(path) => self.answer_client(&path, credit, answer.bytes()),
                Path::Peer { .. } => panic!("a peer is never answered"),
            },
            Verdict::Forward(forward) => self.forward(worker, &forward, datagram),
        }
        self.drain(worker);
        // As the engine does: whatever is due is done before it waits again.
        self.workers[worker].handle_timeout(self.now);
        self.drain(worker);
    }

    /// Puts an answer into a client's mail, if its source has not used up what it gets unearned.
    pub(super) fn answer_client(&mut self, path: &ClientPath, credit: Credit, bytes: &[u8]) {
        let is_stream = path.tuple.transport.is_stream();
        if self.budgets.take(path, credit, self.now.mono).is_ok() {
            self.client_mail.entry(path.tuple).or_default().push_back(bytes.to_vec());
        } else if is_stream {
            self.closed.push(path.tuple);
        }
    }

    fn forward(&mut self, worker: usize, forward: &Forward, datagram: &[u8]) {
        let payload = &datagram[forward.range.as_range()];
        let bytes = [forward.prefix.as_slice(), payload, forward.suffix.as_slice()].concat();
        match forward.to {
            Destination::Client(path) => self.client_mail.entry(path.tuple).or_default().push_back(bytes),
            Destination::Peer { relay, to, own, dont_fragment } => {
                let socket = self.sockets[worker][relay.0 as usize].as_ref().expect("the core names open sockets");
                let (local, external) = (socket.local, socket.external);
                let Some(target) = self.relays.destination(to, own) else {
                    self.dead_ends += 1;
                    return;
                };
                // Below the addresses of relays there is the kernel, which delivers to the socket that is there.
                if own == OwnPeer::No || !self.receive_from_peer(local, target, &bytes) {
                    let packet = Packet { from: external, data: bytes, dont_fragment };
                    self.peer_mail.entry(target).or_default().push(packet);
                }
            }
        }
    }

    pub(super) fn client_mail(&mut self, tuple: FiveTuple) -> &mut VecDeque<Vec<u8>> {
        self.client_mail.entry(tuple).or_default()
    }

    pub(super) fn take_peer_mail(&mut self, addr: SocketAddr) -> Vec<Packet> {
        self.peer_mail.remove(&addr).unwrap_or_default()
    }
}
