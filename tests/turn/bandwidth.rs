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
/// A full packet, which every limit lets pass at once.
const PACKET: usize = 1500;
/// The most that one datagram carries.
const LONGEST: usize = 65_507;
/// A payload of which a limit of 500,000 lets a hundred pass at once.
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
                let world = world("max-bps = 500000");
                let call = Call::of(world.client().over(transport), world.peer("8.8.4.4:5000"));
                if matches!(how, How::ChannelOut) {
                    assert_eq!(call.client.bind(0x4000, call.peer.addr()), 200);
                }
                world.drops();
                assert_eq!(call.arriving(first, 110, &KILOBYTE), 100, "{transport:?} {first:?}");
                assert_eq!(world.drops(), [DropReason::Bandwidth; 10]);
                // Nothing was queued, and time brings back exactly what it should.
                world.advance_by(Duration::from_micros(1_999));
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
    let world = world("max-bps = 500000");
    let call = Call::new(&world);
    assert_eq!(call.client.bind(0x4000, call.peer.addr()), 200);
    assert_eq!(call.arriving(How::Send, 60, &KILOBYTE) + call.arriving(How::ChannelOut, 60, &KILOBYTE), 100);
    // A smaller one still fits where a larger one does not.
    world.advance_by(Duration::from_millis(1));
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

// Nothing is too long for a limit; what is longer than the burst comes out of what is to come.
#[test]
fn a_datagram_of_any_size_passes_after_a_pause_and_is_paid_for() {
    let world = world("max-bps = 1000\nuser-bps = 1000\nbps-capacity = 1000");
    let call = Call::new(&world);
    for how in [How::Send, How::Data] {
        assert_eq!(call.arriving(how, 2, &[7; 65_000]), 1);
    }
    // 65 seconds' worth, of which 1500 bytes are the burst.
    world.advance(63);
    assert_eq!(call.arriving(How::Send, 1, b""), 0);
    world.advance(1);
    assert_eq!(call.arriving(How::Send, 1, &[7; 501]), 0);
    assert_eq!(call.arriving(How::Send, 1, &[7; 500]), 1);
    // Only now, and not a moment sooner, is there as much again as there can be.
    world.advance_by(Duration::from_millis(1_499));
    assert_eq!(call.arriving(How::Send, 1, &[7; 1501]), 0);
    world.advance_by(Duration::from_millis(1));
    assert_eq!(call.arriving(How::Send, 2, &[7; 1501]), 1);
}

// SEC-003: an empty datagram that goes round between two servers must not be free.
#[test]
fn empty_datagrams_count_as_their_headers() {
    let world = world("max-bps = 500000");
    let call = Call::new(&world);
    assert_eq!(call.arriving(How::Send, 4000, b""), 100_000 / 28);
    assert_eq!(call.arriving(How::Data, 4000, b"x"), 100_000 / 28);
}

#[test]
fn all_allocations_of_a_user_share_a_limit() {
    let world = world("user-bps = 500000");
    let peer = || world.peer("8.8.4.4:5000");
    let first = Call::of(world.client(), peer());
    let second = Call::of(world.client().on_worker(1), peer());
    let other = Call::of(world.client().named(BOB), peer());
    for how in [How::Send, How::Data] {
        assert_eq!((first.arriving(how, 70, &KILOBYTE), second.arriving(how, 70, &KILOBYTE)), (70, 30));
        assert_eq!(other.arriving(how, 110, &KILOBYTE), 100, "another user has a limit of his own");
    }
    world.advance_by(Duration::from_millis(20));
    assert_eq!((second.arriving(How::Send, 7, &KILOBYTE), first.arriving(How::Send, 7, &KILOBYTE)), (7, 3));
}

#[test]
fn a_new_allocation_is_no_new_limit() {
    let world = world("user-bps = 500000");
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
    let setup = Setup::with(Profile::Coturn, "user-bps = 500000");
    let world = setup.tune(|config| config.auth.mode = AuthMode::Anonymous).build();
    let calls = ["203.0.113.1:1000", "203.0.113.1:2000", "203.0.113.2:1000"]
        .map(|addr| Call::of(world.client().at(addr).with_nonce(b"none".to_vec()), world.peer("8.8.4.4:5000")));
    assert_eq!(calls.each_ref().map(|call| call.arriving(How::Send, 70, &KILOBYTE)), [70, 30, 70]);
}

#[test]
fn the_whole_server_has_a_limit() {
    let world = world("max-bps = 500000\nbps-capacity = 800000");
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
    let half_full = Mono(start.0 + SECOND / 10);
    for shared in [limits(500_000, 1_000_000, 0), limits(500_000, 0, 1_000_000)] {
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
            assert_eq!(passed(&mut first, half_full), 100, "{shared:?} {way:?}");
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
    let world = world("max-bps = 500000");
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
    world.reload(&setup("max-bps = 500000"));
    assert_eq!(call.arriving(How::Send, 110, &KILOBYTE), 100);
    world.reload(&setup("user-bps = 400000"));
    assert_eq!(call.arriving(How::Send, 110, &KILOBYTE), 80);
    world.reload(&setup(""));
    assert_eq!(call.arriving(How::Send, 110, &KILOBYTE), 110);
}

#[test]
fn what_another_process_takes_over_is_limited_anew() {
    let world = world("max-bps = 500000\nuser-bps = 800000");
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
    let bandwidth = Bandwidth::new(&limits(0, 500_000, 0));
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
    // Less than a packet's worth a second: one packet fits, and 28 bytes take 9 1/3 s, rounded up.
    let slow = buckets(3);
    let start = 5 * SECOND;
    assert!(slow.take(Way::ToPeer, PACKET, Mono(start)));
    assert!(!slow.take(Way::ToPeer, 1, Mono(start + 9_333_333_333)));
    assert!(slow.take(Way::ToPeer, 1, Mono(start + 9_333_333_334)));
    assert!(!slow.take(Way::ToPeer, 1, Mono(start + 9_333_333_334)));
    // More: a fifth of a second's worth.
    let fast = buckets(1_000_000);
    let at = |nanos: u64| Mono(start + nanos);
    assert!((0..4).all(|_| fast.take(Way::ToClient, 50_000, at(0))));
    assert!(!fast.take(Way::ToClient, 28, at(27_999)));
    assert!(fast.take(Way::ToClient, 28, at(28_000)));
    assert!(fast.take(Way::ToPeer, 50_000, at(0)), "the other way is another bucket");
    // A jump of time fills it, and no more than that.
    let later = at(1_000_000 * SECOND);
    assert!((0..4).all(|_| fast.take(Way::ToClient, 50_000, later)));
    assert!(!fast.take(Way::ToClient, 28, later));
}

/// What passes in so many seconds of ten times as much as the limit, as a part of the limit.
fn part_of_limit(rate: usize, len: usize, secs: usize, mut passed_at: impl FnMut(Duration, usize) -> usize) -> f64 {
    // A hundredth of a second's worth of datagrams at a time, evenly over it.
    let steps = secs * 100;
    let due = |step: usize| rate * 10 * step / 100 / len;
    let passed = (0..steps).map(|step| passed_at(Duration::from_millis(10 * step as u64), due(step + 1) - due(step)));
    (passed.sum::<usize>() * len) as f64 / (rate * secs) as f64
}

// RFC 8656 section 21.3.1: whatever is offered, five seconds' worth is what the limit says.
#[test]
fn ten_times_the_limit_is_cut_down_to_it_and_others_are_unharmed() {
    for (rate, len) in [20_000, 200_000, 5_000_000].into_iter().flat_map(|rate| [(rate, 172), (rate, 1200)]) {
        let limit = rate as u64;
        for limits in [limits(limit, 0, 0), limits(0, limit, 0), limits(limit, 0, limit), limits(limit, limit, limit)] {
            let bandwidth = Bandwidth::new(&limits);
            for way in [Way::ToPeer, Way::ToClient] {
                let share = |name: &[u8]| {
                    bandwidth.share(Some(&Arc::from(name)), ip("203.0.113.1"), Mono(SECOND)).expect("it is limited")
                };
                let (mut greedy, mut modest) = (share(b"alice"), share(b"bob"));
                let mut lost = 0;
                let part = part_of_limit(rate, len, 5, |since, count| {
                    let now = Mono(SECOND) + since;
                    // Nine tenths of the limit, where it is not the server's.
                    let harmed =
                        limits.bps_capacity == 0 && rate / 100 > len && !modest.take(way, rate * 9 / 1000, now);
                    lost += usize::from(harmed);
                    (0..count).filter(|_| greedy.take(way, len, now)).count()
                });
                assert!((0.95..=1.05).contains(&part), "{part} of {rate} in packets of {len}: {limits:?} {way:?}");
                assert_eq!(lost, 0, "{rate} {limits:?} {way:?}");
            }
        }
    }
}

#[test]
fn ten_times_the_limit_of_relayed_data_is_cut_down_to_it() {
    for (rate, len) in [(20_000, 172), (20_000, 1200), (200_000, 1200)] {
        for lines in [format!("max-bps = {rate}"), format!("user-bps = {rate}")] {
            for how in [How::Send, How::Data] {
                let world = world(&lines);
                let call = Call::new(&world);
                let other = Call::of(world.client().named(BOB), world.peer("8.8.4.4:6000"));
                let mut harmed = 0;
                let part = part_of_limit(rate, len, 5, |since, count| {
                    let passed = call.arriving(how, count, &vec![7; len]);
                    // A datagram every tenth of a second is half of the smallest limit.
                    let is_due = since.as_millis().is_multiple_of(100);
                    harmed += usize::from(is_due && other.arriving(how, 1, &KILOBYTE) == 0);
                    world.advance_by(Duration::from_millis(10));
                    passed
                });
                assert!((0.95..=1.05).contains(&part), "{part} of {lines} in packets of {len}: {how:?}");
                assert_eq!(harmed, 0, "{lines} {how:?}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    // Never more than burst + rate x time, and never less than the burst before something is refused.
    #[test]
    fn no_rhythm_beats_the_limit(
        bytes_per_sec in 1..10_000_000_u64,
        longest in prop::sample::select(vec![PACKET, LONGEST]),
        steps in prop::collection::vec((0..SECOND / 50, any::<usize>()), 1..400),
    ) {
        let buckets = buckets(bytes_per_sec);
        let burst = bytes_per_sec.div_ceil(5).max(PACKET as u64);
        let (start, mut now, mut passed) = (SECOND, SECOND, 0_u64);
        for (pause, random) in steps {
            let len = 28 + random % (longest - 27);
            now += pause;
            let taken = buckets.take(Way::ToPeer, len, Mono(now));
            passed += if taken { len as u64 } else { 0 };
            let earned = u128::from(bytes_per_sec) * u128::from(now - start) / u128::from(SECOND);
            prop_assert!(u128::from(passed) <= u128::from(burst.max(longest as u64)) + earned + 1);
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
        let most = bytes_per_sec * secs + bytes_per_sec / 5;
        assert!(passed <= most, "{passed} of {most}");
        assert!(passed * 10 >= most.min(40_000_000) * 9, "{passed} of {most}");
    }
}
