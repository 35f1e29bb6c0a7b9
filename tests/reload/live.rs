//! What a reload means for those who are served while it happens.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use crate::looks::SECRETS;
use crate::stage::{BOB, Stage};
use crate::wire::{Client, Received, timed_name};

/// The longest wait for a datagram that must come.
const PATIENCE: Duration = Duration::from_secs(30);

fn peer() -> (UdpSocket, SocketAddr) {
    let peer = UdpSocket::bind(("127.0.0.1", 0)).expect("a free port");
    peer.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let addr = peer.local_addr().expect("a bound socket");
    (peer, addr)
}

#[test]
fn a_peer_that_is_denied_is_cut_off_and_the_allocation_goes_on() {
    let stage = Stage::new(&[]);
    let mut client = stage.alice();
    let relayed = client.relayed();
    let (denied, denied_addr) = peer();
    let other = UdpSocket::bind(("127.0.0.2", 0)).expect("a free port");
    let other_addr = other.local_addr().expect("a bound socket");
    assert_eq!((client.bind(0x4000, denied_addr).code(), client.permit(other_addr.ip()).code()), (0, 0));
    denied.send_to(b"before", relayed).expect("loopback has a route");
    assert_eq!(client.receive(), Received::Channel(0x4000, b"before".to_vec()));

    let lists = [("denied-peer-ip", "[\"127.0.0.1\"]"), ("allowed-peer-ip", "[\"127.0.0.2\"]")];
    stage.reload(&lists);
    denied.send_to(b"after", relayed).expect("loopback has a route");
    other.send_to(b"after", relayed).expect("loopback has a route");
    assert_eq!(client.receive(), Received::Indication(other_addr, b"after".to_vec()));
    client.settle();
    assert_eq!(client.pending(), [], "nothing came from the denied peer");
    assert_eq!((client.permit(denied_addr.ip()).code(), client.bind(0x4000, denied_addr).code()), (403, 403));
    assert_eq!(client.refresh(600).code(), 0);

    stage.reload(&[]);
    assert_eq!(client.bind(0x4000, denied_addr).code(), 0, "what was denied for a while can be bound again");
}

/// More than are dealt out to some of the workers only, but once in ten thousand times.
const CLIENTS: usize = 40;

#[test]
fn every_worker_goes_by_what_was_read() {
    const OF_FOUR: (&str, &str) = ("relay-threads", "4");
    const NO_QUOTA: (&str, &str) = ("user-quota", "0");
    let stage = Stage::new(&[OF_FOUR, NO_QUOTA]);
    let mut clients: Vec<Client> = (0..CLIENTS).map(|_| stage.alice()).collect();
    let addr = peer().1;
    for client in &mut clients {
        client.relayed();
        assert_eq!(client.bind(0x4000, addr).code(), 0);
    }
    stage.reload(&[OF_FOUR, NO_QUOTA, ("denied-peer-ip", "[\"127.0.0.1\"]")]);
    for client in &mut clients {
        client.settle();
        assert_eq!(client.bind(0x4000, addr).code(), 403, "{}", client.local());
    }
}

#[test]
fn a_lower_quota_ends_nobody_and_counts_those_who_are_there() {
    let stage = Stage::new(&[("user-quota", "3")]);
    let mut held: Vec<Client> = (0..3).map(|_| stage.alice()).collect();
    assert!(held.iter_mut().all(|client| client.allocate().code() == 0));
    stage.reload(&[("user-quota", "2"), ("total-quota", "4")]);
    assert!(held.iter_mut().all(|client| client.refresh(600).code() == 0), "all three live on");
    assert_eq!(held[0].refresh(0).code(), 0);
    assert_eq!(stage.alice().allocate().code(), 486, "two are as many as there may be");
    assert_eq!(held[1].refresh(0).code(), 0);
    assert_eq!(stage.alice().allocate().code(), 0, "no place is lost");
    let mut bobs = [stage.bob(), stage.bob()];
    assert_eq!(bobs.each_mut().map(|client| client.allocate().code()), [0, 0]);
    stage.reload(&[("user-quota", "9"), ("total-quota", "4")]);
    assert_eq!(stage.bob().allocate().code(), 486, "of all there are four, before and after");
    stage.reload(&[("user-quota", "9"), ("total-quota", "5")]);
    assert_eq!(stage.bob().allocate().code(), 0);
}

#[test]
fn a_user_who_is_gone_gets_nothing_new_and_a_new_one_is_let_in() {
    let stage = Stage::new(&[]);
    let mut bob = stage.bob();
    bob.relayed();
    stage.reload(&[("user", "[\"alice:wonderland-27\", \"carol:carols-own-5\"]")]);
    assert_eq!(stage.bob().allocate().code(), 401);
    assert_eq!(Client::udp(stage.addr()).with_user("carol", "carols-own-5").allocate().code(), 0);
    assert!(!stage.server.log.text().contains("carols-own-5") && !stage.server.log.text().contains(BOB.1));
    assert_eq!(stage.server.log.count(&["changed", "option=\"user\""]), 1, "without its values");
}

/// A shared secret is changed by having both for a while.
#[test]
fn a_secret_is_changed_without_a_break() {
    let no_users = [("user", ""), ("lt-cred-mech", "false")];
    let both = format!("[{:?}, {:?}]", SECRETS[0].0, SECRETS[1].0);
    let one = |secret: (&str, &str)| format!("[{:?}]", secret.0);
    let (first, second) = (one(SECRETS[0]), one(SECRETS[1]));
    let with = |secrets: &'static str| [no_users[0], no_users[1], ("static-auth-secret", secrets)];
    let [both, first, second] = [both, first, second].map(|text| &*text.leak());
    let stage = Stage::new(&with(first));
    let name = timed_name(':', "carol");
    let old = |stage: &Stage| Client::udp(stage.addr()).with_timed_name(&name, SECRETS[0].0);
    let new = |stage: &Stage| Client::udp(stage.addr()).with_timed_name(&name, SECRETS[1].0);
    let mut live = old(&stage);
    live.relayed();
    stage.reload(&with(both));
    assert_eq!((old(&stage).allocate().code(), new(&stage).allocate().code()), (0, 0));
    stage.reload(&with(second));
    assert_eq!((old(&stage).allocate().code(), new(&stage).allocate().code()), (401, 0));
    assert_eq!(live.refresh(600).code(), 0, "an allocation outlives the secret it was made with");
    for (secret, _) in SECRETS {
        assert!(!stage.server.log.text().contains(secret), "{}", stage.server.log.text());
    }
}

/// Chrome gives up on a nonce that is refused with its first allocation.
#[test]
fn nonces_outlive_a_reload_and_a_change_of_their_key() {
    let stage = Stage::new(&[]);
    let mut client = stage.alice().challenged();
    stage.reload(&[("max-allocate-lifetime", "700")]);
    client.send_allocate();
    assert_eq!(crate::wire::Reply::new(client.gather(1).remove(0)).code(), 0);
    let key = stage.server.dir().join("nonce.key");
    let mut client = stage.alice().challenged();
    std::fs::write(&key, [9; 32]).expect("our own directory");
    for _ in 0..2 {
        stage.reload(&[]);
    }
    client.send_allocate();
    assert_eq!(crate::wire::Reply::new(client.gather(1).remove(0)).code(), 0);
}

/// Whatever the server made its nonces with before, or bound them to.
#[test]
fn nonces_outlive_a_change_of_the_secret_of_a_fleet() {
    let first = [("nonce-secret", "\"the-first-secret-of-a-fleet\"")];
    let second = [("nonce-secret", "\"the-second-secret-of-a-fleet\"")];
    let elsewhere = [("alternate-server", "[\"192.0.2.1:3478\"]")];
    for (before, after, code) in
        [(&first[..], &second[..], 0), (&[], &first, 0), (&first, &[], 0), (&[], &elsewhere, 300)]
    {
        let stage = Stage::new(before);
        let mut client = stage.alice().challenged();
        (0..2).for_each(|_| stage.reload(after));
        client.send_allocate();
        let reply = crate::wire::Reply::new(client.gather(1).remove(0));
        assert_eq!(reply.code(), code, "{before:?}, then {after:?}");
    }
}

/// A channel with an upper number was bound while that was allowed; on a stream its data must stay data.
#[test]
fn channels_that_are_bound_keep_their_numbers() {
    let stage = Stage::new(&[]);
    for mut client in [Client::udp(stage.addr()), Client::tcp(stage.addr())] {
        client = client.with_user(crate::stage::ALICE.0, crate::stage::ALICE.1);
        client.relayed();
        let (peer, addr) = peer();
        assert_eq!(client.bind(0x5000, addr).code(), 0);
        stage.reload(&[("rfc5766-channel-numbers", "false")]);
        client.send_channel(0x5000, b"still here");
        let mut heard = [0; 64];
        let len = peer.recv(&mut heard).expect("loopback");
        assert_eq!(&heard[..len], b"still here");
        assert_eq!(client.bind(0x5001, addr).code(), 400);
        assert_eq!(client.refresh(600).code(), 0);
        stage.reload(&[]);
    }
}

#[test]
fn bytes_are_not_given_back_by_a_reload_that_changes_no_bandwidth() {
    let stage = Stage::new(&[("max-bps", "10")]);
    let mut client = stage.alice();
    client.relayed();
    let (peer, addr) = peer();
    peer.set_nonblocking(true).expect("a socket");
    assert_eq!(client.permit(addr.ip()).code(), 0);
    // Hardly anything comes back while the test runs.
    let send_some = |client: &mut Client| {
        client.send(addr, &[7; 1400]);
        client.settle();
        std::iter::from_fn(|| peer.recv(&mut [0; 2000]).ok()).count()
    };
    let send_all = |client: &mut Client| (0..3).map(|_| send_some(client)).sum::<usize>();
    assert_eq!(send_all(&mut client), 1);
    stage.reload(&[("max-bps", "10"), ("user-quota", "50")]);
    assert_eq!(send_all(&mut client), 0, "what was taken is still to be paid for");
    stage.reload(&[("max-bps", "10000000"), ("user-quota", "50")]);
    assert_eq!(send_all(&mut client), 3, "another limit holds for live allocations as well");
}

/// The key of a user follows from the realm: who is told of another one makes another key, and is still the same user.
#[test]
fn a_live_allocation_outlives_a_change_of_the_realm() {
    let stage = Stage::new(&[]);
    let mut client = stage.alice();
    client.relayed();
    stage.reload(&[("realm", "\"other.example\"")]);
    assert_eq!(client.refresh_once().code(), 438, "its nonce was for another realm");
    assert_eq!(client.refresh(600).code(), 0);
    let challenge = client.challenge().expect("it was told");
    assert_eq!(challenge.0, b"other.example");
    // Whoever adds up what a realm's users relayed finds the end with the beginning.
    assert_eq!(client.refresh(0).code(), 0);
    let log = &stage.server.log;
    let realm_of = |line: &str| line.split(" realm=").nth(1).and_then(|rest| rest.split(' ').next()).map(str::to_owned);
    let of = |what: &str| realm_of(&log.find(&[what]).expect("it is told"));
    let (begun, ended) = (of("allocation created"), of("allocation ended"));
    assert!(begun.is_some() && begun == ended, "{begun:?} {ended:?}");
}
