//! What waits to be written to one client: bytes in order, and since when they wait.
//!
//! The queue never cuts a message: one that is refused leaves no byte behind.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::time::Duration;

use super::limits::{QUEUE_AGE_MAX, QUEUE_LEN_MAX};
use crate::turn::time::Mono;

/// Messages pushed within this time of each other share one mark of age.
const MARK_EVERY: Duration = Duration::from_millis(10);

/// Bytes waiting to be written.
#[derive(Debug, Default)]
pub(super) struct WriteQueue {
    bytes: VecDeque<u8>,
    marks: VecDeque<Mark>,
    /// Bytes ever taken off the front, so that marks need no update when bytes leave.
    gone: u64,
}

/// A run of bytes that came in at about the same time.
#[derive(Clone, Copy, Debug)]
struct Mark {
    since: Mono,
    /// Behind its last byte, counted as `gone` is.
    end: u64,
}

impl WriteQueue {
    /// Puts one whole message at the end.
    pub(super) fn push(&mut self, now: Mono, pieces: [&[u8]; 3]) {
        self.bytes.reserve(pieces.iter().map(|piece| piece.len()).sum());
        for piece in pieces {
            self.bytes.extend(piece);
        }
        let end = self.gone + self.bytes.len() as u64;
        match self.marks.back_mut() {
            Some(mark) if now.since(mark.since) < MARK_EVERY => mark.end = end,
            _ if self.bytes.is_empty() => {}
            _ => self.marks.push_back(Mark { since: now, end }),
        }
    }

    /// Whether relayed data is late already, or too much, so that more of it is dropped.
    pub(super) fn is_full(&self, now: Mono) -> bool {
        self.len() >= QUEUE_LEN_MAX || self.age(now) > QUEUE_AGE_MAX
    }

    /// How long the first byte has been waiting.
    pub(super) fn age(&self, now: Mono) -> Duration {
        self.marks.front().map_or(Duration::ZERO, |mark| now.since(mark.since))
    }

    /// How many bytes wait.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// All of it, for one gathering write.
    pub(super) fn slices(&self) -> [IoSlice<'_>; 2] {
        let (front, back) = self.bytes.as_slices();
        [IoSlice::new(front), IoSlice::new(back)]
    }

    /// The first bytes in one piece: all of them when they are few, at most `len_max`.
    pub(super) fn front(&mut self, len_max: usize) -> &[u8] {
        let front = self.bytes.as_slices().0.len();
        if front < self.bytes.len() && front < len_max {
            self.bytes.make_contiguous();
        }
        let front = self.bytes.as_slices().0;
        &front[..front.len().min(len_max)]
    }

    /// Takes written bytes off the front. An empty queue owns no memory.
    pub(super) fn consume(&mut self, len: usize) {
        let len = len.min(self.bytes.len());
        self.gone += len as u64;
        if len == self.bytes.len() {
            self.bytes = VecDeque::new();
            self.marks = VecDeque::new();
            return;
        }
        self.bytes.drain(..len);
        while self.marks.front().is_some_and(|mark| mark.end <= self.gone) {
            self.marks.pop_front();
        }
    }
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
