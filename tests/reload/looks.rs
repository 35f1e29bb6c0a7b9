//! What can be seen of an option from outside, each look leaving the server as it found it.

use std::fs;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use turnserver::clock;
use turnserver::stun::{AttributeType, Method, Writer};

use crate::stage::{ALICE, Stage};
use crate::wire::tls::{self, Certificate};
use crate::wire::{Client, Reply, poll_until, timed_name};

/// Secrets of time-limited credentials, and in which file each lies.
pub(crate) const SECRETS: [(&str, &str); 2] =
    [("a-secret-of-this-test-51", "first.secret"), ("another-one-of-this-test-64", "second.secret")];

/// A peer in a private range, who is nobody.
const PRIVATE_PEER: [u8; 4] = [10, 1, 2, 3];

fn bare_allocate(client: &mut Client) -> Reply {
    let transport = |writer: &mut Writer<'_>| writer.attribute(AttributeType::REQUESTED_TRANSPORT, &[17, 0, 0, 0]);
    client.ask_once(Method::ALLOCATE, transport)
}

/// Ends what a look began.
fn done(mut client: Client) {
    assert_eq!(client.refresh(0).code(), 0);
}

/// The code of an Allocate; its allocation ends.
fn allocates(mut client: Client) -> String {
    let code = client.allocate().code();
    if code == 0 {
        done(client);
    }
    code.to_string()
}

/// What alice is answered who has an allocation.
fn with_allocation<R>(stage: &Stage, ask: impl FnOnce(&mut Client, SocketAddr) -> R) -> R {
    let mut client = stage.alice();
    let relayed = client.relayed();
    let seen = ask(&mut client, relayed);
    done(client);
    seen
}

fn peer() -> (UdpSocket, SocketAddr) {
    let peer = UdpSocket::bind(("127.0.0.1", 0)).expect("a free port");
    let addr = peer.local_addr().expect("a bound socket");
    (peer, addr)
}

/// Lets this time pass, for what has no event.
fn pass(time: Duration) {
    let end = clock::now().mono + time;
    poll_until("time passed", || (clock::now().mono >= end).then_some(()));
}

pub(crate) fn realm(stage: &Stage) -> String {
    bare_allocate(&mut Client::udp(stage.addr())).text(AttributeType::REALM)
}

pub(crate) fn stranger_over_udp(stage: &Stage) -> String {
    bare_allocate(&mut Client::udp(stage.addr())).code().to_string()
}

pub(crate) fn stranger_over_tcp(stage: &Stage) -> String {
    bare_allocate(&mut Client::tcp(stage.addr())).code().to_string()
}

pub(crate) fn stranger_over_tls(stage: &Stage) -> String {
    let shown = Certificate::read(&stage.server.dir().join("first.pem"));
    bare_allocate(&mut Client::tls(stage.server.tls_addr, &shown)).code().to_string()
}

pub(crate) fn alice(stage: &Stage) -> String {
    allocates(stage.alice())
}

/// Alice's and Bob's answers.
pub(crate) fn users(stage: &Stage) -> String {
    format!("{} {}", allocates(stage.alice()), allocates(stage.bob()))
}

/// The answers to holders of credentials made from each of the two secrets.
pub(crate) fn secrets(stage: &Stage) -> String {
    let of = |(secret, _): (&str, &str)| {
        allocates(Client::udp(stage.addr()).with_timed_name(&timed_name(':', "carol"), secret))
    };
    SECRETS.map(of).join(" ")
}

/// The same for one secret and names with another separator.
pub(crate) fn separators(stage: &Stage) -> String {
    let of =
        |separator| allocates(Client::udp(stage.addr()).with_timed_name(&timed_name(separator, "carol"), SECRETS[0].0));
    [':', '#'].map(of).join(" ")
}

/// Whether an allocation outlives the credential it is made with.
pub(crate) fn credential_end(stage: &Stage) -> String {
    let name = format!("{}:carol", clock::now().wall.0 + 100);
    let mut client = Client::udp(stage.addr()).with_timed_name(&name, SECRETS[0].0);
    let lifetime = client.allocate().lifetime();
    done(client);
    (lifetime > 101).to_string()
}

pub(crate) fn sha256(stage: &Stage) -> String {
    bare_allocate(&mut Client::udp(stage.addr())).has(AttributeType::PASSWORD_ALGORITHMS).to_string()
}

/// What a nonce is worth that is three seconds old.
pub(crate) fn old_nonce(stage: &Stage) -> String {
    with_allocation(stage, |client, _| {
        pass(Duration::from_secs(3));
        client.refresh_once().code().to_string()
    })
}

/// Which of the two certificates is shown.
pub(crate) fn certificate(stage: &Stage) -> String {
    let is_shown = |name: &&str| {
        let certificate = Certificate::read(&stage.server.dir().join(name));
        tls::try_connect(stage.server.tls_addr, &certificate).is_some()
    };
    ["first.pem", "second.pem"].into_iter().find(is_shown).unwrap_or("none").to_owned()
}

/// Whether a client that knows TLS 1.2 at most is served.
pub(crate) fn tls_1_2(stage: &Stage) -> String {
    let certificate = Certificate::read(&stage.server.dir().join("first.pem"));
    tls::try_connect_by(stage.server.tls_addr, &certificate, &[&rustls::version::TLS12]).is_some().to_string()
}

/// Copies of the first certificate and key whose names the files of a test may have, and another pair.
pub(crate) fn write_certificates(dir: &std::path::Path) {
    for name in ["first", "second"] {
        let certificate = Certificate::new();
        let write = |suffix: &str, text: &str| {
            fs::write(dir.join(format!("{name}{suffix}")), text).expect("our own directory");
        };
        write(".pem", &certificate.pem);
        write(".key", &certificate.key_pem);
    }
}

fn permission(stage: &Stage, peer: IpAddr) -> String {
    with_allocation(stage, |client, _| client.permit(peer).code().to_string())
}

pub(crate) fn private_peer(stage: &Stage) -> String {
    permission(stage, PRIVATE_PEER.into())
}

pub(crate) fn multicast_peer(stage: &Stage) -> String {
    permission(stage, [239, 1, 2, 3].into())
}

pub(crate) fn loopback_peer(stage: &Stage) -> String {
    permission(stage, [127, 0, 0, 9].into())
}

/// How many of three allocations alice gets.
pub(crate) fn allocations(stage: &Stage) -> String {
    let mut clients: Vec<Client> = (0..3).map(|_| stage.alice()).collect();
    clients.retain_mut(|client| client.allocate().code() == 0);
    let count = clients.len().to_string();
    clients.into_iter().for_each(done);
    count
}

/// Whether 200 datagrams of a thousand bytes pass at once.
pub(crate) fn burst(stage: &Stage) -> String {
    with_allocation(stage, |client, _| {
        let (peer, addr) = peer();
        peer.set_nonblocking(true).expect("a socket of ours");
        assert_eq!(client.permit(addr.ip()).code(), 0);
        let mut arrived = 0;
        for _ in 0..10 {
            (0..20).for_each(|_| client.send(addr, &[7; 1000]));
            client.settle();
            arrived += std::iter::from_fn(|| peer.recv(&mut [0; 2000]).ok()).count();
        }
        (arrived == 200).to_string()
    })
}

pub(crate) fn lifetime(stage: &Stage) -> String {
    with_allocation(stage, |client, _| client.refresh(3000).lifetime().to_string())
}

/// Whether a channel that is two seconds old keeps its number from another peer.
pub(crate) fn old_channel(stage: &Stage) -> String {
    with_allocation(stage, |client, _| {
        assert_eq!(client.bind(0x4000, (PRIVATE_PEER, 7).into()).code(), 0);
        pass(Duration::from_secs(3));
        client.bind(0x4000, (PRIVATE_PEER, 8).into()).code().to_string()
    })
}

/// How much data of a peer comes whose permission is two seconds old.
fn late_data(stage: &Stage, ask: impl FnOnce(&mut Client, SocketAddr) -> Reply) -> String {
    with_allocation(stage, |client, relayed| {
        let (peer, addr) = peer();
        assert_eq!(ask(client, addr).code(), 0);
        pass(Duration::from_secs(3));
        peer.send_to(b"late", relayed).expect("loopback has a route");
        client.settle();
        client.pending().len().to_string()
    })
}

pub(crate) fn old_permission(stage: &Stage) -> String {
    late_data(stage, |client, peer| client.permit(peer.ip()))
}

pub(crate) fn old_permission_of_channel(stage: &Stage) -> String {
    late_data(stage, |client, peer| client.bind(0x4000, peer))
}

/// Whether 60 Binding requests at once are all answered.
pub(crate) fn answers(stage: &Stage) -> String {
    // Refresh is authenticated: its answer comes whatever strangers have used up.
    with_allocation(stage, |client, _| {
        (0..60).for_each(|_| client.send_binding());
        assert_eq!((client.refresh(600).code(), client.refresh(600).code()), (0, 0));
        (client.unread() == 60).to_string()
    })
}

/// Whether 20 wrong passwords of alice are all answered.
pub(crate) fn guesses(stage: &Stage) -> String {
    let mut guesser = Client::udp(stage.addr()).with_user(ALICE.0, "a guess").challenged();
    (0..20).for_each(|_| guesser.send_signed_refresh());
    guesser.settle();
    (guesser.unread() == 20).to_string()
}

/// Whether 80 new peers are all permitted.
pub(crate) fn new_peers(stage: &Stage) -> String {
    with_allocation(stage, |client, _| {
        let all = (0..80).all(|index| client.permit([9, 9, 9, index].into()).code() == 0);
        all.to_string()
    })
}

/// The answer to a channel number above 0x4FFF.
pub(crate) fn upper_channel(stage: &Stage) -> String {
    with_allocation(stage, |client, _| client.bind(0x5000, (PRIVATE_PEER, 7).into()).code().to_string())
}

pub(crate) fn fingerprint(stage: &Stage) -> String {
    Client::udp(stage.addr()).binding().has(AttributeType::FINGERPRINT).to_string()
}

pub(crate) fn software(stage: &Stage) -> String {
    Client::udp(stage.addr()).binding().has(AttributeType::SOFTWARE).to_string()
}

pub(crate) fn phrase(stage: &Stage) -> String {
    bare_allocate(&mut Client::udp(stage.addr())).phrase()
}

/// Whether what happens inside of an allocation is logged.
pub(crate) fn details(stage: &Stage) -> String {
    let mut alice = stage.alice();
    alice.relayed();
    assert_eq!(alice.permit(PRIVATE_PEER.into()).code(), 0);
    let created = log_after(stage, &mut alice, "allocation created");
    let allocation = created.split_whitespace().find(|word| word.starts_with("allocation=")).expect("it has a name");
    (stage.server.log.count(&["permission installed", &format!("{allocation} ")]) > 0).to_string()
}

/// Whether Binding requests are logged.
pub(crate) fn binding_told(stage: &Stage) -> String {
    let mut alice = stage.alice();
    alice.relayed();
    // Each from an address of its own, as one source is told once a second; a few, as two may share a line.
    static SOURCE: AtomicU8 = AtomicU8::new(1);
    let sources = [(); 4].map(|()| IpAddr::from([127, 0, 7, SOURCE.fetch_add(1, Ordering::Relaxed)]));
    for source in sources {
        assert_eq!(Client::udp_from(source, stage.addr()).binding().code(), 0);
    }
    log_after(stage, &mut alice, "allocation created");
    let is_told =
        |source: IpAddr| stage.server.log.count(&["binding request answered", &format!("client={source}:")]) > 0;
    sources.into_iter().any(is_told).to_string()
}

/// A line about a client, when everything so far is logged: what is logged of its end comes last.
fn log_after(stage: &Stage, client: &mut Client, message: &str) -> String {
    assert_eq!(client.refresh(0).code(), 0);
    let from = format!("client={} ", client.local());
    assert!(stage.server.log.find(&["allocation ended", &from]).is_some());
    stage.server.log.find(&[message, &from]).expect("it was told before")
}

pub(crate) fn short_lifetime(stage: &Stage) -> String {
    with_allocation(stage, |client, _| client.refresh(90).lifetime().to_string())
}

/// Whether a connection is there after five seconds of silence.
pub(crate) fn silent_stream(stage: &Stage) -> String {
    let mut client = Client::tcp(stage.addr());
    assert_eq!(client.binding().code(), 0);
    pass(Duration::from_secs(5));
    // Its end is here already, or it is open.
    let stream = client.into_tcp();
    stream.set_nonblocking(true).expect("a socket of ours");
    match stream.peek(&mut [0]) {
        Ok(0) => "closed".to_owned(),
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => "open".to_owned(),
        other => panic!("{other:?}"),
    }
}

/// How many answers an Allocate over TCP gets.
pub(crate) fn unserved_allocate(stage: &Stage) -> String {
    let mut client = Client::tcp(stage.addr());
    client.send_allocate();
    assert_eq!(client.binding().code(), 0);
    client.unread().to_string()
}

/// How many answers a Binding request over TCP gets.
pub(crate) fn unserved_binding(stage: &Stage) -> String {
    let mut client = Client::tcp(stage.addr());
    client.send_binding();
    assert_eq!(client.refresh_once().code(), 401);
    client.unread().to_string()
}

pub(crate) fn bare_binding(stage: &Stage) -> String {
    Client::udp(stage.addr()).binding().code().to_string()
}

/// The answer to whoever shows the nonce that was told to another port.
pub(crate) fn nonce_of_another_port(stage: &Stage) -> String {
    let told = stage.alice().challenged();
    let mut client = stage.alice().with_challenge(told.challenge().expect("a challenge"));
    client.refresh_once().code().to_string()
}
