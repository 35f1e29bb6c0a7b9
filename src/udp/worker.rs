//! The loop of one worker thread: wait, take datagrams, ask the core, send on.

use std::io;
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rand_chacha::ChaCha12Rng;
use tracing::{error, warn};

use super::batch::{self, Batch, Gather, Leave};
use super::journal::Journal;
use super::open::Opener;
use super::relays::Relays;
use super::shared::Shared;
use super::socket::Listener;
use super::sys::{Arena, BATCH_MAX};
use super::wake::Wake;
use crate::clock;
use crate::poll::{Interest, Poller, Ready, Source};
use crate::turn::address::{FiveTuple, LinkId, Transport};
use crate::turn::io::{ClientPath, Credit, Forward, OwnPeer, Transmit};
use crate::turn::time::Now;
use crate::turn::{Answer, AnswerBuf, Destination, Output, Path, Server, Verdict};

/// Receive batches taken from one socket before the others have their turn.
const ROUNDS_MAX: usize = 4;

/// Everything one worker thread owns.
pub(super) struct Worker {
    pub(super) server: Server,
    pub(super) shared: Arc<Shared>,
    pub(super) listeners: Vec<Listener>,
    pub(super) wake: Arc<Wake>,
    pub(super) stop: Arc<AtomicBool>,
    pub(super) rng: ChaCha12Rng,
    pub(super) journal: Journal,
    pub(super) poller: Poller,
    pub(super) relays: Relays,
    pub(super) arena: Arena,
    pub(super) batch: Batch,
    pub(super) answer: AnswerBuf,
    pub(super) unsent: u64,
}

impl Worker {
    /// Runs until told to stop.
    pub(super) fn run(mut self) {
        if let Err(error) = self.watch() {
            error!(%error, "a worker cannot watch its sockets");
            return;
        }
        let mut ready: Vec<Ready> = Vec::new();
        while !self.stop.load(Ordering::Relaxed) {
            let timeout = self.server.poll_timeout().map(|deadline| deadline.since(clock::now().mono));
            if let Err(error) = self.poller.wait(&mut ready, timeout) {
                error!(%error, "a worker cannot wait for its sockets");
                return;
            }
            let now = clock::now();
            for ready in &ready {
                self.serve(now, ready);
            }
            self.server.handle_timeout(now);
            self.drain_outputs(now);
        }
    }

    fn watch(&self) -> io::Result<()> {
        self.poller.add(&*self.wake, Source::Wake, Interest::Read)?;
        for (place, listener) in self.listeners.iter().enumerate() {
            self.poller.add(&listener.socket, Source::Listener(place as u32), Interest::Read)?;
        }
        Ok(())
    }

    fn serve(&mut self, now: Now, ready: &Ready) {
        match ready.source {
            Source::Wake => self.wake.clear(),
            Source::Listener(place) => self.serve_socket(now, Leave::Listener(place)),
            Source::Relay(place) => self.serve_socket(now, Leave::Relay(place)),
            Source::Acceptor(_) | Source::Stream(_) => {}
        }
    }

    /// Takes what a UDP socket has, within its fair share of this wake-up.
    fn serve_socket(&mut self, now: Now, from: Leave) {
        for _ in 0..ROUNDS_MAX {
            let Some(socket) = socket_of(&self.listeners, &self.relays, from) else { return };
            let received = match self.arena.receive(socket) {
                Ok(received) => received,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // An ICMP error of an earlier datagram: taken with this call, and of no more use here.
                Err(_) => continue,
            };
            for slot in 0..received {
                self.handle(now, from, slot);
            }
            self.flush();
            self.drain_outputs(now);
            if received < BATCH_MAX {
                return;
            }
        }
    }

    fn handle(&mut self, now: Now, from: Leave, slot: usize) {
        let Some(source) = self.arena.source(slot) else { return };
        let path = match from {
            Leave::Listener(place) => {
                let server = self.listeners[place as usize].address;
                let tuple = FiveTuple { transport: Transport::Udp, client: source, server };
                Path::Client(ClientPath { tuple, link: LinkId(place) })
            }
            Leave::Relay(place) => Path::Peer { relay: crate::turn::address::RelayId(place), from: source },
        };
        match self.server.handle_datagram(now, path, self.arena.datagram(slot), &mut self.answer) {
            Verdict::Drop(_) => {}
            Verdict::Respond(credit) => {
                if let Path::Client(path) = path {
                    self.respond(now, &path, credit);
                }
            }
            Verdict::Forward(forward) => self.forward(&forward, slot),
        }
    }

    fn respond(&mut self, now: Now, path: &ClientPath, credit: Credit) {
        if self.is_affordable(now, path, credit) {
            if let Err(error) = send_to(&self.listeners, path, self.answer.bytes()) {
                self.count_unsent(&error);
            }
        }
    }

    /// Over UDP an answer nobody earned may hit a forged source: each source has a budget of them.
    fn is_affordable(&self, now: Now, path: &ClientPath, credit: Credit) -> bool {
        let is_free = credit == Credit::Authenticated || path.tuple.transport.is_stream();
        is_free || self.shared.budget.as_ref().is_none_or(|budget| budget.take(path.tuple.client.ip(), now.mono))
    }

    fn forward(&mut self, forward: &Forward, slot: usize) {
        let (leave, to, dont_fragment) = match forward.to {
            Destination::Client(path) => (Leave::Listener(path.link.0), path.tuple.client, false),
            Destination::Peer { relay, to, own, dont_fragment } => {
                let Some(to) = self.resolve(to, own) else { return };
                (Leave::Relay(relay.0), to, dont_fragment)
            }
        };
        let Forward { prefix, range, suffix, .. } = *forward;
        self.batch.push(Gather { leave, to, slot: slot as u8, prefix, range, suffix, dont_fragment });
    }

    /// An address of ours stands for the local address of the live allocation on its port: behind a 1:1 NAT the external
    /// one would not come back to us.
    fn resolve(&self, to: std::net::SocketAddr, own: OwnPeer) -> Option<std::net::SocketAddr> {
        match own {
            OwnPeer::No => Some(to),
            OwnPeer::LiveOnly => self.shared.relays.resolve_live(to),
            OwnPeer::LiveFirst => Some(self.shared.relays.resolve_live(to).unwrap_or(to)),
        }
    }

    fn flush(&mut self) {
        let Worker { batch, arena, listeners, relays, unsent, .. } = self;
        batch.flush(arena, |leave| socket_of(listeners, relays, leave), |_, _| *unsent += 1);
    }

    /// Does what the core asks until it asks nothing more.
    fn drain_outputs(&mut self, now: Now) {
        while let Some(output) = self.server.poll_output() {
            let answer = match output {
                Output::Transmit(transmit) => {
                    self.transmit(now, &transmit);
                    continue;
                }
                Output::Event(event) => {
                    self.journal.write(now, &event);
                    continue;
                }
                Output::CloseRelay(relay) => {
                    self.relays.close(relay, &self.shared, now.mono);
                    continue;
                }
                Output::Release(token) => {
                    if let Some(relay) = self.shared.claim(token) {
                        self.shared.give_back(relay, now.mono);
                    }
                    continue;
                }
                Output::LookUpUser(look_up) => {
                    let record = self.shared.users.look_up(&look_up.name, now.wall);
                    Answer::User { request: look_up.request, record }
                }
                Output::OpenRelay(open) => self.opener(now).open(open),
                Output::Claim(claim) => self.opener(now).claim(claim),
            };
            self.server.handle_answer(now, answer);
        }
    }

    fn opener(&mut self, now: Now) -> Opener<'_> {
        let Worker { shared, relays, poller, rng, .. } = self;
        Opener { shared, relays, poller, rng, now: now.mono }
    }

    fn transmit(&mut self, now: Now, transmit: &Transmit) {
        if self.is_affordable(now, &transmit.to, transmit.credit) {
            if let Err(error) = send_to(&self.listeners, &transmit.to, &transmit.bytes) {
                self.count_unsent(&error);
            }
        }
    }

    fn count_unsent(&mut self, error: &io::Error) {
        self.unsent += 1;
        if self.unsent.is_power_of_two() {
            warn!(%error, unsent = self.unsent, "an answer could not be sent");
        }
    }
}

fn socket_of<'a>(listeners: &'a [Listener], relays: &'a Relays, leave: Leave) -> Option<&'a UdpSocket> {
    match leave {
        Leave::Listener(place) => listeners.get(place as usize).map(|listener| &listener.socket),
        Leave::Relay(place) => relays.socket(place),
    }
}

fn send_to(listeners: &[Listener], path: &ClientPath, bytes: &[u8]) -> io::Result<()> {
    match listeners.get(path.link.0 as usize) {
        Some(listener) => batch::send(&listener.socket, path.tuple.client, [bytes, &[], &[]], false),
        None => Ok(()),
    }
}
