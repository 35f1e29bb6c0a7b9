//! Even ports, pairs of them, and the tokens that stand for the second one.

use turnserver::config::Profile;
use turnserver::stun::{AttributeType, Method};

use crate::draft::Draft;
use crate::probe::Probe;
use crate::relaying::{RESERVE, allocate_pair, as_other_user, claim, is_signed, next_to, own_server, probe_of};
use crate::target::Target;
use crate::wire::free_ports;
use crate::world::{Setup, TestClient};

pub(super) fn alloc_010_unknown_used_and_expired_tokens() {
    let (relayed, token) = allocate_pair(&mut Probe::udp());
    let mut altered = token.clone();
    altered[7] ^= 1;
    let mut probe = Probe::udp();
    for unknown in [&[7; 8][..], b"no token", &altered] {
        let reply = claim(&mut probe, unknown);
        assert_eq!((reply.code(), is_signed(&reply)), (508, true), "{unknown:02x?}");
    }
    let reply = claim(&mut probe, &token);
    assert_eq!((reply.code(), reply.relayed()), (0, next_to(relayed)));
    assert_eq!(claim(&mut Probe::udp(), &token).code(), 508, "it was used");
    assert_eq!(probe.refresh(0), 0);
    assert_eq!(claim(&mut probe, &token).code(), 508, "a token is good for once");

    if Target::get().is_ours() {
        let world = Setup::of(Profile::Default).build();
        let token = reserve(&world.client());
        world.advance(31);
        assert_eq!(claim_in_time(&world.client(), token), 508, "its time is over");
    }
}

pub(super) fn alloc_017_an_even_port_alone() {
    let mut probes: Vec<Probe> = (0..50).map(|_| Probe::udp()).collect();
    for probe in &mut probes {
        let reply = probe.ask(&Draft::allocate().even_port(0));
        assert_eq!((reply.code(), reply.relayed().port() % 2), (0, 0));
        assert!(!reply.has(AttributeType::RESERVATION_TOKEN));
    }
}

pub(super) fn alloc_018_the_next_port_waits_for_its_token() {
    if Target::get().is_ours() {
        nobody_else_gets_the_reserved_port();
    }
    let claimants: [fn() -> Probe; 3] = [Probe::udp, Probe::tcp, || as_other_user(Probe::udp())];
    for claimant in claimants {
        let mut owner = Probe::udp();
        let (relayed, token) = allocate_pair(&mut owner);
        assert_eq!(relayed.port() % 2, 0);
        let reply = claim(&mut claimant(), &token);
        assert_eq!((reply.code(), reply.relayed()), (0, next_to(relayed)), "port N+1 on the same address");
    }
}

/// In a range of ten ports everybody would come across it.
fn nobody_else_gets_the_reserved_port() {
    let first = free_ports(11).next_multiple_of(2);
    let server = own_server(&["127.0.0.1"], &format!("min-port = {first}\nmax-port = {}", first + 9));
    let (relayed, token) = allocate_pair(&mut probe_of(&server));
    let mut others: Vec<Probe> = (0..8).map(|_| probe_of(&server)).collect();
    for other in &mut others {
        let port = other.allocate().port();
        assert!(port != relayed.port() && port != relayed.port() + 1, "{port} is taken");
    }
    assert_eq!(probe_of(&server).code(&Draft::allocate()), 508, "the reserved one is all that is left");
    let reply = claim(&mut as_other_user(probe_of(&server)), &token);
    assert_eq!((reply.code(), reply.relayed()), (0, next_to(relayed)));
}

// Decided: 30 s; 300 s in coturn's profile.
pub(super) fn alloc_019_a_reservation_is_held() {
    for (profile, held_secs) in [(Profile::Default, 30), (Profile::Hardened, 30), (Profile::Coturn, 300)] {
        let world = Setup::of(profile).ports(50_000..=50_003).build();
        let (owner, claimant) = (world.client(), world.client());
        let token = reserve(&owner);
        world.advance(29);
        assert_eq!(claim_in_time(&claimant, token), 200, "{profile}: at 29 s");
        assert_eq!((owner.refresh(Some(0)), claimant.refresh(Some(0))), (Ok(0), Ok(0)));
        // Ports that were used rest for a while.
        world.advance(40);

        let late = reserve(&owner);
        world.advance(held_secs + 1);
        assert_eq!(claim_in_time(&world.client(), late), 508, "{profile}: a second too late");
        assert_eq!((world.reservations(), world.census().0), (0, 1), "{profile}");
        let others: Vec<TestClient> = (0..3).map(|_| world.client()).collect();
        assert!(others.iter().all(|other| other.allocate().is_ok()), "{profile}: the port is free again");
        assert_eq!(world.client().allocate(), Err(508), "{profile}: and there are no more than four");
    }
}

fn reserve(client: &TestClient) -> [u8; 8] {
    let reply = client.request(Method::ALLOCATE).transport(17).even(true).send().expect("an answer");
    assert_eq!(reply.code(), 200);
    reply.token().expect("a token")
}

fn claim_in_time(client: &TestClient, token: [u8; 8]) -> u16 {
    client.request(Method::ALLOCATE).transport(17).token(&token).code()
}

pub(super) fn alloc_020_no_pair_is_left() {
    let even = free_ports(4).next_multiple_of(2);
    let odd = even + 1;
    // One even port, one odd port, and two that are no pair.
    for (min, max) in [(even, even), (odd, odd), (odd, even + 2)] {
        let server = own_server(&["127.0.0.1"], &format!("min-port = {min}\nmax-port = {max}"));
        let mut probe = probe_of(&server);
        let reply = probe.ask(&Draft::allocate().even_port(RESERVE));
        assert_eq!((reply.code(), is_signed(&reply)), (508, true), "{min} to {max}");
        assert!(!reply.has(AttributeType::RESERVATION_TOKEN));
        let has_even = min % 2 == 0 || max % 2 == 0;
        let code = probe.code(&Draft::allocate().even_port(0));
        assert_eq!(code, if has_even { 0 } else { 508 }, "{min} to {max}: an even port alone");
        assert_eq!(probe.refresh(0), if has_even { 0 } else { 437 });
        assert!((min..=max).contains(&probe.allocate().port()), "any port is there");
    }
}
