//! Quotas, lifetimes and rates.

use std::net::UdpSocket;

use turnserver::clock;

use crate::wire::{Client, Launch, Received, Server, poll_until};
use crate::{alice, bob, start};

pub(crate) fn a_user_has_so_many_allocations() {
    let server = start(&["--user-quota=2"]);
    let mut first = alice(&server);
    let mut second = alice(&server);
    assert_eq!((first.allocate().code(), second.allocate().code()), (0, 0));
    assert_eq!(alice(&server).allocate().code(), 486);
    assert_eq!(bob(&server).allocate().code(), 0, "each user has a quota");
    assert_eq!(first.refresh(0).code(), 0);
    assert_eq!(alice(&server).allocate().code(), 0, "an allocation that ended does not count");
}

pub(crate) fn the_server_has_so_many_allocations() {
    let server = start(&["--total-quota=2"]);
    let mut first = alice(&server);
    let mut second = bob(&server);
    assert_eq!((first.allocate().code(), second.allocate().code()), (0, 0));
    assert_eq!((alice(&server).allocate().code(), bob(&server).allocate().code()), (486, 486));
    assert_eq!(second.refresh(0).code(), 0);
    assert_eq!(alice(&server).allocate().code(), 0, "an allocation that ended does not count");
}

pub(crate) fn no_allocation_lives_longer_without_a_refresh() {
    let server = start(&["--max-allocate-lifetime=2"]);
    let mut client = alice(&server);
    let reply = client.allocate();
    assert_eq!((reply.code(), reply.lifetime()), (0, 2));
    assert_eq!(client.refresh(3600).lifetime(), 2);
    assert!(server.log.find(&["allocation ended", "reason=expired"]).is_some());
    assert_eq!(client.refresh(600).code(), 437);
    let plain = start(&[]);
    let mut client = alice(&plain);
    assert_eq!(client.allocate().lifetime(), 600);
    assert_eq!(client.refresh(100_000).lifetime(), 3600);
}

pub(crate) fn an_allocation_may_live_shorter() {
    for (args, asked, granted) in [
        (&[][..], 60, 600),
        (&["--min-allocate-lifetime=60"], 60, 60),
        (&["--min-allocate-lifetime=60"], 59, 60),
        (&["--min-allocate-lifetime=60"], 900, 900),
        (&["--min-allocate-lifetime=60", "--profile=default"], 60, 60),
    ] {
        let server = start(args);
        let mut client = alice(&server);
        assert_eq!(client.allocate().lifetime(), 600, "{args:?}: who asks for none gets what the RFC says");
        assert_eq!(client.refresh(asked).lifetime(), granted, "{args:?}");
    }
    let wrong = Launch::new(&["--min-allocate-lifetime=60", "--max-allocate-lifetime=50", "--no-auth"]).run();
    assert!(wrong.log.contains("min-allocate-lifetime 60 is above max-allocate-lifetime 50"), "{}", wrong.log);
}

pub(crate) fn a_stream_without_an_allocation_may_be_silent_so_long() {
    let server = start(&["--max-allocate-timeout=1"]);
    let mut allocated = Client::tcp(server.addr).with_user(crate::ALICE.0, crate::ALICE.1);
    allocated.relayed();
    let mut stranger = Client::tcp(server.addr);
    assert_eq!(stranger.binding().code(), 0);
    let start = clock::now().mono;
    assert!(stranger.is_closed());
    assert!(clock::now().mono.since(start).as_secs() >= 1, "it had its time");
    assert_eq!(allocated.refresh(600).code(), 0, "who has an allocation stays");
}

/// A peer that alice may reach, and where it is.
fn peer() -> UdpSocket {
    UdpSocket::bind(("127.0.0.1", 0)).expect("a free port")
}

pub(crate) fn a_channel_ends() {
    let server = start(&["--channel-lifetime=1", "--allow-loopback-peers", "-V"]);
    let mut client = alice(&server);
    let relayed = client.relayed();
    let peer = peer();
    let peer_addr = peer.local_addr().expect("a bound socket");
    assert_eq!(client.permit(peer_addr.ip()).code(), 0);
    assert_eq!(client.bind(0x4000, peer_addr).code(), 0);
    assert!(server.log.find(&["channel ended"]).is_some());
    peer.send_to(b"after the channel", relayed).expect("loopback has a route");
    assert_eq!(client.receive(), Received::Indication(peer_addr, b"after the channel".to_vec()));
}

pub(crate) fn a_permission_ends() {
    let server = start(&["--permission-lifetime=1", "--allow-loopback-peers", "-V"]);
    let mut client = alice(&server);
    let relayed = client.relayed();
    let peer = peer();
    let peer_addr = peer.local_addr().expect("a bound socket");
    assert_eq!(client.permit(peer_addr.ip()).code(), 0);
    assert!(server.log.find(&["permission ended"]).is_some());
    peer.send_to(b"without a permission", relayed).expect("loopback has a route");
    client.settle();
    assert_eq!(client.pending(), [], "data came through after the permission had ended");
    // Nor the other way, until there is a new one.
    client.send(peer_addr, b"without a permission");
    assert_eq!(client.permit(peer_addr.ip()).code(), 0);
    client.send(peer_addr, b"with one");
    let mut heard = [0; 64];
    let len = poll_until("the peer hears", || {
        peer.set_nonblocking(true).expect("a socket");
        peer.recv(&mut heard).ok()
    });
    assert_eq!(&heard[..len], b"with one");
}

/// How many of `asked` Binding requests at once are answered, and how many seconds that took.
fn answers_to_strangers(server: &Server, asked: usize) -> (usize, f64) {
    // Refresh is authenticated, so that its answer comes whatever strangers have used up.
    let mut client = alice(server);
    client.relayed();
    let start = clock::now().mono;
    for _ in 0..asked / 50 {
        (0..50).for_each(|_| client.send_binding());
        assert_eq!(client.refresh(600).code(), 0);
    }
    assert_eq!(client.refresh(600).code(), 0);
    (client.unread(), clock::now().mono.since(start).as_secs_f64())
}

/// Whether so many answers are what `burst` and `per_sec` allow in that time, the challenge of the user's own first
/// request among them.
fn assert_bounded((answers, secs): (usize, f64), burst: f64, per_sec: f64) {
    assert!(answers as f64 <= burst + per_sec * secs + 1.0, "{answers} answers in {secs} s");
    assert!(answers as f64 >= burst - 2.0, "{answers} answers in {secs} s, a burst of {burst} is allowed");
}

pub(crate) fn strangers_get_so_many_answers() {
    assert_bounded(answers_to_strangers(&start(&["--unauthorized-ratelimit"]), 300), 10.0, 10.0);
    let (answers, _) = answers_to_strangers(&start(&[]), 300);
    assert_eq!(answers, 300, "coturn's profile has no bound");
    let (answers, _) = answers_to_strangers(&start(&["--unauthorized-ratelimit=off", "--profile=hardened"]), 300);
    assert_eq!(answers, 300, "the bound is off");
}

pub(crate) fn strangers_get_so_many_answers_a_second() {
    assert_bounded(answers_to_strangers(&start(&["--unauthorized-ratelimit-rps=30"]), 300), 30.0, 30.0);
    let hardened = start(&["--unauthorized-ratelimit-rps=10", "--profile=hardened"]);
    // Five seconds' worth may come at once.
    assert_bounded(answers_to_strangers(&hardened, 300), 50.0, 10.0);
    assert_eq!(Client::tcp(hardened.addr).binding().code(), 0, "a stream has shown its address");
}

/// How many of 50 wrong passwords of alice are answered; a right one is, in any case.
fn answered_guesses(server: &Server) -> usize {
    let mut client = alice(server);
    client.relayed();
    let mut guesser = Client::udp(server.addr).with_user(crate::ALICE.0, "a guess");
    assert_eq!(guesser.allocate().code(), 401);
    (0..49).for_each(|_| guesser.send_signed_refresh());
    assert_eq!(alice(server).allocate().code(), 0, "the right password passes at once");
    guesser.settle();
    guesser.unread() + 1
}

pub(crate) fn wrong_passwords_are_answered_so_often() {
    // One comes back every 20 s, should the machine be that slow.
    let answered = answered_guesses(&start(&["--auth-failures-per-minute=3"]));
    assert!((3..=5).contains(&answered), "{answered} answers");
    assert_eq!(answered_guesses(&start(&[])), 50, "coturn's profile has no bound");
    assert_eq!(answered_guesses(&start(&["--auth-failures-per-minute=0", "--profile=default"])), 50);
    let server = start(&["--auth-failures-per-minute=1"]);
    let mut guesser = Client::tcp(server.addr).with_user(crate::ALICE.0, "a guess");
    assert_eq!(guesser.allocate().code(), 401);
    guesser.send_signed_refresh();
    assert!(guesser.is_closed(), "a stream is closed instead");
}

pub(crate) fn an_allocation_gets_so_many_new_peers() {
    let peer = |index: u8| [9, 9, 9, index].into();
    let codes = |server: &Server| {
        let mut client = alice(server);
        client.relayed();
        (0..100).map(|index| client.permit(peer(index)).code()).collect::<Vec<_>>()
    };
    let server = start(&["--new-peers-per-minute=1"]);
    let granted = codes(&server).iter().filter(|code| **code == 0).count();
    assert!((64..=65).contains(&granted), "the first 64 at once, then one a minute: {granted}");
    assert!(server.log.find(&["WARN", "new peers are asked for faster", "user=\"alice\""]).is_some());
    assert!(codes(&start(&[])).iter().all(|code| *code == 0), "coturn's profile has no bound");
}
