//! Ten million datagrams, half of them from a client with an allocation.

use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use rustix::net::{RecvFlags, recv};
use rustix::process::Signal;
use turnserver::turn::limits::UDP_PAYLOAD_MAX;

use crate::alphabet::{Alphabet, Signature, answered_id, id_of};
use crate::figures::{Figures, assert_healthy, drops};
use crate::wire::{Client, Launch, Received, Server, poll_until};
use crate::{LOOPBACK, alice, launch, launch_shipped, own_network, times};

/// Datagrams between two questions that show that the server has read them.
const ROUND: usize = 64;
/// Of them from the client with the allocation, from strangers, and from its peer.
const FROM_CLIENT: usize = 32;
const FROM_STRANGER: usize = 24;
/// Datagrams the server takes in one call.
const ARENA_SLOTS: usize = 64;
/// The longest wait for data that must come.
const PATIENCE: Duration = Duration::from_secs(30);

/// A socket whose datagrams are answered at most once each.
struct Speaker {
    socket: UdpSocket,
    /// Ids said and not answered, in this round.
    open: HashMap<[u8; 12], usize>,
    said: usize,
    answers: usize,
    relayed: usize,
}

impl Speaker {
    fn to(server: SocketAddr) -> Speaker {
        let socket = UdpSocket::bind((LOOPBACK, 0)).expect("a free port");
        socket.connect(server).expect("loopback has a route");
        Speaker { socket, open: HashMap::new(), said: 0, answers: 0, relayed: 0 }
    }

    fn say(&mut self, bytes: &[u8]) {
        if let Some(id) = id_of(bytes) {
            *self.open.entry(id).or_default() += 1;
        }
        self.said += 1;
        self.socket.send(bytes).expect("the server listens");
    }

    /// Takes what came; an answer nobody asked for, or a second one, fails.
    fn listen(&mut self, buffer: &mut [u8]) {
        while let Ok((len, _)) = recv(&self.socket, &mut *buffer, RecvFlags::DONTWAIT) {
            match answered_id(&buffer[..len]) {
                None => self.relayed += 1,
                Some(id) => {
                    let open = self.open.get_mut(&id).filter(|open| **open > 0);
                    *open.unwrap_or_else(|| panic!("a second answer, or one to nothing: {:02x?}", &buffer[..len])) -= 1;
                    self.answers += 1;
                }
            }
        }
        self.open.clear();
    }
}

/// All who speak to one server.
struct Crowd {
    server: Server,
    alphabet: Alphabet,
    client: Speaker,
    /// The client's own voice on the same socket.
    owner: Client,
    stranger: Speaker,
    /// Shows by its questions that everything before them is done.
    witness: Client,
    peer: UdpSocket,
    relayed: SocketAddr,
    signature: Signature,
    renewals: usize,
    to_relay: usize,
    at_peer: usize,
    buffer: Vec<u8>,
}

impl Crowd {
    fn new(server: Server) -> Crowd {
        let peer = UdpSocket::bind((LOOPBACK, 0)).expect("a free port");
        peer.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let peer_addr = peer.local_addr().expect("a bound socket");
        let client = Speaker::to(server.addr);
        let mut owner = alice(Client::on(client.socket.try_clone().expect("a descriptor")));
        let relayed = settle_in(&mut owner, peer_addr);
        let signature = Signature::of_alice(owner.challenge().expect("it was challenged"));
        Crowd {
            alphabet: Alphabet::new(1, peer_addr.port()),
            client,
            owner,
            stranger: Speaker::to(server.addr),
            witness: Client::udp(server.addr),
            peer,
            relayed,
            signature,
            renewals: 0,
            to_relay: 0,
            at_peer: 0,
            buffer: vec![0; 65_536],
            server,
        }
    }

    fn round(&mut self) {
        for turn in 0..ROUND {
            if turn % 2 == 0 {
                let bytes = self.alphabet.signed(&self.signature);
                self.client.say(&bytes);
            } else if turn < 2 * FROM_STRANGER {
                let bytes = self.alphabet.unsigned();
                self.stranger.say(&bytes);
            } else {
                let bytes = self.alphabet.unsigned();
                self.peer.send_to(&bytes, self.relayed).expect("loopback has a route");
                self.to_relay += 1;
            }
        }
        self.witness.settle();
        self.client.listen(&mut self.buffer);
        self.stranger.listen(&mut self.buffer);
        while recv(&self.peer, &mut self.buffer[..], RecvFlags::DONTWAIT).is_ok() {
            self.at_peer += 1;
        }
        assert_eq!(self.witness.unread(), 0, "the witness was answered twice");
    }

    /// The server receives into an arena, whose pages are the system's until a datagram lies in them: the longest one comes
    /// to lie in every place. While the server is stopped they pile up, to be taken together. Without this a long datagram
    /// in a place that had none yet, any time later, would look like a leak of up to 64 KiB a place: 4 MiB, twice the bound.
    fn fill_arena(&mut self) {
        for place in 0..ARENA_SLOTS {
            self.server.signal(Signal::STOP);
            (0..place).for_each(|_| self.stranger.say(b"short"));
            self.stranger.say(&[0x7F; UDP_PAYLOAD_MAX]);
            self.server.signal(Signal::CONT);
            self.witness.settle();
        }
    }

    /// The client lives on: with a nonce that is not stale, and with an allocation even if it said by chance that it
    /// wants none. Its data tells the relayed address, as it may have asked for another one in the same way.
    fn look_after_client(&mut self) {
        let peer = self.peer.local_addr().expect("a bound socket");
        if self.owner.refresh(600).code() != 0 {
            settle_in(&mut self.owner, peer);
        }
        permit(&mut self.owner, peer);
        // The number, or the peer, may be bound otherwise already.
        let _ = self.owner.bind(0x4000, peer);
        self.owner.send(peer, b"still here");
        let (len, from) = self.peer.recv_from(&mut self.buffer).expect("data came in time");
        assert_eq!(&self.buffer[..len], b"still here");
        self.renewals += usize::from(from != self.relayed);
        self.relayed = from;
        self.signature = Signature::of_alice(self.owner.challenge().expect("it was challenged"));
    }

    fn said(&self) -> usize {
        self.client.said + self.stranger.said + self.to_relay
    }
}

/// What was said may have asked for so many peers that its user must wait for one more.
fn permit(owner: &mut Client, peer: SocketAddr) {
    poll_until("the peer is permitted", || (owner.permit(peer.ip()).code() == 0).then_some(()));
}

/// An allocation with a permission; the channels are bound by what is said.
fn settle_in(owner: &mut Client, peer: SocketAddr) -> SocketAddr {
    let relayed = owner.relayed();
    permit(owner, peer);
    relayed
}

/// Data goes both ways.
fn assert_relays(crowd: &mut Crowd) {
    crowd.look_after_client();
    crowd.peer.send_to(b"and here", crowd.relayed).expect("loopback has a route");
    let data = match crowd.owner.receive() {
        Received::Indication(_, data) | Received::Channel(_, data) => data,
    };
    assert_eq!(data, b"and here");
}

#[test]
fn hostile_datagrams_are_answered_once_at_most_and_cost_no_memory() {
    datagrams(launch(&[]), times(75_000, 7_500_000));
}

#[test]
fn hostile_datagrams_are_survived_in_the_shipped_profile() {
    datagrams(launch_shipped(&[]), times(25_000, 2_500_000));
}

/// So many datagrams for a server.
fn datagrams(launch: Launch, count: usize) {
    let _network = own_network();
    let rounds = count.div_ceil(ROUND);
    let mut crowd = Crowd::new(launch.start());
    // What grows once and stays: code paged in, tables at their first size, and the arena.
    crowd.fill_arena();
    let warm_up = (rounds / 10).clamp(300, 5000);
    (0..warm_up).for_each(|_| crowd.round());
    crowd.look_after_client();
    let mut before = Figures::of(&crowd.server);
    let (said_before, drops_before) = (crowd.said(), drops(&crowd.server));
    let mut done = 0;
    while done < rounds * ROUND {
        (0..100).for_each(|_| crowd.round());
        crowd.look_after_client();
        before.sample(&crowd.server);
        done = crowd.said() - said_before - (drops(&crowd.server) - drops_before);
    }
    assert_relays(&mut crowd);
    let Crowd { server, client, stranger, to_relay, at_peer, renewals, .. } = crowd;
    let what = format!(
        "{done} datagrams read by the server ({} said, {FROM_CLIENT} of {ROUND} by the client with an allocation): {} + {} \
         answers, {} data to the client of {to_relay} by its peer, {at_peer} to the peer, {renewals} new allocations",
        client.said + stranger.said + to_relay,
        client.answers,
        stranger.answers,
        client.relayed
    );
    let after = before.report(&server, what);
    assert!(client.answers <= client.said && stranger.answers <= stranger.said);
    assert!(client.answers > client.said / 10 && stranger.answers > stranger.said / 20, "most was not even a question");
    assert!(at_peer > 0 && client.relayed > 0);
    before.assert_memory(&after);
    assert_healthy(server);
}
