//! Section 15: IP header fields.
//!
//! What we do is the alternate behaviour of RFC 8656 sections 13 and 14 throughout: DSCP 0, Not-ECT, DF only where
//! DONT-FRAGMENT asks for it, TTL and flow label of this system. Another server may copy instead.

pub(crate) mod capture;
mod forge;
mod fragments;
mod marks;

use crate::row::{Section, rows};
use fragments::*;
use marks::*;

pub(crate) const SECTION: Section = Section {
    rows: rows![
        wire iph_001_dscp_is_copied_or_best_effort,
        wire iph_002_ecn_is_copied_or_not_ect,
        wire iph_003_df_is_copied_or_clear_unless_asked_for,
        wire iph_004_stream_clients_send_without_marks,
        wire iph_005_dont_fragment_between_families_is_ignored,
        wire iph_006_allocate_with_dont_fragment_for_ipv6,
        wire iph_007_flow_labels_are_not_copied,
        wire iph_008_ttl_is_that_of_the_system,
        wire iph_009_fragmented_datagrams_are_relayed_whole,
        wire iph_010_one_dscp_for_a_connection,
    ],
    partly: &[],
    later: &[],
    left_out: &[],
};
