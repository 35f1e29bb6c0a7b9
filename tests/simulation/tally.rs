//! What was seen, counted: a simulation that does nothing finds nothing.

use std::collections::BTreeMap;
use std::fmt;

use turnserver::turn::DropReason;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) actions: u64,
    pub(crate) datagrams: u64,
    pub(crate) acts: BTreeMap<String, u64>,
    pub(crate) codes: BTreeMap<u16, u64>,
    pub(crate) drops: [u64; DropReason::ALL.len()],
    pub(crate) others: BTreeMap<&'static str, u64>,
}

impl Tally {
    pub(crate) fn code(&mut self, code: u16) {
        *self.codes.entry(code).or_default() += 1;
    }

    pub(crate) fn drop(&mut self, reason: DropReason) {
        self.drops[reason as usize] += 1;
    }

    pub(crate) fn other(&mut self, what: &'static str) {
        *self.others.entry(what).or_default() += 1;
    }

    pub(crate) fn add(&mut self, more: &Tally) {
        self.actions += more.actions;
        self.datagrams += more.datagrams;
        more.acts.iter().for_each(|(name, count)| *self.acts.entry(name.clone()).or_default() += count);
        more.codes.iter().for_each(|(code, count)| *self.codes.entry(*code).or_default() += count);
        more.others.iter().for_each(|(what, count)| *self.others.entry(what).or_default() += count);
        self.drops.iter_mut().zip(more.drops).for_each(|(sum, count)| *sum += count);
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "codes:")?;
        self.codes.iter().try_for_each(|(code, count)| write!(f, " {code}={count}"))?;
        write!(f, "\ndrops:")?;
        let drops = DropReason::ALL.iter().zip(self.drops);
        drops.into_iter().try_for_each(|(reason, count)| write!(f, " {reason:?}={count}"))?;
        write!(f, "\nactions:")?;
        self.acts.iter().try_for_each(|(name, count)| write!(f, " {}={count}", name.replace(' ', "-")))?;
        write!(f, "\nothers:")?;
        self.others.iter().try_for_each(|(what, count)| write!(f, " {}={count}", what.replace(' ', "-")))
    }
}
