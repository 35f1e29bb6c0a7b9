//! The way back for what was looked up.

use std::fmt;

use crate::turn::io::UserRecord;

/// What a look-up ended with.
#[derive(Clone, Debug)]
pub enum Found {
    /// The user; none: nobody is called so.
    Known(Option<UserRecord>),
    /// The store cannot be reached, or is too busy.
    Unavailable,
}

/// Owed to whoever asked; may be sent from any thread. Dropped unsent, it says [`Found::Unavailable`].
pub struct Reply {
    deliver: Option<Box<dyn FnOnce(Found) + Send>>,
}

impl Reply {
    /// A reply that `deliver` takes, exactly once.
    pub fn new(deliver: impl FnOnce(Found) + Send + 'static) -> Reply {
        Reply { deliver: Some(Box::new(deliver)) }
    }

    /// Delivers what was found.
    pub fn send(mut self, found: Found) {
        self.deliver_once(found);
    }

    fn deliver_once(&mut self, found: Found) {
        if let Some(deliver) = self.deliver.take() {
            deliver(found);
        }
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        self.deliver_once(Found::Unavailable);
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reply(..)")
    }
}
