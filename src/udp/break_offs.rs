//! A worker that breaks off outside of its core begins anew, in its thread and on its sockets. None of these is ever closed
//! while the process serves: the kernel deals 5-tuples out over the sockets there are, so that with one less of them
//! clients of every worker would land on another one, which knows nothing of their allocations.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Signal, getpid, kill_process};
use tracing::error;

use super::counters::Counters;
use super::worker::Worker;
use crate::clock;
use crate::turn::time::{Mono, Now};

/// How often one worker may break off within [`WITHIN`].
const BREAK_OFFS_MAX: usize = 5;
const WITHIN: Duration = Duration::from_secs(60);

/// A worker broke off for good.
#[derive(Debug, thiserror::Error)]
pub enum BrokeOff {
    /// It did so again and again.
    #[error("a worker broke off more than {BREAK_OFFS_MAX} times within a minute; this is a bug of the server")]
    TooOften,
    /// There was nothing to begin anew with.
    #[error("a worker broke off and cannot begin anew; this is a bug of the server")]
    NotAnew(#[source] io::Error),
}

/// Runs a worker until it is told to stop. When it breaks off for good the process ends as if it were told to, and who
/// started it sees that it failed: without its sockets the other workers would not serve their clients either.
pub(super) fn run_to_the_end(worker: Worker) -> Result<(), BrokeOff> {
    let _end = End(Arc::clone(&worker.counters));
    let ended = run_again_and_again(worker);
    if ended.is_err() {
        // It can only fail if this process did not exist.
        let _ = kill_process(getpid(), Signal::TERM);
    }
    ended
}

/// Says that the thread ends, however it does.
struct End(Arc<Counters>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.heart.end();
    }
}

fn run_again_and_again(mut worker: Worker) -> Result<(), BrokeOff> {
    let mut before = BreakOffs::default();
    while is_broken_off(|| worker.run()) {
        let now = clock::now();
        worker.counters.broke_off();
        error!(worker = worker.id.0, "a worker broke off; this is a bug of the server");
        before.note(now.mono)?;
        worker = begin_anew(worker, now).map_err(BrokeOff::NotAnew)?;
        error!(worker = worker.id.0, "the worker begins anew without its allocations and streams");
    }
    Ok(())
}

/// Whoever ends without being told to broke off.
fn is_broken_off(run: impl FnOnce() -> io::Result<()>) -> bool {
    let ended = catch_unwind(AssertUnwindSafe(run));
    if let Ok(Err(error)) = &ended {
        error!(%error, "a worker cannot wait for its sockets");
    }
    !matches!(ended, Ok(Ok(())))
}

/// What broke off may be in such a state that giving back what it held panics as well.
fn begin_anew(worker: Worker, now: Now) -> io::Result<Worker> {
    let begun = catch_unwind(AssertUnwindSafe(move || worker.begin_anew(now)));
    begun.unwrap_or_else(|_| Err(io::Error::other("what it held cannot be given back")))
}

/// When a worker broke off of late.
#[derive(Debug, Default)]
struct BreakOffs(VecDeque<Mono>);

impl BreakOffs {
    fn note(&mut self, now: Mono) -> Result<(), BrokeOff> {
        self.0.retain(|before| now.since(*before) < WITHIN);
        self.0.push_back(now);
        if self.0.len() > BREAK_OFFS_MAX { Err(BrokeOff::TooOften) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_ends_without_being_told_to_broke_off() {
        assert!(!is_broken_off(|| Ok(())));
        assert!(is_broken_off(|| Err(io::Error::other("no epoll set"))));
        assert!(is_broken_off(|| panic!("planted")));
    }

    #[test]
    fn what_breaks_off_now_and_then_goes_on_and_what_does_so_all_the_time_does_not() {
        let mut break_offs = BreakOffs::default();
        let mut note = |secs: u64| break_offs.note(Mono(secs * 1_000_000_000)).is_ok();
        assert!((0..100).all(|minute| note(minute * 60)), "once a minute, however long");
        let (first, later) = (100 * 60, [1, 2, 3, 59].map(|secs| 100 * 60 + secs));
        assert!(note(first) && later.into_iter().all(&mut note), "five times");
        assert!(note(first + 60), "the first one is a minute ago");
        assert!(!note(first + 60), "six times within a minute");
    }
}
