//! What there is only so much of in a span of time: unearned answers for a source, guesses at a name from a source, new
//! peers of an allocation, and of a user.

use std::net::IpAddr;

use super::{Clock, Model, SECOND, Who};

/// How an answer was come by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Merit {
    /// By a client that proved who it is.
    Earned,
    Unearned,
    /// By a password that is not this name's.
    Guess(Vec<u8>),
}

/// What becomes of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Sent,
    /// The source had too many.
    OverBudget,
    /// Nothing is said, and a stream ends.
    GuessedTooOften,
}

/// What comes in, and what fits: nanoseconds, of which each thing costs the same.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Income {
    cost: u64,
    full: u64,
}

impl Income {
    pub(super) fn of(cost: u64, full: u64) -> Income {
        Income { cost, full }
    }

    pub(crate) fn per_second(count: u32, burst: u32) -> Income {
        let cost = SECOND / u64::from(count);
        Income { cost, full: cost * u64::from(burst) }
    }

    pub(crate) fn per_minute(count: u32, burst: u32) -> Income {
        let cost = 60 * SECOND / u64::from(count);
        Income { cost, full: cost * u64::from(burst) }
    }
}

/// Who gets new peers: by worker, the user, or where it comes from who has no name.
pub(super) type Peered = (usize, Option<Vec<u8>>, u128);

/// What is left, and since when; nothing was ever taken from a new one. What costs more than fits is paid for later.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Purse(Option<(i64, u64)>);

impl Purse {
    fn left(&self, income: Income, mono: u64) -> i64 {
        self.0.map_or(income.full as i64, |(left, since)| (left + (mono - since) as i64).min(income.full as i64))
    }

    pub(super) fn holds(&self, count: u64, income: Income, mono: u64) -> bool {
        let left = self.left(income, mono);
        left == income.full as i64 || left >= (income.cost * count) as i64
    }

    pub(super) fn take(&mut self, count: u64, income: Income, mono: u64) -> bool {
        let may = self.holds(count, income, mono);
        if may {
            self.0 = Some((self.left(income, mono) - (income.cost * count) as i64, mono));
        }
        may
    }
}

pub(super) fn source(who: Who) -> u128 {
    match who.1.ip() {
        IpAddr::V4(ip) => u128::from(u32::from(ip)),
        IpAddr::V6(ip) => u128::from(ip) >> 64 << 64 | 1,
    }
}

impl Model {
    /// Whether an allocation gets so many new peers: it pays, and its user does.
    pub(super) fn pay_new_peers(&mut self, who: Who, count: u64, clock: Clock) -> bool {
        let Some([own, of_user]) = self.rules.new_peers else { return true };
        let held = self.held.get_mut(&who).expect("it is live");
        let nameless = if held.quota.is_none() { source(who) } else { 0 };
        let user = self.user_peers.entry((self.at_worker, held.quota.clone(), nameless)).or_default();
        let may = held.new_peers.holds(count, own, clock.mono) && user.holds(count, of_user, clock.mono);
        may && held.new_peers.take(count, own, clock.mono) && user.take(count, of_user, clock.mono)
    }

    /// What becomes of an answer; `bucket` says which guesses share a budget by the accident of their hashes.
    pub(crate) fn fate(&mut self, who: Who, merit: &Merit, bucket: usize, clock: Clock) -> Fate {
        let is_guess = matches!(merit, Merit::Guess(_));
        let guesses = self.rules.guesses.filter(|_| is_guess);
        let purse = self.guesses.entry(bucket).or_default();
        if guesses.is_some_and(|income| !purse.holds(1, income, clock.mono)) {
            return Fate::GuessedTooOften;
        }
        // A stream's client has shown where it is.
        let is_stream = who.0 != 0;
        let is_counted = if is_stream { guesses.is_some() } else { *merit != Merit::Earned };
        let unearned = self.rules.unearned.filter(|_| is_counted);
        let budget = self.budget.entry((is_stream, source(who))).or_default();
        if unearned.is_some_and(|income| !budget.take(1, income, clock.mono)) {
            return if is_stream { Fate::GuessedTooOften } else { Fate::OverBudget };
        }
        if let Some(income) = guesses {
            purse.take(1, income, clock.mono);
        }
        Fate::Sent
    }
}
