//! The memory of the timer wheel. The only test of its process, whose resident memory it looks at.

use turnserver::turn::time::Mono;
use turnserver::turn::timers::Wheel;

const SECOND: u64 = 1_000_000_000;
/// More than one turn of the wheel, so that every slot is used.
const SECS: u64 = 4200;
/// Entries that fire in each of them.
const PER_SEC: u64 = 1000;
/// Far below what the slots took if each kept room for what it once held: more than 60 MiB.
const GROWTH_KIB_MAX: u64 = 16 * 1024;

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux has it");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a process has memory");
    line.split_whitespace().next().and_then(|kib| kib.parse().ok()).expect("a number")
}

#[test]
fn slots_give_the_memory_of_what_fired_back() {
    let mut wheel = Wheel::new(Mono(0));
    let mut turn = |second: u64| {
        (0..PER_SEC).for_each(|key| wheel.schedule(Mono((second + 5) * SECOND), key));
        std::iter::from_fn(|| wheel.poll(Mono(second * SECOND))).count() as u64
    };
    (0..10).for_each(|second| assert_eq!(turn(second), if second < 5 { 0 } else { PER_SEC }));
    let before = resident_kib();
    (10..SECS).for_each(|second| assert_eq!(turn(second), PER_SEC));
    let grown = resident_kib().saturating_sub(before);
    assert_eq!(wheel.len() as u64, 5 * PER_SEC);
    assert!(grown < GROWTH_KIB_MAX, "{grown} KiB for {} entries", wheel.len());
}
