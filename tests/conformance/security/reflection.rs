//! What a forged source could be hit with.

use std::net::UdpSocket;
use std::time::Duration;

use turnserver::clock;
use turnserver::config::Profile;
use turnserver::stun::Method;

use crate::draft::Draft;
use crate::scene::{client_of, launch};
use crate::world::World;

/// What the README and the profile promise.
const CHALLENGE_LEN_MAX: usize = 112;
const PER_SECOND: u64 = 100;
const BURST: u64 = 500;
const REQUESTS: usize = 100_000;

pub(super) fn sec_014_unauthenticated_answers_are_small_and_counted() {
    let server = launch("default", "").start();
    let mut probe = client_of(&server);
    let allocate = Draft::allocate().bare().bytes(None);
    assert_eq!(allocate.len(), 28);
    let challenge = probe.ask_bytes(&allocate).expect("an answer");
    let realm = "example.org".len().next_multiple_of(4);
    assert_eq!(challenge.code(), 401);
    assert!(challenge.message().bytes().len() <= CHALLENGE_LEN_MAX + realm);
    let documented = include_str!("../../../README.md").split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(documented.contains("answered with at most 112 bytes and the realm"), "the README says how much");
    a_flood_of_one_source_is_capped(&allocate);
    in_one_second_of_virtual_time();
}

/// However long it takes: the answers that came were earned by the time that passed.
fn a_flood_of_one_source_is_capped(allocate: &[u8]) {
    let server = launch("default", "").start();
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    socket.connect(server.addr).expect("loopback has a route");
    socket.set_nonblocking(true).expect("a socket of ours");
    let mut answers = 0;
    let mut count = || {
        let mut bytes = [0; 2048];
        while socket.recv(&mut bytes).is_ok() {
            answers += 1;
        }
    };
    let begin = clock::now().mono;
    for _ in 0..REQUESTS {
        // What the server's buffer cannot hold is lost, as anywhere.
        let _ = socket.send(allocate);
        count();
    }
    // The server has read it all when it says something to somebody with another budget.
    let stranger = UdpSocket::bind("127.0.0.2:0").expect("all of 127.0.0.0/8 is this host");
    stranger.connect(server.addr).expect("loopback has a route");
    stranger.set_read_timeout(Some(Duration::from_secs(1))).expect("a socket of ours");
    let is_answered = (0..30).any(|_| {
        stranger.send(&Draft::request(Method::BINDING).bytes(None)).is_ok() && stranger.recv(&mut [0; 100]).is_ok()
    });
    assert!(is_answered, "another source has its own budget");
    count();
    let secs = clock::now().mono.since(begin).as_secs() + 1;
    // How many of them a busy machine loses on the way is not known.
    assert!((50..=BURST + PER_SECOND * secs).contains(&answers), "{answers} answers in {secs} s");
}

fn in_one_second_of_virtual_time() {
    let world = World::of(Profile::Default);
    let client = world.client();
    let allocate = client.request(Method::ALLOCATE).transport(17).bare().bytes();
    let mut answers = 0;
    // 10^5 of them, those of each millisecond at once.
    for _ in 0..1000 {
        for _ in 0..REQUESTS / 1000 {
            client.datagram(&allocate);
        }
        answers += client.frames().len() as u64;
        world.advance_by(Duration::from_millis(1));
    }
    assert!((BURST + PER_SECOND - 1..=BURST + PER_SECOND).contains(&answers), "{answers}");
    assert_eq!(world.allocations() + world.parked(), 0, "and nothing is kept");
}
