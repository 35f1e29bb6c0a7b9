//! A server that drains: it serves what lives until that is little enough, or it took too long.

use std::time::Duration;

use tracing::{info, warn};

use crate::config::Process;
use crate::turn::time::Mono;

/// Between two lines on how far it is.
const PROGRESS: Duration = Duration::from_secs(60);

/// Since when the server drains, and what was said of it.
#[derive(Debug)]
pub(super) struct Drain {
    since: Mono,
    said_at: Mono,
    said: u64,
}

/// Why a server that drains ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Done {
    Empty,
    TooLong,
}

impl Drain {
    pub(super) fn begin(process: &Process, allocations: u64, now: Mono) -> Drain {
        let within = process.drain_secs_max.map_or("as long as it takes".to_owned(), |secs| format!("{secs} s"));
        let until = process.drain_allocations_min;
        info!(allocations, until, within, "SIGUSR1: draining, no new allocations are given");
        Drain { since: now, said_at: now, said: allocations }
    }

    /// Whether it is over; progress is logged.
    pub(super) fn is_done(&mut self, process: &Process, allocations: u64, now: Mono) -> bool {
        let secs = now.since(self.since).as_secs();
        match done(process, allocations, now.since(self.since)) {
            Some(Done::Empty) => info!(allocations, secs, "drained"),
            Some(Done::TooLong) => warn!(allocations, secs, "drain-timeout is over, what is left is cut"),
            None => {
                if allocations != self.said && now.since(self.said_at) >= PROGRESS {
                    info!(allocations, secs, "draining");
                    (self.said, self.said_at) = (allocations, now);
                }
                return false;
            }
        }
        true
    }
}

fn done(process: &Process, allocations: u64, time: Duration) -> Option<Done> {
    if allocations <= u64::from(process.drain_allocations_min) {
        return Some(Done::Empty);
    }
    let is_over = process.drain_secs_max.is_some_and(|secs| time >= Duration::from_secs(secs.into()));
    is_over.then_some(Done::TooLong)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(drain_secs_max: Option<u32>, drain_allocations_min: u32) -> Process {
        Process {
            threads: None,
            pidfile: None,
            user: None,
            group: None,
            daemon: false,
            drain_secs_max,
            drain_allocations_min,
        }
    }

    #[test]
    fn a_drain_ends_with_few_enough_allocations_or_in_time() {
        const HOUR: Duration = Duration::from_secs(3600);
        let almost = HOUR - Duration::from_millis(1);
        assert_eq!(done(&process(Some(3600), 0), 1, almost), None);
        assert_eq!(done(&process(Some(3600), 0), 1, HOUR), Some(Done::TooLong));
        assert_eq!(done(&process(Some(3600), 0), 0, Duration::ZERO), Some(Done::Empty));
        assert_eq!(done(&process(Some(3600), 5), 6, almost), None);
        assert_eq!(done(&process(Some(3600), 5), 5, HOUR), Some(Done::Empty));
        assert_eq!(done(&process(None, 0), 1, 1000 * HOUR), None, "as long as it takes");
    }
}
