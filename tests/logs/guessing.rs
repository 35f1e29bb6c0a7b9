//! Who guesses passwords is seen, whatever others are refused meanwhile.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::wire::{Client, Launch, timed_name};
use crate::{ALICE, launch};

/// A peer that no profile lets anybody reach.
const METADATA: [u8; 4] = [169, 254, 169, 254];
const REFUSED: u8 = 40;
const GUESSING: u8 = 20;

/// Clients that do no harm, and each of which is refused something.
#[test]
fn a_crowd_that_is_refused_peers_hides_nobody_who_guesses_passwords() {
    let mut server = launch(&[]).start();
    for number in 1..=REFUSED {
        let mut client = Client::udp_from([127, 7, 0, number].into(), server.addr).with_user(ALICE.0, ALICE.1);
        client.relayed();
        assert_eq!(client.permit(METADATA.into()).code(), 403);
    }
    let guesses = |number: u8| IpAddr::from([127, 8, 0, number]);
    for number in 1..=GUESSING {
        let mut client = Client::udp_from(guesses(number), server.addr).with_user(ALICE.0, "a-guess");
        assert_eq!(client.allocate().code(), 401);
    }
    assert!(server.terminate().success());
    let log = server.log.whole();
    let told = |line: &str| line.split_once("client=")?.1.split_once(':')?.0.parse::<IpAddr>().ok();
    let told: BTreeSet<IpAddr> =
        log.lines().filter(|line| line.contains("why=wrong_password")).filter_map(told).collect();
    // Two sources may share the line of a second.
    assert!(told.len() + 3 > usize::from(GUESSING), "{} of {GUESSING}:\n{log}", told.len());
    assert!((1..=30).contains(&log.matches("code=403").count()), "the crowd is told, and not each of it:\n{log}");
}

/// What fail2ban does not count takes nothing from what it counts: programs go on with credentials of yesterday.
#[test]
fn a_crowd_with_old_credentials_hides_nobody_who_guesses_passwords() {
    let mut server = Launch::new(&["-a", "--realm=r", "--static-auth-secret=north-by-north-west-27"]).start();
    for number in 1..=REFUSED {
        let mut client = Client::udp_from([127, 7, 0, number].into(), server.addr).with_user("1000000000:fred", "old");
        assert_eq!(client.allocate().code(), 401);
    }
    let name = timed_name(':', "fred");
    for number in 1..=GUESSING {
        let mut client = Client::udp_from([127, 8, 0, number].into(), server.addr).with_user(&name, "a-guess");
        assert_eq!(client.allocate().code(), 401);
    }
    assert!(server.terminate().success());
    let log = server.log.whole();
    let told = log.matches("why=wrong_password").count();
    assert!(told + 3 > usize::from(GUESSING), "{told} of {GUESSING}:\n{log}");
    assert!((1..=30).contains(&log.matches("why=expired").count()), "the crowd is told, and not each of it:\n{log}");
}
