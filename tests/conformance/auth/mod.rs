//! Section 5: long-term credentials.

pub(crate) mod errors;

use crate::row::{Section, rows};

pub(crate) const SECTION: Section = Section { rows: rows![], later: &[], left_out: &[] };
