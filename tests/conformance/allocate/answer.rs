//! What a success says, what it begins, and what a failure leaves.

use turnserver::stun::{AttributeType, Method};

use crate::draft::Draft;
use crate::peer::Peer;
use crate::probe::Probe;
use crate::relaying::{
    RESERVE, V6, allocate_pair, as_other_user, claim, exchanges_data, is_signed, own_server, probe_of,
};
use crate::target::Target;
use crate::wire::{Reply, free_ports};

pub(super) fn alloc_001_a_success_says_everything() {
    for reserves in [false, true] {
        for (over, mut probe) in Probe::over_each() {
            let draft = if reserves { Draft::allocate().even_port(RESERVE) } else { Draft::allocate() };
            let reply = probe.ask(&draft);
            assert_eq!((reply.code(), is_signed(&reply)), (0, true), "over {over}");
            assert_eq!(reply.message().kind().method, Method::ALLOCATE);
            let (relayed, token) = (reply.relayed(), reply.value(AttributeType::RESERVATION_TOKEN));
            assert!(!relayed.ip().is_unspecified() && relayed.port() > 0, "over {over}: {relayed}");
            assert_eq!((reply.lifetime(), reply.mapped()), (600, probe.local()), "over {over}");
            assert_eq!(token.map(|token| token.len()), reserves.then_some(8), "over {over}");
        }
    }
}

pub(super) fn alloc_002_the_mapped_address_is_the_socket() {
    let mut probes = Probe::over_each();
    probes.extend(Target::get().addr_v6.map(|_| ("UDP over IPv6", Probe::udp_v6())));
    for (over, mut probe) in probes {
        let reply = probe.ask(&Draft::allocate());
        assert_eq!((reply.code(), reply.mapped()), (0, probe.local()), "over {over}");
    }
}

pub(super) fn alloc_003_a_second_allocate_is_a_mismatch() {
    for (over, mut probe) in Probe::over_each() {
        let (relayed, peer) = (probe.allocate(), Peer::new());
        assert_eq!(probe.permit(peer.addr()), 0);
        let reply = probe.ask(&Draft::allocate());
        assert_eq!((reply.code(), is_signed(&reply)), (437, true), "over {over}");
        assert_eq!(probe.code(&Draft::allocate().lifetime(0)), 437, "over {over}");
        exchanges_data(&mut probe, relayed, &peer);
    }
}

pub(super) fn alloc_004_the_same_request_has_the_same_answer() {
    for (over, mut probe) in Probe::over_each() {
        let draft = Draft::allocate().even_port(RESERVE);
        let (first, again) = (probe.ask(&draft), probe.ask(&draft));
        assert_eq!((first.code(), again.code()), (0, 0), "over {over}");
        assert_eq!(first.relayed(), again.relayed(), "over {over}");
        let token = |reply: &Reply| reply.value(AttributeType::RESERVATION_TOKEN).expect("a token");
        assert_eq!(token(&first), token(&again), "over {over}");
        // It may say what is left of its lifetime.
        assert!((1..=first.lifetime()).contains(&again.lifetime()), "over {over}");
        assert_eq!(claim(&mut Probe::udp(), &token(&again)).code(), 0, "over {over}: there is one reservation");
    }
}

/// What an Allocate is granted.
fn granted(mut probe: Probe, asked: Option<u32>) -> u32 {
    let draft = asked.into_iter().fold(Draft::allocate(), Draft::lifetime);
    let reply = probe.ask(&draft);
    assert_eq!(reply.code(), 0, "asked {asked:?}");
    let lifetime = reply.lifetime();
    assert_eq!(probe.refresh(0), 0);
    lifetime
}

/// The longest lifetime that the server gives.
fn longest_lifetime() -> u32 {
    granted(Probe::udp(), Some(u32::MAX))
}

pub(super) fn alloc_026_lifetimes_are_negotiated() {
    let longest = longest_lifetime();
    assert!(longest >= 600, "never below the default: {longest}");
    let table = [(None, 600), (Some(0), 600), (Some(1), 600), (Some(599), 600), (Some(1200), 1200), (Some(3600), 3600)];
    for (asked, wanted) in table {
        assert_eq!(granted(Probe::udp(), asked), wanted, "asked {asked:?}");
    }
    assert_eq!(granted(Probe::udp(), Some(longest + 1)), longest);
    if Target::get().is_ours() {
        let server = own_server(&["127.0.0.1"], "max-allocate-lifetime = 1800");
        let asked = [Some(1200), Some(1800), Some(1801), Some(u32::MAX)];
        assert_eq!(asked.map(|asked| granted(probe_of(&server), asked)), [1200, 1800, 1800, 1800]);
    }
}

pub(super) fn alloc_027_the_longest_lifetime_is_an_hour() {
    let longest = longest_lifetime();
    assert!(longest <= 3600, "{longest} s");
}

pub(super) fn alloc_031_it_begins_empty() {
    for (_, mut probe) in Probe::over_each() {
        let (relayed, peer) = (probe.allocate(), Peer::new());
        peer.send(relayed, b"not permitted");
        probe.receives_nothing();
        for number in [0x4000, 0x4001, 0x4FFF] {
            probe.send_channel(number, b"not bound");
        }
        probe.tell(&Draft::send(peer.addr(), b"not permitted"));
        peer.receives_nothing(&mut probe);
        assert_eq!(probe.permit(peer.addr()), 0);
        exchanges_data(&mut probe, relayed, &peer);
    }
}

pub(super) fn alloc_032_a_failure_leaves_nothing_behind() {
    for (over, mut probe) in Probe::over_each() {
        let failing = [
            (508, Draft::allocate().reservation(b"no token")),
            (442, Draft::request(Method::ALLOCATE).transport(132)),
            (440, Draft::allocate().requested_family(3)),
        ];
        for (wanted, draft) in failing {
            let code = probe.code(&draft);
            // The codes have rows of their own; other servers may have others.
            assert!(code == wanted || !Target::get().is_ours() && code >= 400, "over {over}: {code}");
            assert_eq!(probe.refresh(600), 437, "over {over}: nothing is there after a {wanted}");
        }
        let relayed = probe.allocate();
        let peer = Peer::new();
        assert_eq!(probe.permit(peer.addr()), 0);
        exchanges_data(&mut probe, relayed, &peer);
    }
    if Target::get().is_ours() {
        failures_take_no_place();
    }
}

/// Neither a place in the quota nor a port: there are two of both.
fn failures_take_no_place() {
    let first = free_ports(3).next_multiple_of(2);
    let file = format!("user-quota = 2\nmin-port = {first}\nmax-port = {}", first + 1);
    let server = own_server(&["127.0.0.1"], &file);
    let (mut one, mut two, mut three) = (probe_of(&server), probe_of(&server), probe_of(&server));
    for _ in 0..3 {
        assert_eq!(one.code(&Draft::allocate().requested_family(V6)), 440);
        assert_eq!(claim(&mut one, b"no token").code(), 508);
        assert_eq!(one.code(&Draft::request(Method::ALLOCATE).transport(6)), 442);
    }
    let (_, token) = allocate_pair(&mut one);
    assert_eq!(two.code(&Draft::allocate()), 486);
    assert_eq!(claim(&mut two, &token).code(), 0, "the port was kept for it");
    assert_eq!(three.code(&Draft::allocate()), 486);
    let other_user = &mut as_other_user(probe_of(&server));
    assert_eq!(other_user.code(&Draft::allocate()), 508, "no port is left");
    assert_eq!(two.refresh(0), 0);
    other_user.allocate();
}
