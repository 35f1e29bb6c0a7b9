//! A hundred certificates and a hundred configurations, one after the other, while clients relay, come and go.

use std::fs;
use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rustix::process::Signal;
use turnserver::stun::AttributeType;

use crate::stage::{ALICE, Stage, Values};
use crate::wire::tls::{self, Certificate};
use crate::wire::{Client, Launch, Received, poll_until};

const RELOADS: usize = 100;
/// Every fifth is one that cannot be used.
const BROKEN_EVERY: usize = 5;
/// Datagrams that are under way at a time, each way.
const WINDOW: u32 = 8;
/// The longest wait for a datagram that must come.
const PATIENCE: Duration = Duration::from_secs(30);

/// Two configurations that differ in limits, peers and users, and in nothing that clients here would notice.
const CONFIGURATIONS: [Values<'static>; 2] = [
    &[
        ("user-quota", "50"),
        ("max-bps", "500000000"),
        ("denied-peer-ip", "[\"10.0.0.0/8\", \"192.0.2.0/24\"]"),
        ("user", "[\"alice:wonderland-27\", \"carol:carols-own-5\"]"),
        ("auth-failures-per-minute", "20"),
        ("software-attribute", "true"),
    ],
    &[("total-quota", "100"), ("max-allocate-lifetime", "1800"), ("permission-lifetime", "400")],
];

/// What all configurations have.
const LASTING: Values<'static> = &[("relay-threads", "2"), ("cert", "\"cert.pem\""), ("pkey", "\"key.pem\"")];
/// So many clients are most likely not all dealt to one worker.
const NEWCOMERS: usize = 6;

/// One of those who use the server meanwhile, and what it has done so far.
struct User<'a> {
    stop: &'a AtomicBool,
    done: &'a AtomicU64,
}

impl User<'_> {
    /// Does something again and again until it is told to stop.
    fn repeat(&self, mut act: impl FnMut(u64)) {
        while !self.stop.load(Ordering::Relaxed) {
            act(self.done.fetch_add(1, Ordering::Relaxed));
        }
    }
}

/// Relays to a peer and back, each datagram counted: one that does not come fails the test.
fn relay(user: &User<'_>, mut client: Client) {
    let relayed = client.relayed();
    let peer = UdpSocket::bind(("127.0.0.1", 0)).expect("a free port");
    peer.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    assert_eq!(client.bind(0x4000, peer.local_addr().expect("a bound socket")).code(), 0);
    let mut datagram = [0; 64];
    user.repeat(|turn| {
        let numbered = |place: u32| [turn.to_be_bytes().as_slice(), &place.to_be_bytes()].concat();
        (0..WINDOW).for_each(|place| client.send_channel(0x4000, &numbered(place)));
        for place in 0..WINDOW {
            let len = peer.recv(&mut datagram).expect("what the client sent comes");
            assert_eq!(datagram[..len], numbered(place));
            peer.send_to(&datagram[..len], relayed).expect("loopback has a route");
        }
        for place in 0..WINDOW {
            assert_eq!(client.receive(), Received::Channel(0x4000, numbered(place)));
        }
    });
    assert_eq!(client.refresh(0).code(), 0, "the allocation lived to the end");
}

/// Comes, allocates and goes.
fn come_and_go(user: &User<'_>, connect: impl Fn() -> Client) {
    user.repeat(|_| {
        let mut client = connect().with_user(ALICE.0, ALICE.1);
        assert_eq!((client.allocate().code(), client.refresh(0).code()), (0, 0));
    });
}

/// Runs `reloads` while clients over UDP and TLS relay, come and go. It gets a function that waits until each of them has
/// done something since.
fn under_load(stage: &Stage, certificates: [&Certificate; 2], reloads: impl FnOnce(&dyn Fn())) {
    let (stop, done) = (AtomicBool::new(false), [const { AtomicU64::new(0) }; 4]);
    let user = |place: usize| User { stop: &stop, done: &done[place] };
    let over_tls = || {
        let stream = tls::try_connect_to_any(stage.server.tls_addr, &certificates);
        Client::on_tls(stream.expect("every handshake succeeds"))
    };
    let over_udp = || Client::udp(stage.addr());
    std::thread::scope(|scope| {
        let users = [
            scope.spawn(|| relay(&user(0), stage.alice())),
            scope.spawn(|| relay(&user(1), over_tls().with_user(ALICE.0, ALICE.1))),
            scope.spawn(|| come_and_go(&user(2), over_udp)),
            scope.spawn(|| come_and_go(&user(3), over_tls)),
        ];
        let counts = || done.each_ref().map(|count| count.load(Ordering::Relaxed));
        let each_goes_on = || {
            let before = counts();
            poll_until("each client has done something", || {
                assert!(!users.iter().any(std::thread::ScopedJoinHandle::is_finished), "somebody was let down");
                // Who does the next thing is done with what was under way.
                counts().iter().zip(before).all(|(now, before)| *now > before).then_some(())
            });
        };
        // Whatever the reloads come to, nobody is waited for in vain.
        struct Stop<'a>(&'a AtomicBool);
        impl Drop for Stop<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let _stop = Stop(&stop);
        each_goes_on();
        reloads(&each_goes_on);
    });
    let log = &stage.server.log;
    assert_eq!(log.count(&["WARN", "request refused", ALICE.0]), 0, "{}", log.text());
    assert_eq!(log.count(&["this is a bug"]), 0, "{}", log.text());
}

fn start(certificate: &Certificate) -> Stage {
    let launch = Launch::new(&[]);
    certificate.write(&launch);
    Stage::of(launch, &[CONFIGURATIONS[1], LASTING].concat())
}

#[test]
fn a_hundred_certificates_lose_no_datagram_and_fail_no_handshake() {
    let both = [Certificate::new(), Certificate::new()];
    let stage = start(&both[0]);
    let log = &stage.server.log;
    let told =
        |is_broken: bool| if is_broken { "the certificates stay as they are" } else { "certificates read again" };
    under_load(&stage, [&both[0], &both[1]], |each_goes_on| {
        for reload in 1..=RELOADS {
            let is_broken = reload % BROKEN_EVERY == 0;
            let shown = &both[reload % 2];
            let key = if is_broken { &both[(reload + 1) % 2].key_pem } else { &shown.key_pem };
            let write = |name: &str, text: &str| fs::write(stage.server.dir().join(name), text);
            write("cert.pem", &shown.pem).and(write("key.pem", key)).expect("our own directory");
            let before = log.count(&[told(is_broken)]);
            stage.server.signal(Signal::USR2);
            poll_until("the certificate is read", || (log.count(&[told(is_broken)]) > before).then_some(()));
            let expected = &both[if is_broken { (reload + 1) % 2 } else { reload % 2 }];
            assert!(tls::try_connect(stage.server.tls_addr, expected).is_some(), "after reload {reload}");
            each_goes_on();
        }
    });
    let broken = RELOADS / BROKEN_EVERY;
    assert_eq!((log.count(&[told(true)]), log.count(&[told(false)])), (broken, RELOADS - broken), "{}", log.text());
}

#[test]
fn a_hundred_configurations_lose_no_datagram_and_refuse_no_allocation() {
    let certificate = Certificate::new();
    let stage = start(&certificate);
    let carol = || Client::udp(stage.addr()).with_user("carol", "carols-own-5");
    under_load(&stage, [&certificate, &certificate], |each_goes_on| {
        for reload in 1..=RELOADS {
            let text = stage.text(&[CONFIGURATIONS[reload % 2], LASTING].concat());
            let is_broken = reload % BROKEN_EVERY == 0;
            let text = if is_broken { format!("{text}user-quota = \"many\"\n") } else { text };
            assert_eq!(stage.try_reload(&text), !is_broken, "reload {reload}: {}", stage.server.log.text());
            each_goes_on();
            let in_force = if is_broken { reload - 1 } else { reload };
            let expected = if in_force % 2 == 0 { 0 } else { 401 };
            assert_eq!(carol().allocate().code(), expected, "carol is a user of every other one, {reload}");
            let shows = || Client::udp(stage.addr()).binding().has(AttributeType::SOFTWARE);
            poll_until("every worker goes by the configuration in force", || {
                (0..NEWCOMERS).all(|_| shows() == (in_force % 2 == 0)).then_some(())
            });
        }
    });
    let log = &stage.server.log;
    let broken = RELOADS / BROKEN_EVERY;
    assert_eq!(log.count(&["ERROR", "the former one stays in force"]), broken);
    assert_eq!(log.count(&["INFO", "configuration read again"]), RELOADS - broken);
}
