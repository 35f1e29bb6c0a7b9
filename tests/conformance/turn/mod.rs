//! Section 8: rules for all TURN messages.

mod backend;
mod bandwidth;
mod expiry;
mod quota;
mod retransmission;
mod tuple;

use backend::turn_011_a_fault_of_ours_is_no_wrong_password;
use bandwidth::turn_007_a_user_has_a_bandwidth;
use expiry::{turn_009_data_is_no_refresh, turn_010_the_end_takes_everything_with_it};
use quota::{turn_006_a_user_has_a_quota, turn_008_relayed_addresses_are_unique};
use retransmission::turn_005_a_retransmission_changes_nothing;
use tuple::{
    turn_001_requests_without_allocation_are_a_mismatch, turn_002_data_without_allocation_is_dropped,
    turn_003_transport_and_server_address_belong_to_the_tuple, turn_004_software_stands_in_all_answers,
};

use crate::row::{Section, rows};

pub(crate) const SECTION: Section = Section {
    rows: rows![
        wire turn_001_requests_without_allocation_are_a_mismatch,
        wire turn_002_data_without_allocation_is_dropped,
        wire turn_003_transport_and_server_address_belong_to_the_tuple,
        configured turn_004_software_stands_in_all_answers,
        both turn_005_a_retransmission_changes_nothing,
        configured turn_006_a_user_has_a_quota,
        configured turn_007_a_user_has_a_bandwidth,
        both turn_008_relayed_addresses_are_unique,
        timer turn_009_data_is_no_refresh,
        timer turn_010_the_end_takes_everything_with_it,
        configured turn_011_a_fault_of_ours_is_no_wrong_password,
    ],
    partly: &[],
    later: &[],
    left_out: &[],
};
