//! Section 1: the STUN header, parsing, attributes, answers.

mod answers;
mod attributes;
mod fingerprint;
mod framing;
mod values;
#[path = "../../vectors/mod.rs"]
pub(crate) mod vectors;

use crate::row::{Section, rows};
use answers::*;
use attributes::*;
use fingerprint::*;
use framing::*;
use values::*;

pub(crate) const SECTION: Section = Section {
    rows: rows![
        wire stun_001_the_top_bits_are_zero,
        wire stun_002_every_answer_has_the_magic_cookie,
        wire stun_003_answers_have_the_transaction_id_of_the_request,
        wire stun_004_an_unaligned_length_is_discarded,
        wire stun_005_a_length_beyond_the_datagram_is_discarded,
        wire stun_006_bytes_behind_the_message_are_never_read,
        wire stun_007_less_than_a_header_is_discarded,
        wire stun_008_method_and_class_are_interleaved,
        wire stun_009_an_unknown_method_is_discarded,
        wire stun_010_a_class_that_the_method_has_not_is_discarded,
        wire stun_011_responses_are_discarded,
        wire stun_012_a_wrong_fingerprint_is_discarded,
        wire stun_013_fingerprint_is_not_required,
        wire stun_014_fingerprint_is_last_and_covers_the_length,
        wire stun_015_nothing_stands_behind_fingerprint,
        wire stun_016_unknown_optional_attributes_are_ignored,
        wire stun_017_unknown_required_attributes_are_named,
        wire stun_018_credentials_come_before_unknown_attributes,
        wire stun_019_an_indication_with_an_unknown_required_attribute_is_discarded,
        wire stun_020_known_attributes_without_a_meaning_are_ignored,
        wire stun_021_an_attribute_beyond_the_end_makes_the_message_malformed,
        wire stun_022_padding_is_zero_and_ignored,
        wire stun_023_of_repeated_attributes_the_first_counts,
        wire stun_024_attributes_behind_message_integrity_are_ignored,
        wire stun_025_attributes_behind_message_integrity_sha256_are_ignored,
        wire stun_026_long_user_names_are_parsed,
        wire stun_027_long_realms_and_nonces_are_parsed,
        wire stun_028_error_codes_are_well_formed,
        wire stun_029_reserved_bits_are_ignored,
        wire stun_030_an_address_has_the_length_of_its_family,
        configured stun_031_software_is_told_when_configured,
        configured stun_032_the_answer_leaves_from_where_the_request_came_to,
        wire stun_033_a_retransmission_has_the_same_answer,
        configured stun_034_answers_fit_any_path,
        wire stun_035_at_most_one_answer_a_request,
        wire stun_036_transaction_ids_of_indications_are_random,
        wire stun_037_a_known_value_of_a_wrong_size_is_refused,
    ],
    partly: &[("STUN-034", "MOBILITY-TICKET in answers: mobility")],
    later: &[],
    left_out: &[],
};
