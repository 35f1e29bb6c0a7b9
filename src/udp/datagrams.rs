//! The packet path: datagrams of clients and peers, in batches, from socket to socket.

use std::io;
use std::net::UdpSocket;

use super::batch::{Gather, Leave};
use super::counters::{Leg, Side};
use super::fault::{Concerned, guarded};
use super::relays::Relays;
use super::socket::Listener;
use super::sys::BATCH_MAX;
use super::worker::Worker;
use crate::stream::{Kind, Sent, StreamId};
use crate::turn::address::{FiveTuple, LinkId, RelayId, Transport};
use crate::turn::io::{ClientPath, Credit, Direction, Forward};
use crate::turn::time::Now;
use crate::turn::{Destination, DropReason, Path, Verdict};

/// Receive batches taken from one socket before the others have their turn.
const ROUNDS_MAX: usize = 4;

impl Worker {
    /// Takes what a UDP socket has, within its fair share of this wake-up.
    pub(super) fn serve_socket(&mut self, now: Now, from: Leave) {
        for _ in 0..ROUNDS_MAX {
            let Some(socket) = socket_of(&self.listeners, &self.relays, from) else { return };
            let received = match self.arena.receive(socket) {
                Ok(received) => received,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // An ICMP error of an earlier datagram: taken with this call, and of no more use here.
                Err(_) => continue,
            };
            for slot in 0..received {
                self.handle_datagram(now, from, slot);
            }
            self.flush(now);
            self.drain_outputs(now);
            if received < BATCH_MAX {
                return;
            }
        }
    }

    fn handle_datagram(&mut self, now: Now, from: Leave, slot: usize) {
        let Some(source) = self.arena.source(slot) else { return };
        let path = match from {
            Leave::Listener(place) => {
                let server = self.listeners[place as usize].address;
                let tuple = FiveTuple { transport: Transport::Udp, client: source, server };
                Path::Client(ClientPath { tuple, link: LinkId(place) })
            }
            Leave::Relay(place) => {
                let Some(from) = self.name_peer(source, now) else {
                    return self.counters.dropped(Side::Peer, DropReason::Forbidden);
                };
                Path::Peer { relay: RelayId(place), from }
            }
        };
        let Worker { server, arena, answer, .. } = self;
        let verdict = guarded(server, |server| server.handle_datagram(now, path, arena.datagram(slot), answer));
        let Ok(verdict) = verdict else { return self.contain(now, &Concerned::Datagram(path)) };
        self.count(&verdict, &path, slot);
        match verdict {
            Verdict::Drop(_) => {}
            Verdict::Respond(credit) => {
                if let Path::Client(path) = path {
                    self.note_binding(now, &path, slot);
                    self.respond(now, &path, credit);
                }
            }
            Verdict::Forward(forward) => self.forward(now, &forward, slot),
        }
    }

    fn count(&self, verdict: &Verdict, path: &Path, slot: usize) {
        match (verdict, path) {
            (Verdict::Drop(DropReason::Parked) | Verdict::Respond(_), _) => {
                self.counters.messages.requested(self.arena.datagram(slot));
            }
            (Verdict::Drop(reason), Path::Client(_)) => self.counters.dropped(Side::Client, *reason),
            (Verdict::Drop(reason), Path::Peer { .. }) => self.counters.dropped(Side::Peer, *reason),
            (Verdict::Forward(forward), _) => {
                let (leg, transport) = match forward.to {
                    Destination::Client(client) => (Leg::PeerToServer, client.tuple.transport),
                    Destination::Peer { .. } => (Leg::ClientToServer, Transport::Udp),
                };
                self.counters.relayed(leg, transport, 1, forward.range.as_range().len());
            }
        }
    }

    /// RFC 8489 section 5: a Binding request begins with 0x0001.
    fn note_binding(&self, now: Now, path: &ClientPath, slot: usize) {
        if self.arena.datagram(slot).starts_with(&[0, 1]) && self.server.settings().config.log.bindings {
            self.journal.write_binding(now, path);
        }
    }

    fn respond(&mut self, now: Now, path: &ClientPath, credit: Credit) {
        if self.is_affordable(now, path, credit) {
            match send_to(&self.listeners, path, self.answer.bytes()) {
                Ok(()) => self.counters.messages.answered(self.answer.bytes()),
                Err(error) => self.counters.unsent(&error),
            }
        }
    }

    fn forward(&mut self, now: Now, forward: &Forward, slot: usize) {
        let Forward { prefix, range, suffix, .. } = *forward;
        let (leave, to, dont_fragment) = match forward.to {
            Destination::Client(path) if path.tuple.transport.is_stream() => {
                let payload = &self.arena.datagram(slot)[range.as_range()];
                let (pieces, len) = ([prefix.as_slice(), payload, suffix.as_slice()], payload.len());
                match self.streams.send(now.mono, StreamId::from(path.link), pieces, Kind::Relayed) {
                    Sent::Queued => self.counters.relayed(Leg::ServerToClient, path.tuple.transport, 1, len),
                    Sent::Dropped | Sent::Closed => self.take_back(now, Direction::ToClient(path.tuple), len),
                }
                return;
            }
            Destination::Client(path) => (Leave::Listener(path.link.0), path.tuple.client, false),
            Destination::Peer { relay, to, own, dont_fragment } => {
                let Some(to) = self.resolve(to, own) else {
                    return self.note_dead_end(now, relay, range.as_range().len());
                };
                (Leave::Relay(relay.0), to, dont_fragment)
            }
        };
        self.batch.push(Gather { leave, to, slot: slot as u8, prefix, range, suffix, dont_fragment });
    }

    /// Data was meant for an own address that holds no relay.
    pub(super) fn note_dead_end(&mut self, now: Now, relay: RelayId, len: usize) {
        self.counters.dropped(Side::Client, DropReason::Forbidden);
        self.take_back(now, Direction::ToPeer(relay), len);
    }

    /// What the core counted was not sent.
    pub(super) fn take_back(&mut self, now: Now, direction: Direction, len: usize) {
        if guarded(&mut self.server, |server| server.handle_unsent(direction, len)).is_err() {
            self.contain(now, &Concerned::Unsent(direction));
        }
    }

    fn flush(&mut self, now: Now) {
        let Worker { batch, arena, listeners, relays, counters, .. } = self;
        let mut unsent = Vec::new();
        let failed = |entry: &Gather, error: &io::Error| {
            counters.unsent(error);
            let direction = match entry.leave {
                Leave::Relay(place) => Direction::ToPeer(RelayId(place)),
                Leave::Listener(place) => {
                    let server = listeners[place as usize].address;
                    Direction::ToClient(FiveTuple { transport: Transport::Udp, client: entry.to, server })
                }
            };
            unsent.push((direction, entry.range.as_range().len()));
        };
        let [to_clients, to_peers] = batch.flush(arena, |leave| socket_of(listeners, relays, leave), failed);
        for (leg, sent) in [(Leg::ServerToClient, to_clients), (Leg::ServerToPeer, to_peers)] {
            if sent.packets > 0 {
                counters.relayed(leg, Transport::Udp, sent.packets, sent.bytes);
            }
        }
        unsent.into_iter().for_each(|(direction, len)| self.take_back(now, direction, len));
    }
}

fn socket_of<'a>(listeners: &'a [Listener], relays: &'a Relays, leave: Leave) -> Option<&'a UdpSocket> {
    match leave {
        Leave::Listener(place) => listeners.get(place as usize).map(|listener| &*listener.socket),
        Leave::Relay(place) => relays.socket(place),
    }
}

/// Sends one datagram to a UDP client from the address it knows.
pub(super) fn send_to(listeners: &[Listener], path: &ClientPath, bytes: &[u8]) -> io::Result<()> {
    match listeners.get(path.link.0 as usize) {
        Some(listener) => super::batch::send(&*listener.socket, path.tuple.client, [bytes, &[], &[]], false),
        None => Ok(()),
    }
}
