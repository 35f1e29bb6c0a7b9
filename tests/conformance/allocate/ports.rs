//! The ports of relayed addresses: which range, and in which order.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use crate::draft::Draft;
use crate::probe::Probe;
use crate::relaying::{is_signed, own_launch, own_server, probe_of};
use crate::wire::free_ports;

/// The dynamic ports (RFC 6335 section 6).
const DYNAMIC: std::ops::RangeInclusive<u16> = 49_152..=65_535;
/// How many ports are looked at.
const SAMPLE: usize = 1000;

/// The ports that a thousand allocations got, one after the other.
fn sample() -> &'static [u16] {
    static PORTS: OnceLock<Vec<u16>> = OnceLock::new();
    PORTS.get_or_init(|| {
        let next = || {
            let mut probe = Probe::udp();
            let port = probe.allocate().port();
            assert_eq!(probe.refresh(0), 0);
            port
        };
        (0..SAMPLE).map(|_| next()).collect()
    })
}

pub(super) fn alloc_021_no_port_is_left() {
    let first = free_ports(2);
    let server = own_server(&["127.0.0.1"], &format!("min-port = {first}\nmax-port = {}", first + 1));
    let (mut one, mut two, mut three) = (probe_of(&server), probe_of(&server), probe_of(&server));
    let ports = [one.allocate().port(), two.allocate().port()];
    assert!(ports == [first, first + 1] || ports == [first + 1, first], "{ports:?}");
    let reply = three.ask(&Draft::allocate());
    assert_eq!((reply.code(), is_signed(&reply)), (508, true));
    assert_eq!(two.refresh(0), 0);
    assert_eq!(three.allocate().port(), ports[1], "a port that was given back is given out again");
}

pub(super) fn alloc_028_ports_are_dynamic_ones() {
    let outside: Vec<&u16> = sample().iter().filter(|port| !DYNAMIC.contains(*port)).collect();
    assert_eq!(outside, Vec::<&u16>::new());
}

pub(super) fn alloc_029_no_system_port_is_relayed() {
    for (min, max) in [(0, 65_535), (1, 65_535), (1000, 65_535), (1023, 65_535), (80, 443)] {
        let ended = own_launch(&["127.0.0.1"], &format!("min-port = {min}\nmax-port = {max}")).run();
        assert!(!ended.status.success(), "{min} to {max}");
        assert!(ended.log.contains("min-port"), "{min} to {max}: {}", ended.log);
    }
}

/// A thousand ports of 16,384, drawn at random, are beyond these bounds less than once in 10^8 runs.
pub(super) fn alloc_030_ports_are_random() {
    let ports = sample();
    let steps: Vec<u16> = ports.windows(2).map(|pair| pair[1].wrapping_sub(pair[0])).collect();
    let mut counts: BTreeMap<u16, usize> = BTreeMap::new();
    steps.iter().for_each(|step| *counts.entry(*step).or_default() += 1);
    let most = counts.values().max().copied().unwrap_or_default();
    assert!(most < 8, "the same step comes {most} times: the next port can be guessed from the last");
    let near = steps.iter().filter(|step| (**step as i16).unsigned_abs() <= 16).count();
    assert!(near < 20, "{near} ports lie beside the one before; two are usual");
    let run = longest_run(ports, |last, next| next > last).max(longest_run(ports, |last, next| next < last));
    assert!(run < 15, "{run} ports in a row in order");

    let mut bins = [0u32; 16];
    let bin = |port: u16| usize::from(port.saturating_sub(*DYNAMIC.start()) / 1024);
    ports.iter().for_each(|port| bins[bin(*port)] += 1);
    let expected = SAMPLE as f64 / bins.len() as f64;
    let chi_square: f64 = bins.iter().map(|count| (f64::from(*count) - expected).powi(2) / expected).sum();
    assert!(chi_square < 75.0, "{chi_square} with 15 degrees of freedom: {bins:?}");
    assert!(chi_square > 0.5, "{chi_square}: too even for chance: {bins:?}");
}

/// The longest row of ports of which each follows the one before in this sense.
fn longest_run(ports: &[u16], follows: impl Fn(u16, u16) -> bool) -> usize {
    let mut longest = 1;
    let mut current = 1;
    for pair in ports.windows(2) {
        current = if follows(pair[0], pair[1]) { current + 1 } else { 1 };
        longest = longest.max(current);
    }
    longest
}
