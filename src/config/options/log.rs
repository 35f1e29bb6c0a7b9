//! Where the log goes, and what stands in it.

use super::{BASE, Category, Definition};

const LOG: Definition = Definition { category: Category::Log, ..BASE };

pub(super) static OPTIONS: &[Definition] = &[
    Definition {
        name: "verbose",
        short: Some('v'),
        selects: true,
        doc: "Log more about sessions.",
        apply: |raw, it| it.switch().map(|on| raw.verbosity = if on { raw.verbosity.max(1) } else { 0 }),
        ..LOG
    },
    Definition {
        name: "Verbose",
        short: Some('V'),
        selects: true,
        doc: "Log everything about sessions.",
        apply: |raw, it| it.switch().map(|on| raw.verbosity = if on { 2 } else { 0 }),
        ..LOG
    },
];
