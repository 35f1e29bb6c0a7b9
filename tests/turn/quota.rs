//! Quotas of allocations, and the budget of answers that nobody earned.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use proptest::prelude::*;
use turnserver::config::{Limits, Rate, load_text};
use turnserver::turn::address::{LinkId, Transport};
use turnserver::turn::budget::{Budget, prefix};
use turnserver::turn::budgets::Budgets;
use turnserver::turn::io::{ClientPath, Credit};
use turnserver::turn::quota::{QuotaLease, Quotas};
use turnserver::turn::time::Mono;

use crate::world;

const SECOND: u64 = 1_000_000_000;
const USERS: [&[u8]; 3] = [b"alice", b"bob", b"carol"];

fn user(index: usize) -> Option<Arc<[u8]>> {
    USERS.get(index).map(|name| Arc::from(*name))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    // TURN-006; 486 exactly when the user, or the server, has as many as allowed.
    #[test]
    fn a_lease_is_a_place_as_long_as_it_lives(
        user_max in 0..5_u32,
        total_max in 0..9_u32,
        changes in prop::collection::vec((0..5_u32, 0..9_u32), 80),
        steps in prop::collection::vec((0..5_u8, 0..4_usize, any::<prop::sample::Index>()), 1..80),
    ) {
        let quotas = Quotas::new(user_max, total_max);
        let (mut user_max, mut total_max) = (user_max, total_max);
        let mut leases: Vec<(usize, QuotaLease)> = Vec::new();
        for ((what, who, which), change) in steps.into_iter().zip(changes) {
            if what == 0 {
                // Other bounds: those who are there stay, and count.
                (user_max, total_max) = change;
                quotas.change(user_max, total_max);
            } else if what < 3 {
                let held = leases.iter().filter(|(holder, _)| *holder == who).count() as u32;
                let has_place = user(who).is_none() || user_max == 0 || held < user_max;
                let expected = has_place && (total_max == 0 || (leases.len() as u32) < total_max);
                let lease = quotas.acquire(user(who));
                prop_assert_eq!(lease.is_some(), expected);
                leases.extend(lease.map(|lease| (who, lease)));
            } else if !leases.is_empty() {
                leases.swap_remove(which.index(leases.len()));
            }
            prop_assert_eq!(quotas.total() as usize, leases.len());
            for (index, name) in USERS.iter().enumerate() {
                let held = leases.iter().filter(|(holder, _)| *holder == index).count();
                prop_assert_eq!(quotas.of_user(name) as usize, held);
            }
        }
        leases.clear();
        prop_assert_eq!(quotas.total(), 0);
    }
}

#[test]
fn of_many_threads_exactly_one_gets_the_last_place() {
    for round in 0..50 {
        let quotas = if round % 2 == 0 { Quotas::new(1, 0) } else { Quotas::new(0, 1) };
        let winners = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            let contend = || {
                let lease = quotas.acquire(user(0));
                winners.fetch_add(usize::from(lease.is_some()), Ordering::SeqCst);
                lease
            };
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(contend)).collect();
            let leases: Vec<_> = threads.into_iter().map(|thread| thread.join().expect("no panic")).collect();
            assert_eq!(quotas.total(), 1);
            drop(leases);
        });
        assert_eq!((winners.into_inner(), quotas.total(), quotas.of_user(b"alice")), (1, 0, 0));
    }
}

// A user without a place left must not keep others from the last place of all, not even for a moment.
#[test]
fn who_is_refused_takes_no_place_from_others() {
    let quotas = Quotas::new(1, 2);
    let _alice = quotas.acquire(user(0)).expect("the first");
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    assert!(quotas.acquire(user(0)).is_none());
                }
            });
        }
        let refused = (0..20_000).filter(|_| quotas.acquire(user(1)).is_none()).count();
        stop.store(true, Ordering::Relaxed);
        assert_eq!(refused, 0);
    });
}

fn budget(per_sec: u32, burst: u32) -> Budget {
    Budget::new(Rate { per_sec, burst }, [1, 2, 3, 4])
}

// SEC-014; our rules: 100 per second, burst 500.
#[test]
fn a_budget_is_a_burst_and_then_a_rate() {
    for (per_sec, burst) in [(100, 500), (20, 100), (10, 10), (1, 1)] {
        let budget = budget(per_sec, burst);
        let source: IpAddr = "203.0.113.5".parse().expect("an address");
        let taken = |from: Mono| (0..2_000).take_while(|_| budget.take(source, from)).count();
        let start = Mono(7 * SECOND);
        assert_eq!(taken(start), burst as usize);
        assert_eq!(taken(Mono(8 * SECOND)), per_sec as usize);
        assert_eq!(taken(Mono(8 * SECOND + SECOND / 2)), per_sec as usize / 2);
        assert_eq!(taken(Mono(100_000 * SECOND)), burst as usize, "it fills up, not over");
    }
}

#[test]
fn one_source_does_not_use_up_the_budget_of_another() {
    let budget = budget(10, 10);
    let now = Mono(SECOND);
    let flooder: IpAddr = "203.0.113.5".parse().expect("an address");
    while budget.take(flooder, now) {}
    let others = (0..200_u8).filter(|last| budget.take(IpAddr::from([198, 51, 100, *last]), now)).count();
    assert!(others >= 199, "{others} of 200");
}

// Our rules: per source address, IPv6: /64.
#[test]
fn an_ipv6_source_is_its_64_bits() {
    let of = |text: &str| prefix(text.parse().expect("an address"));
    assert_eq!(of("2a00:1:2:3::1"), of("2a00:1:2:3:ffff::9"));
    assert_ne!(of("2a00:1:2:3::1"), of("2a00:1:2:4::1"));
    assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    let v4 = u128::from(u32::from_be_bytes([192, 0, 2, 1]));
    assert_ne!(prefix(IpAddr::V6(Ipv6Addr::from(v4 << 64))), of("192.0.2.1"));
    assert_ne!(prefix(IpAddr::V6(Ipv6Addr::from(v4))), of("192.0.2.1"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    // Never more than burst + rate x time, whatever the rhythm.
    #[test]
    fn no_rhythm_beats_the_budget(
        per_sec in 1..200_u32,
        burst in 1..300_u32,
        pauses in prop::collection::vec(0..SECOND / 4, 1..400),
    ) {
        let budget = budget(per_sec, burst);
        let source: IpAddr = "2a00::1".parse().expect("an address");
        let start = Mono(SECOND);
        let (mut now, mut taken) = (start, 0_u64);
        for pause in pauses {
            now.0 += pause;
            for _ in 0..3 {
                taken += u64::from(budget.take(source, now));
            }
            let earned = u128::from(per_sec) * u128::from(now.0 - start.0) / u128::from(SECOND);
            prop_assert!(u128::from(taken) <= u128::from(burst) + earned + 1);
        }
    }
}

// Our rules: tables do not grow with what is sent; sources may share a bucket, never exceed it.
#[test]
fn the_budget_of_many_sources_is_bounded_by_its_table() {
    let budget = budget(1, 1);
    let mut served: BTreeMap<bool, usize> = BTreeMap::new();
    for source in 0..100_000_u32 {
        *served
            .entry(budget.take(IpAddr::from((0xCB00_0000_u32 + source).to_be_bytes()), Mono(SECOND)))
            .or_default() += 1;
    }
    assert!(served[&true] <= 4096, "{served:?}");
}

// Other rates while the server runs: nobody is better off for them but by the rates, and nobody is punished for the past.
#[test]
fn other_rates_keep_what_was_used_up() {
    let limits = load_text("realm = \"r\"", Path::new("t.toml")).expect("a good configuration").config.limits;
    let with = |rate: Option<(u32, u32)>, auth_failures_per_minute: u32| {
        let unauthorized = rate.map(|(per_sec, burst)| Rate { per_sec, burst });
        Limits { unauthorized, auth_failures_per_minute, ..limits.clone() }
    };
    let tuple = world::tuple(Transport::Udp, "203.0.113.5:4000");
    let to = ClientPath { tuple, link: LinkId(0) };
    let answered = |budgets: &Budgets, now: Mono| {
        (0..2_000).take_while(|_| budgets.take(&to, Credit::Unauthenticated, now).is_ok()).count()
    };
    let slow = Budgets::new(&with(Some((1, 500)), 0), || [1, 2, 3, 4]);
    let now = Mono(7 * SECOND);
    assert_eq!(answered(&slow, now), 500);
    let same = slow.changed(&with(Some((1, 500)), 20), now, || [5, 6, 7, 8]);
    assert_eq!(answered(&same, now), 0, "what was used up stays used up");
    let quick = same.changed(&with(Some((100, 100)), 20), now, || [5, 6, 7, 8]);
    assert_eq!(answered(&quick, now), 0);
    assert_eq!(answered(&quick, Mono(8 * SECOND)), 100, "and comes back as fast as the new rate says, not the old one");
    let none = quick.changed(&with(None, 20), now, || [5, 6, 7, 8]);
    assert_eq!(answered(&none, now), 2_000);
    let anew = none.changed(&with(Some((10, 10)), 20), now, || [5, 6, 7, 8]);
    assert_eq!(answered(&anew, now), 10, "what was not bounded begins full");

    let guesses =
        |budgets: &Budgets| (0..100).take_while(|_| budgets.take(&to, Credit::Failed { name: 7 }, now).is_ok()).count();
    assert_eq!(guesses(&none), 20);
    assert_eq!(guesses(&none.changed(&with(None, 20), now, || [5, 6, 7, 8])), 0, "a reload gives no guesses");
}
