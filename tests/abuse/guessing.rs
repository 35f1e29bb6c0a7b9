//! T08, T10: trying passwords, and finding out who exists.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown};
use std::time::Duration;

use turnserver::auth::{LongTermKey, Scheme, rest};
use turnserver::clock;
use turnserver::config::Profile;
use turnserver::stun::{AttributeType, Class, ErrorCode, Message, MessageType, Method, PasswordAlgorithm, Writer};
use turnserver::turn::address::Transport;

use crate::logs::{challenge, fresh_id, named};
use crate::meter::Meter;
use crate::wire::{Client, Received, Server};
use crate::world::{ALICE, BOB, Setup, TestClient, WALL_START, World};
use crate::{ALICE as WIRE_ALICE, alice, launch};

/// An attribute that nobody knows and that need not be understood.
const NOT_READ: AttributeType = AttributeType(0xFF00);
const SHA256: Scheme = Scheme::Named(PasswordAlgorithm::Sha256);

/// Tries so many wrong passwords and says how many were answered; all answers are 401.
fn guess(client: &TestClient, times: usize) -> usize {
    let allocate = || client.request(Method::ALLOCATE).transport(17).once();
    (0..times).filter_map(|_| allocate()).inspect(|reply| assert_eq!(reply.code(), 401)).count()
}

/// A guesser of somebody's password at an address.
fn guesser(world: &World, name: &str, at: &str) -> TestClient {
    let client = world.client().at(at).login(name.as_bytes(), b"a guess");
    client.nonce();
    client
}

#[test]
fn t08_twenty_guesses_a_minute_are_answered() {
    for profile in [Profile::Default, Profile::Hardened] {
        let world = World::of(profile);
        let client = guesser(&world, ALICE.name, "203.0.113.7:1000");
        assert_eq!(guess(&client, 1000), 20, "{profile}: a thousand in one second");
        world.advance(30);
        assert_eq!(guess(&client, 1000), 10, "{profile}: half a minute later");
        let other_port = guesser(&world, ALICE.name, "203.0.113.7:2000");
        assert_eq!(guess(&other_port, 1000), 0, "{profile}: a port is no other source");
    }
    let world = World::of(Profile::Coturn);
    assert_eq!(guess(&guesser(&world, ALICE.name, "203.0.113.7:1000"), 1000), 1000, "coturn answers all");
}

/// Nobody can be locked out, neither the user nor those who share an address with the guesser.
#[test]
fn t08_the_right_password_passes_whatever_was_tried() {
    let world = World::of(Profile::Default);
    let client = guesser(&world, ALICE.name, "203.0.113.7:1000");
    assert_eq!(guess(&client, 1000), 20);
    let right = world.client().at("203.0.113.7:3000");
    assert!(right.allocate().is_ok(), "from the same address");
    assert!(world.client().at("203.0.113.8:3000").allocate().is_ok(), "from another one");
    assert!(world.client().at("203.0.113.7:4000").named(BOB).allocate().is_ok(), "somebody else there");
    let typo = guesser(&world, BOB.name, "203.0.113.7:5000");
    assert_eq!(guess(&typo, 100), 20, "who mistypes another name is told so");
    let elsewhere = guesser(&world, ALICE.name, "203.0.113.8:5000");
    assert_eq!(guess(&elsewhere, 100), 20, "or the same name elsewhere");
    assert_eq!(right.refresh(None), Ok(600));
    assert_eq!(
        world.client().at("203.0.113.7:6000").request(Method::ALLOCATE).bare().code(),
        401,
        "a challenge is none"
    );
}

/// An IPv6 customer has a /64: moving within it makes no other source.
#[test]
fn t08_a_network_of_ipv6_is_one_source() {
    let world = World::of(Profile::Default);
    let at = |suffix: usize| guesser(&world, ALICE.name, &format!("[2001:db8:0:7::{suffix:x}]:1000"));
    assert_eq!((1..200).map(|suffix| guess(&at(suffix), 1)).sum::<usize>(), 20);
    assert_eq!(guess(&guesser(&world, ALICE.name, "[2001:db8:0:8::1]:1000"), 100), 20);
}

/// Names are free, buckets are not: who makes names up does not silence what others mistype.
#[test]
fn t08_made_up_names_use_up_nothing_of_others() {
    let server = launch(&["--auth-failures-per-minute=2"]).start();
    let mut pacer = alice(&server);
    pacer.relayed();
    let mut inventor = Client::udp_from([127, 0, 5, 1].into(), server.addr);
    let (realm, nonce) = challenge(&mut inventor);
    for number in 0..15_000u32 {
        inventor.send_bytes(&named(&number.to_be_bytes(), &realm, &nonce));
        if number.is_multiple_of(100) {
            assert_eq!(pacer.refresh(600).code(), 0);
            inventor.take_in();
        }
    }
    assert_others_are_answered(&server);
}

/// A stream is closed when its source used up what it may try, and the next one is no better.
#[test]
fn t08_made_up_names_on_streams_use_up_nothing_of_others() {
    let server = launch(&["--auth-failures-per-minute=2"]).start();
    let (realm, nonce) = challenge(&mut Client::tcp(server.addr));
    let mut answers = 0;
    for hundred in 0..600u32 {
        let names = (0..100).map(|number| (hundred << 8 | number).to_be_bytes());
        let guesses: Vec<u8> = names.flat_map(|name| named(&name, &realm, &nonce)).collect();
        let mut stream = Client::tcp(server.addr).into_tcp();
        // The server may close it at any of them, which may lose what is still on its way.
        let mut said = Vec::new();
        let sent = stream.write_all(&guesses).and_then(|()| stream.shutdown(Shutdown::Write));
        let _ = sent.and_then(|()| stream.read_to_end(&mut said));
        answers += usize::from(!said.is_empty());
    }
    assert!(answers > 0, "they are taken for what they are");
    assert_others_are_answered(&server);
}

/// Whoever made up names had 500 answers and 100 a second, spread over 4096 buckets of two.
fn assert_others_are_answered(server: &Server) {
    let others = (1..=200).filter(|last| {
        let mut other = Client::udp_from([127, 0, 6, *last].into(), server.addr);
        let (realm, nonce) = challenge(&mut other);
        other.send_bytes(&named(b"bob", &realm, &nonce));
        other.settle();
        other.unread() == 1
    });
    let answered = others.count();
    assert!(answered > 150, "{answered} of 200");
}

#[test]
fn t08_a_stream_that_guesses_is_closed() {
    let world = World::of(Profile::Default);
    for transport in [Transport::Tcp, Transport::Tls] {
        let at = format!("203.0.113.{}:1000", transport as u8 + 7);
        let client = world.client().over(transport).at(&at).login(b"alice", b"a guess");
        client.nonce();
        assert_eq!((guess(&client, 20), world.closed().len()), (20, 0));
        assert_eq!((guess(&client, 1), world.closed()), (0, vec![client.tuple()]));
    }
}

/// Whoever forges sources can use up what every source gets over UDP, and closes no stream with that.
#[test]
fn t08_forged_datagrams_close_no_stream_of_who_mistypes() {
    let world = Setup::with(Profile::Default, "unauthorized-ratelimit = true\nunauthorized-ratelimit-rps = 1").build();
    // Five sources for each bucket, and a bucket holds what five seconds bring.
    let at = |number: u32| format!("{}:1000", Ipv4Addr::from(0x0B00_0000 + number));
    let forged: Vec<TestClient> = (0..20_480).map(|number| world.client().at(&at(number))).collect();
    let ask = |client: &&TestClient| client.request(Method::BINDING).bare().once().is_some();
    let answered: Vec<usize> = (0..6).map(|_| forged.iter().filter(ask).count()).collect();
    assert!(answered[0] > 0 && answered[5] == 0, "{answered:?}: the buckets are empty");
    let client = world.client().over(Transport::Tcp).at("203.0.113.7:1000").login(b"alice", b"a typo");
    client.nonce();
    assert_eq!((guess(&client, 1), world.closed()), (1, vec![]));
}

/// A wrong password on one's own allocation counts as well, although no database is asked.
#[test]
fn t08_a_live_allocation_is_no_place_to_guess() {
    let world = World::of(Profile::Default);
    let client = world.client();
    client.allocate().expect("an allocation");
    let wrong = world.client().at(&client.tuple().client.to_string()).login(b"alice", b"a guess");
    let wrong = wrong.with_nonce(client.nonce());
    let answered = (0..100).filter(|_| wrong.request(Method::REFRESH).once().is_some()).count();
    assert_eq!((answered, client.refresh(None)), (20, Ok(600)));
}

/// One code, one length, one set of attributes, whoever was named, and the same patience with all of them.
#[test]
fn t10_answers_do_not_tell_who_exists() {
    let named = World::of(Profile::Default);
    let names = |world: &World, names: &[&str]| {
        let mut answers = Vec::new();
        for (index, name) in names.iter().enumerate() {
            let client = guesser(world, name, &format!("203.0.113.{}:1000", index + 1));
            let reply = client.request(Method::ALLOCATE).transport(17).once().expect("an answer");
            answers.push((reply.code(), reply.bytes().len(), reply.kinds(), guess(&client, 100)));
        }
        assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:?}");
        assert_eq!((answers[0].0, answers[0].3), (401, 19));
    };
    names(&named, &[ALICE.name, BOB.name, "nobody", "ALICE", ""]);
    let timed = Setup::of(Profile::Default).secrets(&["a-secret-of-the-operator"]).build();
    let (over, ahead, valid) = (WALL_START - 1, WALL_START + 30 * 86_400, WALL_START + 60);
    names(&timed, &[&format!("{valid}:fred"), &format!("{over}:fred"), &format!("{ahead}:fred"), "fred"]);
    // An expired name with its right password is no more welcome than one with a wrong one.
    let name = format!("{over}:fred");
    let password = rest::password(b"a-secret-of-the-operator", name.as_bytes());
    assert_eq!(timed.client().login(name.as_bytes(), password.as_bytes()).allocate(), Err(401));
}

/// Over the wire and in the default profile: who guesses hears little, who knows is served meanwhile.
#[test]
fn t08_a_running_server_answers_twenty_guesses_a_minute() {
    let mut server = launch(&[]).start();
    let begin = clock::now().mono;
    let mut client = Client::udp(server.addr).with_user(WIRE_ALICE.0, "a guess");
    let mut stream = Client::tcp(server.addr).with_user(crate::BOB.0, "a guess");
    assert_eq!((client.allocate().code(), stream.allocate().code()), (401, 401));
    (0..199).for_each(|_| client.send_signed_refresh());
    (0..19).for_each(|_| assert_eq!(stream.refresh_once().code(), 401));
    assert_eq!((alice(&server).allocate().code(), client.binding().code()), (0, 0));
    client.settle();
    let (answered, secs) = (1 + client.unread(), clock::now().mono.since(begin).as_secs() as usize);
    assert!((20..=21 + secs / 3).contains(&answered), "{answered} answers in {secs} s");
    // On a stream the next one ends it; should the machine be slow, one of the next. All at once, as it may end any time.
    let guesses: Vec<u8> = (0..10).flat_map(|_| stream.signed(Method::REFRESH, |_| {}).0).collect();
    stream.send_bytes(&guesses);
    assert!(stream.is_closed());
    assert!(server.terminate().success());
    assert!(server.log.whole().contains("dropped reason=\"guesses\""));
}

/// What a guesser sent behind the guess that ended its connection is not served any more.
#[test]
fn t08_nothing_behind_the_last_guess_is_served() {
    let server = launch(&[]).start();
    let (mut peer, mut stream) = (alice(&server), Client::tcp(server.addr).with_user(WIRE_ALICE.0, WIRE_ALICE.1));
    let (peer_relayed, relayed) = (peer.relayed(), stream.relayed());
    assert_eq!((peer.permit(relayed.ip()).code(), stream.permit(peer_relayed.ip()).code()), (0, 0));
    // In one segment, which the server reads at once; for the first guess the password is looked up, behind all others.
    let (realm, nonce) = stream.challenge().cloned().expect("a challenge");
    let guesses = (0..22).flat_map(|_| named(WIRE_ALICE.0.as_bytes(), &realm, &nonce));
    let data = |text| Client::indication(peer_relayed, text);
    let bytes: Vec<u8> = data(b"before").into_iter().chain(guesses).chain(data(b"behind")).collect();
    stream.send_bytes(&bytes);
    assert!(stream.is_closed());
    assert_eq!(peer.receive(), Received::Indication(relayed, b"before".to_vec()));
    peer.settle();
    assert_eq!(peer.pending(), []);
}

/// The row's t-test asks for a machine that does nothing else. Here it is the time on a processor that is compared, of
/// equal bursts that take turns, so that whatever else the machine does hits all alike; and their medians may differ
/// by a fifth. Without the work for unknown names they differ by half, and by more where a password has several keys.
#[test]
fn t10_work_does_not_tell_who_exists() {
    assert_equal_work(&[], &[WIRE_ALICE.0, "nobo1"], Scheme::Unnamed, RIGHT);
}

/// A password beyond ASCII has a key for each way in which clients prepare it; carol's has three.
#[test]
fn t10_work_does_not_tell_who_has_a_password_beyond_ascii() {
    let carol = "--user=carol:pa\u{A0}\u{FB01}ss-wort\u{212B}";
    assert_equal_work(&[carol], &["carol", WIRE_ALICE.0, "nobo1"], Scheme::Unnamed, RIGHT);
}

/// The same for requests that name SHA-256.
#[test]
fn t10_work_does_not_tell_who_exists_to_whom_names_sha256() {
    assert_equal_work(&[], &[WIRE_ALICE.0, "nobo1"], SHA256, RIGHT);
}

/// Where only an MD5 key is known of somebody, SHA-256 is offered to nobody; who names it all the same is refused, and
/// does not find out of whom. (What the core does with such a user where it is offered is measured in its own process.)
#[test]
fn t10_work_does_not_tell_of_whom_an_md5_key_is_known() {
    let key = LongTermKey::derive(b"davey", b"example.org", b"a-password-of-davey");
    let davey = format!("--user=davey:0x{}", hex::encode(key.raw()));
    let names = ["davey", WIRE_ALICE.0, "nobo1"];
    assert_equal_work(&[&davey], &names, SHA256, 401);
    assert_equal_work(&[&davey], &names, Scheme::Unnamed, RIGHT);
}

/// What a Refresh with the right password is answered with: there is nothing to refresh.
const RIGHT: u16 = 437;

fn assert_equal_work(args: &[&str], names: &[&str], scheme: Scheme, right: u16) {
    const ROUNDS: usize = 100;
    const GUESSES: usize = 20;
    let server = launch(&["--auth-failures-per-minute=0", "--unauthorized-ratelimit=off"]).and(args).start();
    let meter = Meter::of(&server);
    let (mut knows, password) = refreshes(&server, WIRE_ALICE.0, WIRE_ALICE.1, scheme);
    assert_eq!(code_of(&mut knows, &password.one()), right);
    let mut clients: Vec<(Client, Refreshes)> =
        names.iter().map(|name| refreshes(&server, name, "a guess", scheme)).collect();
    for (client, guesses) in &mut clients {
        assert_eq!(code_of(client, &guesses.one()), 401);
    }
    let mut spans = vec![Vec::with_capacity(ROUNDS); names.len()];
    for round in 0..ROUNDS {
        for turn in 0..names.len() {
            // Forth and back, so that nobody is always first.
            let kind = if round % 2 == 0 { turn } else { names.len() - 1 - turn };
            let (client, guesses) = &mut clients[kind];
            let guesses: Vec<Vec<u8>> = (0..GUESSES).map(|_| guesses.one()).collect();
            let begin = meter.busy();
            guesses.iter().for_each(|guess| client.send_bytes(guess));
            client.gather(GUESSES);
            spans[kind].push(meter.busy() - begin);
        }
    }
    let median = |spans: &mut Vec<Duration>| {
        spans.sort_unstable();
        spans[spans.len() / 2].as_secs_f64()
    };
    let medians: Vec<f64> = spans.iter_mut().map(median).collect();
    let nobody = medians[names.len() - 1];
    assert!(medians.iter().all(|known| (0.8..1.25).contains(&(known / nobody))), "{names:?} took {medians:?} s");
}

/// Makes signed requests of one name and password.
struct Refreshes {
    name: String,
    realm: Vec<u8>,
    nonce: Vec<u8>,
    key: LongTermKey,
    scheme: Scheme,
}

/// A client that was challenged, and what it may send.
fn refreshes(server: &Server, name: &str, password: &str, scheme: Scheme) -> (Client, Refreshes) {
    let mut client = Client::udp(server.addr);
    let (realm, nonce) = challenge(&mut client);
    let key = LongTermKey::derive(name.as_bytes(), &realm, password.as_bytes());
    (client, Refreshes { name: name.to_owned(), realm, nonce, key, scheme })
}

impl Refreshes {
    /// A long Refresh, so that its integrity is most of the work.
    fn one(&self) -> Vec<u8> {
        let mut bytes = vec![0; 4096];
        let kind = MessageType { method: Method::REFRESH, class: Class::Request };
        let mut writer = Writer::new(&mut bytes, kind, fresh_id());
        writer.attribute(NOT_READ, &[0; 3800]);
        writer.attribute(AttributeType::USERNAME, self.name.as_bytes());
        writer.attribute(AttributeType::REALM, &self.realm);
        writer.attribute(AttributeType::NONCE, &self.nonce);
        if let Scheme::Named(algorithm) = self.scheme {
            writer.attribute(AttributeType::PASSWORD_ALGORITHMS, &PasswordAlgorithm::LIST);
            writer.attribute(AttributeType::PASSWORD_ALGORITHM, &algorithm.encode());
        }
        self.key.seal(self.scheme).sign(&mut writer);
        let len = writer.finish().expect("room");
        bytes.truncate(len);
        bytes
    }
}

/// The error that a request is answered with.
fn code_of(client: &mut Client, request: &[u8]) -> u16 {
    client.send_bytes(request);
    let answer = client.gather(1).remove(0);
    let said = Message::parse(&answer).expect("a message");
    said.value(AttributeType::ERROR_CODE).and_then(ErrorCode::decode).expect("an error").code()
}
