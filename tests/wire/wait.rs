//! Bounded waiting.

use std::time::Duration;

use turnserver::clock;
use turnserver::turn::time::Mono;

/// The longest wait for anything that must happen; far beyond what a busy machine takes.
const SECS_MAX: u64 = 30;
/// Between two looks at something that does not tell.
const PAUSE: Duration = Duration::from_millis(20);

/// A moment by which something must have happened.
#[derive(Clone, Copy)]
pub(crate) struct Deadline(Mono);

impl Deadline {
    /// The moment by which anything must have happened.
    pub(crate) fn new() -> Deadline {
        Deadline(clock::now().mono + Duration::from_secs(SECS_MAX))
    }

    /// What is left; none when it is over.
    pub(crate) fn left(self) -> Option<Duration> {
        Some(self.0.since(clock::now().mono)).filter(|left| !left.is_zero())
    }
}

/// Looks again and again until `look` finds something, for what has no event: another process, the passing of seconds.
pub(crate) fn poll_until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Deadline::new();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(deadline.left().is_some(), "waited {SECS_MAX} s in vain until {what}");
        std::thread::park_timeout(PAUSE);
    }
}
