//! Limits of bandwidth (RFC 8656 sections 5 and 21.3.1): what is beyond is discarded, what is within comes at once.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use proptest::prelude::*;
use turnserver::config::{AuthMode, Limits, Profile};
use turnserver::stun::Method;
use turnserver::turn::address::Transport;
use turnserver::turn::bandwidth::{Bandwidth, Buckets, Flow, Share, Way};
use turnserver::turn::time::Mono;
use turnserver::turn::{DropReason, Event};

use crate::world::{BOB, Setup, TestClient, TestPeer, World, ip, sock};

const SECOND: u64 = 1_000_000_000;
/// The most that one datagram carries.
const DATAGRAM: usize = 65_507;
/// A payload of which a limit of 100,000 lets a hundred pass a second.
const KILOBYTE: [u8; 1000] = [7; 1000];

fn world(lines: &str) -> World {
    Setup::with(Profile::Default, &format!("{lines}\nnew-peers-per-minute = 0")).workers(2).build()
}

/// How data goes from one to the other.
#[derive(Clone, Copy, Debug)]
enum How {
    Send,
    ChannelOut,
    Data,
    ChannelIn,
}

impl How {
    fn is_out(self) -> bool {
        matches!(self, How::Send | How::ChannelOut)
    }
}

/// A client with an allocation and a peer.
struct Call {
    client: TestClient,
    peer: TestPeer,
}

impl Call {
    fn of(client: TestClient, peer: TestPeer) -> Call {
        client.allocate().expect("an allocation");
        assert_eq!(client.permit(&[peer.addr()]), 200);
        Call { client, peer }
    }

    fn new(world: &World) -> Call {
        Call::of(world.client(), world.peer("8.8.4.4:5000"))
    }

    /// How many of `count` datagrams arrive.
    fn arriving(&self, how: How, count: usize, data: &[u8]) -> usize {
        for _ in 0..count {
            match how {
                How::Send => self.client.send_to(self.peer.addr(), data),
                How::ChannelOut => self.client.channel_send(0x4000, data),
                How::Data | How::ChannelIn => assert!(self.peer.send_to(self.client.relayed(), data)),
            }
        }
        if how.is_out() { self.peer.received().len() } else { self.client.received().len() }
    }
}

fn limits(max_bps: u64, user_bps: u64, bps_capacity: u64) -> Limits {
    let config = Setup::of(Profile::Default).config().clone();
    Limits { max_bps, user_bps, bps_capacity, ..config.limits }
}

#[test]
fn each_way_of_relaying_is_limited_and_each_direction_for_itself() {
    for transport in [Transport::Udp, Transport::Tcp, Transport::Tls] {
        for (how, other) in [(How::Send, How::Data), (How::ChannelOut, How::ChannelIn)] {
            for (first, second) in [(how, other), (other, how)] {
                let world = world("max-bps = 100000");
                let call = Call::of(world.client().over(transport), world.peer("8.8.4.4:5000"));
                if matches!(how, How::ChannelOut) {
                    assert_eq!(call.client.bind(0x4000, call.peer.addr()), 200);
                }
                world.drops();
                assert_eq!(call.arriving(first, 110, &KILOBYTE), 100, "{transport:?} {first:?}");
                assert_eq!(world.drops(), [DropReason::Bandwidth; 10]);
                // Nothing was queued, and time brings back exactly what it should.
                world.advance_by(Duration::from_micros(9_999));
                assert_eq!(call.arriving(first, 1, &KILOBYTE), 0);
                world.advance_by(Duration::from_micros(1));
                assert_eq!(call.arriving(first, 2, &KILOBYTE), 1);
                assert_eq!(call.arriving(second, 101, &KILOBYTE), 100, "{transport:?} {second:?}");
            }
        }
    }
}

#[test]
fn send_and_channel_take_from_the_same_limit() {
    let world = world("max-bps = 100000");
    let call = Call::new(&world);
    assert_eq!(call.client.bind(0x4000, call.peer.addr()), 200);
    assert_eq!(call.arriving(How::Send, 60, &KILOBYTE) + call.arriving(How::ChannelOut, 60, &KILOBYTE), 100);
    // A smaller one still fits where a larger one does not.
    world.advance_by(Duration::from_millis(5));
    assert_eq!(call.arriving(How::Send, 1, &KILOBYTE), 0);
    assert_eq!(call.arriving(How::Send, 1, &[7; 500]), 1);
}

#[test]
fn without_a_limit_everything_passes() {
    let world = world("");
    let call = Call::new(&world);
    world.drops();
    assert_eq!(call.arriving(How::Send, 1000, &[7; 10_000]), 1000);
    assert_eq!(call.arriving(How::Data, 1000, &[7; 10_000]), 1000);
    assert_eq!(world.drops(), []);
}

#[test]
fn the_smallest_limit_lets_one_datagram_of_any_size_pass() {
    let world = world("max-bps = 1\nuser-bps = 1\nbps-capacity = 1");
    let call = Call::new(&world);
    for how in [How::Send, How::Data] {
        assert_eq!(call.arriving(how, 2, &[7; 65_000]), 1);
    }
    // Of 100 bytes less than that was left, and time brings one back each second.
    world.advance(99);
    assert_eq!(call.arriving(How::Send, 1, &[7; 607]), 0);
    assert_eq!(call.arriving(How::Send, 1, &[7; 606]), 1);
}

// SEC-003: an empty datagram that goes round between two servers must not be free.
#[test]
fn empty_datagrams_count_as_their_headers() {
    let world = world("max-bps = 100000");
    let call = Call::new(&world);
    assert_eq!(call.arriving(How::Send, 4000, b""), 100_000 / 28);
    assert_eq!(call.arriving(How::Data, 4000, b"x"), 100_000 / 28);
}

#[test]
fn all_allocations_of_a_user_share_a_limit() {
    let world = world("user-bps = 100000");
    let peer = || world.peer("8.8.4.4:5000");
    let first = Call::of(world.client(), peer());
    let second = Call::of(world.client().on_worker(1), peer());
    let other = Call::of(world.client().named(BOB), peer());
    for how in [How::Send, How::Data] {
        assert_eq!((first.arriving(how, 70, &KILOBYTE), second.arriving(how, 70, &KILOBYTE)), (70, 30));
        assert_eq!(other.arriving(how, 110, &KILOBYTE), 100, "another user has a limit of his own");
    }
    world.advance_by(Duration::from_millis(100));
    assert_eq!((second.arriving(How::Send, 7, &KILOBYTE), first.arriving(How::Send, 7, &KILOBYTE)), (7, 3));
}

#[test]
fn a_new_allocation_is_no_new_limit() {
    let world = world("user-bps = 100000");
    let first = Call::new(&world);
    assert_eq!(first.arriving(How::Send, 110, &KILOBYTE), 100);
    assert_eq!(first.client.refresh(Some(0)), Ok(0));
    let second = Call::new(&world);
    assert_eq!(second.arriving(How::Send, 1, &KILOBYTE), 0);
    world.advance(1);
    assert_eq!(second.arriving(How::Send, 110, &KILOBYTE), 100);
}

#[test]
fn where_users_have_no_names_their_address_is_limited() {
    let setup = Setup::with(Profile::Coturn, "user-bps = 100000");
    let world = setup.tune(|config| config.auth.mode = AuthMode::Anonymous).build();
    let calls = ["203.0.113.1:1000", "203.0.113.1:2000", "203.0.113.2:1000"]
        .map(|addr| Call::of(world.client().at(addr).with_nonce(b"none".to_vec()), world.peer("8.8.4.4:5000")));
    assert_eq!(calls.each_ref().map(|call| call.arriving(How::Send, 70, &KILOBYTE)), [70, 30, 70]);
}

#[test]
fn the_whole_server_has_a_limit() {
    let world = world("max-bps = 100000\nbps-capacity = 160000");
    let calls = [world.client(), world.client().named(BOB).on_worker(1)];
    let calls = calls.map(|client| Call::of(client, world.peer("8.8.4.4:5000")));
    for how in [How::Send, How::Data] {
        assert_eq!(calls.each_ref().map(|call| call.arriving(how, 110, &KILOBYTE)), [100, 60], "{how:?}");
    }
}

// What the buckets of its user or of the server refuse was not relayed, and costs an allocation nothing of its own.
#[test]
fn what_a_shared_limit_refuses_is_not_paid_for() {
    let (client, start) = (ip("203.0.113.1"), Mono(SECOND));
    let half_a_second_later = Mono(start.0 + SECOND / 2);
    for shared in [limits(100_000, 200_000, 0), limits(100_000, 0, 200_000)] {
        let bandwidth = Bandwidth::new(&shared);
        let [mut first, mut second, mut third] =
            [(); 3].map(|()| bandwidth.share(None, client, start).expect("it is limited"));
        for way in [Way::ToPeer, Way::ToClient] {
            let passed = |share: &mut Share, now| (0..110).filter(|_| share.take(way, 1000, now)).count();
            assert_eq!(
                [passed(&mut second, start), passed(&mut third, start), passed(&mut first, start)],
                [100, 100, 0]
            );
            // By now the shared bucket is half full, which is as much as the own one holds: it was never drawn from.
            assert_eq!(passed(&mut first, half_a_second_later), 100, "{shared:?} {way:?}");
        }
    }
}

#[test]
fn requests_and_answers_are_never_limited() {
    let world = world("max-bps = 1\nuser-bps = 1\nbps-capacity = 1");
    let call = Call::new(&world);
    for how in [How::Send, How::Data] {
        call.arriving(how, 1, &[7; 65_000]);
        assert_eq!(call.arriving(how, 20, &KILOBYTE), 0);
    }
    assert_eq!(call.client.request(Method::BINDING).bare().code(), 200);
    assert_eq!(call.client.refresh(None), Ok(600));
    assert_eq!(call.client.permit(&[sock("8.8.8.8:1")]), 200);
    assert_eq!(call.client.bind(0x4000, call.peer.addr()), 200);
    assert!(world.client().allocate().is_ok());
}

#[test]
fn what_was_discarded_is_no_traffic() {
    let world = world("max-bps = 100000");
    let call = Call::new(&world);
    call.arriving(How::Send, 130, &KILOBYTE);
    call.arriving(How::Data, 120, &KILOBYTE);
    world.events();
    assert_eq!(call.client.refresh(Some(0)), Ok(0));
    let traffic = world.events().into_iter().find_map(|event| match event {
        Event::AllocationEnded { traffic, .. } => Some(traffic),
        _ => None,
    });
    let traffic = traffic.expect("it ended");
    assert_eq!((traffic.to_peer_packets, traffic.to_peer_bytes), (100, 100_000));
    assert_eq!((traffic.to_client_packets, traffic.to_client_bytes), (100, 100_000));
}

#[test]
fn other_limits_hold_at_once() {
    let setup = |lines: &str| Setup::with(Profile::Default, lines);
    let world = setup("").build();
    let call = Call::new(&world);
    assert_eq!(call.arriving(How::Send, 110, &KILOBYTE), 110);
    world.reload(&setup("max-bps = 100000"));
    assert_eq!(call.arriving(How::Send, 110, &KILOBYTE), 100);
    world.reload(&setup("user-bps = 80000"));
    assert_eq!(call.arriving(How::Send, 110, &KILOBYTE), 80);
    world.reload(&setup(""));
    assert_eq!(call.arriving(How::Send, 110, &KILOBYTE), 110);
}

#[test]
fn what_another_process_takes_over_is_limited_anew() {
    let world = world("max-bps = 100000\nuser-bps = 160000");
    let call = Call::new(&world);
    for arriving in [100, 60, 0] {
        // The settings are the same, and with them the buckets of users.
        assert_eq!(call.arriving(How::Send, 110, &KILOBYTE), arriving);
        world.replace(0, world.export(0));
    }
}

// A user whose buckets are full again needs none kept.
#[test]
fn buckets_are_kept_for_users_who_need_them() {
    let bandwidth = Bandwidth::new(&limits(0, 100_000, 0));
    let (client, mut now) = (ip("203.0.113.1"), Mono(SECOND));
    let user = |number: u32| -> Arc<[u8]> { Arc::from(number.to_be_bytes()) };
    let held: Vec<_> = (0..100).filter_map(|number| bandwidth.share(Some(&user(number)), client, now)).collect();
    assert_eq!((held.len(), bandwidth.users()), (100, 100));
    for number in 100..20_000 {
        now.0 += SECOND / 100;
        let mut share = bandwidth.share(Some(&user(number)), client, now).expect("it is limited");
        assert!(share.take(Way::ToPeer, 1000, now));
        assert!(bandwidth.users() <= 1024, "{} users are kept", bandwidth.users());
    }
    let mut again = held;
    assert!(again.iter_mut().all(|share| share.take(Way::ToPeer, 100_000, now)));
    assert!(!bandwidth.share(Some(&user(7)), client, now).expect("it is limited").take(Way::ToPeer, 28, now));
}

#[test]
fn no_limits_are_nothing_to_hold() {
    let client: IpAddr = ip("203.0.113.1");
    assert!(Bandwidth::new(&limits(0, 0, 0)).share(None, client, Mono(1)).is_none());
    for limited in [limits(1, 0, 0), limits(0, 1, 0), limits(1, 0, 1)] {
        assert!(Bandwidth::new(&limited).share(None, client, Mono(1)).is_some());
    }
}

fn buckets(bytes_per_sec: u64) -> Arc<Buckets> {
    Buckets::new(Flow::new(bytes_per_sec).expect("a limit"))
}

#[test]
fn a_bucket_fills_to_the_nanosecond() {
    // Less than a datagram's worth a second: one datagram of any size fits, and 28 bytes take 9 1/3 s, rounded up.
    let slow = buckets(3);
    let start = 5 * SECOND;
    assert!(!slow.take(Way::ToPeer, DATAGRAM + 1, Mono(start)));
    assert!(slow.take(Way::ToPeer, DATAGRAM, Mono(start)));
    assert!(!slow.take(Way::ToPeer, 1, Mono(start + 9_333_333_333)));
    assert!(slow.take(Way::ToPeer, 1, Mono(start + 9_333_333_334)));
    assert!(!slow.take(Way::ToPeer, 1, Mono(start + 9_333_333_334)));
    // More: a second's worth.
    let fast = buckets(1_000_000);
    let at = |nanos: u64| Mono(start + nanos);
    assert!((0..20).all(|_| fast.take(Way::ToClient, 50_000, at(0))));
    assert!(!fast.take(Way::ToClient, 28, at(27_999)));
    assert!(fast.take(Way::ToClient, 28, at(28_000)));
    assert!(fast.take(Way::ToPeer, 50_000, at(0)), "the other way is another bucket");
    // A jump of time fills it, and no more than that.
    let later = at(1_000_000 * SECOND);
    assert!((0..20).all(|_| fast.take(Way::ToClient, 50_000, later)));
    assert!(!fast.take(Way::ToClient, 28, later));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    // Never more than burst + rate x time, and never less than the burst before something is refused.
    #[test]
    fn no_rhythm_beats_the_limit(
        bytes_per_sec in 1..10_000_000_u64,
        steps in prop::collection::vec((0..SECOND / 50, 28..1500_usize), 1..400),
    ) {
        let buckets = buckets(bytes_per_sec);
        let burst = bytes_per_sec.max(DATAGRAM as u64);
        let (start, mut now, mut passed) = (SECOND, SECOND, 0_u64);
        for (pause, len) in steps {
            now += pause;
            let taken = buckets.take(Way::ToPeer, len, Mono(now));
            passed += if taken { len as u64 } else { 0 };
            let earned = u128::from(bytes_per_sec) * u128::from(now - start) / u128::from(SECOND);
            prop_assert!(u128::from(passed) <= u128::from(burst) + earned + 1);
            // It is refused only when the burst and more was taken, roundings aside.
            let rounded = 400 * (1 + u128::from(bytes_per_sec) / u128::from(SECOND));
            prop_assert!(taken || u128::from(passed) + len as u128 + rounded > u128::from(burst));
        }
    }
}

// Eight workers, each with a clock of its own that it read a moment ago.
#[test]
fn many_threads_together_get_no_more_than_the_limit() {
    for bytes_per_sec in [100_000, 3_000_001] {
        let buckets = buckets(bytes_per_sec);
        let (clock, passed) = (AtomicU64::new(SECOND), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..5_000 {
                        let now = clock.fetch_add(100_000, Ordering::Relaxed);
                        if buckets.take(Way::ToPeer, 1000, Mono(now)) {
                            passed.fetch_add(1000, Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        // Four seconds, of which every moment asked for more than there was of the smaller limit.
        let (secs, passed) = ((clock.into_inner() - SECOND) / SECOND, passed.into_inner());
        assert_eq!(secs, 4);
        let most = bytes_per_sec * (secs + 1);
        assert!(passed <= most, "{passed} of {most}");
        assert!(passed * 10 >= most.min(40_000_000) * 9, "{passed} of {most}");
    }
}
