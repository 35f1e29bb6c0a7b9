//! The machine itself: what goes in, what comes out, and what time does.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use super::address::{ReservationToken, WorkerId};
use super::allocation::{AllocationId, Allocations};
use super::answer::AnswerBuf;
use super::auth_failure::AuthFailures;
use super::bandwidth::Way;
use super::event::{EndReason, Event};
use super::fault::Turn;
use super::io::{Answer, Direction, Output, Path, Verdict};
use super::parked::{Parked, ParkedRequests, Waiting};
use super::redirect::Turns;
use super::settings::{Midway, Settings};
use super::time::{Mono, Now};
use super::timers::Wheel;
use super::user_peers::UserPeers;

/// The STUN/TURN server of one worker.
///
/// Four kinds of calls: `handle_datagram`, `handle_answer` and `handle_timeout` put something in; `poll_output` and
/// `poll_timeout` take something out, and are called until they are empty after each call that put something in.
#[derive(Debug)]
pub struct Server {
    pub(super) settings: Arc<Settings>,
    pub(super) worker: WorkerId,
    pub(super) rng: ChaCha12Rng,
    pub(super) allocations: Allocations,
    pub(super) parked: ParkedRequests,
    pub(super) reservations: BTreeMap<ReservationToken, Mono>,
    pub(super) timers: Wheel<Timer>,
    pub(super) outputs: VecDeque<Output>,
    /// New peers of users, in all their allocations.
    pub(super) user_peers: UserPeers,
    /// Of the servers that clients are sent to.
    pub(super) turns: Turns,
    /// For answers to requests that waited.
    pub(super) late_answer: Box<AnswerBuf>,
    /// Since they were last taken.
    pub(super) auth_failures: AuthFailures,
    /// Set where many have their turn, one after the other.
    pub(super) in_turn: Option<Turn>,
}

/// What a wheel entry looks after.
#[derive(Clone, Copy, Debug)]
pub(super) enum Timer {
    Allocation(AllocationId),
    Reservation(ReservationToken),
}

impl Server {
    /// A server without allocations. All its choices follow from `seed`.
    pub fn new(settings: Arc<Settings>, worker: WorkerId, seed: [u8; 32], now: Now) -> Server {
        let mut rng = ChaCha12Rng::from_seed(seed);
        let mut hash_keys = || std::array::from_fn(|_| rng.next_u64());
        let (allocations, parked) = (Allocations::new(hash_keys()), ParkedRequests::new(hash_keys()));
        let user_peers = UserPeers::new(hash_keys());
        Server {
            settings,
            worker,
            rng,
            allocations,
            parked,
            reservations: BTreeMap::new(),
            timers: Wheel::new(now.mono),
            outputs: VecDeque::new(),
            user_peers,
            turns: Turns::new(worker),
            late_answer: Box::default(),
            auth_failures: AuthFailures::default(),
            in_turn: None,
        }
    }

    /// An empty server in the place of this one. It does not take answers to what this one asked for answers to its own
    /// questions.
    pub fn anew(&self, seed: [u8; 32], now: Now) -> Server {
        let mut server = Server::new(Arc::clone(&self.settings), self.worker, seed, now);
        server.parked.number_on_from(&self.parked);
        server.auth_failures = self.auth_failures;
        server
    }

    /// Takes a datagram, or one whole message of a stream. Its bytes are read, never written; an answer is put into
    /// `answer`.
    pub fn handle_datagram(&mut self, now: Now, path: Path, datagram: &[u8], answer: &mut AnswerBuf) -> Verdict {
        if let Some(hook) = self.settings.hooks.before_datagram {
            hook(&path, datagram);
        }
        match path {
            Path::Client(path) => self.handle_client(now, path, datagram, answer),
            Path::Peer { relay, from } => self.handle_peer(now, relay, from, datagram),
        }
    }

    /// Takes what the world answers to an [`Output`], or tells.
    pub fn handle_answer(&mut self, now: Now, answer: Answer) {
        match answer {
            Answer::User { request, record } => self.resume_with_user(now, request, record),
            Answer::LookUpFailed { request } => self.resume_without_user(now, request),
            Answer::Unheard { request } => drop(self.parked.take(request)),
            Answer::Opened { request, first, second } => self.resume_with_relays(now, request, first, second),
            Answer::Claimed { request, relay } => self.resume_with_relays(now, request, relay, None),
            Answer::QuotaReached { request } => self.resume_refused(request, Refusal::QuotaReached),
            Answer::NoCapacity { request } | Answer::Gone { request } => {
                self.resume_refused(request, Refusal::NoCapacity);
            }
            Answer::FamilyNotServed { request } => self.resume_refused(request, Refusal::FamilyNotServed),
            Answer::Disconnected { tuple } => self.handle_disconnect(now, &tuple),
        }
    }

    /// Takes back what a `Forward` counted: the world could not send it, or its receiver is too slow. Of a bandwidth limit
    /// it is used up all the same.
    pub fn handle_unsent(&mut self, direction: Direction, len: usize) {
        let (id, way) = match direction {
            Direction::ToClient(tuple) => (self.allocations.of_tuple(&tuple), Way::ToClient),
            Direction::ToPeer(relay) => (self.allocations.of_relay(relay), Way::ToPeer),
        };
        let Some(allocation) = id.and_then(|id| self.allocations.get_mut(id)) else { return };
        self.settings.hooks.midway(Midway::Unsent, &allocation.tuple);
        let (packets, bytes) = allocation.traffic.of(way);
        *packets = packets.saturating_sub(1);
        *bytes = bytes.saturating_sub(len as u64);
    }

    /// Other settings hold from now on. Permissions and channels of peers that they forbid end; other limits of bandwidth
    /// begin with full buckets.
    pub fn handle_settings(&mut self, now: Now, settings: Arc<Settings>) {
        let former = std::mem::replace(&mut self.settings, settings);
        for id in self.allocations.ids() {
            self.in_turn = Some(Turn::Allocation(id));
            self.sweep_forbidden(id, now.mono);
            if !Arc::ptr_eq(&former.bandwidth, &self.settings.bandwidth) {
                self.share_bandwidth(id, now.mono);
            }
        }
        self.in_turn = None;
        if former.config.limits.new_peers_per_minute != self.settings.config.limits.new_peers_per_minute {
            self.bound_new_peers(now.mono);
        }
    }

    /// Has an allocation take from the buckets of the settings in force.
    pub(super) fn share_bandwidth(&mut self, id: AllocationId, now: Mono) {
        if let Some(allocation) = self.allocations.get_mut(id) {
            let (user, client) = (allocation.owner.quota.as_ref(), allocation.tuple.client.ip());
            allocation.bandwidth = self.settings.bandwidth.share(user, client, now);
        }
    }

    /// The settings in force.
    pub fn settings(&self) -> &Arc<Settings> {
        &self.settings
    }

    /// The server ends, and every allocation with it.
    pub fn handle_stop(&mut self, now: Now) {
        self.end_all(now, EndReason::Stopped);
    }

    /// The server failed, and begins anew without its allocations.
    pub fn handle_break_off(&mut self, now: Now) {
        self.end_all(now, EndReason::Fault);
    }

    fn end_all(&mut self, now: Now, reason: EndReason) {
        for id in self.allocations.ids() {
            self.in_turn = Some(Turn::Allocation(id));
            self.end(id, now, reason);
        }
        self.in_turn = None;
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Now) {
        while let Some(parked) = self.parked.take_overdue(now.mono) {
            self.in_turn = Some(Turn::Request);
            match &parked.waiting {
                Waiting::User { datagram, refused: None }
                    if self.serves_without_look_up(now, parked.path, datagram) => {}
                _ => self.forget(parked, now),
            }
            self.in_turn = None;
        }
        while let Some(timer) = self.timers.poll(now.mono) {
            match timer {
                Timer::Allocation(id) => {
                    let is_armed = self.allocations.get(id).is_some_and(|allocation| allocation.armed <= now.mono);
                    if is_armed {
                        self.in_turn = Some(Turn::Allocation(id));
                        self.sweep(id, now);
                        self.arm_anew(id);
                        self.in_turn = None;
                    }
                }
                Timer::Reservation(token) => {
                    self.in_turn = Some(Turn::Reservation(token));
                    self.settings.hooks.midway(Midway::Released, None);
                    if self.reservations.remove(&token).is_some() {
                        self.outputs.push_back(Output::Release(token));
                    }
                    self.in_turn = None;
                }
            }
        }
    }

    /// The next thing asked or told.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Server::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Option<Mono> {
        self.timers.next().into_iter().chain(self.parked.next_deadline()).min()
    }

    /// How many allocations there are.
    pub fn allocations(&self) -> usize {
        self.allocations.len()
    }

    /// How many requests wait for an answer of the world.
    pub fn parked(&self) -> usize {
        self.parked.len()
    }

    /// How many requests failed to prove who asks since this was last called; none: not one. An [`Event`] for each would
    /// cost too much, as anybody can send them.
    pub fn take_auth_failures(&mut self) -> Option<AuthFailures> {
        let failures = std::mem::take(&mut self.auth_failures);
        (failures != AuthFailures::default()).then_some(failures)
    }

    pub(super) fn tell(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    /// Keeps a reserved port for its token, for a while.
    pub(super) fn reserve(&mut self, token: ReservationToken, now: Now) {
        let until = now.mono.plus_secs(self.settings.config.limits.reservation_secs);
        self.reservations.insert(token, until);
        self.timers.schedule(until, Timer::Reservation(token));
    }

    /// A request will not be answered. Should a pair of ports still be opened for it, then its reservation ends as any
    /// other.
    pub(super) fn forget(&mut self, parked: Parked, now: Now) {
        self.settings.hooks.midway(Midway::Forgotten, &parked.path.tuple);
        if let Waiting::Relay { reserves: Some(token), .. } = parked.waiting {
            self.reserve(token, now);
        }
    }
}

/// Why the world gave no relayed address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    QuotaReached,
    NoCapacity,
    FamilyNotServed,
}
