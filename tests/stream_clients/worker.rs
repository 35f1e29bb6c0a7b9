//! A worker with stream clients only, turned by hand; its clock moves when a test says so.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use rustix::event::{EventfdFlags, eventfd};
use turnserver::poll::{Interest, Poller, Ready, Source};
use turnserver::stream::tls::Certificates;
use turnserver::stream::{CloseReason, Kind, Sent, StreamId, StreamSettings, StreamShared, Streams};
use turnserver::turn::address::FiveTuple;
use turnserver::turn::io::ClientPath;
use turnserver::turn::time::Mono;

/// Everything is served.
pub(crate) const ALL: StreamSettings =
    StreamSettings { tcp: true, tls: true, channel_number_max: 0x4FFF, idle: Duration::from_secs(62) };

/// How long one turn waits for something to happen.
const TURN: Duration = Duration::from_millis(5);

/// Turns without the awaited event after which a test has failed.
const TURNS_MAX: usize = 2000;

/// The worker and what it has seen.
pub(crate) struct Worker {
    pub(crate) streams: Streams,
    pub(crate) shared: Arc<StreamShared>,
    pub(crate) poller: Poller,
    pub(crate) now: Mono,
    /// Messages, each with the way back.
    pub(crate) inbox: Vec<(ClientPath, Bytes)>,
    /// What became of each accepted connection.
    pub(crate) opened: Vec<Option<StreamId>>,
    pub(crate) closed: Vec<FiveTuple>,
    /// How often the handshake threads woke the worker.
    pub(crate) wakes: Arc<AtomicUsize>,
    /// When false, a wake-up is noticed but handshakes stay where they are.
    pub(crate) takes_handshakes: bool,
    /// Makes an answer of each message.
    pub(crate) answer: fn(&[u8]) -> Option<Vec<u8>>,
    listener: TcpListener,
    wake: Arc<rustix::fd::OwnedFd>,
}

impl Worker {
    pub(crate) fn new(settings: StreamSettings, certificates: Certificates) -> Worker {
        let shared = StreamShared::new(settings, certificates, 1000, [1, 2, 3, 4]).expect("threads");
        Worker::with_shared(Arc::new(shared))
    }

    pub(crate) fn plain() -> Worker {
        Worker::new(ALL, Certificates::none().expect("randomness"))
    }

    pub(crate) fn with_shared(shared: Arc<StreamShared>) -> Worker {
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a port");
        listener.set_nonblocking(true).expect("an option");
        let wake = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).expect("an eventfd"));
        let poller = Poller::new().expect("an epoll set");
        poller.add(&listener, Source::Acceptor(0), Interest::Read).expect("a place");
        poller.add(&wake, Source::Wake, Interest::Read).expect("a place");
        let wakes = Arc::new(AtomicUsize::new(0));
        let waker = {
            let (wake, wakes) = (Arc::clone(&wake), Arc::clone(&wakes));
            Arc::new(move || {
                wakes.fetch_add(1, Ordering::Relaxed);
                rustix::io::write(&wake, &1u64.to_ne_bytes()).expect("room in an eventfd");
            })
        };
        let now = Mono(1_000_000_000_000);
        Worker {
            streams: Streams::new(Arc::clone(&shared), waker, now),
            shared,
            poller,
            now,
            inbox: Vec::new(),
            opened: Vec::new(),
            closed: Vec::new(),
            wakes,
            takes_handshakes: true,
            answer: |_| None,
            listener,
            wake,
        }
    }

    /// Where a client reaches it, from this loopback address.
    pub(crate) fn address(&self, ip: IpAddr) -> SocketAddr {
        SocketAddr::new(ip, self.listener.local_addr().expect("a bound socket").port())
    }

    /// One wake-up, as the engine has it.
    pub(crate) fn turn(&mut self) {
        let mut ready = Vec::new();
        self.poller.wait(&mut ready, Some(TURN)).expect("an epoll set");
        for ready in ready {
            self.serve(ready);
        }
        self.streams.handle_timeout(self.now, &self.poller);
        while let Some(id) = self.streams.poll_readable() {
            self.read(id);
        }
        self.streams.flush(self.now, &self.poller);
        while let Some(tuple) = self.streams.poll_closed() {
            self.closed.push(tuple);
        }
    }

    fn serve(&mut self, ready: Ready) {
        match ready.source {
            Source::Acceptor(_) => {
                while let Ok((socket, client)) = self.listener.accept() {
                    let server = socket.local_addr().expect("a connected socket");
                    self.opened.push(self.streams.open(self.now, socket, client, server, &self.poller));
                }
            }
            Source::Stream(place) => {
                if ready.readable {
                    self.read(StreamId(place));
                }
                if ready.writable {
                    self.streams.write_ready(self.now, StreamId(place), &self.poller);
                }
            }
            Source::Wake if self.takes_handshakes => {
                let _ = rustix::io::read(&self.wake, &mut [0u8; 8]);
                self.streams.handle_handshakes(self.now, &self.poller);
            }
            _ => {}
        }
    }

    fn read(&mut self, id: StreamId) {
        let mut messages = Vec::new();
        let outcome = self.streams.read(self.now, id, &self.poller, &mut messages);
        for message in messages {
            let path = outcome.path.expect("a path, as there are messages");
            if let Some(answer) = (self.answer)(&message) {
                let _ = self.streams.send(self.now, path.link.into(), [&answer, b"", b""], Kind::Answer);
            }
            self.inbox.push((path, message));
        }
    }

    /// Turns until `done` gives something.
    pub(crate) fn until<T>(&mut self, mut done: impl FnMut(&mut Worker) -> Option<T>) -> T {
        for _ in 0..TURNS_MAX {
            if let Some(it) = done(self) {
                return it;
            }
            self.turn();
        }
        panic!("nothing happened; {:?} with {} connections", self.streams.tally(), self.streams.len());
    }

    /// Turns a few times, so that whatever could happen has happened.
    pub(crate) fn settle(&mut self) {
        for _ in 0..6 {
            self.turn();
        }
    }

    /// Whether a stream wakes the worker again and again, although nothing can be done about it.
    pub(crate) fn is_busy(&mut self) -> bool {
        self.settle();
        let mut ready = Vec::new();
        self.poller.wait(&mut ready, Some(TURN)).expect("an epoll set");
        ready.iter().any(|ready| matches!(ready.source, Source::Stream(_)))
    }

    /// Lets virtual time pass, all at once, and turns until that has had its effect.
    pub(crate) fn advance(&mut self, duration: Duration) {
        self.now = self.now + duration;
        self.turn();
        self.turn();
    }

    pub(crate) fn advance_secs(&mut self, secs: u64) {
        self.advance(Duration::from_secs(secs));
    }

    /// Waits for the next connection to be accepted.
    pub(crate) fn accepted(&mut self) -> StreamId {
        let before = self.opened.len();
        self.until(|worker| worker.opened.get(before).copied()).expect("an accepted connection")
    }

    /// Waits until a connection has ended, and says whether it was for `reason`.
    pub(crate) fn ends(&mut self, reason: CloseReason) -> bool {
        let all = |worker: &Worker| reasons().iter().map(|reason| worker.streams.tally().closed(*reason)).sum::<u64>();
        let before = self.streams.tally().closed(reason);
        let total = all(self);
        self.until(|worker| (all(worker) > total).then_some(()));
        self.streams.tally().closed(reason) > before
    }

    /// Waits for `count` messages and gives their bytes.
    pub(crate) fn messages(&mut self, count: usize) -> Vec<Bytes> {
        self.until(|worker| (worker.inbox.len() >= count).then_some(()));
        self.inbox.drain(..).map(|(_, message)| message).collect()
    }

    pub(crate) fn answer(&mut self, id: StreamId, bytes: &[u8]) -> Sent {
        self.streams.send(self.now, id, [bytes, b"", b""], Kind::Answer)
    }

    pub(crate) fn relay(&mut self, id: StreamId, bytes: &[u8]) -> Sent {
        self.streams.send(self.now, id, [&bytes[..4], &bytes[4..], b""], Kind::Relayed)
    }
}

/// Every reason that the tests expect.
pub(crate) fn reasons() -> [CloseReason; CloseReason::COUNT] {
    use CloseReason::*;
    [
        ClientEnded,
        Io,
        Garbage,
        NotServed,
        BadMessage,
        BadHandshake,
        BadRecord,
        Busy,
        SlowHandshake,
        SlowFirstMessage,
        SlowMessage,
        Idle,
        Stuck,
        Overfull,
        Guessing,
        Server,
    ]
}
