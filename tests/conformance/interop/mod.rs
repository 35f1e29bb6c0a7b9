//! Section 25: what known clients need.

mod clients;
mod habits;
mod hot_path;
mod load;
mod segments;

use crate::row::{Section, rows};
use clients::*;
use habits::*;
use hot_path::*;
use load::*;
use segments::*;

pub(crate) const SECTION: Section = Section {
    rows: rows![
        wire int_001_a_list_of_algorithms_harms_nobody,
        configured int_002_answers_come_in_time_under_load,
        wire int_003_bursts_are_served,
        configured int_004_send_is_about_as_fast_as_channel_data,
        configured int_005_keep_alives_of_pjnath_are_no_abuse,
        wire int_006_stream_messages_are_written_whole,
        wire int_007_any_order_of_attributes,
        configured int_008_after_a_restart_a_lost_allocation_is_told,
        configured int_009_a_short_peak_is_served_late_not_refused,
    ],
    partly: &[],
    later: &[],
    left_out: &[],
};
