//! Section 5: long-term credentials.

mod answers;
mod challenge;
mod configuration;
pub(crate) mod errors;
mod integrity;
mod keys;
mod nonces;
mod owner;
mod short_term;
pub(crate) mod strangers;

use crate::row::{Section, rows};
use answers::*;
use challenge::*;
use configuration::*;
use integrity::*;
use keys::*;
use nonces::*;
use owner::*;
use short_term::*;
use strangers::*;

pub(crate) const SECTION: Section = Section {
    rows: rows![
        wire auth_001_a_bare_allocate_is_challenged,
        wire auth_002_no_two_sources_have_the_same_nonce,
        both auth_003_nonces_are_fresh_and_random,
        wire auth_004_incomplete_credentials_are_a_bad_request,
        wire auth_005_a_user_name_without_integrity_is_challenged,
        wire auth_006_an_unknown_user_is_challenged,
        wire auth_007_a_wrong_integrity_is_challenged,
        timer auth_008_a_nonce_that_ended_is_stale,
        both auth_009_the_nonce_of_a_438_is_good,
        timer auth_010_a_wrong_password_comes_before_a_stale_nonce,
        wire auth_011_a_foreign_nonce_is_stale,
        wire auth_012_errors_are_signed,
        wire auth_013_signed_answers_repeat_no_credentials,
        wire auth_014_integrity_is_followed_by_fingerprint,
        wire auth_015_the_key_of_md5,
        configured auth_016_quotes_and_trailing_nuls_are_no_part_of_a_key,
        configured auth_017_names_are_compared_as_opaque_strings,
        wire auth_018_a_user_name_that_is_no_text,
        wire auth_019_another_realm_is_told_ours,
        configured auth_020_passwords_are_not_kept,
        timer auth_021_a_nonce_ends_within_an_hour,
        configured auth_022_a_nonce_outlives_waiting_restarts_and_workers,
        both auth_023_a_challenge_brings_a_new_nonce,
        wire auth_024_only_the_owner_changes_an_allocation,
        wire auth_025_every_request_needs_credentials,
        wire auth_026_credentials_come_before_the_allocation,
        wire auth_027_indications_are_never_authenticated,
        configured auth_028_the_realm_is_never_empty,
        wire auth_029_integrity_has_twenty_bytes,
        configured auth_030_strangers_need_an_explicit_word,
        wire auth_031_unknown_users_look_like_wrong_passwords,
        timer auth_032_strangers_leave_no_trace,
        wire auth_033_short_term_credentials_are_not_offered,
    ],
    partly: &[("AUTH-025", "Connect and ConnectionBind: RFC 6062")],
    later: &[],
    left_out: &[],
};
