//! What a server does, as a naive model sees it: every allocation a few tables with their ends, in whole seconds.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use proptest::prelude::*;
use turnserver::config::Profile;
use turnserver::stun::Method;
use turnserver::turn::Snapshot;
use turnserver::turn::address::Transport;

use crate::world::{BOB, Received, Setup, TestClient, TestPeer, World};
use crate::{CLIENTS, Kind, PEERS, Step};

const PERMISSIONS_MAX: usize = 3;
const CHANNELS_MAX: usize = 2;
const USER_QUOTA: usize = 3;

/// An allocation as the model sees it: addresses and tables with their ends, in seconds.
#[derive(Clone, Default)]
struct Held {
    relays: BTreeMap<SocketAddr, u64>,
    permissions: BTreeMap<IpAddr, u64>,
    channels: BTreeMap<u16, (SocketAddr, u64)>,
}

impl Held {
    /// Forgets what ended.
    fn sweep(&mut self, now: u64) {
        self.relays.retain(|_, ends| now < *ends);
        let families: BTreeSet<bool> = self.relays.keys().map(SocketAddr::is_ipv4).collect();
        self.permissions.retain(|ip, ends| now < *ends && families.contains(&ip.is_ipv4()));
        self.channels.retain(|_, (peer, ends)| now < *ends && families.contains(&peer.is_ipv4()));
    }

    fn relay_of(&self, peer: SocketAddr) -> Option<SocketAddr> {
        self.relays.keys().copied().find(|relay| relay.is_ipv4() == peer.is_ipv4())
    }
}

/// A port that waits for its token, and takes a place of its maker's quota meanwhile.
#[derive(Clone, Copy)]
struct Reservation {
    is_bobs: bool,
    ends: u64,
    port: SocketAddr,
}

/// Bob's are every third.
fn is_bobs(client: usize) -> bool {
    client % 3 == 2
}

pub(crate) struct Model {
    pub(crate) world: World,
    clients: Vec<TestClient>,
    peers: Vec<TestPeer>,
    held: Vec<Option<Held>>,
    /// The last token each client was given.
    tokens: Vec<Option<[u8; 8]>>,
    reservations: BTreeMap<[u8; 8], Reservation>,
    now: u64,
    sent: u32,
}

/// Everything that arrived anywhere: at whom, from where, by which channel, and what.
type Arrivals = Vec<(usize, SocketAddr, Option<u16>, Vec<u8>)>;

impl Model {
    pub(crate) fn new() -> Model {
        let setup = Setup::with(Profile::Default, &format!("user-quota = {USER_QUOTA}")).workers(2).tune(|config| {
            config.limits.permissions_max = PERMISSIONS_MAX as u16;
            config.limits.channels_max = CHANNELS_MAX as u16;
        });
        let world = setup.build();
        let client = |index: usize| {
            let client = world.client().on_worker(index % 2);
            let client = if is_bobs(index) { client.named(BOB) } else { client };
            client.over(
                [Transport::Udp, Transport::Tcp, Transport::Udp, Transport::Tls, Transport::Udp, Transport::Udp][index],
            )
        };
        Model {
            clients: (0..CLIENTS).map(client).collect(),
            peers: PEERS.iter().map(|addr| world.peer(addr)).collect(),
            held: vec![None; CLIENTS],
            tokens: vec![None; CLIENTS],
            reservations: BTreeMap::new(),
            now: 0,
            sent: 0,
            world,
        }
    }

    /// The address of a peer, or the last relayed address of a client; none when it never had one.
    fn addr(&self, index: usize) -> Option<SocketAddr> {
        match self.peers.get(index) {
            Some(peer) => Some(peer.addr()),
            None => Some(&self.clients[index - PEERS.len()])
                .filter(|client| client.has_allocated())
                .map(TestClient::relayed),
        }
    }

    fn is_own(&self, addr: SocketAddr) -> bool {
        !self.peers.iter().any(|peer| peer.addr() == addr)
    }

    fn is_forbidden(&self, addr: SocketAddr) -> bool {
        addr.ip().is_loopback() || addr.ip() == "10.0.0.1".parse::<IpAddr>().expect("an address")
    }

    /// Places taken in the quota of a client's user.
    fn places_of(&self, client: usize) -> usize {
        let is_same = |index: &usize| is_bobs(*index) == is_bobs(client) && self.held[*index].is_some();
        let reserved = self.reservations.values().filter(|held| held.is_bobs == is_bobs(client)).count();
        (0..CLIENTS).filter(is_same).count() + reserved
    }

    /// Does a step and compares what was seen with what should be.
    pub(crate) fn play(&mut self, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Allocate(client, kind) => self.allocate(client, kind),
            Step::Refresh(client, lifetime, family) => self.refresh(client, lifetime, family),
            Step::Permit(client, peers) => {
                let peers: Vec<SocketAddr> = peers.iter().filter_map(|peer| self.addr(*peer)).collect();
                self.permit(client, &peers)
            }
            Step::Bind(client, number, peer) => match self.addr(peer) {
                Some(peer) => self.bind(client, number, peer),
                None => Ok(()),
            },
            Step::Send(client, peer) => match self.addr(peer) {
                Some(peer) => self.send(client, peer),
                None => Ok(()),
            },
            Step::Channel(client, number) => self.channel(client, number),
            Step::PeerSends(peer, client) => self.peer_sends(peer, client),
            Step::Disconnect(client) => {
                if self.clients[client].tuple().transport.is_stream() {
                    self.clients[client].disconnect();
                    self.held[client] = None;
                }
                Ok(())
            }
            Step::Advance(secs) => {
                self.world.advance(secs);
                self.now += secs;
                self.reservations.retain(|_, reservation| self.now < reservation.ends);
                for held in &mut self.held {
                    if let Some(some) = held {
                        some.sweep(self.now);
                    }
                    held.take_if(|held| held.relays.is_empty());
                }
                Ok(())
            }
            Step::Garbage(client, bytes) => {
                self.clients[client].datagram(&bytes);
                Ok(())
            }
            Step::HandOver(worker) => {
                let before = self.world.export(worker);
                let text = serde_json::to_string(&before).expect("it can be written");
                self.world.replace(worker, serde_json::from_str::<Snapshot>(&text).expect("and read"));
                prop_assert!(self.world.export(worker) == before);
                Ok(())
            }
        }
    }

    fn allocate(&mut self, client: usize, kind: Kind) -> Result<(), TestCaseError> {
        let token = match kind {
            Kind::Token(of) => self.tokens[of],
            _ => None,
        };
        let reservation = token.and_then(|token| self.reservations.get(&token).copied());
        let request = self.clients[client].request(Method::ALLOCATE).transport(17);
        let request = match kind {
            Kind::Plain => request,
            Kind::Long => request.lifetime(3600),
            Kind::Six => request.family(2),
            Kind::Both => request.additional(2),
            Kind::Reserve => request.even(true),
            Kind::Token(_) => request.token(&token.unwrap_or([9; 8])),
        };
        let reply = request.send().expect("Allocate is answered");
        // A pair takes two places; a token of the same user's brings its own along.
        let needed = match (kind, reservation) {
            (Kind::Reserve, _) => 2,
            (_, Some(reservation)) if reservation.is_bobs == is_bobs(client) => 0,
            _ => 1,
        };
        let expected = match kind {
            _ if self.held[client].is_some() => 437,
            Kind::Token(_) if reservation.is_none() => 508,
            _ if self.places_of(client) + needed > USER_QUOTA => 486,
            _ => 200,
        };
        prop_assert_eq!(reply.code(), expected, "{:?} of {}", kind, client);
        if expected != 200 {
            return Ok(());
        }
        self.clients[client].learn(&reply);
        let lifetime = if matches!(kind, Kind::Long) { 3600 } else { 600 };
        prop_assert_eq!(reply.lifetime(), Some(lifetime));
        let families: Vec<bool> = reply.relayed().iter().map(SocketAddr::is_ipv4).collect();
        let expected: &[bool] = match kind {
            Kind::Six => &[false],
            Kind::Both => &[true, false],
            _ => &[true],
        };
        prop_assert_eq!(&families[..], expected);
        for relayed in reply.relayed() {
            prop_assert!(
                !self.held.iter().flatten().any(|held| held.relays.contains_key(&relayed)),
                "{} twice",
                relayed
            );
        }
        if let (Some(token), Some(reservation)) = (token, reservation) {
            prop_assert_eq!(reply.relayed(), [reservation.port]);
            self.reservations.remove(&token);
        }
        if let Some(token) = reply.token() {
            let first = reply.relayed()[0];
            let port = SocketAddr::new(first.ip(), first.port() + 1);
            self.tokens[client] = Some(token);
            self.reservations.insert(token, Reservation { is_bobs: is_bobs(client), ends: self.now + 30, port });
        }
        let ends = self.now + u64::from(lifetime);
        let relays = reply.relayed().into_iter().map(|relayed| (relayed, ends)).collect();
        self.held[client] = Some(Held { relays, ..Held::default() });
        Ok(())
    }

    fn refresh(&mut self, client: usize, lifetime: Option<u32>, family: Option<u8>) -> Result<(), TestCaseError> {
        let request = self.clients[client].request(Method::REFRESH);
        let request = lifetime.into_iter().fold(request, |request, secs| request.lifetime(secs));
        let request = family.into_iter().fold(request, |request, family| request.family(family));
        let reply = request.send().expect("Refresh is answered");
        let is_meant = |relay: &SocketAddr| match family {
            None => true,
            Some(1) => relay.is_ipv4(),
            Some(2) => relay.is_ipv6(),
            Some(_) => false,
        };
        let Some(held) = &mut self.held[client] else {
            prop_assert_eq!(reply.code(), 437);
            return Ok(());
        };
        if !held.relays.keys().any(is_meant) {
            prop_assert_eq!(reply.code(), 443);
            return Ok(());
        }
        let granted = match lifetime {
            Some(0) => 0,
            Some(secs) => secs.clamp(600, 3600),
            None => 600,
        };
        prop_assert_eq!((reply.code(), reply.lifetime()), (200, Some(granted)));
        for (relay, ends) in &mut held.relays {
            if is_meant(relay) {
                *ends = self.now + u64::from(granted);
            }
        }
        held.sweep(self.now);
        if held.relays.is_empty() {
            self.held[client] = None;
        }
        Ok(())
    }

    fn permit(&mut self, client: usize, peers: &[SocketAddr]) -> Result<(), TestCaseError> {
        let code = self.clients[client].permit(peers);
        let is_forbidden = peers.iter().any(|peer| self.is_forbidden(*peer));
        let Some(held) = &mut self.held[client] else {
            prop_assert_eq!(code, 437);
            return Ok(());
        };
        let mut permissions = held.permissions.clone();
        permissions.extend(peers.iter().map(|peer| (peer.ip(), self.now + 300)));
        let expected = match peers {
            [] => 400,
            _ if peers.iter().any(|peer| held.relay_of(*peer).is_none()) => 443,
            _ if is_forbidden => 403,
            _ if permissions.len() > PERMISSIONS_MAX => 508,
            _ => 200,
        };
        prop_assert_eq!(code, expected, "{:?}", peers);
        if expected == 200 {
            held.permissions = permissions;
        }
        Ok(())
    }

    fn bind(&mut self, client: usize, number: u16, peer: SocketAddr) -> Result<(), TestCaseError> {
        let code = self.clients[client].bind(number, peer);
        let is_forbidden = self.is_forbidden(peer);
        let Some(held) = &mut self.held[client] else {
            prop_assert_eq!(code, 437);
            return Ok(());
        };
        let is_elsewhere = held.channels.iter().any(|(held, (bound, _))| (*held == number) != (*bound == peer));
        let is_new = !held.channels.contains_key(&number);
        let has_room = held.permissions.contains_key(&peer.ip()) || held.permissions.len() < PERMISSIONS_MAX;
        let expected = match number {
            ..0x4000 | 0x5000.. => 400,
            _ if held.relay_of(peer).is_none() => 443,
            _ if is_forbidden => 403,
            _ if is_elsewhere => 400,
            _ if is_new && held.channels.len() >= CHANNELS_MAX => 508,
            _ if !has_room => 508,
            _ => 200,
        };
        prop_assert_eq!(code, expected, "{:#06x} to {}", number, peer);
        if expected == 200 {
            held.channels.insert(number, (peer, self.now + 600));
            held.permissions.insert(peer.ip(), self.now + 300);
        }
        Ok(())
    }

    fn send(&mut self, client: usize, peer: SocketAddr) -> Result<(), TestCaseError> {
        let data = self.fresh();
        self.clients[client].send_to(peer, &data);
        let from = self.held[client].as_ref().and_then(|held| {
            let is_permitted = held.permissions.contains_key(&peer.ip());
            held.relay_of(peer).filter(|_| is_permitted)
        });
        self.assert_arrives(from, peer, data)
    }

    fn channel(&mut self, client: usize, number: u16) -> Result<(), TestCaseError> {
        let data = self.fresh();
        self.clients[client].channel_send(number, &data);
        let held = self.held[client].as_ref();
        match held.and_then(|held| Some((held, held.channels.get(&number)?.0))) {
            Some((held, peer)) => self.assert_arrives(held.relay_of(peer), peer, data),
            None => self.assert_arrives(None, self.peers[0].addr(), data),
        }
    }

    fn peer_sends(&mut self, peer: usize, client: usize) -> Result<(), TestCaseError> {
        let peer = self.peers[peer].clone();
        if !self.clients[client].has_allocated() {
            return Ok(());
        }
        let data = self.fresh();
        let to = self.clients[client].relayed_for(peer.addr());
        let is_open = self.held.iter().flatten().any(|held| held.relays.contains_key(&to));
        prop_assert_eq!(peer.send_to(to, &data), is_open);
        self.assert_arrives(Some(peer.addr()), to, data)
    }

    /// Data that leaves `from`, if it does, for `to` arrives where the model says, once, and nowhere else.
    fn assert_arrives(&self, from: Option<SocketAddr>, to: SocketAddr, data: Vec<u8>) -> Result<(), TestCaseError> {
        let mut expected = Arrivals::new();
        if let Some(from) = from {
            if !self.is_own(to) {
                let peer = self.peers.iter().position(|peer| peer.addr() == to).expect("a peer");
                expected.push((CLIENTS + peer, from, None, data));
            } else if let Some(holder) = self.holder_of(to) {
                let held = self.held[holder].as_ref().expect("it holds it");
                if held.permissions.contains_key(&from.ip()) {
                    let channel = held.channels.iter().find(|(_, (peer, _))| *peer == from).map(|(number, _)| *number);
                    expected.push((holder, from, channel, data));
                }
            }
        }
        prop_assert_eq!(self.arrivals(), expected);
        Ok(())
    }

    fn holder_of(&self, relayed: SocketAddr) -> Option<usize> {
        self.held.iter().position(|held| held.as_ref().is_some_and(|held| held.relays.contains_key(&relayed)))
    }

    fn arrivals(&self) -> Arrivals {
        let mut arrivals = Arrivals::new();
        for (index, client) in self.clients.iter().enumerate() {
            for received in client.received() {
                arrivals.push(match received {
                    Received::Data { peer, data } => (index, peer, None, data),
                    Received::Channel { number, data } => {
                        let held = self.held[index].as_ref().expect("data comes to who has an allocation");
                        (index, held.channels[&number].0, Some(number), data)
                    }
                });
            }
        }
        for (index, peer) in self.peers.iter().enumerate() {
            let packets = peer.packets().into_iter();
            arrivals.extend(packets.map(|packet| (CLIENTS + index, packet.from, None, packet.data)));
        }
        arrivals
    }

    fn fresh(&mut self) -> Vec<u8> {
        self.sent += 1;
        self.sent.to_be_bytes().to_vec()
    }

    /// What holds at any time.
    pub(crate) fn assert_sound(&self) -> Result<(), TestCaseError> {
        let world = &self.world;
        let held = self.held.iter().flatten().count();
        let relays: usize = self.held.iter().flatten().map(|held| held.relays.len()).sum();
        prop_assert_eq!(world.allocations(), held);
        prop_assert_eq!(world.quota_total() as usize, held + self.reservations.len());
        prop_assert_eq!(world.relay_sockets(), relays);
        prop_assert_eq!(world.reservations(), self.reservations.len());
        prop_assert_eq!(world.census().0, relays + self.reservations.len());
        prop_assert_eq!(world.parked(), 0);
        for worker in 0..2 {
            let state = serde_json::to_value(world.export(worker)).expect("it can be written");
            for allocation in state["allocations"].as_array().expect("a list") {
                let len = |field: &serde_json::Value| field.as_array().expect("a list").len();
                prop_assert!(len(&allocation["permissions"]["entries"]) <= PERMISSIONS_MAX);
                prop_assert!(len(&allocation["channels"]["by_number"]) <= CHANNELS_MAX);
                prop_assert_eq!(len(&allocation["channels"]["by_number"]), len(&allocation["channels"]["by_peer"]));
            }
        }
        Ok(())
    }
}
