//! Whether the workers go round: asked from any thread, answered by each worker at its next wake-up.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use super::counters::Counters;
use super::wake::Wake;
use crate::turn::time::Mono;

/// A worker's side: it beats once per wake-up.
#[derive(Debug, Default)]
pub(super) struct Heart {
    /// When the oldest question was asked that has no answer; 0: none.
    asked: AtomicU64,
    /// When it woke up last.
    beat: AtomicU64,
    /// How long the last answer took.
    latency: AtomicU64,
    ended: AtomicBool,
}

impl Heart {
    /// Answers whoever asked, with the time of this wake-up.
    pub(super) fn beat(&self, now: Mono) {
        self.beat.store(now.0, Ordering::Relaxed);
        let asked = self.asked.load(Ordering::Relaxed);
        // What was asked after the clock was read is answered by the next wake-up.
        if asked != 0 && asked <= now.0 {
            self.latency.store(now.0 - asked, Ordering::Relaxed);
            self.asked.store(0, Ordering::Release);
        }
    }

    /// Its thread is about to end.
    pub(super) fn end(&self) {
        self.ended.store(true, Ordering::Release);
    }

    fn ask(&self, now: Mono) {
        // A question that waits is the one that tells how long.
        let _ = self.asked.compare_exchange(0, now.0, Ordering::Relaxed, Ordering::Relaxed);
    }

    fn state(&self, now: Mono) -> Beat {
        if self.ended.load(Ordering::Acquire) {
            return Beat::Ended;
        }
        match self.asked.load(Ordering::Acquire) {
            0 => Beat::Answered(Duration::from_nanos(self.latency.load(Ordering::Relaxed))),
            asked => Beat::Waiting(now.since(Mono(asked))),
        }
    }
}

/// What a worker has to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beat {
    /// It answered the last question, after this time.
    Answered(Duration),
    /// It has not answered yet, for this long.
    Waiting(Duration),
    /// Its thread has ended.
    Ended,
}

/// Asks the workers of a running server whether they go round. Any number of copies may ask; none disturbs another.
#[derive(Clone, Debug)]
pub struct Pulse {
    pub(super) workers: Arc<[(Arc<Counters>, Arc<Wake>)]>,
}

impl Pulse {
    /// Asks every worker, and wakes it.
    pub fn ping(&self, now: Mono) {
        for (counters, wake) in self.workers.iter() {
            counters.heart.ask(now);
            wake.wake();
        }
    }

    /// What each worker says, in their order.
    pub fn beats(&self, now: Mono) -> Vec<Beat> {
        self.workers.iter().map(|(counters, _)| counters.heart.state(now)).collect()
    }

    /// Whether every worker answered the last question.
    pub fn all_answered(&self, now: Mono) -> bool {
        self.beats(now).iter().all(|beat| matches!(beat, Beat::Answered(_)))
    }

    /// When each worker woke up last; 0: never.
    pub fn last_beats(&self) -> Vec<Mono> {
        self.workers.iter().map(|(counters, _)| Mono(counters.heart.beat.load(Ordering::Relaxed))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(count: u64) -> Mono {
        Mono(count * 1_000_000)
    }

    #[test]
    fn a_question_is_answered_by_the_wake_up_behind_it() {
        let heart = Heart::default();
        heart.ask(ms(10));
        assert_eq!(heart.state(ms(12)), Beat::Waiting(Duration::from_millis(2)));
        heart.beat(ms(9));
        assert_eq!(heart.state(ms(12)), Beat::Waiting(Duration::from_millis(2)), "it woke up before it was asked");
        heart.beat(ms(15));
        heart.beat(ms(99));
        assert_eq!(heart.state(ms(100)), Beat::Answered(Duration::from_millis(5)), "the first wake-up counts");
    }

    #[test]
    fn who_asks_again_does_not_hide_how_long_a_worker_is_silent() {
        let heart = Heart::default();
        heart.ask(ms(10));
        heart.ask(ms(500));
        assert_eq!(heart.state(ms(1010)), Beat::Waiting(Duration::from_secs(1)));
        heart.end();
        assert_eq!(heart.state(ms(1010)), Beat::Ended);
    }
}
