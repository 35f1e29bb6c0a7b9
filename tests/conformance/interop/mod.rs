//! Section 25: what known clients need.

use crate::row::{Section, rows};

pub(crate) const SECTION: Section = Section { rows: rows![], later: &[], left_out: &[] };
