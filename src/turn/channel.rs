//! Channels: a number for a peer's transport address (RFC 8656 section 12).

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::io::OwnPeer;
use super::time::Mono;
use crate::stun::ChannelNumber;

/// Why a channel could not be bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BindError {
    /// The number, or the peer, is bound otherwise (RFC 8656 section 12.2).
    Conflict,
    /// The table is full.
    TableFull,
}

/// The channels of one allocation: one list sorted by number, and its order by peer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Channels {
    by_number: Vec<Channel>,
    by_peer: Vec<(SocketAddr, ChannelNumber)>,
}

/// A bound channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Channel {
    /// Its number.
    pub number: ChannelNumber,
    /// The peer it stands for.
    pub peer: SocketAddr,
    /// Whether the peer is an address of this server.
    pub own: OwnPeer,
    /// When it ends.
    pub expires: Mono,
}

impl Channels {
    /// The channel of a number.
    pub fn of_number(&self, number: ChannelNumber, now: Mono) -> Option<&Channel> {
        let index = self.position(number).ok()?;
        Some(&self.by_number[index]).filter(|channel| now < channel.expires)
    }

    /// The channel of a peer.
    pub fn of_peer(&self, peer: SocketAddr, now: Mono) -> Option<&Channel> {
        let index = self.by_peer.binary_search_by(|(known, _)| known.cmp(&peer)).ok()?;
        self.of_number(self.by_peer[index].1, now)
    }

    /// Whether `number` can be bound to `peer`: both are free, or bound to each other.
    pub fn check(&self, number: ChannelNumber, peer: SocketAddr, now: Mono, max: usize) -> Result<(), BindError> {
        match (self.of_number(number, now), self.of_peer(peer, now)) {
            (Some(channel), _) if channel.peer != peer => Err(BindError::Conflict),
            (_, Some(channel)) if channel.number != number => Err(BindError::Conflict),
            (None, None) if self.len() >= max => Err(BindError::TableFull),
            _ => Ok(()),
        }
    }

    /// Binds what [`Channels::check`] let pass, or moves its end. What ended must have been swept before, so that its
    /// end was told.
    pub fn bind(&mut self, channel: Channel) {
        match self.position(channel.number) {
            Ok(index) => self.by_number[index] = channel,
            Err(index) => self.by_number.insert(index, channel),
        }
        if let Err(index) = self.by_peer.binary_search_by(|(known, _)| known.cmp(&channel.peer)) {
            self.by_peer.insert(index, (channel.peer, channel.number));
        }
    }

    /// Removes what ended, and everything `keep` refuses.
    pub fn sweep(&mut self, now: Mono, keep: impl Fn(&Channel) -> bool, mut ended: impl FnMut(&Channel)) {
        let by_peer = &mut self.by_peer;
        self.by_number.retain(|channel| {
            let stays = now < channel.expires && keep(channel);
            if !stays {
                by_peer.retain(|(peer, _)| *peer != channel.peer);
                ended(channel);
            }
            stays
        });
    }

    /// Looks anew how each peer is reached; one that is not keeps what it had.
    pub(super) fn resolve(&mut self, reach: impl Fn(SocketAddr) -> Option<OwnPeer>) {
        for channel in &mut self.by_number {
            channel.own = reach(channel.peer).unwrap_or(channel.own);
        }
    }

    /// The earliest end.
    pub fn next_expiry(&self) -> Option<Mono> {
        self.by_number.iter().map(|channel| channel.expires).min()
    }

    /// How many there are, ended ones included until they are swept.
    pub fn len(&self) -> usize {
        self.by_number.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_number.is_empty()
    }

    /// Every number with its peer.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (ChannelNumber, SocketAddr)> {
        self.by_number.iter().map(|channel| (channel.number, channel.peer))
    }

    /// The number indexed for a peer, ended or not.
    pub(super) fn by_peer_unchecked(&self, peer: SocketAddr) -> Option<ChannelNumber> {
        let index = self.by_peer.binary_search_by(|(known, _)| known.cmp(&peer)).ok()?;
        Some(self.by_peer[index].1)
    }

    /// How many peers are indexed.
    pub(super) fn peers(&self) -> usize {
        self.by_peer.len()
    }

    fn position(&self, number: ChannelNumber) -> Result<usize, usize> {
        self.by_number.binary_search_by(|channel| channel.number.cmp(&number))
    }
}
