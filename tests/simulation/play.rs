//! Actions, done.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use turnserver::config::{AuthMode, UserSecret};
use turnserver::turn::address::{LinkId, Transport, WorkerId};
use turnserver::turn::event::EndReason;
use turnserver::turn::{Answer, Path, Server, Settings, Snapshot};
use turnserver::userdb::Users;

use crate::action::{Act, Action, Ask, Kind, Pace, Size};
use crate::client::OTHER_SOURCES;
use crate::dice::Dice;
use crate::hostile::Trick;
use crate::judge::peer;
use crate::model::{SECOND, who};
use crate::plan::{LISTS, NAMES, REALM, SENDERS, SERVER_V4, ip, ranges, sock};
use crate::proof::Key;
use crate::stage::{Asked, Checked, Flight, Stage};
use crate::state::parts;
use crate::wire::{self, Draft, View};

/// More allocations than may leave their timers behind.
const CHURNS: usize = 4_700;

/// More requests than may wait for a user with one worker, and than may wait there at all.
const FLOOD_OF_LOOK_UPS: usize = 4_110;
const FLOOD_OF_ALL: usize = 5_130;

impl Stage {
    /// Does an action, then lets a moment pass.
    pub(crate) fn play(&mut self, action: &Action) -> Checked {
        let mut dice = Dice::new(action.die);
        // What follows from an action follows from its dice, whatever was left out before it.
        self.dice = Dice::new(dice.next());
        self.tally.actions += 1;
        *self.tally.acts.entry(action.act.name()).or_default() += 1;
        self.perform(&action.act, &mut dice)?;
        let gap = if dice.percent(80) { dice.below(60) } else { dice.below(2_500) };
        self.advance(self.mono + SECOND / 1000 * gap as u64)
    }

    fn perform(&mut self, act: &Act, dice: &mut Dice) -> Checked {
        match act {
            Act::Ask { client, ask } => {
                if self.clients[*client].nonce().is_none() || dice.percent(2) {
                    self.log_in(*client, dice);
                }
                // An honest client begins with Allocate, and mostly leaves it at one.
                let ask = match (self.clients[*client].is_allocated, ask) {
                    (false, Ask::Refresh { .. } | Ask::Permit { .. } | Ask::Bind { .. } | Ask::Scan { .. })
                        if dice.percent(80) =>
                    {
                        Ask::Allocate(dice.pick(&[Kind::Plain, Kind::Plain, Kind::Both, Kind::Long, Kind::Reserve]))
                    }
                    (false, Ask::Allocate(_)) if dice.percent(40) => {
                        let holder = self.clients.iter().position(|client| client.token.is_some());
                        holder.map_or(Ask::Allocate(Kind::Both), |holder| Ask::Allocate(Kind::Token(holder)))
                    }
                    (true, Ask::Allocate(_)) if dice.percent(60) => Ask::Refresh { lifetime: None, family: None },
                    (_, ask) => ask.clone(),
                };
                self.ask(*client, ask, true, dice);
            }
            Act::Repeat { client } => {
                let (path, bytes) = (self.clients[*client].path(), self.clients[*client].last.clone());
                self.cast_to_server(path, bytes);
            }
            Act::Replay { client, of } => {
                let (path, bytes) = (self.clients[*client].path(), self.clients[*of].last.clone());
                self.cast_to_server(path, bytes);
            }
            Act::Send { client, .. } | Act::Channel { client, .. }
                if !self.clients[*client].is_allocated && dice.percent(60) =>
            {
                self.ask(*client, Ask::Allocate(dice.pick(&[Kind::Plain, Kind::Both])), true, dice);
            }
            Act::Send { client, peer, .. } if self.clients[*client].permitted.is_empty() && dice.percent(50) => {
                self.ask(*client, Ask::Permit { peers: vec![*peer] }, true, dice);
            }
            Act::Channel { client, number, .. } if self.clients[*client].bound.is_empty() && dice.percent(50) => {
                self.ask(*client, Ask::Bind { number: *number, peer: dice.below(SENDERS) }, true, dice);
            }
            Act::Send { client, peer, size, dont_fragment } => {
                self.send(*client, *peer, *size, *dont_fragment, dice);
            }
            Act::Channel { client, number, size } => self.channel(*client, *number, *size, dice),
            Act::PeerSends { peer: index, client, size } => {
                let known = &self.clients[*client].permitted;
                let known = known.iter().copied().filter(|peer| *peer < SENDERS).nth(dice.below(3));
                let from = peer(known.filter(|_| dice.percent(60)).unwrap_or(*index));
                if let Some(to) = self.clients[*client].relayed_for(from.is_ipv4()) {
                    let bytes = data(*size, dice);
                    self.cast(None, Flight::ToRelay { to, from, bytes });
                }
            }
            Act::OwnSends { client, peer: index } => {
                let from = if dice.percent(50) { sock(SERVER_V4) } else { peer(*index) };
                if let Some(to) = self.clients[*client].relayed_for(from.is_ipv4()) {
                    self.cast(None, Flight::ToRelay { to, from, bytes: vec![1] });
                }
            }
            Act::Hostile { client, trick, ask } => self.hostile(*client, *trick, ask, dice),
            Act::Rebind { client, back, other_ip } => self.rebind(*client, *back, *other_ip, dice)?,
            Act::Disconnect { client } => {
                if self.clients[*client].transport.is_stream() {
                    self.reconnect(*client, None, port(dice))?;
                }
            }
            Act::Guess { client, user, count } => self.guess(*client, *user, *count, dice)?,
            other => self.perform_on_world(other, dice)?,
        }
        Ok(())
    }

    fn perform_on_world(&mut self, act: &Act, dice: &mut Dice) -> Checked {
        match act {
            Act::Wait { millis } => self.advance(self.mono + SECOND / 1000 * millis)?,
            Act::Suspend { secs, timers_first } => self.suspend(*secs, *timers_first, dice)?,
            Act::WallClock { secs } => self.wall_set += secs,
            Act::LookUps(pace) => self.look_ups = *pace,
            Act::Openings(pace) => self.openings = *pace,
            Act::Epoll { refuses } => {
                self.engine.epoll_refuses = *refuses;
                self.model.epoll_refuses = *refuses;
            }
            Act::Password { user, is_new } => self.set_password(*user, Some(*is_new)),
            Act::Revoke { user } => self.set_password(*user, None),
            Act::Peers { lists } => self.change_peers(*lists)?,
            Act::HandOver { worker } => self.hand_over(*worker, *worker, dice)?,
            Act::Merge { from, to } => self.hand_over(*from, *to, dice)?,
            Act::Fault { client } => {
                let path = self.clients[*client].path();
                let worker = self.worker_of(who(&path.tuple));
                self.model.end(who(&path.tuple), EndReason::Fault);
                let now = self.now();
                self.servers[worker].handle_fault(now, &Path::Client(path));
                self.drain(worker)?;
            }
            Act::Weather(weather) => self.plan.weather = *weather,
            Act::Flood { client } => self.flood(*client, dice)?,
            Act::Churn { client } => self.churn(*client, dice)?,
            Act::Sending { fails } => self.sending_fails = *fails,
            other => unreachable!("{other:?} is a client's"),
        }
        self.check_books()
    }

    fn send(&mut self, client: usize, peer: usize, size: Size, dont_fragment: bool, dice: &mut Dice) {
        let id = dice.id();
        let is_ipv4 = dice.percent(70);
        let addresses = self.addresses(is_ipv4);
        let mut draft = Draft::new(wire::SEND, wire::INDICATION, &id);
        let known = &self.clients[client].permitted;
        let known = if known.is_empty() { None } else { Some(known[dice.below(known.len())]) };
        let peer = known.filter(|_| dice.percent(60)).unwrap_or(peer);
        if let Some(peer) = addresses[peer].filter(|_| !dice.percent(3)) {
            draft.attribute(wire::PEER_ADDRESS, &wire::xored(peer, &id));
        }
        if dont_fragment {
            draft.attribute(wire::DONT_FRAGMENT, &[]);
        }
        if !dice.percent(3) {
            draft.attribute(wire::DATA, &data(size, dice));
        }
        let client = &mut self.clients[client];
        client.last.clone_from(&draft.bytes);
        let path = client.path();
        self.cast_to_server(path, draft.bytes);
    }

    fn channel(&mut self, client: usize, number: u16, size: Size, dice: &mut Dice) {
        let data = data(size, dice);
        let bound = &self.clients[client].bound;
        let bound = if bound.is_empty() { None } else { Some(bound[dice.below(bound.len())]) };
        let number = bound.filter(|_| dice.percent(70)).unwrap_or(number);
        let mut bytes = [number.to_be_bytes(), (data.len() as u16).to_be_bytes()].concat();
        bytes.extend_from_slice(&data);
        let path = self.clients[client].path();
        if path.tuple.transport.is_stream() || dice.percent(20) {
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        self.cast_to_server(path, bytes);
    }

    fn hostile(&mut self, client: usize, trick: Trick, ask: &Ask, dice: &mut Dice) {
        let mut parts = self.parts(client, ask, dice);
        trick.spoil_parts(dice, &mut parts);
        if trick == Trick::OtherUser && dice.percent(60) {
            // Another user who really exists, with the right password, on this client's 5-tuple.
            let user = dice.below(NAMES.len());
            let password: &[u8] = if self.passwords_new[user] { b"second" } else { b"first" };
            parts.name = Some(NAMES[user].as_bytes().to_vec());
            parts.key = Some(Key::derive(NAMES[user].as_bytes(), REALM, password));
        }
        if trick == Trick::Quoted {
            let name = self.clients[client].name.clone();
            parts.name = dice.percent(70).then(|| Trick::quote(dice, &name));
            if dice.percent(40) {
                parts.realm = Trick::quote(dice, REALM.as_bytes());
            }
        }
        let mut bytes = self.clients[client].encode(&parts, &mut self.model);
        trick.spoil_bytes(dice, &mut bytes, &self.clients[client].last);
        let mut path = self.clients[client].path();
        if trick == Trick::FromOurListener && !path.tuple.transport.is_stream() {
            path.tuple.client = path.tuple.server;
        }
        if !bytes.is_empty() {
            self.cast_to_server(path, bytes);
        }
    }

    /// Passwords that are nobody's, for a user's name, without a pause.
    fn guess(&mut self, client: usize, user: usize, count: usize, dice: &mut Dice) -> Checked {
        for _ in 0..count {
            let mut parts = self.parts(client, &Ask::Refresh { lifetime: None, family: None }, dice);
            if self.plan.mode == AuthMode::LongTerm {
                parts.name = Some(NAMES[user].as_bytes().to_vec());
            }
            parts.key = Some(Key::derive(NAMES[user].as_bytes(), REALM, b"a guess"));
            let bytes = self.clients[client].encode(&parts, &mut self.model);
            self.serve_client(self.clients[client].path(), &bytes)?;
        }
        self.check_books()
    }

    fn rebind(&mut self, client: usize, back: bool, other_ip: bool, dice: &mut Dice) -> Checked {
        if self.clients[client].transport.is_stream() {
            let ip = other_ip.then(|| ip(dice.pick(&OTHER_SOURCES)));
            return self.reconnect(client, ip, port(dice));
        }
        let former = self.clients[client].former.clone();
        let mut to = self.clients[client].address;
        to.set_port(port(dice));
        if other_ip {
            to.set_ip(ip(dice.pick(&OTHER_SOURCES)));
        }
        if back && !former.is_empty() {
            to = former[dice.below(former.len())];
        }
        let held = &mut self.clients[client];
        held.former.push(held.address);
        held.address = to;
        Ok(())
    }

    /// A stream ends and its client comes again from another port.
    pub(crate) fn reconnect(&mut self, client: usize, ip: Option<IpAddr>, port: u16) -> Checked {
        let tuple = self.clients[client].path().tuple;
        let worker = self.worker_of(who(&tuple));
        self.model.disconnect(self.clock(), who(&tuple));
        let now = self.now();
        self.servers[worker].handle_answer(now, Answer::Disconnected { tuple });
        self.links += 1;
        let held = &mut self.clients[client];
        held.link = LinkId(self.links);
        held.forget();
        held.address = SocketAddr::new(ip.unwrap_or(held.address.ip()), port);
        self.drain(worker)?;
        self.check_books()
    }

    fn suspend(&mut self, secs: u64, timers_first: bool, dice: &mut Dice) -> Checked {
        self.open_all(|_| true)?;
        let client = dice.below(self.clients.len());
        self.ask(client, Ask::Refresh { lifetime: None, family: None }, true, dice);
        let client = dice.below(self.clients.len());
        self.ask(client, Ask::Allocate(Kind::Both), true, dice);
        self.mono += secs * SECOND;
        if !timers_first {
            self.land_all_due()?;
        }
        self.advance(self.mono)
    }

    /// Has the engine answer at once what it was asked to open.
    fn open_all(&mut self, is_meant: impl Fn(usize) -> bool) -> Checked {
        let is_opening = |flight: &Flight| matches!(flight, Flight::Answer { worker, asked: Asked::Open(_) | Asked::Claim(_), .. } if is_meant(*worker));
        let due: Vec<_> = self.flights.iter().filter(|(_, flight)| is_opening(flight)).map(|(at, _)| *at).collect();
        for at in due {
            let Some(Flight::Answer { worker, generation, ticket, asked }) = self.flights.remove(&at) else { continue };
            if self.generations[worker] == generation {
                self.answer_core(worker, ticket, asked)?;
                self.drain(worker)?;
            }
        }
        Ok(())
    }

    /// The database changes: a password, or that there is such a user.
    fn set_password(&mut self, user: usize, is_new: Option<bool>) {
        let name = NAMES[user];
        let users = &mut self.plan.config.auth.users;
        users.retain(|held| held.name != name);
        self.model.passwords.remove(name.as_bytes());
        if let Some(is_new) = is_new {
            let password = if is_new { "second" } else { "first" };
            users.push(crate::plan::user(name, password));
            self.model.passwords.insert(name.as_bytes().to_vec(), password.as_bytes().to_vec());
            self.passwords_new[user] = is_new;
        }
        debug_assert!(users.iter().all(|user| matches!(user.secret, UserSecret::Password(_))));
        self.engine.users = Users::new(&self.plan.config.auth);
    }

    /// Other peers may be reached, from now on and by all workers.
    fn change_peers(&mut self, lists: usize) -> Checked {
        let (allowed, denied) = LISTS[lists];
        self.plan.lists = LISTS[lists];
        let peers = &mut self.plan.config.peers;
        (peers.allowed, peers.denied) = (ranges(allowed), ranges(denied));
        let policy = self.settings.policy.with_lists(peers);
        let config = Arc::new(self.plan.config.clone());
        self.settings = Arc::new(Settings { config, policy, ..(*self.settings).clone() });
        let (permissions, channels) = self.model.change_peers(allowed, denied);
        if permissions > 0 {
            self.tally.other("permission forbidden");
        }
        if channels > 0 {
            self.tally.other("channel forbidden");
        }
        let now = self.now();
        for worker in 0..self.servers.len() {
            self.servers[worker].handle_settings(now, Arc::clone(&self.settings));
            self.drain(worker)?;
        }
        Ok(())
    }

    /// A worker's state is written out and taken over: by a new core in its place, or by another worker beside what that
    /// has.
    fn hand_over(&mut self, from: usize, to: usize, dice: &mut Dice) -> Checked {
        self.open_all(|worker| worker == from)?;
        let now = self.now();
        let mut snapshot = self.servers[from].export();
        if dice.percent(15) {
            let text = serde_json::to_string(&snapshot).map_err(|error| error.to_string())?;
            let read: Snapshot = serde_json::from_str(&text).map_err(|error| error.to_string())?;
            if read != snapshot {
                return Err("state is read otherwise than it was written".to_owned());
            }
            snapshot = read;
            self.tally.other("state through text");
        }
        let engine = &mut self.engine;
        let mut lost = false;
        let move_socket = |relay| {
            engine.move_socket(from, relay, to).unwrap_or_else(|| {
                lost = true;
                relay
            })
        };
        snapshot.rename(|_, link| link, move_socket);
        if lost {
            return Err("state names a socket that is not open".to_owned());
        }
        self.model.hand_over(from, self.is_of(from));
        self.generations[from] += 1;
        let fresh = Server::new(Arc::clone(&self.settings), WorkerId(from as u8), dice.seed(), now);
        self.servers[from] = fresh;
        if from == to {
            let is_whole = dice.percent(30);
            let before = is_whole.then(|| snapshot.clone());
            self.servers[to].import(snapshot);
            if before.is_some_and(|before| self.servers[to].export() != before) {
                return Err("state taken over is not the state written out".to_owned());
            }
        } else {
            let before = parts(&[&self.servers[to].export(), &snapshot])?;
            self.servers[to].import(snapshot);
            if parts(&[&self.servers[to].export()])? != before {
                return Err("two states taken together are not what both were".to_owned());
            }
            self.tally.other("states taken together");
            self.route.iter_mut().filter(|worker| **worker == from).for_each(|worker| *worker = to);
        }
        self.learn_handles(from, to);
        self.drain(to)?;
        if from == to { Ok(()) } else { self.compare_state(to) }
    }

    /// A client that asks more often than requests may wait, while nobody answers for its user.
    fn flood(&mut self, client: usize, dice: &mut Dice) -> Checked {
        if self.plan.mode == AuthMode::Anonymous {
            return self.flood_with_allocates(client, dice);
        }
        self.look_ups = Pace::Lost;
        let path = self.clients[client].path();
        let mut bare = Draft::new(wire::ALLOCATE, wire::REQUEST, &dice.id());
        bare.attribute(wire::TRANSPORT, &[17, 0, 0, 0]);
        self.serve_client(path, &bare.bytes)?;
        let challenge = self.last_answer.clone();
        let nonce = View::parse(&challenge).ok().and_then(|view| view.value(wire::NONCE)).map(<[u8]>::to_vec);
        let Some(nonce) = nonce else { return Ok(()) };
        for _ in 0..FLOOD_OF_LOOK_UPS {
            let mut draft = Draft::new(wire::REFRESH, wire::REQUEST, &dice.id());
            draft.attribute(wire::USERNAME, b"nobody");
            draft.attribute(wire::REALM, crate::plan::REALM.as_bytes());
            draft.attribute(wire::NONCE, &nonce);
            draft.attribute(wire::INTEGRITY, &[0; 20]);
            self.take_in(path, &draft.bytes)?;
        }
        self.settle(self.worker_of(who(&path.tuple)))
    }

    /// A client that allocates and deletes, again and again and without a pause, more often than timers may be left
    /// behind.
    fn churn(&mut self, client: usize, dice: &mut Dice) -> Checked {
        let knows = |client: &usize| self.plan.clients[*client].password_is_right;
        let client = (client..self.clients.len()).chain(0..client).find(knows).unwrap_or(client);
        self.log_in(client, dice);
        // Its answers it gets at once, and not once more from the network.
        let weather = crate::plan::Weather { loss: 100, twice: 0, jitter: 0 };
        let weather = std::mem::replace(&mut self.plan.weather, weather);
        (self.look_ups, self.openings) = (Pace::AtOnce, Pace::AtOnce);
        let path = self.clients[client].path();
        let end = Ask::Refresh { lifetime: Some(0), family: None };
        let mut failed = 0;
        for _ in 0..CHURNS {
            for ask in [Ask::Allocate(Kind::Plain), end.clone()] {
                let parts = self.parts(client, &ask, dice);
                let bytes = self.clients[client].encode(&parts, &mut self.model);
                self.clients[client].note_asked(parts.id, ask, false, &bytes);
                self.last_answer.clear();
                self.take_in(path, &bytes)?;
                let answer = std::mem::take(&mut self.last_answer);
                if !answer.is_empty() {
                    self.clients[client].receive(&answer);
                }
                failed += usize::from(View::parse(&answer).map_or(true, |view| view.class != wire::SUCCESS));
            }
            if failed > 10 {
                break;
            }
        }
        if failed <= 10 {
            self.tally.other("timers left behind");
        }
        self.plan.weather = weather;
        self.settle(self.worker_of(who(&path.tuple)))
    }

    /// A flood where nobody is asked who they are, while relayed addresses are opened slowly.
    fn flood_with_allocates(&mut self, client: usize, dice: &mut Dice) -> Checked {
        self.openings = Pace::Slow;
        let mut path = self.clients[client].path();
        path.tuple.transport = Transport::Udp;
        path.tuple.client.set_port(29_999);
        for _ in 0..FLOOD_OF_ALL {
            let mut draft = Draft::new(wire::ALLOCATE, wire::REQUEST, &dice.id());
            draft.attribute(wire::TRANSPORT, &[17, 0, 0, 0]);
            self.take_in(path, &draft.bytes)?;
        }
        self.settle(self.worker_of(who(&path.tuple)))
    }

    /// The end of the story: the server stops, or time runs out for everything.
    pub(crate) fn finish(&mut self) -> Checked {
        self.look_ups = Pace::AtOnce;
        self.openings = Pace::AtOnce;
        self.plan.weather = crate::plan::Weather { loss: 0, twice: 0, jitter: 0 };
        self.advance(self.mono + 25 * SECOND)?;
        if self.trace.is_multiple_of(2) {
            let now = self.now();
            for worker in 0..self.servers.len() {
                let of: Vec<_> = self.model.held.keys().copied().filter(|who| self.worker_of(*who) == worker).collect();
                of.into_iter().for_each(|who| self.model.end(who, EndReason::Stopped));
                self.servers[worker].handle_stop(now);
                self.drain(worker)?;
            }
            self.check_books()?;
        }
        self.advance(self.mono + 5_000 * SECOND)?;
        self.check_books()?;
        self.check_empty()
    }
}

/// Where a NAT puts a client.
fn port(dice: &mut Dice) -> u16 {
    30_000 + dice.below(30_000) as u16
}

fn data(size: Size, dice: &mut Dice) -> Vec<u8> {
    let len = match size {
        Size::Empty => 0,
        Size::Small => 1 + dice.below(60),
        Size::Large => 1200 + dice.below(300),
        Size::Huge => 65_507 - dice.below(60),
    };
    match size {
        Size::Huge => vec![dice.next() as u8; len],
        _ => dice.bytes(len),
    }
}
