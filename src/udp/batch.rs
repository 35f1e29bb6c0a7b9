//! What one receive batch sends on: pieces around ranges of the arena, gathered by the kernel.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;

use super::sys::{self, Arena};
use crate::turn::gather::{Prefix, Suffix};
use crate::turn::io::ByteRange;

/// Which socket a datagram leaves by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leave {
    /// A listener, by its place.
    Listener(u32),
    /// A relay socket, by its place.
    Relay(u32),
}

/// One datagram to be sent: nothing of it is copied but its prefix and suffix.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gather {
    pub(super) leave: Leave,
    pub(super) to: SocketAddr,
    pub(super) slot: u8,
    pub(super) prefix: Prefix,
    pub(super) range: ByteRange,
    pub(super) suffix: Suffix,
    pub(super) dont_fragment: bool,
}

/// The datagrams of one receive batch, in the order they came.
#[derive(Debug, Default)]
pub(super) struct Batch {
    entries: Vec<Gather>,
}

/// What went out.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Payload {
    pub(super) packets: u64,
    pub(super) bytes: usize,
}

impl Batch {
    pub(super) fn push(&mut self, gather: Gather) {
        self.entries.push(gather);
    }

    /// Sends everything. `socket_of` finds the socket, `failed` hears of each datagram that did not go out. What did is
    /// returned: to clients, and to peers.
    pub(super) fn flush<S: AsFd + Copy>(
        &mut self,
        arena: &Arena,
        socket_of: impl Fn(Leave) -> Option<S>,
        mut failed: impl FnMut(&Gather, &io::Error),
    ) -> [Payload; 2] {
        let [mut to_clients, mut to_peers] = [Payload::default(); 2];
        for entry in self.entries.drain(..) {
            let Some(socket) = socket_of(entry.leave) else { continue };
            let payload = &arena.datagram(usize::from(entry.slot))[entry.range.as_range()];
            let pieces = [entry.prefix.as_slice(), payload, entry.suffix.as_slice()];
            if let Err(error) = send(socket, entry.to, pieces, entry.dont_fragment) {
                failed(&entry, &error);
                continue;
            }
            let sent = match entry.leave {
                Leave::Listener(_) => &mut to_clients,
                Leave::Relay(_) => &mut to_peers,
            };
            *sent = Payload { packets: sent.packets + 1, bytes: sent.bytes + payload.len() };
        }
        [to_clients, to_peers]
    }
}

/// Sends one datagram; with DF where the client asked for it.
pub(super) fn send(
    socket: impl AsFd + Copy,
    to: SocketAddr,
    pieces: [&[u8]; 3],
    dont_fragment: bool,
) -> io::Result<()> {
    if !dont_fragment {
        return sys::send(socket, to, pieces);
    }
    sys::set_dont_fragment(socket, true)?;
    let sent = sys::send(socket, to, pieces);
    sys::set_dont_fragment(socket, false)?;
    sent
}
