//! Which wishes for families may stand beside each other.

use crate::draft::Draft;
use crate::probe::Probe;
use crate::relaying::{RESERVE, V4, V6, is_signed, relayed_of};

/// The draft is a bad request, signed, and began no allocation.
fn is_bad(probe: &mut Probe, draft: &Draft, what: &str) {
    let reply = probe.ask(draft);
    assert_eq!((reply.code(), is_signed(&reply)), (400, true), "{what}");
    assert_eq!(probe.refresh(600), 437, "{what}: no allocation may be there");
}

pub(super) fn alloc_012_both_families_at_once_are_refused() {
    let mut probe = Probe::udp();
    for family in [V4, V6] {
        let wishes = Draft::allocate().requested_family(family).additional_family(V6);
        is_bad(&mut probe, &wishes, &format!("family {family} and IPv6 in addition"));
        let wishes = Draft::allocate().additional_family(V6).requested_family(family);
        is_bad(&mut probe, &wishes, &format!("IPv6 in addition and family {family}"));
    }
    probe.allocate();
}

pub(super) fn alloc_016_a_pair_is_of_one_family() {
    let mut probe = Probe::udp();
    for byte in [RESERVE, 0xFF] {
        is_bad(&mut probe, &Draft::allocate().even_port(byte).additional_family(V6), "EVEN-PORT with R");
    }
    let reply = probe.ask(&Draft::allocate().even_port(0).additional_family(V6));
    assert_eq!(reply.code(), 0, "EVEN-PORT without R");
    assert!(relayed_of(&reply).iter().all(|relayed| relayed.port() % 2 == 0), "{:?}", relayed_of(&reply));
}

pub(super) fn alloc_023_the_additional_family_is_ipv6() {
    let mut probe = Probe::udp();
    for family in [0x01, 0x00, 0x03, 0xFF] {
        is_bad(&mut probe, &Draft::allocate().additional_family(family), &format!("family {family}"));
    }
    probe.allocate();
}
