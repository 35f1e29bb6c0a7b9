//! What comes to a client without being an answer: data of peers, and the end of its connection.

use std::net::SocketAddr;

use turnserver::stun::{AttributeType, ChannelData, Message};

use super::super::wait::Deadline;
use super::Client;

/// Data of a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Received {
    /// In a Data indication.
    Indication(SocketAddr, Vec<u8>),
    /// On a channel.
    Channel(u16, Vec<u8>),
}

impl Client {
    /// The next data of a peer, waited for.
    pub(crate) fn receive(&mut self) -> Received {
        let deadline = Deadline::new();
        loop {
            if let Some(bytes) = self.inbox.pop_front() {
                return Received::parse(&bytes);
            }
            let left = deadline.left().expect("data of a peer came in time");
            self.inbox.extend(self.link.receive(left).expect("the server is there"));
        }
    }

    /// The data of peers that came so far and was not received.
    pub(crate) fn pending(&mut self) -> Vec<Received> {
        self.inbox.drain(..).map(|bytes| Received::parse(&bytes)).collect()
    }

    /// The same as they came, whatever they are.
    pub(crate) fn pending_bytes(&mut self) -> Vec<Vec<u8>> {
        self.inbox.drain(..).collect()
    }

    /// Takes the next messages, so many, whatever they are; they are waited for.
    pub(crate) fn gather(&mut self, count: usize) -> Vec<Vec<u8>> {
        let deadline = Deadline::new();
        while self.inbox.len() < count {
            let left = deadline.left().expect("messages came in time");
            self.inbox.extend(self.link.receive(left).expect("the server is there"));
        }
        self.inbox.drain(..count).collect()
    }

    /// Takes what is there, over UDP; nothing is waited for.
    pub(crate) fn take_in(&mut self) {
        while let Some(bytes) = self.link.take().expect("the server is there") {
            self.inbox.push_back(bytes);
        }
    }

    /// How many messages came so far and were not read.
    pub(crate) fn unread(&mut self) -> usize {
        self.inbox.len()
    }

    /// Whether the server closes the connection, waited for.
    pub(crate) fn is_closed(&mut self) -> bool {
        let deadline = Deadline::new();
        while let Some(left) = deadline.left() {
            match self.link.receive(left) {
                Err(_) => return true,
                Ok(message) => self.inbox.extend(message),
            }
        }
        false
    }
}

impl Received {
    /// Takes a Data indication or ChannelData apart.
    pub(crate) fn parse(bytes: &[u8]) -> Received {
        if let (Some(0x40..), Some(ChannelData { number, data })) = (bytes.first(), ChannelData::parse(bytes)) {
            return Received::Channel(number.0, data.to_vec());
        }
        let message = Message::parse(bytes).expect("what is no ChannelData is STUN");
        let peer =
            message.xor_address(AttributeType::XOR_PEER_ADDRESS).expect("a Data indication").expect("an address");
        Received::Indication(peer, message.value(AttributeType::DATA).expect("data").to_vec())
    }
}
