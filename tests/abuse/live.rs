//! Clients with allocations that relay to each other while something else goes on.

use std::net::SocketAddr;

use crate::ALICE;
use crate::wire::{Client, Received, Server};

/// Pairs of clients; the first of each sends on a channel to the relayed address of the second.
pub(crate) struct Live {
    pairs: Vec<(Client, Client)>,
    sent: u32,
    came: Vec<Vec<bool>>,
}

const CHANNEL: u16 = 0x4000;

impl Live {
    /// So many allocations, two a pair.
    pub(crate) fn start(server: &Server, allocations: usize) -> Live {
        let pairs: Vec<_> = (0..allocations / 2).map(|_| pair(server.addr)).collect();
        let came = pairs.iter().map(|_| Vec::new()).collect();
        Live { pairs, sent: 0, came }
    }

    /// Each pair sends one datagram.
    pub(crate) fn send(&mut self) {
        for ((sender, _), came) in self.pairs.iter_mut().zip(&mut self.came) {
            sender.send_channel(CHANNEL, &self.sent.to_be_bytes());
            came.push(false);
        }
        self.sent += 1;
    }

    /// Returns when the server has answered a question asked behind everything sent so far.
    pub(crate) fn pace(&mut self) {
        assert_eq!(self.pairs[0].0.refresh(600).code(), 0);
    }

    /// Takes what came.
    pub(crate) fn take(&mut self) {
        for ((_, receiver), came) in self.pairs.iter_mut().zip(&mut self.came) {
            receiver.take_in();
            for received in receiver.pending() {
                let Received::Channel(CHANNEL, data) = received else { panic!("on the channel: {received:?}") };
                let number = u32::from_be_bytes(data.try_into().expect("four bytes")) as usize;
                assert!(!std::mem::replace(&mut came[number], true), "{number} came twice");
            }
        }
    }

    /// How many were sent, and how many of them did not come.
    pub(crate) fn losses(&mut self) -> (usize, usize) {
        // From listener to relay, from relay to relay, from relay to client: each in one turn of the worker.
        for _ in 0..4 {
            self.pace();
            self.take();
        }
        let lost = self.came.iter().flatten().filter(|came| !**came).count();
        (self.pairs.len() * self.sent as usize, lost)
    }
}

fn pair(server: SocketAddr) -> (Client, Client) {
    let client = || Client::udp(server).with_user(ALICE.0, ALICE.1);
    let (mut sender, mut receiver) = (client(), client());
    let (from, to) = (sender.relayed(), receiver.relayed());
    assert_eq!((sender.bind(CHANNEL, to).code(), receiver.bind(CHANNEL, from).code()), (0, 0));
    (sender, receiver)
}
