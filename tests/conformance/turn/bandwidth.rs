//! How much a user may relay.

use std::net::SocketAddr;
use std::time::Duration;

use turnserver::clock;
use turnserver::turn::time::Mono;

use crate::draft::Draft;
use crate::peer::Peer;
use crate::probe::Probe;
use crate::relaying::{as_other_user, own_server, probe_of};
use crate::wire::{Received, poll_until};

/// Bytes a second of a user, each way; a fifth of as many may come at once.
const LIMIT: u64 = 100_000;
const PAYLOAD_LEN: usize = 1000;
/// Between two steps.
const PAUSE: Duration = Duration::from_millis(20);
/// What one step sends fits into every socket's buffer.
const STEP_MAX: u64 = 20;

/// What arrived of one direction.
#[derive(Default)]
struct Arrived {
    count: u64,
    /// Whoever holds data back lets it arrive long after the step it was sent in; the system may need until the next one.
    late: u64,
}

impl Arrived {
    /// Takes down datagrams that arrived in a step; each begins with the step it was sent in.
    fn note(&mut self, step: u64, data: impl IntoIterator<Item = Vec<u8>>) {
        for data in data {
            assert_eq!(data.len(), PAYLOAD_LEN);
            self.count += 1;
            let sent = u64::from_be_bytes(data[..8].try_into().expect("eight bytes"));
            self.late += u64::from(sent + 1 < step);
        }
    }
}

/// A client that sends and is sent data, and its peer.
struct Call {
    probe: Probe,
    peer: Peer,
    relayed: SocketAddr,
    sent: u64,
    there: Arrived,
    back: Arrived,
}

impl Call {
    fn of(mut probe: Probe) -> Call {
        let (relayed, peer) = (probe.allocate(), Peer::new());
        assert_eq!(probe.permit(peer.addr()), 0);
        peer.socket().set_nonblocking(true).expect("a socket of ours");
        Call { probe, peer, relayed, sent: 0, there: Arrived::default(), back: Arrived::default() }
    }

    /// Sends each way until so many datagrams were, then takes what arrived until the server was done with them.
    fn step(&mut self, step: u64, due: u64) {
        let mut data = vec![0; PAYLOAD_LEN];
        data[..8].copy_from_slice(&step.to_be_bytes());
        let count = due.saturating_sub(self.sent).min(STEP_MAX);
        self.sent += count;
        for _ in 0..count {
            self.probe.tell(&Draft::send(self.peer.addr(), &data));
            self.peer.send(self.relayed, &data);
        }
        self.probe.settle();
        let mut datagram = [0; 2 * PAYLOAD_LEN];
        let received = || self.peer.socket().recv(&mut datagram).ok().map(|len| datagram[..len].to_vec());
        self.there.note(step, std::iter::from_fn(received));
        let pending = self.probe.pending();
        self.back.note(
            step,
            pending.iter().map(|bytes| match Received::parse(bytes) {
                Received::Indication(from, data) if from == self.peer.addr() => data,
                other => panic!("a Data indication was expected: {other:?}"),
            }),
        );
    }
}

/// Two clients of one user send, and are sent, twice what the user may; another user's client half of it. Nothing arrives
/// later than in the step after its own: with a queue of what is beyond the limit it would be more and more steps.
pub(super) fn turn_007_a_user_has_a_bandwidth() {
    let mut server = own_server(&["127.0.0.1"], &format!("user-bps = {LIMIT}\nallowed-peer-ip = [\"127.0.0.1\"]"));
    let mut of_user = [Call::of(probe_of(&server)), Call::of(probe_of(&server))];
    let mut of_other = Call::of(as_other_user(probe_of(&server)));
    let (start, mut steps) = (clock::now().mono, 0);
    // Until so much more was sent than may have arrived that something must have been discarded.
    while of_user.iter().map(|call| call.sent).sum::<u64>() < allowed(start) + 50 {
        let due = earned(start);
        of_user.iter_mut().for_each(|call| call.step(steps, due));
        of_other.step(steps, due / 2);
        steps += 1;
        assert!(steps < 1000, "this machine sends slower than the limit");
        let next = clock::now().mono + PAUSE;
        poll_until("the next step begins", || (clock::now().mono >= next).then_some(()));
    }
    of_user.iter_mut().chain([&mut of_other]).for_each(|call| call.step(steps, 0));
    let sent = of_user.iter().map(|call| call.sent).sum();
    for arrived in [of_user.each_ref().map(|call| &call.there), of_user.each_ref().map(|call| &call.back)] {
        let [first, second] = arrived.map(|arrived| arrived.count);
        assert_about(first + second, sent, start);
        assert_eq!(arrived.map(|arrived| arrived.late), [0, 0], "nothing is queued");
    }
    let other = [&of_other.there, &of_other.back].map(|arrived| (arrived.count, arrived.late));
    assert_eq!(other, [(of_other.sent, 0); 2], "another user has a limit of his own");
    let arrived = of_user.iter().map(|call| call.there.count + call.back.count).sum::<u64>();
    server.terminate();
    let count = format!("count={}", 2 * sent - arrived);
    assert!(server.log.find(&["dropped", "reason=\"bandwidth\"", &count]).is_some(), "{}", server.log.text());
}

/// So many datagrams the limit makes since then.
fn earned(start: Mono) -> u64 {
    LIMIT * clock::now().mono.since(start).as_millis() as u64 / 1000 / PAYLOAD_LEN as u64
}

/// So many may have arrived: the burst, and what came back meanwhile.
fn allowed(start: Mono) -> u64 {
    LIMIT / 5 / PAYLOAD_LEN as u64 + earned(start) + 1
}

/// So many of all that was sent arrived: no more than the limit allows, and, as no more than twice the limit was sent,
/// hardly less than half.
fn assert_about(arrived: u64, sent: u64, start: Mono) {
    assert!(arrived <= allowed(start), "{arrived} datagrams arrived of {sent}, {} may", allowed(start));
    assert!(arrived * 20 >= sent * 9, "{arrived} of {sent} arrived");
}
