//! Section 11: permissions and CreatePermission.

mod lifetime;
mod limits;
mod reach;
mod request;

use lifetime::{
    perm_009_a_permission_lives_for_five_minutes, perm_010_both_ways_install_and_refresh,
    perm_011_data_keeps_no_permission_alive,
};
use limits::{perm_003_many_addresses_at_once, perm_007_refused_addresses_install_nothing, perm_008_the_table_is_full};
use reach::{
    perm_004_a_permission_has_no_port, perm_006_each_family_has_its_relay,
    perm_012_without_a_permission_there_is_silence, perm_013_allocations_share_nothing,
    perm_015_two_relays_of_one_server,
};
use request::{
    perm_001_an_address_is_needed, perm_002_one_bad_address_spoils_all, perm_005_the_family_is_the_relays,
    perm_014_a_success_says_nothing,
};

use crate::row::{Section, rows};

pub(crate) const SECTION: Section = Section {
    rows: rows![
        wire perm_001_an_address_is_needed,
        wire perm_002_one_bad_address_spoils_all,
        wire perm_003_many_addresses_at_once,
        wire perm_004_a_permission_has_no_port,
        wire perm_005_the_family_is_the_relays,
        wire perm_006_each_family_has_its_relay,
        configured perm_007_refused_addresses_install_nothing,
        configured perm_008_the_table_is_full,
        timer perm_009_a_permission_lives_for_five_minutes,
        timer perm_010_both_ways_install_and_refresh,
        timer perm_011_data_keeps_no_permission_alive,
        wire perm_012_without_a_permission_there_is_silence,
        wire perm_013_allocations_share_nothing,
        wire perm_014_a_success_says_nothing,
        wire perm_015_two_relays_of_one_server,
    ],
    partly: &[],
    later: &[],
    left_out: &[],
};
