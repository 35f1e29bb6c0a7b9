//! Section 3: transports and framing.

mod datagrams;
mod defaults;
mod endings;
mod framing;

use crate::row::{Section, rows};
use datagrams::*;
use defaults::*;
use endings::*;
use framing::*;

pub(crate) const SECTION: Section = Section {
    rows: rows![
        wire trn_001_udp_is_relayed_both_ways,
        wire trn_002_every_transport_relays_both_ways,
        configured trn_003_default_ports,
        wire trn_004_tls_is_recognised_on_the_plain_port,
        wire trn_005_messages_follow_each_other_without_framing,
        wire trn_006_channel_data_is_padded_on_a_stream,
        wire trn_007_channel_data_may_be_padded_in_a_datagram,
        both trn_008_an_idle_connection_stays_open,
        wire trn_009_a_request_is_answered_before_the_connection_ends,
        wire trn_010_a_run_of_invalid_bytes_closes_the_connection,
        wire trn_011_a_byte_that_begins_nothing_closes_the_connection,
        wire trn_012_the_first_byte_tells_protocols_apart,
        wire trn_013_the_longest_messages_are_framed,
        wire trn_014_the_allocation_ends_with_its_connection,
    ],
    partly: &[("TRN-002", "DTLS"), ("TRN-004", "the plain UDP port: DTLS")],
    later: &[],
    left_out: &[],
};
