//! Section 10: Refresh.

mod families;
mod lifetime;

use families::{refr_005_a_family_is_refreshed_and_deleted_alone, refr_006_without_a_family_both_are_meant};
use lifetime::{
    refr_001_lifetimes_are_negotiated, refr_002_zero_is_the_end, refr_003_a_repeated_delete_is_harmless,
    refr_004_another_family_is_refused, refr_007_a_refresh_keeps_no_permission_alive,
    refr_008_an_allocation_lives_to_the_second,
};

use crate::row::{Section, rows};

pub(crate) const SECTION: Section = Section {
    rows: rows![
        wire refr_001_lifetimes_are_negotiated,
        wire refr_002_zero_is_the_end,
        wire refr_003_a_repeated_delete_is_harmless,
        both refr_004_another_family_is_refused,
        both refr_005_a_family_is_refreshed_and_deleted_alone,
        both refr_006_without_a_family_both_are_meant,
        timer refr_007_a_refresh_keeps_no_permission_alive,
        timer refr_008_an_allocation_lives_to_the_second,
    ],
    partly: &[],
    later: &[],
    left_out: &[],
};
