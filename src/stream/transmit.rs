//! From messages to a connection's socket: whole, in order, in as few writes as it takes.

use std::io::{ErrorKind, Write};

use super::buffers::Buffers;
use super::close::CloseReason;
use super::connection::{Connection, Stage};
use super::limits::{QUEUE_LEN_HARD_MAX, QUEUE_LEN_HARD_MAX_UNALLOCATED, SEAL_LEN_MAX};
use super::streams::{Kind, Sent};
use crate::turn::time::Mono;

/// TLS records on their way to the socket. What they carry stays in the queue until the last of them is written, so that
/// its length and age tell the truth.
#[derive(Debug, Default)]
pub(super) struct Sealed {
    pub(super) bytes: Vec<u8>,
    written: usize,
    /// Bytes at the front of the queue that the records carry.
    carried: usize,
}

impl Sealed {
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

impl Connection {
    /// Takes one whole message into the queue, or none of it.
    ///
    /// # Errors
    /// The client lets too much lie, and the connection is over.
    pub(super) fn enqueue(&mut self, now: Mono, pieces: [&[u8]; 3], kind: Kind) -> Result<Sent, CloseReason> {
        match kind {
            Kind::Answer => self.unanswered = self.unanswered.saturating_sub(1),
            Kind::Relayed if self.queue.is_full(now) || self.deadlines.ended.is_some() => return Ok(Sent::Dropped),
            Kind::Relayed => {}
        }
        let len_max = if self.allocated() { QUEUE_LEN_HARD_MAX } else { QUEUE_LEN_HARD_MAX_UNALLOCATED };
        if self.queue.len() + pieces.iter().map(|piece| piece.len()).sum::<usize>() > len_max {
            return Err(CloseReason::Overfull);
        }
        self.queue.push(now, pieces);
        self.deadlines.stalled = self.deadlines.stalled.or(Some(now));
        Ok(Sent::Queued)
    }

    /// Writes what waits, until the socket has no more room.
    ///
    /// # Errors
    /// The connection is over.
    pub(super) fn transmit(&mut self, now: Mono, buffers: &mut Buffers) -> Result<(), CloseReason> {
        while !self.blocked && self.has_output() {
            if !self.sealed.is_empty() {
                self.write_sealed(now)?;
            } else if let Stage::Tls(_) = self.stage {
                self.seal_and_write(now, buffers)?;
            } else {
                let slices = self.queue.slices();
                let written = self.write(now, |mut socket| socket.write_vectored(&slices));
                self.queue.consume(written?);
            }
        }
        if !self.has_output() {
            self.deadlines.stalled = None;
        }
        Ok(())
    }
}
