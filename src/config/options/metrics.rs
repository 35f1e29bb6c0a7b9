//! Metrics and health over HTTP.

use super::Definition;

pub(super) static OPTIONS: &[Definition] = &[];
