//! Every option of the table: another value of it is in force after a reload, or it is named as one that waits for a
//! restart. An option that stands in neither list fails `every_option_is_here`.

use std::collections::BTreeSet;

use rustix::process::Signal;
use turnserver::config::options::{self, Category};

use crate::looks;
use crate::stage::{Stage, Values};
use crate::wire::Launch;

/// An option that a reload changes.
struct Case {
    option: &'static str,
    before: Values<'static>,
    after: Values<'static>,
    look: fn(&Stage) -> String,
    /// What is seen before and after.
    seen: [&'static str; 2],
}

/// Makes a test of each case, and the list of all.
macro_rules! cases {
    ($($test:ident: $option:literal, $before:expr => $after:expr, $look:ident, $seen:expr;)*) => {
        const CASES: &[Case] = &[$(Case {
            option: $option,
            before: &$before,
            after: &$after,
            look: looks::$look,
            seen: $seen,
        }),*];

        $(
            #[test]
            fn $test() {
                show($option);
            }
        )*
    };
}

const NO_USERS: [(&str, &str); 2] = [("user", ""), ("lt-cred-mech", "false")];
const SECRET: (&str, &str) = ("static-auth-secret", "[\"a-secret-of-this-test-51\"]");
const ELSEWHERE: &str = "[\"127.0.0.9\"]";
const CERT: [(&str, &str); 2] = [("cert", "\"first.pem\""), ("pkey", "\"first.key\"")];
const OTHER_CERT: [(&str, &str); 2] = [("cert", "\"second.pem\""), ("pkey", "\"second.key\"")];

cases! {
    realm: "realm", [] => [("realm", "\"other.example\"")], realm, ["r.example", "other.example"];
    secret_file: "secret-file", [NO_USERS[0], NO_USERS[1], ("secret-file", "\"first.secret\"")]
        => [NO_USERS[0], NO_USERS[1], ("secret-file", "\"second.secret\"")], secrets, ["0 401", "401 0"];
    use_auth_secret: "use-auth-secret", [] => [("use-auth-secret", "true")], alice, ["0", "401"];
    static_auth_secret: "static-auth-secret", [NO_USERS[0], NO_USERS[1], SECRET]
        => [NO_USERS[0], NO_USERS[1], ("static-auth-secret", "[\"another-one-of-this-test-64\"]")],
        secrets, ["0 401", "401 0"];
    rest_api_separator: "rest-api-separator", [NO_USERS[0], NO_USERS[1], SECRET]
        => [NO_USERS[0], NO_USERS[1], SECRET, ("rest-api-separator", "\"#\"")], separators, ["0 401", "401 0"];
    strict_expiry: "strict-expiry", [NO_USERS[0], NO_USERS[1], SECRET]
        => [NO_USERS[0], NO_USERS[1], SECRET, ("strict-expiry", "true")], credential_end, ["true", "false"];
    sha256: "sha256", [] => [("sha256", "true")], sha256, ["false", "true"];
    lt_cred_mech: "lt-cred-mech", [("user", ""), ("no-auth", "true"), ("lt-cred-mech", "false")]
        => [("user", ""), ("lt-cred-mech", "true")], stranger_over_udp, ["0", "401"];
    user: "user", [("user", "[\"alice:wonderland-27\"]")] => [("user", "[\"bob:builder-81\"]")],
        users, ["0 401", "401 0"];
    no_auth: "no-auth", [] => [NO_USERS[0], NO_USERS[1], ("no-auth", "true")], stranger_over_udp, ["401", "0"];
    stale_nonce: "stale-nonce", [] => [("stale-nonce", "1")], old_nonce, ["0", "438"];
    nonce_secret: "nonce-secret", [] => [("nonce-secret", "\"a-secret-of-this-fleet-83\"")],
        nonce_of_another_port, ["438", "437"];
    cert: "cert", CERT => OTHER_CERT, certificate, ["first.pem", "second.pem"];
    pkey: "pkey", CERT => OTHER_CERT, certificate, ["first.pem", "second.pem"];
    no_tlsv1_2: "no-tlsv1_2", CERT => [CERT[0], CERT[1], ("no-tlsv1_2", "true")], tls_1_2, ["true", "false"];
    allowed_peer_ip: "allowed-peer-ip", [("denied-peer-ip", "[\"10.0.0.0/8\"]")]
        => [("denied-peer-ip", "[\"10.0.0.0/8\"]"), ("allowed-peer-ip", "[\"10.1.2.3\"]")], private_peer, ["403", "0"];
    denied_peer_ip: "denied-peer-ip", [] => [("denied-peer-ip", "[\"10.0.0.0/8\"]")], private_peer, ["0", "403"];
    no_multicast_peers: "no-multicast-peers", [] => [("no-multicast-peers", "false")], multicast_peer, ["403", "0"];
    allow_loopback_peers: "allow-loopback-peers", [] => [("allow-loopback-peers", "false")],
        loopback_peer, ["0", "403"];
    user_quota: "user-quota", [("user-quota", "1")] => [("user-quota", "2")], allocations, ["1", "2"];
    total_quota: "total-quota", [("total-quota", "2")] => [("total-quota", "1")], allocations, ["2", "1"];
    max_bps: "max-bps", [] => [("max-bps", "1000")], burst, ["true", "false"];
    user_bps: "user-bps", [] => [("user-bps", "1000")], burst, ["true", "false"];
    bps_capacity: "bps-capacity", [("max-bps", "1000000")] => [("max-bps", "1000000"), ("bps-capacity", "1000")],
        burst, ["true", "false"];
    max_allocate_lifetime: "max-allocate-lifetime", [] => [("max-allocate-lifetime", "700")],
        lifetime, ["3000", "700"];
    min_allocate_lifetime: "min-allocate-lifetime", [] => [("min-allocate-lifetime", "60")],
        short_lifetime, ["600", "90"];
    max_allocate_timeout: "max-allocate-timeout", [] => [("max-allocate-timeout", "1")],
        silent_stream, ["open", "closed"];
    channel_lifetime: "channel-lifetime", [] => [("channel-lifetime", "1")], old_channel, ["400", "0"];
    permission_lifetime: "permission-lifetime", [] => [("permission-lifetime", "1")], old_permission, ["1", "0"];
    unauthorized_ratelimit: "unauthorized-ratelimit", [] => [("unauthorized-ratelimit", "true")],
        answers, ["true", "false"];
    unauthorized_ratelimit_rps: "unauthorized-ratelimit-rps", [("unauthorized-ratelimit-rps", "1000")]
        => [("unauthorized-ratelimit-rps", "5")], answers, ["true", "false"];
    auth_failures_per_minute: "auth-failures-per-minute", [] => [("auth-failures-per-minute", "3")],
        guesses, ["true", "false"];
    new_peers_per_minute: "new-peers-per-minute", [] => [("new-peers-per-minute", "1")], new_peers, ["true", "false"];
    alternate_server: "alternate-server", [] => [("alternate-server", ELSEWHERE)], stranger_over_udp, ["401", "300"];
    udp_alternate_server: "udp-alternate-server", [] => [("udp-alternate-server", ELSEWHERE)],
        stranger_over_udp, ["401", "300"];
    tcp_alternate_server: "tcp-alternate-server", [] => [("tcp-alternate-server", ELSEWHERE)],
        stranger_over_tcp, ["401", "300"];
    tls_alternate_server: "tls-alternate-server", CERT => [CERT[0], CERT[1], ("tls-alternate-server", ELSEWHERE)],
        stranger_over_tls, ["401", "300"];
    stun_only: "stun-only", [] => [("stun-only", "true")], unserved_allocate, ["1", "0"];
    no_stun: "no-stun", [] => [("no-stun", "true")], unserved_binding, ["1", "0"];
    secure_stun: "secure-stun", [] => [("secure-stun", "true")], bare_binding, ["0", "401"];
    rfc5766_channel_numbers: "rfc5766-channel-numbers", [("rfc5766-channel-numbers", "false")]
        => [("rfc5766-channel-numbers", "true")], upper_channel, ["400", "0"];
    channel_extends_permission: "channel-extends-permission",
        [("permission-lifetime", "1"), ("channel-extends-permission", "true")]
        => [("permission-lifetime", "1"), ("channel-extends-permission", "false")],
        old_permission_of_channel, ["1", "0"];
    fingerprint: "fingerprint", [] => [("fingerprint", "true")], fingerprint, ["false", "true"];
    software_attribute: "software-attribute", [] => [("software-attribute", "true")], software, ["false", "true"];
    verbose: "verbose", [] => [("verbose", "true")], details, ["false", "true"];
    very_verbose: "Verbose", [] => [("Verbose", "true")], details, ["false", "true"];
    log_min_level: "log-min-level", [("verbose", "true")] => [("verbose", "true"), ("log-min-level", "\"info\"")],
        details, ["true", "false"];
    log_binding: "log-binding", [] => [("log-binding", "true")], binding_told, ["false", "true"];
    include_reason_string: "include-reason-string", [] => [("include-reason-string", "true")],
        phrase, ["", "Unauthorized"];
}

/// Options that wait for a restart: another value than the server began with.
const WAITING: Values<'static> = &[
    ("listening-ip", "[\"127.0.0.1\", \"127.0.0.2\"]"),
    ("listening-port", "4001"),
    ("tls-listening-port", "4002"),
    ("no-udp", "true"),
    ("no-tcp", "true"),
    ("no-tls", "true"),
    ("relay-ip", "[\"127.0.0.3\"]"),
    ("external-ip", "[\"203.0.113.7\"]"),
    ("min-port", "50001"),
    ("max-port", "50010"),
    ("profile", "\"default\""),
    ("relay-threads", "2"),
    ("userdb", "\"turndb\""),
    ("no-dynamic-ip-list", "true"),
    ("no-dynamic-realms", "true"),
    ("pidfile", "\"other.pid\""),
    ("prometheus", "true"),
    ("prometheus-address", "\"127.0.0.2\""),
    ("prometheus-port", "4003"),
    ("prometheus-path", "\"/other\""),
    ("prometheus-username-labels", "true"),
    ("prometheus-tls", "true"),
    ("proc-user", "\"nobody\""),
    ("proc-group", "\"nogroup\""),
    ("daemon", "true"),
    ("log-file", "\"turn.log\""),
    ("simple-log", "true"),
    ("no-stdout-log", "true"),
    ("syslog", "true"),
    ("syslog-facility", "\"LOG_DAEMON\""),
    ("log-format", "\"json\""),
    ("new-log-timestamp", "false"),
    ("new-log-timestamp-format", "\"%F\""),
];

/// Options of a server that ends, so that there is no looking twice.
const ENDING: [(&str, &str); 2] = [("drain-timeout", "1"), ("drain-min-allocations", "1")];

#[test]
fn a_drain_goes_by_the_configuration_that_is_read_meanwhile() {
    for (option, value) in ENDING {
        let mut stage = Stage::new(&[("drain-timeout", "0")]);
        let mut alice = stage.alice();
        alice.relayed();
        stage.server.signal(Signal::USR1);
        assert!(stage.server.log.find(&["draining"]).is_some());
        stage.reload(&[("drain-timeout", "0"), ("user-quota", "5")]);
        assert_eq!(alice.refresh(600).code(), 0, "it goes on as long as it takes");
        assert_eq!(stage.bob().allocate().code(), 403, "a reload does not end a drain");
        let text = stage.text(&[("drain-timeout", "0"), (option, value)]);
        assert!(stage.try_reload(&text));
        assert!(stage.server.end().success(), "{option}");
    }
}

fn show(option: &str) {
    let case = CASES.iter().find(|case| case.option == option).expect("it stands in the list");
    let launch = Launch::new(&[]);
    looks::write_certificates(launch.dir());
    looks::SECRETS.into_iter().for_each(|(secret, file)| drop(launch.write(file, secret)));
    let stage = Stage::of(launch, case.before);
    assert_eq!((case.look)(&stage), case.seen[0], "{option} before");
    stage.reload(case.after);
    assert_eq!((case.look)(&stage), case.seen[1], "{option} after");
    let log = &stage.server.log;
    assert_eq!(log.count(&["changed", &format!("option=\"{option}\"")]), 1, "{option}:\n{}", log.text());
    assert_eq!(log.count(&["needs a restart"]), 0, "{option}:\n{}", log.text());
    stage.reload(case.before);
    assert_eq!((case.look)(&stage), case.seen[0], "{option} as it was before");
}

#[test]
fn what_waits_for_a_restart_is_named_with_both_values_and_stays_as_it_is() {
    let stage = Stage::new(&[]);
    let mut alice = stage.alice();
    alice.relayed();
    let log = &stage.server.log;
    let waiting = || log.count(&["WARN", "needs a restart"]);
    for (number, (option, value)) in WAITING.iter().enumerate() {
        stage.reload(&[(option, value), ("max-allocate-lifetime", "700")]);
        let told = log.find(&["WARN", "needs a restart", &format!("option=\"{option}\"")]).expect("it is told");
        let value = value.replace(['[', ']', '"'], "");
        assert!(told.contains(&format!("then=\"{value}\"")), "{told}");
        assert_eq!(waiting(), 1 + number, "{option} alone:\n{}", log.text());
        assert_eq!(alice.refresh(3000).lifetime(), 700, "what does not wait holds");
        assert_eq!(stage.bob().relayed().ip(), stage.addr().ip(), "{option} is what it was");
    }
    assert_eq!(log.count(&["changed", "option=\"max-allocate-lifetime\""]), 1, "{}", log.text());
    let port = ("listening-port", "4001");
    stage.reload(&[port]);
    stage.reload(&[port]);
    let now = format!("now=\"{}\"", stage.addr().port());
    assert_eq!(log.count(&["option=\"listening-port\"", &now]), 3, "it is told as long as it is so");
    let told = waiting();
    stage.reload(&[]);
    assert_eq!(waiting(), told, "nothing waits any more");
    assert_eq!(alice.refresh(3000).lifetime(), 3000);
}

#[test]
fn every_option_is_here() {
    let changed: BTreeSet<&str> = CASES.iter().map(|case| case.option).collect();
    let waiting: BTreeSet<&str> = WAITING.iter().map(|(option, _)| *option).collect();
    for option in options::all() {
        let ends = ENDING.iter().any(|(name, _)| *name == option.name);
        let is_here = match option.category {
            Category::Later | Category::Refused => !option.reloadable,
            _ if option.reloadable => changed.contains(option.name) || ends,
            _ => waiting.contains(option.name),
        };
        assert!(is_here, "show what a reload makes of {}, as its definition says", option.name);
    }
    let known: BTreeSet<&str> = options::all().map(|option| option.name).collect();
    let gone: Vec<_> = changed.union(&waiting).filter(|option| !known.contains(**option)).collect();
    assert!(gone.is_empty(), "these options are no options any more: {gone:?}");
}
