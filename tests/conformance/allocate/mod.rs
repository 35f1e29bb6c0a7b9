//! Section 9: Allocate.

mod answer;
mod attributes;
mod external;
mod families;
mod family_wishes;
mod ports;
mod reservation;

use answer::{
    alloc_001_a_success_says_everything, alloc_002_the_mapped_address_is_the_socket,
    alloc_003_a_second_allocate_is_a_mismatch, alloc_004_the_same_request_has_the_same_answer,
    alloc_026_lifetimes_are_negotiated, alloc_027_the_longest_lifetime_is_an_hour, alloc_031_it_begins_empty,
    alloc_032_a_failure_leaves_nothing_behind,
};
use attributes::{
    alloc_005_requested_transport_is_needed_and_has_four_bytes, alloc_006_other_protocols_are_not_served,
    alloc_007_reserved_bits_are_ignored, alloc_008_dont_fragment_is_served, alloc_009_a_token_stands_alone,
    alloc_011_a_token_has_eight_bytes, alloc_022_attributes_have_their_sizes,
    alloc_035_every_client_gets_a_relay_of_udp, alloc_036_bandwidth_and_timer_val_are_unknown,
};
use external::alloc_034_the_external_address_is_told_and_works;
use families::{
    alloc_013_a_family_that_is_not_served, alloc_014_ipv4_unless_asked, alloc_015_ipv4_is_not_served,
    alloc_024_both_families_in_one_answer, alloc_025_one_of_two_families_says_what_is_missing,
    alloc_033_tunnelled_sources_are_refused,
};
use family_wishes::{
    alloc_012_both_families_at_once_are_refused, alloc_016_a_pair_is_of_one_family,
    alloc_023_the_additional_family_is_ipv6,
};
use ports::{
    alloc_021_no_port_is_left, alloc_028_ports_are_dynamic_ones, alloc_029_no_system_port_is_relayed,
    alloc_030_ports_are_random,
};
use reservation::{
    alloc_010_unknown_used_and_expired_tokens, alloc_017_an_even_port_alone,
    alloc_018_the_next_port_waits_for_its_token, alloc_019_a_reservation_is_held, alloc_020_no_pair_is_left,
};

use crate::row::{Section, rows};

pub(crate) const SECTION: Section = Section {
    rows: rows![
        wire alloc_001_a_success_says_everything,
        wire alloc_002_the_mapped_address_is_the_socket,
        wire alloc_003_a_second_allocate_is_a_mismatch,
        wire alloc_004_the_same_request_has_the_same_answer,
        wire alloc_005_requested_transport_is_needed_and_has_four_bytes,
        wire alloc_006_other_protocols_are_not_served,
        wire alloc_007_reserved_bits_are_ignored,
        wire alloc_008_dont_fragment_is_served,
        wire alloc_009_a_token_stands_alone,
        both alloc_010_unknown_used_and_expired_tokens,
        wire alloc_011_a_token_has_eight_bytes,
        wire alloc_012_both_families_at_once_are_refused,
        configured alloc_013_a_family_that_is_not_served,
        wire alloc_014_ipv4_unless_asked,
        configured alloc_015_ipv4_is_not_served,
        wire alloc_016_a_pair_is_of_one_family,
        wire alloc_017_an_even_port_alone,
        wire alloc_018_the_next_port_waits_for_its_token,
        timer alloc_019_a_reservation_is_held,
        configured alloc_020_no_pair_is_left,
        configured alloc_021_no_port_is_left,
        wire alloc_022_attributes_have_their_sizes,
        wire alloc_023_the_additional_family_is_ipv6,
        wire alloc_024_both_families_in_one_answer,
        configured alloc_025_one_of_two_families_says_what_is_missing,
        wire alloc_026_lifetimes_are_negotiated,
        wire alloc_027_the_longest_lifetime_is_an_hour,
        wire alloc_028_ports_are_dynamic_ones,
        configured alloc_029_no_system_port_is_relayed,
        wire alloc_030_ports_are_random,
        wire alloc_031_it_begins_empty,
        wire alloc_032_a_failure_leaves_nothing_behind,
        timer alloc_033_tunnelled_sources_are_refused,
        configured alloc_034_the_external_address_is_told_and_works,
        wire alloc_035_every_client_gets_a_relay_of_udp,
        wire alloc_036_bandwidth_and_timer_val_are_unknown,
    ],
    partly: &[("ALLOC-035", "DTLS clients")],
    later: &[],
    left_out: &[],
};
