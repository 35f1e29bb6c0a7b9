//! What a connection may take its time for, and until when.

use std::time::Duration;

use super::close::CloseReason;
use super::limits::{FIRST_MESSAGE, HANDSHAKE, LINGER, PARTIAL_FRAME, STUCK};
use crate::turn::time::Mono;

/// Since when the things last that have a deadline. A moment is stored where it passes; the timer looks later.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadlines {
    /// How long silence may last without an allocation.
    pub(super) idle: Duration,
    /// The connection is open, or its TLS handshake done.
    pub(super) began: Mono,
    /// The TLS handshake lasts.
    pub(super) handshaking: bool,
    /// A whole message came; the last one at this time.
    pub(super) heard: Option<Mono>,
    /// Part of a message is here.
    pub(super) partial: Option<Mono>,
    /// Output waits, and no byte of it could be written.
    pub(super) stalled: Option<Mono>,
    /// The client sends no more.
    pub(super) ended: Option<Mono>,
}

impl Deadlines {
    pub(super) fn new(now: Mono, idle: Duration) -> Deadlines {
        Deadlines { idle, began: now, handshaking: false, heard: None, partial: None, stalled: None, ended: None }
    }

    /// The first deadline and what it means; none: the connection may stay as it is for ever.
    pub(super) fn first(&self, allocated: bool) -> Option<(Mono, CloseReason)> {
        let silence = match self.heard {
            _ if self.handshaking => Some((self.began + HANDSHAKE, CloseReason::SlowHandshake)),
            None => Some((self.began + FIRST_MESSAGE, CloseReason::SlowFirstMessage)),
            Some(heard) if !allocated => Some((heard + self.idle, CloseReason::Idle)),
            Some(_) => None,
        };
        let partial = self.partial.map(|since| (since + PARTIAL_FRAME, CloseReason::SlowMessage));
        let stalled = self.stalled.map(|since| (since + STUCK, CloseReason::Stuck));
        let ended = self.ended.map(|since| (since + LINGER, CloseReason::ClientEnded));
        [silence, partial, stalled, ended].into_iter().flatten().min_by_key(|(deadline, _)| *deadline)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Mono = Mono(1_000_000_000_000);

    fn first(deadlines: Deadlines, allocated: bool) -> Option<(Duration, CloseReason)> {
        deadlines.first(allocated).map(|(deadline, reason)| (deadline.since(START), reason))
    }

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn each_state_has_its_deadline() {
        let new = Deadlines::new(START, secs(62));
        let heard = Deadlines { heard: Some(START), ..new };
        let later = START.plus_secs(5);
        let cases = [
            (new, false, Some((secs(10), CloseReason::SlowFirstMessage))),
            (Deadlines { handshaking: true, ..new }, false, Some((secs(10), CloseReason::SlowHandshake))),
            (heard, false, Some((secs(62), CloseReason::Idle))),
            (heard, true, None),
            (Deadlines { partial: Some(later), ..heard }, false, Some((secs(35), CloseReason::SlowMessage))),
            (Deadlines { partial: Some(later), ..heard }, true, Some((secs(35), CloseReason::SlowMessage))),
            (Deadlines { partial: Some(later), ..new }, false, Some((secs(10), CloseReason::SlowFirstMessage))),
            (Deadlines { stalled: Some(later), ..heard }, true, Some((secs(35), CloseReason::Stuck))),
            (Deadlines { ended: Some(later), ..heard }, true, Some((secs(11), CloseReason::ClientEnded))),
        ];
        for (deadlines, allocated, expected) in cases {
            assert_eq!(first(deadlines, allocated), expected, "{deadlines:?}");
        }
    }
}
