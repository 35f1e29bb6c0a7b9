//! Section 23: security considerations as tests.

use crate::row::{Section, rows};

pub(crate) const SECTION: Section = Section { rows: rows![], later: &[], left_out: &[] };
