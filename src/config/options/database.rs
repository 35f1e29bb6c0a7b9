//! Users in a database.

use super::Definition;

pub(super) static OPTIONS: &[Definition] = &[];
