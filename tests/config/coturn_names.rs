//! Every option that coturn 4.6.1 or 4.17 has: it does something here, or is taken with a warning, or is refused.

use turnserver::config::options::{self, Category};

/// Listeners, relays, credentials.
const FIRST: &str = "
    listening-device listening-ip listening-port tls-listening-port alt-listening-port alt-tls-listening-port
    tcp-proxy-port aux-server no-udp no-tcp no-tls dtls no-dtls udp-self-balance sock-buf-size
    relay-ip relay-device external-ip min-port max-port no-udp-relay no-tcp-relay keep-address-family
    allocation-default-address-family server-relay multiplex-peer multiplex-peer-port multiplex-peer-max-peers
    lt-cred-mech no-auth user use-auth-secret static-auth-secret rest-api-separator realm server-name oauth secure-stun
    check-origin-consistency stale-nonce stateless-nonce stateless-nonce-secret unauthorized-ratelimit
    unauthorized-ratelimit-rps no-auth-pings no-dynamic-ip-list no-dynamic-realms
    cert pkey pkey-pwd CA-file cipher-list ec-curve-name dh-file dh566 dh1066 tlsv1 tlsv1_1 no-tlsv1_2 raw-public-keys
    secret-key-file no-sslv2 no-sslv3 no-tlsv1 no-tlsv1_1
";

/// Databases, limits, peers, switches, administration, log, process.
const SECOND: &str = "
    userdb db psql-userdb sql-userdb mysql-userdb mongo-userdb redis-userdb redis-statsdb
    user-quota total-quota max-bps bps-capacity max-allocate-lifetime channel-lifetime permission-lifetime
    max-allocate-timeout drain-min-allocations
    allowed-peer-ip denied-peer-ip no-multicast-peers allow-loopback-peers no-loopback-peers
    fingerprint software-attribute no-software-attribute include-reason-string mobility stun-only no-stun rfc5780
    no-rfc5780 stun-backward-compatibility no-stun-backward-compatibility rfc3489-compatibility
    rfc5766-channel-numbers response-origin-only-with-rfc5780 drop-invalid-packets drop-invalid-packets-log
    udp-recvmmsg udp-recvmmsg-log udp-sendmmsg-log udp-gso acme-redirect respond-http-unsupported
    alternate-server tls-alternate-server udp-alternate-server tcp-alternate-server
    cli no-cli cli-ip cli-port cli-password cli-max-output-sessions web-admin web-admin-ip web-admin-port
    web-admin-listen-on-workers prometheus prometheus-port prometheus-address prometheus-path
    prometheus-username-labels prometheus-tls prometheus-cert prometheus-key
    verbose Verbose log-min-level log-file no-stdout-log syslog syslog-facility simple-log new-log-timestamp
    new-log-timestamp-format log-binding daemon pidfile proc-user proc-group relay-threads cpus
    ne prod secret-ts-exp-time
";

/// Letters of the command line; `c`, `n` and `h` choose and tell, as here.
const LETTERS: &str = "d p L E X i m l r u b B e M J N O q Q s C K A v V o f z a S";

fn names() -> Vec<&'static str> {
    FIRST.split_whitespace().chain(SECOND.split_whitespace()).collect()
}

#[test]
fn every_option_of_coturn_is_served_taken_or_refused() {
    let names = names();
    assert!(names.len() > 140, "{} names", names.len());
    let unknown: Vec<&str> = names.into_iter().filter(|name| options::find(name).is_none()).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn whatever_does_nothing_is_coturns() {
    for option in options::all().filter(|option| !option.category.is_served()) {
        assert!(names().contains(&option.name), "{} is no option of coturn", option.name);
        assert!(option.category != Category::Refused || option.doc.len() > 20, "{} has no reason", option.name);
    }
}

#[test]
fn coturns_letters_are_letters_here() {
    for letter in LETTERS.split_whitespace() {
        let known = crate::parse(&format!("-{letter} 1")).is_ok() || crate::parse(&format!("-{letter}")).is_ok();
        assert!(known, "-{letter}");
    }
}
