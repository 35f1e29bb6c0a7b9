//! T16, T17: taking more allocations, or more ports, than one may.

use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::SeedableRng;
use turnserver::config::Profile;
use turnserver::stun::{AttributeType, Method};
use turnserver::turn::address::Transport;
use turnserver::turn::ports::{Parity, RelayPorts};
use turnserver::turn::quota::Quotas;

use crate::wire::{Client, poll_until};
use crate::world::{BOB, NOW, Setup, World, ip};
use crate::{ALICE, alice, launch};

/// Beyond: a resumed mobile allocation, which must not give its place back early.
#[test]
fn t16_a_place_in_the_quota_lasts_as_long_as_its_allocation() {
    let world = Setup::with(Profile::Default, "user-quota = 2\ntotal-quota = 3").build();
    let clients = [world.client(), world.client().over(Transport::Tcp)];
    assert!(clients.iter().all(|client| client.allocate().is_ok()));
    let next = || world.client().allocate();
    assert_eq!(next(), Err(486), "one more than the user's");
    let bob = world.client().named(BOB);
    assert!(bob.allocate().is_ok());
    assert_eq!(world.client().named(BOB).allocate(), Err(486), "one more than all");

    assert_eq!(bob.refresh(Some(0)), Ok(0));
    clients[1].disconnect();
    assert_eq!(world.quota_total(), 1, "given back: deleted, disconnected");
    let again = world.client();
    assert!(again.allocate().is_ok());
    assert_eq!(next(), Err(486));
    world.advance(601);
    assert_eq!((world.quota_total(), world.relay_sockets()), (0, 0), "given back: expired");
    assert!(next().is_ok() && next().is_ok());
    assert_eq!(next(), Err(486));
}

#[test]
fn t16_a_killed_client_gives_its_place_back() {
    let server = launch(&["--user-quota=1"]).start();
    let mut client = Client::tcp(server.addr).with_user(ALICE.0, ALICE.1);
    client.relayed();
    assert_eq!(alice(&server).allocate().code(), 486);
    // Another process holds the connection, and is killed without a chance to say good-bye.
    let mut holder =
        Command::new("sleep").arg("600").stdin(Stdio::from(OwnedFd::from(client.into_tcp()))).spawn().expect("sleep");
    assert_eq!(alice(&server).allocate().code(), 486, "it is still open");
    holder.kill().expect("our child");
    holder.wait().expect("our child");
    poll_until("the place is free", || (alice(&server).allocate().code() == 0).then_some(()));
}

#[test]
fn t16_of_many_at_once_one_gets_the_last_place() {
    const CLIENTS: usize = 64;
    let server = launch(&["--user-quota=1", "--relay-threads=2"]).start();
    for _ in 0..3 {
        let barrier = Barrier::new(CLIENTS);
        let attempt = || {
            let mut client = alice(&server);
            // The challenge first, so that all ask for the place at once.
            client.refresh(600);
            barrier.wait();
            let code = client.allocate().code();
            (code, client)
        };
        let mut got: Vec<(u16, Client)> = std::thread::scope(|scope| {
            let attempts: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(attempt)).collect();
            attempts.into_iter().map(|attempt| attempt.join().expect("no panic")).collect()
        });
        let winners: Vec<usize> = (0..CLIENTS).filter(|index| got[*index].0 == 0).collect();
        assert!(got.iter().all(|(code, _)| [0, 486].contains(code)));
        assert_eq!(winners.len(), 1);
        assert_eq!(got[winners[0]].1.refresh(0).code(), 0);
    }
}

/// The row's 10 ms are a bound on work, as nothing here waits: virtual time stands still while the range is full.
#[test]
fn t17_a_full_range_is_said_and_every_port_comes_back() {
    let world = Setup::of(Profile::Coturn).relays(&["130.89.1.1"]).ports(50_000..=50_099).build();
    let is_whole = |world: &World| {
        let (taken, resting, free) = world.census();
        taken + resting + free == 100
    };
    for _ in 0..2 {
        let clients: Vec<_> = (0..100).map(|_| world.client()).collect();
        assert!(clients.iter().all(|client| client.allocate().is_ok()));
        for _ in 0..10 {
            assert_eq!(world.client().allocate(), Err(508));
        }
        assert!(is_whole(&world) && world.census().0 == 100);
        assert!(clients.iter().all(|client| client.refresh(Some(0)) == Ok(0)));
        // Those that rest are given out when no others are left: the next round gets the whole range at once.
        assert!(is_whole(&world) && world.census().0 == 0);
    }
}

#[test]
fn t17_even_ports_leave_nothing_behind() {
    let world = Setup::of(Profile::Default).relays(&["130.89.1.1"]).ports(50_000..=50_099).build();
    let even = |reserve: bool| {
        let client = world.client();
        let reply = client.request(Method::ALLOCATE).transport(17).even(reserve).send().expect("an answer");
        (client, reply)
    };
    for _ in 0..1000 {
        let (client, reply) = even(false);
        assert_eq!((reply.code(), reply.has(AttributeType::RESERVATION_TOKEN), world.census().0), (200, false, 1));
        assert_eq!((client.refresh(Some(0)), world.census().0), (Ok(0), 0), "R = 0 takes one port");
        world.advance(1);
    }
    let (client, reply) = even(true);
    assert_eq!((reply.code(), world.census().0, world.reservations()), (200, 2, 1));
    assert_eq!(client.refresh(Some(0)), Ok(0));
    assert_eq!((world.census().0, world.quota_total()), (1, 1), "the reserved one waits");
    world.advance(31);
    assert_eq!((world.census().0, world.reservations(), world.quota_total()), (0, 0, 0), "for 30 s");
}

/// More allocations than 16 bits count: nothing wraps, nothing is lost.
#[test]
fn t17_counters_do_not_wrap() {
    let ports = RelayPorts::new(ip("130.89.1.1"), ip("130.89.1.1"), 50_000..=50_006);
    let (quotas, user): (_, Arc<[u8]>) = (Quotas::new(2, 2), Arc::from(&b"alice"[..]));
    let mut rng = ChaCha12Rng::from_seed([17; 32]);
    let mut now = NOW.mono;
    for _ in 0..70_000 {
        let _lease = quotas.acquire(Some(Arc::clone(&user))).expect("one of two places");
        let first = ports.take(Parity::EvenPair, &mut rng, now).expect("three pairs in seven ports");
        assert!(first.is_multiple_of(2) && ports.census().0 == 2 && quotas.of_user(&user) == 1);
        [first, first + 1].into_iter().for_each(|port| ports.free(port, now));
        now = now + Duration::from_millis(100);
    }
    let (taken, resting, free) = ports.census();
    assert_eq!((taken, resting + free, quotas.total(), quotas.of_user(&user)), (0, 7, 0, 0));
}
