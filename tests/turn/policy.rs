//! Which peers may be reached: tables and properties over all spellings of an address (SEC-005 to SEC-010).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::world::{Setup, World, ip, sock};
use proptest::prelude::*;
use turnserver::config::{IpRange, Peers, Profile};
use turnserver::turn::io::OwnPeer;
use turnserver::turn::policy::{OwnNet, PeerPolicy, canonical};

/// The peer rules of a profile.
fn peers(profile: Profile) -> Peers {
    Setup::of(profile).config().peers.clone()
}

fn policy(peers: &Peers) -> PeerPolicy {
    PeerPolicy::new(peers, OwnNet::new(Vec::new(), 49152..=65535))
}

/// Whether a peer may be reached, which permission and data must agree on.
fn allows(policy: &PeerPolicy, peer: IpAddr) -> bool {
    let permits = policy.permits(peer);
    let reach = policy.reach((peer, 5000).into());
    assert_eq!(reach, permits.then_some(OwnPeer::No), "{peer}");
    permits
}

fn range(first: IpAddr, last: IpAddr) -> IpRange {
    IpRange { first, last }
}

/// `a.b.c.d/len` as a range.
fn prefix(text: &str) -> IpRange {
    let (first, len) = text.split_once('/').expect("a prefix");
    let (first, len) = (ip(first), len.parse::<u32>().expect("a length"));
    let last = match first {
        IpAddr::V4(v4) => IpAddr::from(Ipv4Addr::from(u32::from(v4) | u32::MAX.checked_shr(len).unwrap_or(0))),
        IpAddr::V6(v6) => IpAddr::from(Ipv6Addr::from(u128::from(v6) | u128::MAX.checked_shr(len).unwrap_or(0))),
    };
    range(first, last)
}

/// The address after, or before.
fn step(ip: IpAddr, by: i8) -> Option<IpAddr> {
    match ip {
        IpAddr::V4(v4) => u32::from(v4).checked_add_signed(by.into()).map(|bits| Ipv4Addr::from(bits).into()),
        IpAddr::V6(v6) => u128::from(v6).checked_add_signed(by.into()).map(|bits| Ipv6Addr::from(bits).into()),
    }
}

/// Denied in every profile, whatever the lists say: the second row of our rules.
const ALWAYS: &[&str] = &[
    "0.0.0.0/8",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.31.196.0/24",
    "192.52.193.0/24",
    "192.88.99.0/24",
    "192.175.48.0/24",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "168.63.129.16/32",
    "100.100.100.200/32",
    "::/96",
    "::ffff:0:0/96",
    "64:ff9b::/96",
    "64:ff9b:1::/48",
    "100::/64",
    "100:0:0:1::/64",
    "2001::/23",
    "2001:db8::/32",
    "2002::/16",
    "2620:4f:8000::/48",
    "3fff::/20",
    "5f00::/16",
    "fc00::/7",
    "fe80::/10",
    "fec0::/10",
    "ff00::/8",
];
/// The first row: denied unless the profile is coturn's, or a list names them.
const PRIVATE: &[&str] = &["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"];

fn is_in(ip: IpAddr, prefixes: &[&str]) -> bool {
    let bits = |ip: IpAddr| match ip {
        IpAddr::V4(v4) => (4, u128::from(u32::from(v4))),
        IpAddr::V6(v6) => (6, u128::from(v6)),
    };
    prefixes.iter().map(|text| prefix(text)).any(|range| bits(range.first) <= bits(ip) && bits(ip) <= bits(range.last))
}

// SEC-006, SEC-007, SEC-010; the addresses measured on coturn 4.6.1, which lets most of them pass.
#[test]
fn every_address_of_the_ssrf_list_is_refused() {
    let denied = "0.0.0.0 0.0.0.1 127.0.0.1 127.0.0.8 127.255.255.254 169.254.169.254 169.254.170.2 192.0.0.1 198.18.0.1 \
        198.51.100.1 198.51.100.2 224.0.0.1 239.255.255.250 240.0.0.1 255.255.255.255 168.63.129.16 100.100.100.200 :: \
        ::1 ::2 ::ffff:127.0.0.1 ::ffff:0.0.0.0 ::ffff:169.254.169.254 ::127.0.0.1 2002:7f00:1:: 2002:a9fe:a9fe:: \
        64:ff9b::7f00:1 64:ff9b:1::7f00:1 2001:0:4136:e378:8000:63bf:3fff:fdd2 fe80::1 fc00::1 fd00::2 fd00:ec2::254 \
        fd20:ce::254 fec0::1 ff02::1 ff0e::1 100::1 2001:db8::1 3fff::1 5f00::1 2001:2::1 2001:10::1 2001::172 \
        2a00:1450::5efe:7f00:1 2a00:1450::200:5efe:808:808";
    let private = "10.0.0.1 172.16.0.1 172.31.255.254 192.168.0.1 100.64.0.1 100.127.255.254";
    let public = "8.8.8.8 1.1.1.1 2606:4700::1111 2a00:1450::5";
    for profile in Profile::ALL {
        let policy = policy(&peers(profile));
        let all = |list: &str, expected: bool| {
            list.split_whitespace()
                .for_each(|peer| assert_eq!(allows(&policy, ip(peer)), expected, "{peer} in {profile}"));
        };
        all(denied, false);
        all(private, profile == Profile::Coturn);
        all(public, true);
    }
}

// The same through the server: CreatePermission, ChannelBind, Send.
#[test]
fn refused_addresses_are_refused_by_every_method() {
    for profile in Profile::ALL {
        let world = World::of(profile);
        let client = world.client();
        client.allocate().expect("an allocation");
        let mut refused = vec!["127.0.0.1:80", "169.254.169.254:80", "0.0.0.0:53", "224.0.0.1:9", "255.255.255.255:9"];
        if profile != Profile::Coturn {
            refused.extend(["10.0.0.1:80", "192.168.1.1:80", "172.20.0.1:80", "100.64.9.9:80"]);
        }
        for addr in refused {
            let peer = world.peer(addr);
            assert_eq!((client.permit(&[peer.addr()]), client.bind(0x4000, peer.addr())), (403, 403), "{addr}");
            client.send_to(peer.addr(), b"x");
            client.channel_send(0x4000, b"x");
            assert_eq!(peer.received(), Vec::<Vec<u8>>::new(), "{addr} in {profile}");
        }
    }
}

// Section 1.11 of the security notes: first and last address of each range, and their neighbours flip.
#[test]
fn ranges_end_where_they_end() {
    for profile in Profile::ALL {
        let policy = policy(&peers(profile));
        let open = |ip: IpAddr| !is_in(ip, ALWAYS) && (profile == Profile::Coturn || !is_in(ip, PRIVATE));
        for text in ALWAYS.iter().chain(PRIVATE) {
            let IpRange { first, last } = prefix(text);
            for edge in [Some(first), Some(last), step(first, -1), step(first, 1), step(last, -1), step(last, 1)] {
                let Some(edge) = edge else { continue };
                assert_eq!(allows(&policy, edge), open(edge), "{edge} at the edge of {text} in {profile}");
            }
        }
    }
}

// Our rules: allow wins, but never over the second row; hardened: deny wins.
#[test]
fn lists_open_and_close_what_they_may() {
    let everything = vec![prefix("0.0.0.0/0"), prefix("::/0")];
    for profile in Profile::ALL {
        let opened = policy(&Peers { allowed: everything.clone(), ..peers(profile) });
        let closed = policy(&Peers { denied: everything.clone(), ..peers(profile) });
        let both = policy(&Peers { allowed: everything.clone(), denied: everything.clone(), ..peers(profile) });
        let hardened = profile == Profile::Hardened;
        for text in ALWAYS {
            let IpRange { first, last } = prefix(text);
            for peer in [first, last] {
                assert!(!allows(&opened, peer) && !allows(&both, peer), "{peer} in {profile}");
            }
        }
        for peer in ["8.8.8.8", "10.0.0.1", "2606:4700::1"].map(ip) {
            assert!(allows(&opened, peer) && !allows(&closed, peer), "{peer} in {profile}");
            assert_eq!(allows(&both, peer), !hardened, "{peer} in {profile}");
        }
    }
}

// `allow-loopback-peers` and `no-multicast-peers=false` are the coturn profile's only, and open nothing else.
#[test]
fn two_switches_open_loopback_and_multicast() {
    let open = |profile, lines| {
        let policy = policy(&Setup::with(profile, lines).config().peers);
        let peers = [
            "127.0.0.1",
            "127.255.0.1",
            "::1",
            "224.0.0.1",
            "ff02::1",
            "::",
            "::2",
            "::ffff:127.0.0.1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "169.254.1.1",
            "fe80::1",
            "240.0.0.1",
            "255.255.255.255",
        ];
        peers.into_iter().filter(|peer| allows(&policy, ip(peer))).collect::<Vec<_>>()
    };
    for profile in [Profile::Default, Profile::Hardened] {
        assert!(open(profile, "allow-loopback-peers = true\nno-multicast-peers = false").is_empty());
    }
    assert_eq!(open(Profile::Coturn, "allow-loopback-peers = true"), ["127.0.0.1", "127.255.0.1", "::1"]);
    assert_eq!(open(Profile::Coturn, "no-multicast-peers = false"), ["224.0.0.1", "ff02::1"]);
}

// SEC-011
#[test]
fn port_zero_is_never_reached() {
    for profile in Profile::ALL {
        let policy = policy(&peers(profile));
        assert_eq!(policy.reach(sock("8.8.8.8:0")), None);
        assert!(policy.permits(ip("8.8.8.8")), "a permission has no port");
    }
}

// A range that begins and ends at no prefix, which coturn once compared byte by byte.
#[test]
fn ranges_need_not_be_prefixes() {
    let ranges = vec![range(ip("9.0.0.250"), ip("9.0.2.5")), range(ip("2a00:1:0:ffff::7"), ip("2a00:1:2::3"))];
    let policy = policy(&Peers { denied: ranges, ..peers(Profile::Default) });
    for denied in ["9.0.0.250", "9.0.1.0", "9.0.1.255", "9.0.2.5", "2a00:1:0:ffff::7", "2a00:1:1::", "2a00:1:2::3"] {
        assert!(!allows(&policy, ip(denied)), "{denied}");
    }
    for open in ["9.0.0.249", "9.0.2.6", "2a00:1:0:ffff::6", "2a00:1:2::4", "2a00:1::ffff", "2a00:1:2:0:1::"] {
        assert!(allows(&policy, ip(open)), "{open}");
    }
}

/// The spellings of an IPv4 address that wrap it and nothing else.
fn wrapped(v4: Ipv4Addr) -> [IpAddr; 4] {
    let bits = u128::from(u32::from(v4));
    let spelled = [0xFFFF << 32 | bits, bits, 0x0064_FF9B << 96 | bits, 0x2002 << 112 | bits << 80];
    spelled.map(|bits| Ipv6Addr::from(bits).into())
}

/// Spellings with something beside the address: 6to4 with a host, Teredo, NAT64 of a local prefix, ISATAP.
fn hidden(v4: Ipv4Addr, host: u64) -> [IpAddr; 4] {
    let bits = u128::from(u32::from(v4));
    let host = u128::from(host);
    let teredo = 0x2001_0000 << 96 | host << 32 | (bits ^ 0xFFFF_FFFF);
    let isatap = host << 64 | (host & 1) << 57 | 0x5EFE << 32 | bits;
    [0x2002 << 112 | bits << 80 | host, teredo, 0x0064_FF9B_0001 << 80 | bits, isatap]
        .map(|bits| Ipv6Addr::from(bits).into())
}

fn v4() -> impl Strategy<Value = Ipv4Addr> {
    let near_a_range = prop::sample::select([ALWAYS, PRIVATE].concat()).prop_flat_map(|text| {
        let first = match prefix(text).first {
            IpAddr::V4(v4) => u32::from(v4),
            IpAddr::V6(_) => 0x0808_0808,
        };
        (-3..3_i32).prop_map(move |by| Ipv4Addr::from(first.wrapping_add_signed(by)))
    });
    prop_oneof![any::<u32>().prop_map(Ipv4Addr::from), near_a_range]
}

fn address() -> impl Strategy<Value = IpAddr> {
    let v6 = prop_oneof![
        any::<u128>(),
        (0..u128::MAX).prop_map(|bits| 0x2a00 << 112 | bits >> 16),
        any::<u64>().prop_map(u128::from),
        (any::<u32>(), prop::sample::select(vec![0x2002_u128 << 112, 0x2001 << 112, 0x0064_FF9B << 96, 0xFFFF << 32]))
            .prop_map(|(low, high)| high | u128::from(low)),
    ];
    prop_oneof![v4().prop_map(IpAddr::V4), v6.prop_map(|bits| IpAddr::V6(bits.into()))]
}

fn lists() -> impl Strategy<Value = Vec<IpRange>> {
    let one = prop_oneof![
        (any::<u32>(), 0..0x0200_0000_u32).prop_map(|(first, len)| {
            range(Ipv4Addr::from(first).into(), Ipv4Addr::from(first.saturating_add(len)).into())
        }),
        (any::<u128>(), 0..128_u32).prop_map(|(first, len)| {
            range(Ipv6Addr::from(first).into(), Ipv6Addr::from(first.saturating_add(u128::MAX >> len)).into())
        }),
        Just(prefix("10.0.0.0/8")),
        Just(prefix("::ffff:10.0.0.0/104")),
        Just(prefix("0.0.0.0/0")),
        Just(prefix("2000::/3")),
    ];
    prop::collection::vec(one, 0..4)
}

fn rules() -> impl Strategy<Value = Peers> {
    (prop::sample::select(Profile::ALL.to_vec()), lists(), lists(), any::<[bool; 2]>()).prop_map(
        |(profile, allowed, denied, [loopback, multicast])| {
            let is_coturn = profile == Profile::Coturn;
            Peers {
                allowed,
                denied,
                loopback: is_coturn && loopback,
                multicast: is_coturn && multicast,
                ..peers(profile)
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    // SEC-008, SEC-009: no spelling of an IPv4 address is ever allowed, in any profile, with any lists and switches.
    #[test]
    fn an_ipv4_address_in_disguise_is_denied(rules in rules(), v4 in v4(), host in any::<u64>()) {
        let policy = policy(&rules);
        for peer in wrapped(v4).into_iter().chain(hidden(v4, host)) {
            // ::1 is spelled like the compatible form of 0.0.0.1, and has its own switch.
            if peer == IpAddr::V6(Ipv6Addr::LOCALHOST) && rules.loopback {
                continue;
            }
            prop_assert!(!allows(&policy, peer), "{peer} hides {v4}");
        }
    }

    #[test]
    fn every_disguise_has_one_canonical_form(v4 in v4()) {
        for (index, peer) in wrapped(v4).into_iter().enumerate() {
            let is_plain = index == 1 && u32::from(v4) <= 1;
            prop_assert_eq!(canonical(peer), if is_plain { peer } else { v4.into() });
        }
        prop_assert_eq!(canonical(v4.into()), IpAddr::V4(v4));
    }

    // Whatever is allowed is judged as its canonical form is, and is canonical.
    #[test]
    fn what_is_allowed_is_canonical(rules in rules(), peer in address()) {
        let policy = policy(&rules);
        if canonical(peer) == peer {
            prop_assert_eq!(allows(&policy, peer), allows(&policy, canonical(peer)));
        } else {
            prop_assert!(!allows(&policy, peer), "{peer} is no canonical form");
        }
    }

    // Lists in a wrapped form judge like the canonical one.
    #[test]
    fn a_list_in_disguise_is_the_list_it_means(first in v4(), len in 0..70_000_u32, probe in 0..70_000_u32, form in 0..4_usize) {
        let last = Ipv4Addr::from(u32::from(first).saturating_add(len));
        prop_assume!(u32::from(first) > 1);
        let plain = range(first.into(), last.into());
        let spelled = range(wrapped(first)[form], wrapped(last)[form]);
        let peer = IpAddr::from(Ipv4Addr::from(u32::from(first).wrapping_add(probe)));
        for profile in Profile::ALL {
            let with = |allowed: Vec<IpRange>, denied: Vec<IpRange>| {
                allows(&policy(&Peers { allowed, denied, ..peers(profile) }), peer)
            };
            prop_assert_eq!(with(vec![plain], vec![]), with(vec![spelled], vec![]), "allowed {}", peer);
            prop_assert_eq!(with(vec![], vec![plain]), with(vec![], vec![spelled]), "denied {}", peer);
        }
    }

    // One more denied range never enables an address, one more allowed range never disables one.
    #[test]
    fn lists_are_monotonic(rules in rules(), more in lists(), peer in address()) {
        let before = allows(&policy(&rules), peer);
        let denied = [rules.denied.clone(), more.clone()].concat();
        let with_denied = policy(&Peers { denied, ..rules.clone() });
        prop_assert!(before || !allows(&with_denied, peer));
        let allowed = [rules.allowed.clone(), more].concat();
        let with_allowed = policy(&Peers { allowed, ..rules });
        prop_assert!(!before || allows(&with_allowed, peer));
    }

    // The ranges are what a naive reading of the table says, for every address.
    #[test]
    fn the_verdict_is_what_the_table_says(mut rules in rules(), peer in address()) {
        // Lists in a wrapped form are another property's business.
        rules.allowed.retain(|range| canonical(range.first) == range.first);
        rules.denied.retain(|range| canonical(range.first) == range.first);
        let within = |ranges: &[IpRange]| ranges.iter().any(|range| {
            range.first.is_ipv4() == peer.is_ipv4() && range.first <= peer && peer <= range.last
        });
        let is_loopback = is_in(peer, &["127.0.0.0/8", "::1/128"]) && rules.loopback;
        let is_multicast = is_in(peer, &["224.0.0.0/4", "ff00::/8"]) && rules.multicast;
        let expected = match (within(&rules.allowed), within(&rules.denied)) {
            _ if is_in(peer, ALWAYS) && !is_loopback && !is_multicast => false,
            (true, true) => !rules.deny_wins,
            (true, false) => true,
            (false, true) => false,
            (false, false) => rules.private || !is_in(peer, PRIVATE),
        };
        prop_assert_eq!(allows(&policy(&rules), peer), expected);
    }
}
