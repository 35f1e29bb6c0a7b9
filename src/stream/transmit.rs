//! From messages to a connection's socket: whole, in order, in as few writes as it takes.

use std::io::{self, ErrorKind, Write};

use super::buffers::Buffers;
use super::close::CloseReason;
use super::connection::{Connection, Stage};
use super::framing::{Frame, FrameRules, next_frame};
use super::limits::{FRAME_LEN_MAX, QUEUE_LEN_HARD_MAX, QUEUE_LEN_HARD_MAX_UNALLOCATED, SEAL_LEN_MAX};
use super::streams::{Kind, Sent};
use crate::stun::ChannelNumber;
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

/// What the queue holds: whole messages of ours, of any kind.
const OUTGOING: FrameRules = FrameRules { channel_number_max: *ChannelNumber::RFC5766.end(), len_max: FRAME_LEN_MAX };

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
        Ok(Sent::Queued)
    }

    /// Writes what waits, until the socket has no more room.
    ///
    /// # Errors
    /// The connection is over.
    pub(super) fn transmit(&mut self, now: Mono, buffers: &mut Buffers) -> Result<(), CloseReason> {
        while !self.blocked && self.has_output() {
            match self.stage {
                _ if !self.sealed.is_empty() => self.write_sealed(now)?,
                Stage::Tls(_) => self.seal_and_write(now, buffers)?,
                _ => self.write_plain(now)?,
            }
        }
        self.deadlines.stalled = if self.has_output() { self.deadlines.stalled.or(Some(now)) } else { None };
        Ok(())
    }

    /// Says good-bye as far as the socket takes it at once.
    pub(super) fn take_leave(&mut self, now: Mono, reason: CloseReason, buffers: &mut Buffers) {
        if self.transmit(now, buffers).is_err() || self.has_output() || !reason.is_orderly() {
            return;
        }
        // RFC 8446 section 6.1: so that the client knows the end is not an attacker's.
        if let Stage::Tls(session) = &mut self.stage {
            buffers.sealed.clear();
            if session.close(&mut self.received, &mut buffers.sealed).is_ok() {
                let _ = (&self.socket).write(&buffers.sealed);
            }
        }
    }

    fn write_plain(&mut self, now: Mono) -> Result<(), CloseReason> {
        let result = (&self.socket).write_vectored(&self.queue.slices());
        let written = self.note_written(now, result)?;
        self.queue.consume(written);
        Ok(())
    }

    fn write_sealed(&mut self, now: Mono) -> Result<(), CloseReason> {
        let result = (&self.socket).write(&self.sealed.bytes[self.sealed.written..]);
        self.sealed.written += self.note_written(now, result)?;
        if self.sealed.written == self.sealed.bytes.len() {
            self.queue.consume(self.sealed.carried);
            self.sealed = Sealed::default();
        }
        Ok(())
    }

    fn seal_and_write(&mut self, now: Mono, buffers: &mut Buffers) -> Result<(), CloseReason> {
        let Stage::Tls(session) = &mut self.stage else { return Ok(()) };
        buffers.sealed.clear();
        let data = self.queue.front(SEAL_LEN_MAX);
        let mut carried = 0;
        // One record a message: some clients take one read for one message.
        while carried < data.len() {
            let rest = &data[carried..];
            let len = match next_frame(rest, OUTGOING) {
                Frame::Whole(len) => len,
                Frame::Partial if carried > 0 => break,
                // Not as we send it, but whoever queued it wants it written.
                Frame::Partial | Frame::Broken(_) => rest.len(),
            };
            session.seal(&mut self.received, &rest[..len], &mut buffers.sealed).map_err(|_| CloseReason::BadRecord)?;
            carried += len;
        }
        let result = (&self.socket).write(&buffers.sealed);
        let written = self.note_written(now, result)?;
        if written == buffers.sealed.len() {
            self.queue.consume(carried);
        } else {
            self.sealed = Sealed { bytes: buffers.sealed[written..].to_vec(), written: 0, carried };
        }
        Ok(())
    }

    fn note_written(&mut self, now: Mono, result: io::Result<usize>) -> Result<usize, CloseReason> {
        match result {
            Ok(0) => Err(CloseReason::Io),
            Ok(len) => {
                self.deadlines.stalled = Some(now);
                Ok(len)
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(0),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.blocked = true;
                Ok(0)
            }
            Err(_) => Err(CloseReason::Io),
        }
    }
}
