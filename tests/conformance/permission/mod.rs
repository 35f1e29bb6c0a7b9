//! TODO_TITLE

use crate::row::{Section, rows};

/// TODO
pub(crate) const SECTION: Section = Section { rows: rows![], later: &[], left_out: &[] };
