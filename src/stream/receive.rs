//! From a connection's socket to whole messages.

use std::io::{ErrorKind, Read};

use bytes::{Bytes, BytesMut};

use super::buffers::Buffers;
use super::close::CloseReason;
use super::connection::{Connection, Handshake, Stage, Turn};
use super::framing::{FrameRules, carve};
use super::limits::{READ_LEN, READ_LEN_UNALLOCATED};
use super::session::Progress;
use super::shared::{StreamSettings, StreamShared};
use super::sniff::{Start, sniff};
use crate::stun::header::{Class, MessageType};
use crate::turn::time::Mono;

/// What the socket gave.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Taken {
    Nothing,
    Bytes(usize),
    End,
}

/// The longest payload of a TLS record (RFC 8446 section 5.1).
const RECORD_PAYLOAD_LEN_MAX: usize = 16 * 1024;

const RECORD_HEADER_LEN: usize = 5;

impl Connection {
    /// Reads once and appends the messages that are whole.
    ///
    /// # Errors
    /// The connection is over.
    pub(super) fn receive(
        &mut self,
        now: Mono,
        shared: &StreamShared,
        buffers: &mut Buffers,
        messages: &mut Vec<Bytes>,
    ) -> Result<(), CloseReason> {
        if self.deadlines.ended.is_some() {
            // The poller reports only a broken connection now; reading takes the error.
            return self.take(&mut [0]).map(|_| ());
        }
        match self.stage {
            Stage::Fresh | Stage::Plain => self.receive_plain(now, shared, buffers, messages),
            Stage::Handshake(_) => self.receive_handshake(buffers),
            Stage::Tls(..) => self.receive_tls(now, shared.settings(), buffers, messages),
        }
    }

    fn receive_plain(
        &mut self,
        now: Mono,
        shared: &StreamShared,
        buffers: &mut Buffers,
        messages: &mut Vec<Bytes>,
    ) -> Result<(), CloseReason> {
        let (kept, room) = (self.partial.len(), self.read_len());
        let space = buffers.space(kept + room);
        space[..kept].copy_from_slice(&self.partial);
        let filled = match self.take(&mut space[kept..kept + room])? {
            Taken::Nothing => return Ok(()),
            Taken::End => return self.end(now),
            Taken::Bytes(len) => kept + len,
        };
        if matches!(self.stage, Stage::Fresh) {
            match sniff(&buffers.arena[..filled]) {
                Start::Garbage => return Err(CloseReason::Garbage),
                Start::Tls => return self.begin_tls(shared, &buffers.arena[..filled]),
                Start::Plain if !shared.settings().tcp => return Err(CloseReason::NotServed),
                Start::Plain => self.stage = Stage::Plain,
                Start::Undecided => {
                    self.partial = buffers.arena[..filled].to_vec();
                    return Ok(());
                }
            }
        }
        self.carve(now, shared.settings(), &mut buffers.arena, filled, messages)
    }

    fn begin_tls(&mut self, shared: &StreamShared, bytes: &[u8]) -> Result<(), CloseReason> {
        let configs = shared.certificates.current().filter(|_| shared.settings().tls).ok_or(CloseReason::NotServed)?;
        self.stage = Stage::Handshake(Handshake::new(configs));
        self.deadlines.handshaking = true;
        self.partial = Vec::new();
        self.received.extend_from_slice(bytes);
        self.take_turn()
    }

    fn receive_handshake(&mut self, buffers: &mut Buffers) -> Result<(), CloseReason> {
        let room = self.received_len_max().saturating_sub(self.received.len()).min(buffers.read.len());
        if room == 0 {
            return Ok(());
        }
        match self.take(&mut buffers.read[..room])? {
            Taken::Nothing => Ok(()),
            Taken::End => Err(CloseReason::ClientEnded),
            Taken::Bytes(len) => {
                self.received.extend_from_slice(&buffers.read[..len]);
                self.take_turn()
            }
        }
    }

    /// After bytes came: if it was the client's turn and one more record is whole, it is ours.
    pub(super) fn take_turn(&mut self) -> Result<(), CloseReason> {
        let len_max = self.received_len_max();
        let Stage::Handshake(handshake) = &mut self.stage else { return Ok(()) };
        if handshake.turn != Turn::Client {
            return Ok(());
        }
        if whole_records_len(&self.received, len_max)? > handshake.worked_on {
            handshake.turn = Turn::Ours;
        } else if self.received.len() >= len_max {
            return Err(CloseReason::BadRecord);
        }
        Ok(())
    }

    fn receive_tls(
        &mut self,
        now: Mono,
        settings: StreamSettings,
        buffers: &mut Buffers,
        messages: &mut Vec<Bytes>,
    ) -> Result<(), CloseReason> {
        let taken = self.take(&mut buffers.read[..self.read_len()])?;
        buffers.received.clear();
        buffers.received.append(&mut self.received);
        if let Taken::Bytes(len) = taken {
            buffers.received.extend_from_slice(&buffers.read[..len]);
        }
        let kept = self.partial.len();
        buffers.space(kept + buffers.received.len() + RECORD_PAYLOAD_LEN_MAX)[..kept].copy_from_slice(&self.partial);
        let mut plain = Plain { space: &mut buffers.arena, filled: kept, overflowed: false };
        let Stage::Tls(session) = &mut self.stage else { return Ok(()) };
        let opened = session.open(&mut buffers.received, &mut self.sealed.bytes, &mut |payload| plain.push(payload));
        let (filled, overflowed) = (plain.filled, plain.overflowed);
        let progress = opened.map_err(|_| CloseReason::BadRecord)?;
        if overflowed || buffers.received.len() > self.received_len_max() {
            return Err(CloseReason::BadRecord);
        }
        self.received.extend_from_slice(&buffers.received);
        self.carve(now, settings, &mut buffers.arena, filled, messages)?;
        if taken == Taken::End || progress == Progress::PeerClosed { self.end(now) } else { Ok(()) }
    }

    /// Cuts the first `filled` bytes into messages and keeps what is left.
    fn carve(
        &mut self,
        now: Mono,
        settings: StreamSettings,
        arena: &mut BytesMut,
        filled: usize,
        messages: &mut Vec<Bytes>,
    ) -> Result<(), CloseReason> {
        let rules = FrameRules::new(settings.channel_number_max, self.allocated());
        let before = messages.len();
        let left = carve(arena, filled, rules, messages).map_err(|_| CloseReason::BadMessage)?;
        let requests = messages[before..].iter().filter(|message| is_request(message)).count();
        self.unanswered = self.unanswered.saturating_add(requests as u32);
        self.keep(&arena[..left]);
        let is_partial = left > 0 || !self.received.is_empty();
        if messages.len() > before {
            self.deadlines.heard = Some(now);
            self.deadlines.partial = is_partial.then_some(now);
        } else {
            self.deadlines.partial = self.deadlines.partial.or(Some(now)).filter(|_| is_partial);
        }
        Ok(())
    }

    fn keep(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            self.partial = Vec::new();
        } else {
            self.partial.clear();
            self.partial.reserve_exact(bytes.len());
            self.partial.extend_from_slice(bytes);
        }
    }

    /// The client sends no more. Answers may still be on their way to it: RFC 8489 section 6.2.2.
    fn end(&mut self, now: Mono) -> Result<(), CloseReason> {
        self.deadlines.ended = Some(now);
        self.deadlines.partial = None;
        if self.is_finished() { Err(CloseReason::ClientEnded) } else { Ok(()) }
    }

    fn read_len(&self) -> usize {
        if self.allocated() { READ_LEN } else { READ_LEN_UNALLOCATED }
    }

    fn take(&mut self, space: &mut [u8]) -> Result<Taken, CloseReason> {
        match (&self.socket).read(space) {
            Ok(0) => Ok(Taken::End),
            Ok(len) => Ok(Taken::Bytes(len)),
            // The poller will say again that there is something to read.
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(Taken::Nothing),
            Err(_) => Err(CloseReason::Io),
        }
    }
}

/// Where decrypted data goes.
struct Plain<'a> {
    space: &'a mut BytesMut,
    filled: usize,
    overflowed: bool,
}

impl Plain<'_> {
    fn push(&mut self, payload: &[u8]) {
        let end = self.filled + payload.len();
        match self.space.get_mut(self.filled..end) {
            Some(space) => {
                space.copy_from_slice(payload);
                self.filled = end;
            }
            None => self.overflowed = true,
        }
    }
}

/// The length of the whole TLS records at the front, headers included; none of them may be longer than `len_max`.
pub(super) fn whole_records_len(bytes: &[u8], len_max: usize) -> Result<usize, CloseReason> {
    let mut whole = 0;
    while let Some(&[_, _, _, l0, l1]) = bytes[whole..].first_chunk::<RECORD_HEADER_LEN>() {
        let len = RECORD_HEADER_LEN + usize::from(u16::from_be_bytes([l0, l1]));
        if len > len_max {
            return Err(CloseReason::BadRecord);
        }
        if len > bytes.len() - whole {
            break;
        }
        whole += len;
    }
    Ok(whole)
}

fn is_request(message: &[u8]) -> bool {
    let &[t0, t1] = message.first_chunk().unwrap_or(&[0xFF; 2]);
    MessageType::from_bits(u16::from_be_bytes([t0, t1])).is_some_and(|kind| kind.class == Class::Request)
}
