//! What other threads have for a worker.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::wake::Wake;
use crate::turn::address::RequestId;
use crate::turn::limits::LOOK_UPS_MAX;
use crate::turn::{Answer, Settings};
use crate::userdb::{Found, Reply};

/// Something for a worker.
#[derive(Debug)]
pub(super) enum Letter {
    /// A look-up ended.
    Answer(Answer),
    /// Other settings.
    Settings(Arc<Settings>),
}

/// A worker's inbox; putting something in wakes the worker.
#[derive(Debug)]
pub(super) struct Inbox {
    letters: Mutex<VecDeque<Letter>>,
    /// Look-ups that have not ended, whether or not anybody still waits for them.
    look_ups: AtomicUsize,
    wake: Arc<Wake>,
}

impl Inbox {
    pub(super) fn new(wake: Arc<Wake>) -> Inbox {
        Inbox { letters: Mutex::default(), look_ups: AtomicUsize::new(0), wake }
    }

    pub(super) fn put(&self, letter: Letter) {
        self.letters.lock().unwrap_or_else(PoisonError::into_inner).push_back(letter);
        self.wake.wake();
    }

    /// The letter that came first. The others stay where they are: a worker may break off over this one.
    pub(super) fn take(&self) -> Option<Letter> {
        self.letters.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    /// The reply to a look-up; none when a store that does not answer holds too many already.
    pub(super) fn reply(self: &Arc<Inbox>, request: RequestId) -> Option<Reply> {
        if self.look_ups.load(Ordering::Relaxed) >= LOOK_UPS_MAX {
            return None;
        }
        self.look_ups.fetch_add(1, Ordering::Relaxed);
        let inbox = Arc::clone(self);
        Some(Reply::new(move |found| {
            inbox.look_ups.fetch_sub(1, Ordering::Relaxed);
            inbox.put(Letter::Answer(answer(request, found)));
        }))
    }
}

/// What the core is told of a look-up.
pub(super) fn answer(request: RequestId, found: Found) -> Answer {
    match found {
        Found::Known(record) => Answer::User { request, record },
        Found::Unavailable => Answer::LookUpFailed { request },
    }
}
