//! T11: guessing, replaying or predicting nonces and ports.

use std::collections::BTreeSet;
use std::time::Duration;

use turnserver::config::Profile;
use turnserver::stun::Method;
use turnserver::turn::address::Transport;
use turnserver::turn::time::{Mono, Now, UnixTime};

use crate::world::{NONCE_KEY, NOW, Setup, TestClient, WALL_START, World};

/// The code of an authenticated request with this nonce that changes nothing: 437 when the nonce is good.
fn judged(client: &TestClient, nonce: &[u8]) -> u16 {
    client.request(Method::REFRESH).nonce(nonce).once().expect("an answer").code()
}

fn unlimited() -> Setup {
    Setup::with(Profile::Default, "unauthorized-ratelimit = false")
}

#[test]
fn t11_a_nonce_is_good_for_its_time_and_client() {
    let world = unlimited().build();
    let client = world.client();
    let nonce = client.nonce();
    assert!((0..1000).all(|_| judged(&client, &nonce) == 437), "as often as the client likes");
    let (ip, port) = (client.tuple().client.ip(), client.tuple().client.port());
    assert_eq!(judged(&world.client().at("203.0.113.254:7"), &nonce), 438, "another address");
    assert_eq!(judged(&world.client().at(&format!("{ip}:{}", port + 1)), &nonce), 438, "another port");
    world.advance(599);
    assert_eq!(judged(&client, &nonce), 437, "a second before its end");
    world.advance(2);
    assert_eq!(judged(&client, &nonce), 438, "a second behind it");
}

/// RFC 6062 section 4.3: a second connection of the same client carries the nonce of the first one.
#[test]
fn t11_on_streams_the_address_counts_and_not_the_port() {
    let world = unlimited().build();
    let on_tcp = |at: &str| world.client().over(Transport::Tcp).at(at);
    let nonce = on_tcp("203.0.113.7:1000").nonce();
    assert_eq!(judged(&on_tcp("203.0.113.7:2000"), &nonce), 437);
    assert_eq!(judged(&on_tcp("203.0.113.8:1000"), &nonce), 438);
    assert_eq!(judged(&world.client().at("203.0.113.7:1000"), &nonce), 438, "nor does it hold over UDP");
}

#[test]
fn t11_a_nonce_of_another_server_is_foreign() {
    let client_of = |world: &World| world.client().at("203.0.113.7:1000");
    let nonce = client_of(&unlimited().build()).nonce();
    let code = |setup: Setup| judged(&client_of(&setup.build()), &nonce);
    assert_eq!(code(unlimited().seed(99).nonce_keys([1; 32], None)), 438, "another key");
    assert_eq!(code(unlimited().seed(99).nonce_keys(NONCE_KEY, None)), 437, "a shared key");
    assert_eq!(code(unlimited().seed(99).nonce_keys([1; 32], Some(NONCE_KEY))), 437, "the key before");
    let elsewhere = unlimited().tune(|config| config.auth.realm = "elsewhere".to_owned());
    assert_eq!(code(elsewhere), 438, "another realm");
    // Clocks of a fleet differ a little.
    for (behind, code_expected) in [(4, 437), (6, 438)] {
        let now = Now { mono: Mono(NOW.mono.0), wall: UnixTime(WALL_START - behind) };
        assert_eq!(code(unlimited().now(now)), code_expected, "made {behind} s ahead");
    }
}

#[test]
fn t11_whatever_is_not_exactly_a_nonce_is_none() {
    let world = unlimited().build();
    let client = world.client();
    let nonce = client.nonce();
    for place in 0..nonce.len() {
        for bit in 0..8 {
            let mut forged = nonce.clone();
            forged[place] ^= 1 << bit;
            assert_eq!(judged(&client, &forged), 438, "byte {place}, bit {bit}");
        }
    }
    let longer = [&nonce[..], b"A"].concat();
    for forged in [&b""[..], &nonce[1..], &nonce[..nonce.len() - 1], &longer, &[0xFF; 28], &[b'a'; 763]] {
        assert_eq!(judged(&client, forged), 438, "{} bytes", forged.len());
    }
    assert_eq!(judged(&client, &[b'a'; 764]), 400);
    // The answer to a foreign nonce carries one that is good: a client gets one 438, not two.
    let fresh = client.request(Method::REFRESH).nonce(b"old").once().and_then(|reply| reply.nonce());
    assert_eq!(judged(&client, &fresh.expect("a challenge carries one")), 437);
}

/// The row counts a million; here it is ten thousand, of which two of one client and second are equal in one of 2^32
/// cases.
#[test]
fn t11_no_two_nonces_are_equal() {
    let world = unlimited().build();
    let client = world.client();
    let mut nonces = BTreeSet::new();
    for _ in 0..10_000 {
        let challenge = client.request(Method::ALLOCATE).bare().once().and_then(|reply| reply.nonce());
        assert!(nonces.insert(challenge.expect("a nonce")));
        world.advance_by(Duration::from_millis(1));
    }
}

/// A Wald-Wolfowitz test of runs: how often a sequence crosses its median tells walks and counters from dice.
/// The row names no figure; two thousand ports show any bias that the next one could be told by.
#[test]
fn t11_the_next_port_cannot_be_told() {
    const COUNT: usize = 2000;
    let world = Setup::of(Profile::Coturn).build();
    let ports: Vec<u16> = (0..COUNT).map(|_| world.client().allocate().expect("an allocation").port()).collect();
    let mut sorted = ports.clone();
    sorted.sort_unstable();
    let above: Vec<bool> = ports.iter().map(|port| *port >= sorted[COUNT / 2]).collect();
    let runs = 1 + above.windows(2).filter(|pair| pair[0] != pair[1]).count();
    let (n, half) = (COUNT as f64, COUNT as f64 / 2.0);
    let (mean, variance) = (half + 1.0, half * (half - 1.0) / (n - 1.0));
    let z = (runs as f64 - mean) / variance.sqrt();
    assert!(z.abs() < 4.0, "{runs} runs, {mean} expected: z = {z}");
    let steps: BTreeSet<i32> = ports.windows(2).map(|pair| i32::from(pair[1]) - i32::from(pair[0])).collect();
    assert!(steps.len() > COUNT * 3 / 4, "steps repeat: {} different ones", steps.len());
}
