//! Every option of the table, seen from outside: a server is started with it, and what clients, files, the log or the
//! exit status show is what the option says. An option that nobody looks at here fails `every_option_has_a_test`.

#[path = "../netns/mod.rs"]
mod netns;
#[path = "../wire/mod.rs"]
mod wire;

mod auth;
mod bandwidth;
mod certificates;
mod command_line;
mod database;
#[path = "../userdb/file.rs"]
mod file;
mod later;
mod limits;
mod listen;
mod log;
mod metrics;
mod peers;
mod process;
mod protocol;
mod redirect;
mod relay;

use std::collections::BTreeSet;

use turnserver::config::options;

use wire::{Client, Launch, Server};

/// The user of a test, the password, and where they are known.
const ALICE: (&str, &str) = ("alice", "wonderland-27");
const BOB: (&str, &str) = ("bob", "builder-81");
const REALM: &str = "turn.example.org";

/// A peer that is nobody: an address in a private range.
const PRIVATE_PEER: [u8; 4] = [10, 1, 2, 3];

/// A server that alice and bob may use, with coturn's profile.
fn launch(args: &[&str]) -> Launch {
    let users = [ALICE, BOB].map(|(name, password)| format!("--user={name}:{password}"));
    let realm = format!("--realm={REALM}");
    Launch::new(&["--lt-cred-mech", &users[0], &users[1], &realm]).and(args)
}

/// The same, started.
fn start(args: &[&str]) -> Server {
    launch(args).start()
}

/// Alice, over UDP.
fn alice(server: &Server) -> Client {
    Client::udp(server.addr).with_user(ALICE.0, ALICE.1)
}

/// Bob, over UDP.
fn bob(server: &Server) -> Client {
    Client::udp(server.addr).with_user(BOB.0, BOB.1)
}

/// Makes a test of each function, and the list of options that have one.
macro_rules! options {
    ($($option:literal => $module:ident::$test:ident,)*) => {
        /// Options that have a test.
        const TESTED: &[&str] = &[$($option),*];

        $(
            #[test]
            fn $test() {
                $module::$test();
            }
        )*
    };
}

options! {
    "listening-ip" => listen::every_listening_ip_is_served,
    "listening-port" => listen::the_listening_port_is_served_and_no_other,
    "tls-listening-port" => listen::the_tls_port_takes_tls_and_plain_tcp,
    "no-udp" => listen::no_udp_leaves_tcp,
    "no-tcp" => listen::no_tcp_leaves_udp,
    "no-tls" => listen::no_tls_ignores_the_certificate,
    "relay-ip" => relay::relayed_addresses_are_on_the_relay_ip,
    "external-ip" => relay::relayed_addresses_are_told_by_their_external_ip,
    "min-port" => relay::relayed_ports_start_at_min_port,
    "max-port" => relay::relayed_ports_end_at_max_port,
    "realm" => auth::challenges_name_the_realm,
    "secret-file" => auth::a_secret_file_is_made_once_and_its_credentials_work,
    "use-auth-secret" => auth::use_auth_secret_puts_static_users_out_of_force,
    "static-auth-secret" => auth::every_static_auth_secret_makes_credentials,
    "rest-api-separator" => auth::the_separator_stands_between_time_and_name,
    "sha256" => auth::sha256_is_offered,
    "strict-expiry" => auth::an_allocation_may_end_with_its_credential,
    "lt-cred-mech" => auth::lt_cred_mech_asks_for_credentials,
    "user" => auth::users_have_passwords_or_keys,
    "no-auth" => auth::no_auth_lets_anybody_allocate,
    "stale-nonce" => auth::a_nonce_goes_stale,
    "userdb" => database::users_of_the_database_are_let_in,
    "no-dynamic-ip-list" => database::peers_of_the_database_may_be_left_out,
    "no-dynamic-realms" => database::limits_of_the_database_may_be_left_out,
    "nonce-secret" => auth::servers_of_a_fleet_take_each_others_nonces,
    "cert" => certificates::the_certificate_is_shown,
    "pkey" => certificates::the_key_must_be_the_certificates,
    "no-tlsv1_2" => certificates::tls_1_2_may_be_left_out,
    "allowed-peer-ip" => peers::allowed_peers_are_reached,
    "denied-peer-ip" => peers::denied_peers_are_not_reached,
    "no-multicast-peers" => peers::multicast_peers_need_to_be_opened,
    "allow-loopback-peers" => peers::loopback_peers_need_to_be_opened,
    "user-quota" => limits::a_user_has_so_many_allocations,
    "total-quota" => limits::the_server_has_so_many_allocations,
    "max-bps" => bandwidth::an_allocation_relays_so_many_bytes_a_second,
    "user-bps" => bandwidth::a_user_relays_so_many_bytes_a_second,
    "bps-capacity" => bandwidth::the_server_relays_so_many_bytes_a_second,
    "max-allocate-lifetime" => limits::no_allocation_lives_longer_without_a_refresh,
    "min-allocate-lifetime" => limits::an_allocation_may_live_shorter,
    "max-allocate-timeout" => limits::a_stream_without_an_allocation_may_be_silent_so_long,
    "channel-lifetime" => limits::a_channel_ends,
    "permission-lifetime" => limits::a_permission_ends,
    "unauthorized-ratelimit" => limits::strangers_get_so_many_answers,
    "unauthorized-ratelimit-rps" => limits::strangers_get_so_many_answers_a_second,
    "auth-failures-per-minute" => limits::wrong_passwords_are_answered_so_often,
    "new-peers-per-minute" => limits::an_allocation_gets_so_many_new_peers,
    "alternate-server" => redirect::allocate_is_sent_to_the_alternate_servers,
    "tls-alternate-server" => redirect::tls_clients_have_servers_of_their_own,
    "udp-alternate-server" => redirect::udp_clients_have_servers_of_their_own,
    "tcp-alternate-server" => redirect::tcp_clients_have_servers_of_their_own,
    "stun-only" => protocol::stun_only_answers_binding_alone,
    "no-stun" => protocol::no_stun_answers_no_binding,
    "secure-stun" => protocol::secure_stun_tells_users_alone,
    "rfc5766-channel-numbers" => protocol::upper_channel_numbers_need_to_be_opened,
    "channel-extends-permission" => protocol::a_channel_may_keep_its_permission,
    "fingerprint" => protocol::fingerprint_is_on_every_message,
    "software-attribute" => protocol::the_software_is_named,
    "include-reason-string" => protocol::errors_have_a_phrase,
    "prometheus" => metrics::metrics_are_shown_or_not,
    "prometheus-address" => metrics::metrics_are_shown_on_the_address,
    "prometheus-port" => metrics::metrics_are_shown_on_the_port,
    "prometheus-path" => metrics::metrics_are_shown_under_the_path,
    "prometheus-username-labels" => metrics::labels_that_clients_multiply_are_refused,
    "prometheus-tls" => metrics::metrics_that_should_have_tls_stay_on_loopback,
    "profile" => process::a_profile_is_a_set_of_defaults,
    "relay-threads" => process::so_many_threads_relay,
    "verbose" => process::verbose_logs_sessions,
    "Verbose" => process::more_verbose_logs_sessions,
    "log-min-level" => log::nothing_below_the_level_is_told,
    "log-file" => log::the_file_of_the_day_is_written,
    "simple-log" => log::the_name_is_kept_and_the_file_opened_anew,
    "no-stdout-log" => log::what_goes_to_the_file_stays_off_the_console,
    "syslog" => log::the_systems_log_takes_records,
    "syslog-facility" => log::the_systems_log_is_told_the_facility,
    "log-format" => log::records_are_objects,
    "new-log-timestamp" => log::lines_begin_with_seconds,
    "new-log-timestamp-format" => log::lines_begin_as_told,
    "log-binding" => log::binding_requests_are_told,
    "pidfile" => process::the_process_id_is_written,
    "proc-user" => process::the_server_becomes_the_user,
    "proc-group" => process::the_server_becomes_the_group,
    "daemon" => process::the_server_goes_on_in_the_background,
    "drain-timeout" => process::a_drain_is_over_in_time,
    "drain-min-allocations" => process::a_drain_leaves_so_many_allocations,
}

#[test]
fn every_option_has_a_test() {
    // What does nothing, or is refused, is shown by the tables of later.rs.
    let known: BTreeSet<&str> =
        options::all().filter(|option| option.category.is_served()).map(|option| option.name).collect();
    let tested: BTreeSet<&str> = TESTED.iter().copied().collect();
    let untested: Vec<_> = known.difference(&tested).collect();
    assert!(untested.is_empty(), "show from outside what these options do: {untested:?}");
    let gone: Vec<_> = tested.difference(&known).collect();
    assert!(gone.is_empty(), "these options are no options any more: {gone:?}");
}
