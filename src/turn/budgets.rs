//! Which answers a source still gets: what it did not earn, and what it tries, is bounded; what is right always passes.
//! All workers share it, so it is asked by the engine.

use super::budget::{Budget, Refill};
use super::io::{ClientPath, Credit};
use super::time::Mono;
use crate::config::Limits;

/// The budgets of all sources.
#[derive(Debug)]
pub struct Budgets {
    /// Unauthenticated answers over UDP, which may hit a forged source.
    answers: Option<Budget>,
    /// Wrong passwords on streams, under all names. A table of its own: whoever forges datagrams can empty every bucket
    /// of the other one, and must not close the streams of others with that.
    on_streams: Option<Budget>,
    /// Wrong passwords per source and name.
    failures: Option<Budget>,
}

/// Why a source is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UsedUp {
    /// It has had what one source gets.
    Answers,
    /// It tried too many passwords for this name.
    Guesses,
}

impl Budgets {
    /// Full ones; `keys` gives the seeds of their hashes.
    pub fn new(limits: &Limits, keys: impl FnMut() -> [u64; 4]) -> Budgets {
        Budgets { answers: None, on_streams: None, failures: None }.changed(limits, Mono(0), keys)
    }

    /// The same under other limits: who has used up what a source gets has none now either. What was not bounded before
    /// begins full.
    pub fn changed(&self, limits: &Limits, now: Mono, mut keys: impl FnMut() -> [u64; 4]) -> Budgets {
        let mut filling = |held: &Option<Budget>, refill: Refill| match held {
            Some(budget) => budget.refilled(refill, now),
            None => Budget::filling(refill, keys()),
        };
        let answers = limits.unauthorized.map(Refill::new);
        let failures = limits.auth_failures_per_minute;
        let failures = (failures > 0).then(|| Refill::per_minute(failures, failures));
        Budgets {
            answers: answers.map(|refill| filling(&self.answers, refill)),
            on_streams: answers.map(|refill| filling(&self.on_streams, refill)),
            failures: failures.map(|refill| filling(&self.failures, refill)),
        }
    }

    /// Whether a client without a valid password would still be answered; a stream always may be.
    pub fn answers(&self, to: &ClientPath, now: Mono) -> bool {
        let budget = self.answers.as_ref().filter(|_| !to.tuple.transport.is_stream());
        budget.is_none_or(|budget| budget.has_one(to.tuple.client.ip(), now))
    }

    /// Takes an answer from the budgets of whoever it goes to.
    ///
    /// # Errors
    /// One of them is used up: nothing may be sent, and a stream is to be closed.
    pub fn take(&self, to: &ClientPath, credit: Credit, now: Mono) -> Result<(), UsedUp> {
        let source = to.tuple.client.ip();
        let guess = match (credit, &self.failures) {
            (Credit::Failed { name }, Some(failures)) => Some((failures, name)),
            _ => None,
        };
        if guess.is_some_and(|(failures, name)| !failures.has_one_of(source, name, now)) {
            return Err(UsedUp::Guesses);
        }
        let budget = match to.tuple.transport.is_stream() {
            _ if credit == Credit::Authenticated => None,
            false => self.answers.as_ref(),
            true => self.on_streams.as_ref().filter(|_| guess.is_some()),
        };
        if budget.is_some_and(|budget| !budget.take(source, now)) {
            return Err(UsedUp::Answers);
        }
        // Taken last: one source cannot use up the buckets of all others by making up names.
        match guess.is_none_or(|(failures, name)| failures.take_of(source, name, now)) {
            true => Ok(()),
            false => Err(UsedUp::Guesses),
        }
    }
}
