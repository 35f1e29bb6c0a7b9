//! Nonces: stateless, of one client, for a while (RFC 8489 section 9.2, our rules).

use std::collections::BTreeSet;

use crate::world::{Setup, sock, tuple};
use proptest::prelude::*;
use turnserver::config::{Config, Profile};
use turnserver::turn::address::{FiveTuple, Transport};
use turnserver::turn::nonce::{NONCE_LEN, Nonce, NonceAge, Nonces};
use turnserver::turn::time::UnixTime;

const KEY: [u8; 32] = [7; 32];
const LIFETIME: u32 = 600;
const NOW: UnixTime = UnixTime(1_800_000_000);

fn nonces() -> Nonces {
    Nonces::new(&KEY, None, "example.org", LIFETIME)
}

fn at(secs: i64) -> UnixTime {
    UnixTime(NOW.0.saturating_add_signed(secs))
}

fn client() -> FiveTuple {
    tuple(Transport::Udp, "203.0.113.5:4000")
}

// AUTH-008, AUTH-021; section 1.7 of the field notes on nonces: 5 s of a fleet's clocks.
#[test]
fn a_nonce_is_fresh_then_stale_and_never_from_the_future() {
    let nonce = nonces().mint(NOW, 1, &client());
    for (secs, age) in [
        (0, NonceAge::Fresh),
        (1, NonceAge::Fresh),
        (599, NonceAge::Fresh),
        (600, NonceAge::Fresh),
        (601, NonceAge::Stale),
        (1_000_000, NonceAge::Stale),
        (-4, NonceAge::Fresh),
        (-5, NonceAge::Fresh),
        (-6, NonceAge::Foreign),
        (-100_000, NonceAge::Foreign),
    ] {
        assert_eq!(nonces().judge(&nonce, at(secs), &client()), age, "{secs} s later");
    }
}

#[test]
fn a_lifetime_of_zero_never_ends() {
    let nonces = Nonces::new(&KEY, None, "example.org", 0);
    let nonce = nonces.mint(NOW, 1, &client());
    assert_eq!(nonces.judge(&nonce, at(1_000_000_000), &client()), NonceAge::Fresh);
}

// AUTH-002, AUTH-011; bound to the address, and on UDP to the port; one client's streams share a nonce.
#[test]
fn a_nonce_is_of_one_client() {
    let nonces = nonces();
    let judge =
        |made_for: FiveTuple, shown_by: FiveTuple| nonces.judge(&nonces.mint(NOW, 1, &made_for), NOW, &shown_by);
    let udp = |addr| tuple(Transport::Udp, addr);
    let tcp = |addr| tuple(Transport::Tcp, addr);
    let tls = |addr| tuple(Transport::Tls, addr);
    assert_eq!(judge(udp("203.0.113.5:4000"), udp("203.0.113.5:4000")), NonceAge::Fresh);
    assert_eq!(judge(udp("203.0.113.5:4000"), udp("203.0.113.5:4001")), NonceAge::Foreign);
    assert_eq!(judge(udp("203.0.113.5:4000"), udp("203.0.113.6:4000")), NonceAge::Foreign);
    assert_eq!(judge(udp("[2a00::1]:4000"), udp("[2a00::2]:4000")), NonceAge::Foreign);
    assert_eq!(judge(tcp("203.0.113.5:4000"), tcp("203.0.113.5:4001")), NonceAge::Fresh);
    assert_eq!(judge(tcp("203.0.113.5:4000"), tls("203.0.113.5:9")), NonceAge::Fresh);
    assert_eq!(judge(tcp("203.0.113.5:4000"), tcp("203.0.113.6:4000")), NonceAge::Foreign);
    assert_eq!(judge(tcp("[2a00::1]:4000"), tls("[2a00::1]:5")), NonceAge::Fresh);
    assert_eq!(judge(tcp("203.0.113.5:4000"), udp("203.0.113.5:4000")), NonceAge::Foreign);
    assert_eq!(judge(udp("203.0.113.5:4000"), tcp("203.0.113.5:4000")), NonceAge::Foreign);
    let mapped = FiveTuple { client: sock("[::ffff:203.0.113.5]:4000"), ..tcp("203.0.113.5:4000") };
    assert_eq!(judge(tcp("203.0.113.5:4000"), mapped), NonceAge::Foreign);
}

// ALT-006: where clients are sent to other servers, they come to those from other ports.
#[test]
fn a_nonce_may_be_of_one_address() {
    let nonces = nonces().of_any_port(true);
    let udp = |addr| tuple(Transport::Udp, addr);
    for made_for in ["203.0.113.5:4000", "[2a00::1]:4000"] {
        let nonce = nonces.mint(NOW, 1, &udp(made_for));
        for (shown_by, age) in [
            ("203.0.113.5:4000", NonceAge::Fresh),
            ("203.0.113.5:4001", NonceAge::Fresh),
            ("203.0.113.6:4000", NonceAge::Foreign),
            ("[2a00::1]:9", NonceAge::Fresh),
            ("[2a00::2]:4000", NonceAge::Foreign),
        ] {
            let is_same_family = made_for.starts_with('[') == shown_by.starts_with('[');
            let expected = if is_same_family { age } else { NonceAge::Foreign };
            assert_eq!(nonces.judge(&nonce, NOW, &udp(shown_by)), expected, "{made_for}, {shown_by}");
        }
        let strict = self::nonces().judge(&nonce, NOW, &udp(made_for));
        assert_eq!(strict, NonceAge::Foreign, "a server that counts ports does not know it");
    }
}

#[test]
fn a_nonce_is_of_one_realm_and_one_key() {
    let nonce = nonces().mint(NOW, 1, &client());
    let judge = |nonces: Nonces| nonces.judge(&nonce, NOW, &client());
    assert_eq!(judge(Nonces::new(&KEY, None, "example.org", LIFETIME)), NonceAge::Fresh, "another worker, a restart");
    assert_eq!(judge(Nonces::new(&KEY, None, "example.com", LIFETIME)), NonceAge::Foreign);
    assert_eq!(judge(Nonces::new(&[8; 32], None, "example.org", LIFETIME)), NonceAge::Foreign);
    assert_eq!(judge(Nonces::new(&[8; 32], Some(&KEY), "example.org", LIFETIME)), NonceAge::Fresh, "the key before");
    assert_eq!(judge(Nonces::new(&[8; 32], Some(&[9; 32]), "example.org", LIFETIME)), NonceAge::Foreign);
    let stale = Nonces::new(&[8; 32], Some(&KEY), "example.org", LIFETIME).judge(&nonce, at(601), &client());
    assert_eq!(stale, NonceAge::Stale);
}

// Whoever kept one from before must not lead clients back to MD5 with it for ever.
#[test]
fn a_nonce_that_promises_less_ends_though_nonces_live_for_ever() {
    let former = Nonces::new(&KEY, None, "example.org", 0);
    let nonce = former.mint(NOW, 1, &client());
    let now = former.clone().listing_algorithms(true);
    let judge = |nonces: &Nonces, secs| nonces.judge(&nonce, at(secs), &client());
    assert_eq!(
        (judge(&now, 600), judge(&now, 601), judge(&former, 1_000_000)),
        (NonceAge::Fresh, NonceAge::Stale, NonceAge::Fresh)
    );
    let more = now.mint(NOW, 1, &client());
    assert_eq!(former.judge(&more, at(1_000_000), &client()), NonceAge::Fresh, "one that promises more");
}

// BID-022, AUTH-032: whatever is altered is not ours.
#[test]
fn a_nonce_altered_at_any_place_is_foreign() {
    for nonces in [nonces(), nonces().listing_algorithms(true)] {
        altered_nonces_are_foreign(&nonces);
    }
}

fn altered_nonces_are_foreign(nonces: &Nonces) {
    let nonce = nonces.mint(NOW, 0xDEAD_BEEF, &client());
    for place in 0..nonce.len() {
        for byte in 0..=255_u8 {
            let mut altered = nonce.to_vec();
            altered[place] = byte;
            let expected = if *altered == *nonce { NonceAge::Fresh } else { NonceAge::Foreign };
            assert_eq!(nonces.judge(&altered, NOW, &client()), expected, "byte {byte:#04x} at {place}");
        }
    }
    for len in 0..nonce.len() {
        assert_eq!(nonces.judge(&nonce[..len], NOW, &client()), NonceAge::Foreign);
    }
    for more in [&b"A"[..], b"=", b"\0", b"AAAA"] {
        assert_eq!(nonces.judge(&[&nonce[..], more].concat(), NOW, &client()), NonceAge::Foreign);
        assert_eq!(nonces.judge(&[more, &nonce[..]].concat(), NOW, &client()), NonceAge::Foreign);
    }
    assert_eq!(nonces.judge(&[b'A'; 763], NOW, &client()), NonceAge::Foreign);
}

// AUTH-003, STUN-027: characters of a quoted string, and never twice the same.
#[test]
fn nonces_are_short_printable_and_different() {
    let nonces = nonces();
    let minted: BTreeSet<Nonce> = (0..10_000).map(|salt| nonces.mint(NOW, salt, &client())).collect();
    assert_eq!(minted.len(), 10_000);
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-' || *byte == b'_';
    assert!(minted.iter().all(|nonce| nonce.iter().all(is_plain)));
    assert_eq!(NONCE_LEN, 28, "the 401 of our rules counts with it");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_was_not_minted_is_foreign(nonce in prop::collection::vec(any::<u8>(), 0..60)) {
        prop_assert_eq!(nonces().judge(&nonce, NOW, &client()), NonceAge::Foreign);
    }

    #[test]
    fn whatever_text_of_the_right_length_is_foreign(nonce in "[A-Za-z0-9_-]{28}") {
        prop_assert_eq!(nonces().judge(nonce.as_bytes(), NOW, &client()), NonceAge::Foreign);
    }

    #[test]
    fn what_was_minted_is_fresh_for_its_lifetime(salt in any::<u32>(), made in 0..4_000_000_000_u64, later in 0..2_000_u64) {
        let nonces = nonces();
        let nonce = nonces.mint(UnixTime(made), salt, &client());
        let age = nonces.judge(&nonce, UnixTime(made + later), &client());
        prop_assert_eq!(age, if later <= u64::from(LIFETIME) { NonceAge::Fresh } else { NonceAge::Stale });
    }
}

// Our rules: the key of a fleet's nonces follows from its secret, whatever key each server has; and the port is no part.
#[test]
fn servers_of_a_fleet_take_each_others_nonces() {
    let config = |lines: &str| Setup::with(Profile::Default, lines).config().clone();
    let fleet = config("nonce-secret = \"a-secret-of-this-fleet-83\"");
    let others = config("nonce-secret = \"a-secret-of-another-one\"");
    let of = |config: &Config, key: u8| Nonces::of_config(config, &[key; 32], None);
    let (first, second, other) = (of(&fleet, 1), of(&fleet, 2), of(&others, 1));
    let udp = |client: &str| tuple(Transport::Udp, client);
    let now = at(0);
    let nonce = first.mint(now, 7, &udp("203.0.113.5:4000"));
    for (nonces, client, age) in [
        (&second, "203.0.113.5:4000", NonceAge::Fresh),
        (&second, "203.0.113.5:4001", NonceAge::Fresh),
        (&second, "203.0.113.6:4000", NonceAge::Foreign),
        (&other, "203.0.113.5:4000", NonceAge::Foreign),
        (&of(&config(""), 1), "203.0.113.5:4000", NonceAge::Foreign),
    ] {
        assert_eq!(nonces.judge(&nonce, now, &udp(client)), age, "{client}");
    }
}

// A first Allocate that is refused for its nonce ends a call of Chrome's, whatever changed in between.
#[test]
fn nonces_made_before_a_change_are_taken_as_they_were_bound() {
    let udp = |port: u16| tuple(Transport::Udp, &format!("203.0.113.5:{port}"));
    let of = |key: u8, on: bool| Nonces::new(&[key; 32], None, "example.org", LIFETIME).of_any_port(on);
    for (before, after) in [
        (of(1, true), of(2, true)),
        (of(1, false), of(2, true)),
        (of(1, true), of(2, false)),
        (of(1, false), of(1, true)),
        (of(1, true), of(1, false)),
    ] {
        let nonce = before.mint(NOW, 7, &udp(4000));
        assert_eq!(after.judge(&nonce, NOW, &udp(4000)), NonceAge::Foreign);
        let once = after.clone().in_place_of(&before);
        let again = after.clone().in_place_of(&once);
        for nonces in [once, again] {
            assert_eq!(nonces.judge(&nonce, NOW, &udp(4000)), NonceAge::Fresh);
            assert_eq!(nonces.judge(&nonce, NOW, &udp(4001)), before.judge(&nonce, NOW, &udp(4001)), "another port");
            assert_eq!(nonces.judge(&nonce, at(601), &udp(4000)), NonceAge::Stale, "they live no longer");
            assert_eq!(after.judge(&nonces.mint(NOW, 7, &udp(4000)), NOW, &udp(4000)), NonceAge::Fresh, "a new one");
        }
    }
}

#[test]
fn changes_without_end_leave_few_keys() {
    let of = |key: u8| Nonces::new(&[key; 32], None, "example.org", LIFETIME);
    let minted = |key: u8| of(key).mint(NOW, 7, &client());
    let last = (1..100).fold(of(0), |former, key| of(key).in_place_of(&former));
    let taken: Vec<u8> = (0..100).filter(|key| last.judge(&minted(*key), NOW, &client()) == NonceAge::Fresh).collect();
    assert_eq!(taken, [95, 96, 97, 98, 99]);
}
