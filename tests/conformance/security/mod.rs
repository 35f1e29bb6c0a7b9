//! Section 23: security considerations as tests.

mod bandwidth;
mod flood;
mod forgery;
mod garbage;
mod junk;
mod logs;
mod own_addresses;
mod peers;
mod ports;
mod reflection;
mod relay;
pub(crate) mod stage;
mod streams;

use crate::row::{Section, rows};
use bandwidth::*;
use flood::*;
use forgery::*;
use garbage::*;
use logs::*;
use own_addresses::*;
use peers::*;
use ports::*;
use reflection::*;
use relay::*;
use streams::*;

pub(crate) const SECTION: Section = Section {
    rows: rows![
        wire sec_001_requests_cannot_be_forged,
        timer sec_002_a_replay_after_the_nonce_is_438,
        configured sec_003_a_loop_of_two_servers_is_bounded,
        wire sec_004_the_servers_own_listeners_are_no_peers,
        timer sec_005_lists_hold_on_every_path_and_after_a_change,
        configured sec_006_special_addresses_are_denied,
        configured sec_007_private_ranges_have_one_switch,
        configured sec_008_ipv4_hidden_in_ipv6_is_judged,
        configured sec_009_tunnels_are_neither_clients_nor_peers,
        configured sec_010_networks_broadcast_and_metadata,
        wire sec_011_port_zero,
        configured sec_012_a_flood_leaves_others_alone,
        configured sec_013_logs_trace_a_relayed_packet,
        configured_both sec_014_unauthenticated_answers_are_small_and_counted,
        wire sec_015_strangers_get_nothing_back,
        wire sec_016_a_relayed_port_is_no_public_port,
        configured sec_017_plain_transports_can_be_switched_off,
        configured sec_018_secrets_stay_secret,
        configured_both sec_019_garbage_breaks_nothing,
        configured_both sec_020_idle_connections_are_bounded,
        configured_both sec_021_freed_ports_rest,
        configured sec_023_services_are_out_of_reach,
        wire sec_024_nested_messages_are_relayed_once,
    ],
    partly: &[
        ("SEC-004", "Connect: RFC 6062"),
        ("SEC-005", "Connect: RFC 6062"),
        ("SEC-011", "Connect: RFC 6062"),
        ("SEC-012", "a client beyond what its worker can take: its listener's buffer is shared"),
        ("SEC-023", "ports of administration and databases: these services"),
    ],
    later: &[("SEC-022", "TCP relays (RFC 6062)")],
    left_out: &[],
};
