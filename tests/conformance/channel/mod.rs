//! Section 14: channels.

mod binding;
mod data;
mod lifetime;

use crate::row::{Section, rows};
use binding::*;
use data::*;
use lifetime::*;

pub(crate) const SECTION: Section = Section {
    rows: rows![
        wire chan_001_number_and_peer_must_be_there,
        wire chan_002_numbers_have_a_range,
        wire chan_003_a_bound_number_takes_no_other_peer,
        wire chan_004_a_bound_peer_takes_no_other_number,
        timer chan_005_binding_again_renews_channel_and_permission,
        wire chan_006_another_port_is_another_peer,
        wire chan_007_a_peer_of_another_family_is_refused,
        wire chan_008_a_forbidden_peer_is_refused,
        wire chan_009_a_full_table_is_said,
        wire chan_010_a_channel_brings_a_permission,
        timer chan_011_a_channel_lives_600_seconds_its_permission_300,
        timer chan_012_data_refreshes_nothing,
        timer chan_013_after_its_end_number_and_peer_are_free,
        wire chan_014_data_on_an_unbound_number_is_discarded,
        wire chan_015_a_datagram_shorter_than_it_says_is_discarded,
        wire chan_016_of_a_longer_datagram_only_the_length_counts,
        wire chan_017_an_empty_message_is_an_empty_datagram,
        wire chan_018_first_words_beyond_the_channels_are_discarded,
        wire chan_019_with_a_channel_there_are_no_indications,
        wire chan_020_on_streams_messages_are_padded,
        wire chan_021_on_udp_messages_are_not_padded,
        wire chan_022_only_the_bound_port_uses_the_channel,
        wire chan_023_data_before_the_channel_breaks_nothing,
        wire chan_024_a_failed_binding_alters_nothing,
    ],
    partly: &[],
    later: &[],
    left_out: &[],
};
