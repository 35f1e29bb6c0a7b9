//! Streams whose client has an allocation: each has a place among the descriptors of allocations.

use std::collections::HashSet;

use ahash::RandomState;

use super::checks::DescriptorBudget;
use crate::turn::address::FiveTuple;

/// The places that streams of one worker hold. Each is given back once, and only if it was taken: after a panic the core
/// may tell of an end whose begin it never told, or never tell of an end.
#[derive(Debug)]
pub(super) struct StreamPlaces {
    held: HashSet<FiveTuple, RandomState>,
}

impl StreamPlaces {
    /// None yet; `seed` keys the hash of 5-tuples, which clients choose.
    pub(super) fn new(seed: [u64; 4]) -> StreamPlaces {
        let keys = RandomState::with_seeds(seed[0], seed[1], seed[2], seed[3]);
        StreamPlaces { held: HashSet::with_hasher(keys) }
    }

    /// The client of a stream has an allocation.
    pub(super) fn take(&mut self, tuple: FiveTuple, descriptors: &DescriptorBudget) {
        if self.held.insert(tuple) {
            descriptors.take_open();
        }
    }

    /// It has none any more, or the stream is over.
    pub(super) fn give_back(&mut self, tuple: &FiveTuple, descriptors: &DescriptorBudget) {
        if self.held.remove(tuple) {
            descriptors.give_back();
        }
    }

    /// No stream holds any from now on.
    pub(super) fn give_back_all(&mut self, descriptors: &DescriptorBudget) {
        (0..self.held.len()).for_each(|_| descriptors.give_back());
        self.held.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::turn::address::Transport;

    #[test]
    fn a_place_is_given_back_once_and_only_if_it_was_taken() {
        let at = |port| FiveTuple {
            transport: Transport::Tcp,
            client: ([192, 0, 2, 1], port).into(),
            server: ([192, 0, 2, 2], 3478).into(),
        };
        let (budget, mut places) = (DescriptorBudget::new(2), StreamPlaces::new([1; 4]));
        let free = || {
            let taken = (0..3).take_while(|_| budget.take()).count();
            (0..taken).for_each(|_| budget.give_back());
            taken
        };
        places.give_back(&at(1), &budget);
        assert_eq!(free(), 2, "an end without a begin");
        (0..2).for_each(|_| places.take(at(1), &budget));
        assert_eq!(free(), 1, "a begin told twice");
        (0..2).for_each(|_| places.give_back(&at(1), &budget));
        assert_eq!(free(), 2, "told to have ended, and then closed");
        (1..3).for_each(|port| places.take(at(port), &budget));
        places.give_back_all(&budget);
        places.give_back(&at(1), &budget);
        assert_eq!(free(), 2, "all at once");
    }
}
