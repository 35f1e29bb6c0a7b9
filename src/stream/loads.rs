//! How the last loading of something went, for whoever watches: a certificate, the configuration.

use std::sync::{Mutex, PoisonError};

use crate::turn::time::UnixTime;

/// What became of every loading; read from any thread.
#[derive(Debug, Default)]
pub struct Loads(Mutex<LoadCounts>);

/// How often something was loaded, when last, and with what result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoadCounts {
    /// So often it went well.
    pub succeeded: u64,
    /// So often it failed, and what was there before stayed.
    pub failed: u64,
    /// The last one failed.
    pub last_failed: bool,
    /// When the last one was; none: there was none.
    pub last: Option<UnixTime>,
    /// When the last one was that went well.
    pub last_success: Option<UnixTime>,
}

impl Loads {
    /// Counts one.
    pub fn note(&self, now: UnixTime, succeeded: bool) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.last = Some(now);
        counts.last_failed = !succeeded;
        match succeeded {
            true => {
                counts.succeeded += 1;
                counts.last_success = Some(now);
            }
            false => counts.failed += 1,
        }
    }

    /// What happened so far.
    pub fn counts(&self) -> LoadCounts {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_told_until_the_next_success_and_counted_for_ever() {
        let loads = Loads::default();
        assert_eq!(loads.counts(), LoadCounts::default());
        loads.note(UnixTime(10), true);
        loads.note(UnixTime(20), false);
        let (last, last_success) = (Some(UnixTime(20)), Some(UnixTime(10)));
        assert_eq!(loads.counts(), LoadCounts { succeeded: 1, failed: 1, last_failed: true, last, last_success });
        loads.note(UnixTime(30), true);
        let last = Some(UnixTime(30));
        let mended = LoadCounts { succeeded: 2, failed: 1, last_failed: false, last, last_success: last };
        assert_eq!(loads.counts(), mended);
    }
}
