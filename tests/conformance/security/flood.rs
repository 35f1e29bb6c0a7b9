//! One user at line rate beside another one.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use turnserver::clock;
use turnserver::stun::Method;

use crate::draft::{Draft, is_of};
use crate::probe::Probe;
use crate::scene::{Scene, client_of, launch};
use crate::target::Target;
use crate::wire::{Server, poll_until};

/// Exchanges that are timed.
const COUNT: usize = 21;
/// What a flooder sends at once; less than a socket's buffer holds.
const BURST: usize = 64;
/// What it sends between two exchanges, at least.
const BETWEEN: usize = 4 * BURST;
/// A request that got lost is sent again, as clients do.
const RESEND: Duration = Duration::from_millis(250);
/// Clients over TCP give up after this.
const NEVER_AFTER: Duration = Duration::from_secs(2);

/// One worker serves both: it must not serve the flood alone. Latencies are those of this machine, now; so they are
/// compared with each other, and the bound is generous: a hundred times the median of quiet times and 100 ms. That is
/// asserted beside a flood of a peer, and of a client at the rate that is relayed. A client that sends more than the
/// worker can take fills the buffer that all clients of the worker share, and harms them: requests wait, and some get
/// lost. There all that is asserted is that every request is answered in the end, half of them within 2 s.
pub(super) fn sec_012_a_flood_leaves_others_alone() {
    let server = launch("default", "unauthorized-ratelimit = false\nallowed-peer-ip = [\"127.0.0.1\"]").start();
    let mut other = client_of(&server).of_user(Target::get().other.as_ref().expect("ours has one"));
    other.allocate();
    let quiet = latencies(&mut other, || {});
    for flood in [Flood::OfPeer, Flood::AsMuchAsIsRelayed, Flood::OfClient] {
        let flooded = beside(flood, &server, &mut other);
        let (quiet, median, worst) = (quiet[COUNT / 2], flooded[COUNT / 2], flooded[COUNT - 1]);
        match flood {
            Flood::OfClient => assert!(median < NEVER_AFTER, "{median:?} in {flood:?}"),
            Flood::OfPeer | Flood::AsMuchAsIsRelayed => {
                let unharmed = quiet * 100 + Duration::from_millis(100);
                assert!(median < unharmed, "{quiet:?} before, {median:?} in {flood:?}");
                assert!(worst < NEVER_AFTER, "{worst:?} in {flood:?}");
            }
        }
    }
    assert_eq!(other.refresh(600), 0);
}

/// Who floods an allocation, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flood {
    /// The peer, as fast as it can.
    OfPeer,
    /// The client, at the rate at which the server relays.
    AsMuchAsIsRelayed,
    /// The client, as fast as it can.
    OfClient,
}

/// The latencies of another client while the flood goes on.
fn beside(flood: Flood, server: &Server, other: &mut Probe) -> Vec<Duration> {
    let mut scene = Scene::over(client_of(server)).with_channel();
    let (stop, sent) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let (stop, sent) = (&stop, &sent);
        scope.spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                flood_once(flood, &mut scene);
                sent.fetch_add(BURST, Ordering::Relaxed);
            }
        });
        let flooded = latencies(other, || {
            let next = sent.load(Ordering::Relaxed) + BETWEEN;
            poll_until("the flood goes on", || (sent.load(Ordering::Relaxed) >= next).then_some(()));
        });
        stop.store(true, Ordering::Relaxed);
        flooded
    })
}

/// What a full buffer does not take is lost, as in any flood; what the client gets nobody reads.
fn flood_once(flood: Flood, scene: &mut Scene) {
    const DATA: [u8; 1000] = [7; 1000];
    for _ in 0..BURST {
        match flood {
            Flood::OfPeer => drop(scene.peer.socket().send_to(&DATA, scene.relayed)),
            Flood::AsMuchAsIsRelayed | Flood::OfClient => scene.probe.send_channel(0x4000, &DATA),
        }
    }
    if flood == Flood::AsMuchAsIsRelayed {
        (0..BURST).for_each(|_| scene.peer_gets(&DATA));
    }
}

/// How long answers took, sorted.
fn latencies(probe: &mut Probe, before_each: impl Fn()) -> Vec<Duration> {
    let one = |_| {
        before_each();
        latency(probe)
    };
    let mut all: Vec<Duration> = (0..COUNT).map(one).collect();
    all.sort();
    all
}

fn latency(probe: &mut Probe) -> Duration {
    let draft = Draft::request(Method::REFRESH).lifetime(600);
    let request = probe.bytes(&draft);
    let begin = clock::now().mono;
    for _ in 0..40 {
        probe.send_bytes(&request);
        while let Some(bytes) = probe.link().receive(RESEND).expect("the server is there") {
            if is_of(&bytes, draft.id) {
                return clock::now().mono.since(begin);
            }
        }
    }
    panic!("a request stays without an answer");
}
