//! What a reader found in a file or in the environment: settings in their order, and what is wrong or doubtful.

use super::raw::Setting;
use super::{Problem, Warning};

/// What a source says, in its order.
#[derive(Debug, Default)]
pub(super) struct Reading {
    pub(super) settings: Vec<Setting>,
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<Warning>,
    /// Options whose value could not be read.
    pub(super) unread: Vec<&'static str>,
}
