//! How many lines of each kind clients may provoke, over all workers.

use crate::config::Rate;
use crate::turn::AuthFailure;
use crate::turn::address::FiveTuple;
use crate::turn::budget::Refill;
use crate::turn::ration::{Ration, SharedRation, SourceRation};

/// Lines about one client's own allocations, in which operators find who was who: none is left out that somebody has use
/// for, and a client that allocates all the time does not fill a disk.
const SESSIONS: Rate = Rate { per_sec: 100, burst: 2000 };
/// Details of allocations, at the level debug.
const DETAILS: Rate = Rate { per_sec: 1000, burst: 10_000 };
/// Lines about bugs of ours; somebody may have found out how to meet one.
const FAULTS: Rate = Rate { per_sec: 1, burst: 10 };

/// What may be written.
#[derive(Debug)]
pub(super) struct Rations {
    /// Refusals of who showed that answers reach its address, and has no password that is right: the log is where such
    /// are counted and shut out, so that nothing else takes of it.
    guesses: SharedRation,
    /// Other refusals of who showed that.
    proven: SharedRation,
    /// Of whoever wrote a source address over UDP: apart, so that strangers hide nobody.
    forgeable: SharedRation,
    /// Of clients sent elsewhere, who may be as many as there are clients.
    pub(super) redirected: SharedRation,
    /// Binding requests.
    pub(super) bindings: SharedRation,
    /// Beginnings and ends of allocations, each per source.
    pub(super) created: SourceRation,
    pub(super) ended: SourceRation,
    pub(super) details: Ration,
    pub(super) faults: Ration,
}

impl Rations {
    /// Full ones; `keys` gives the seeds of their hashes. The figures are such that a flood of a minute is less than a
    /// hundred lines.
    pub(super) fn new(mut keys: impl FnMut() -> [u64; 4]) -> Rations {
        Rations {
            guesses: SharedRation::new(Refill::per_minute(18, 30), keys()),
            proven: SharedRation::new(Refill::per_minute(6, 12), keys()),
            forgeable: SharedRation::new(Refill::per_minute(8, 20), keys()),
            redirected: SharedRation::new(Refill::per_minute(30, 30), keys()),
            bindings: SharedRation::new(Refill::per_minute(60, 30), keys()),
            created: SourceRation::new(SESSIONS, keys()),
            ended: SourceRation::new(SESSIONS, keys()),
            details: Ration::new(DETAILS),
            faults: Ration::new(FAULTS),
        }
    }

    /// Refusals of a client, which are told apart by whether it can have forged its address, and whether it guesses. A
    /// name that is over is no guess: programs go on with it by the thousand.
    pub(super) fn refusals(&self, tuple: &FiveTuple, is_named: bool, why: Option<AuthFailure>) -> &SharedRation {
        match why {
            _ if !is_named && !tuple.transport.is_stream() => &self.forgeable,
            Some(AuthFailure::WrongPassword | AuthFailure::UnknownUser) => &self.guesses,
            _ => &self.proven,
        }
    }

    /// A connection that cannot be taken.
    pub(super) fn connections(&self) -> &SharedRation {
        &self.proven
    }
}
