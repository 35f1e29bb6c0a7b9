//! Where the log goes, and what stands in it.

/// The log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// Log level of sessions: 0 normal, 1 verbose, 2 extra verbose.
    pub verbosity: u8,
}
