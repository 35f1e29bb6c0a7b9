//! 300 Try Alternate (RFC 8489 section 10, RFC 8656 section 7.2): who is sent elsewhere, where, and who is not.

use std::net::SocketAddr;

use turnserver::config::Profile;
use turnserver::stun::{AttributeType, ErrorCode, Method};
use turnserver::turn::Event;
use turnserver::turn::address::Transport;

use crate::world::{BOB, Pace, Reply, Setup, TestClient, World, sock};

const CLIENT_V6: &str = "[2a00:1450:9::1]:40000";

const TWO: &str = "alternate-server = [\"198.51.100.1\", \"198.51.100.2:3479\"]";
const BOTH: &str = "alternate-server = [\"198.51.100.1\", \"2001:db8::1\", \"198.51.100.2\", \"[2001:db8::2]:99\"]";

fn world(profile: Profile, lines: &str) -> World {
    Setup::with(profile, lines).build()
}

/// Asks as clients do: without credentials, and with them when they are asked for.
fn ask(client: &TestClient) -> Reply {
    let request = client.request(Method::ALLOCATE).transport(17);
    let bare = request.clone().bare().once().expect("Allocate is answered");
    if bare.code() == 401 { request.id(client.fresh_id()).send().expect("Allocate is answered") } else { bare }
}

/// Where a client is sent, or the code of another answer.
fn sent(client: &TestClient) -> Result<Vec<SocketAddr>, u16> {
    let reply = ask(client);
    assert_eq!(reply.alternates().is_empty(), reply.code() != 300, "a 300 names a server, nothing else does");
    if reply.code() == 300 { Ok(reply.alternates()) } else { Err(reply.code()) }
}

fn to(servers: &[&str]) -> Result<Vec<SocketAddr>, u16> {
    Ok(servers.iter().map(|server| sock(server)).collect())
}

// ALT-003, ALT-004: first who it is, then where to go, and signed; nothing of it is left here.
#[test]
fn who_has_a_password_is_sent_elsewhere_and_can_believe_it() {
    for (profile, phrase) in [(Profile::Default, "Try Alternate"), (Profile::Hardened, "")] {
        let world = world(profile, TWO);
        let client = world.client();
        let bare = client.request(Method::ALLOCATE).transport(17).bare().once().expect("an answer");
        assert_eq!((bare.code(), bare.alternates()), (401, vec![]));
        let wrong = world.client().login(b"alice", b"wrong");
        assert_eq!((sent(&wrong), sent(&world.client().login(b"nobody", b"x"))), (Err(401), Err(401)));
        let reply = ask(&client);
        assert_eq!((reply.code(), reply.alternates()), (300, vec![sock("198.51.100.1:3478")]));
        assert!(reply.is_signed_by(&client.key()));
        assert_eq!(reply.phrase(), phrase);
        let kinds = [AttributeType::ERROR_CODE, AttributeType::ALTERNATE_SERVER, AttributeType::MESSAGE_INTEGRITY];
        assert_eq!(reply.kinds(), kinds);
        assert_eq!((world.allocations(), world.parked(), world.relay_sockets(), world.quota_total()), (0, 0, 0, 0));
    }
}

// The same goes on while a look-up takes its time.
#[test]
fn a_look_up_that_takes_long_ends_with_the_same() {
    let world = world(Profile::Default, TWO);
    let client = world.client();
    client.nonce();
    world.look_ups(Pace::Held);
    let request = client.request(Method::ALLOCATE).transport(17);
    assert_eq!(request.once(), None);
    assert_eq!(request.once(), None, "its retransmission waits with it");
    world.answer_held();
    let [reply] = client.replies(request.transaction()).try_into().expect("one answer");
    assert_eq!(reply.code(), 300);
    assert!(reply.is_signed_by(&client.key()));
}

// ALT-001, ALT-002: of the client's family first, then of the other one, each family in its order.
#[test]
fn the_first_server_is_of_the_clients_family() {
    let world = world(Profile::Default, BOTH);
    let v6 = || world.client().at(CLIENT_V6);
    for _ in 0..3 {
        assert_eq!(sent(&world.client()), to(&["198.51.100.1:3478", "[2001:db8::1]:3478"]));
        assert_eq!(sent(&v6()), to(&["[2001:db8::1]:3478", "198.51.100.1:3478"]), "families take turns apart");
        assert_eq!(sent(&world.client()), to(&["198.51.100.2:3478", "[2001:db8::2]:99"]));
        assert_eq!(sent(&v6()), to(&["[2001:db8::2]:99", "198.51.100.2:3478"]));
    }
}

// ALT-001: who could not be sent to a server of its family is served.
#[test]
fn a_client_of_another_family_is_served() {
    let four = world(Profile::Default, TWO);
    assert!(four.client().at(CLIENT_V6).allocate().is_ok());
    assert_eq!(sent(&four.client()), to(&["198.51.100.1:3478"]));
    for profile in [Profile::Default, Profile::Coturn] {
        let six = world(profile, "alternate-server = [\"2001:db8::1\"]");
        assert!(six.client().allocate().is_ok());
        assert_eq!(sent(&six.client().at(CLIENT_V6)), to(&["[2001:db8::1]:3478"]));
    }
}

#[test]
fn servers_take_turns() {
    let three = "alternate-server = [\"198.51.100.1\", \"198.51.100.2\", \"198.51.100.2\"]";
    for profile in Profile::ALL {
        let world = world(profile, three);
        for server in ["198.51.100.1:3478", "198.51.100.2:3478", "198.51.100.2:3478"].repeat(3) {
            assert_eq!(sent(&world.client()), to(&[server]), "{profile}");
        }
    }
    let many = Setup::with(Profile::Default, three).workers(2).build();
    assert_eq!(sent(&many.client()), to(&["198.51.100.1:3478"]));
    assert_eq!(sent(&many.client().on_worker(1)), to(&["198.51.100.2:3478"]), "workers do not begin alike");
}

#[test]
fn each_transport_has_its_servers() {
    let over = |world: &World, transport| sent(&world.client().over(transport));
    let own = "udp-alternate-server = [\"198.51.100.11\"]\ntcp-alternate-server = [\"198.51.100.12\"]\n\
               tls-alternate-server = [\"198.51.100.13\"]";
    for (lines, udp, tcp, tls) in [
        (TWO.to_owned(), to(&["198.51.100.1:3478"]), to(&["198.51.100.1:3478"]), to(&["198.51.100.1:3478"])),
        (own.to_owned(), to(&["198.51.100.11:3478"]), to(&["198.51.100.12:3478"]), to(&["198.51.100.13:5349"])),
        (
            format!("{TWO}\n{own}"),
            to(&["198.51.100.11:3478"]),
            to(&["198.51.100.12:3478"]),
            to(&["198.51.100.13:5349"]),
        ),
        ("tls-alternate-server = [\"198.51.100.13:443\"]".to_owned(), Err(200), Err(200), to(&["198.51.100.13:443"])),
        ("udp-alternate-server = [\"198.51.100.11\"]".to_owned(), to(&["198.51.100.11:3478"]), Err(200), Err(200)),
        ("tcp-alternate-server = [\"198.51.100.12\"]".to_owned(), Err(200), to(&["198.51.100.12:3478"]), Err(200)),
    ] {
        for profile in [Profile::Default, Profile::Coturn] {
            let world = world(profile, &lines);
            let answers = [Transport::Udp, Transport::Tcp, Transport::Tls].map(|transport| over(&world, transport));
            assert_eq!(answers, [udp.clone(), tcp.clone(), tls.clone()], "{profile}: {lines}");
        }
    }
}

// Our rule for coturn's profile: unsigned, to everybody, and paid for like other answers to nobody in particular.
#[test]
fn the_coturn_profile_sends_strangers_elsewhere() {
    let world = world(Profile::Coturn, TWO);
    for client in [world.client(), world.client().login(b"nobody", b"x")] {
        let reply = client.request(Method::ALLOCATE).transport(17).bare().once().expect("an answer");
        assert_eq!(reply.code(), 300);
        assert_eq!(reply.kinds(), [AttributeType::ERROR_CODE, AttributeType::ALTERNATE_SERVER]);
    }
    let refresh = world.client().request(Method::REFRESH).bare().once().expect("an answer");
    assert_eq!((refresh.code(), refresh.alternates()), (401, vec![]), "Allocate alone");
    let limited = self::world(Profile::Coturn, &format!("{TWO}\nunauthorized-ratelimit-rps = 3"));
    let client = limited.client();
    let answers = (0..10).filter_map(|_| client.request(Method::ALLOCATE).transport(17).bare().once()).count();
    assert_eq!(answers, 3, "the budget of unauthenticated answers");
    // One that was earned costs nothing.
    let signed = self::world(Profile::Default, &format!("{TWO}\nunauthorized-ratelimit-rps = 3"));
    let client = signed.client();
    client.nonce();
    assert!((0..50).all(|_| client.request(Method::ALLOCATE).transport(17).code() == 300));
}

/// Nobody is sent anywhere over UDP, and nonces are such that they go on when somebody is.
const OVER_TCP: &str = "tcp-alternate-server = [\"198.51.100.9\"]";

/// A world in which a client has an allocation from the time before its server sent anybody elsewhere.
fn with_an_old_client(profile: Profile) -> (World, TestClient) {
    let world = world(profile, OVER_TCP);
    let client = world.client();
    client.allocate().expect("an allocation");
    world.reload(&Setup::with(profile, TWO));
    (world, client)
}

// ALT-008: what is here goes on, whatever Allocate is told.
#[test]
fn who_has_an_allocation_stays() {
    for profile in Profile::ALL {
        let (world, client) = with_an_old_client(profile);
        assert!(sent(&world.client()).is_ok(), "{profile}: the redirect is on");
        let peer = world.peer("8.8.8.8:53");
        assert_eq!((client.refresh(None), client.permit(&[peer.addr()])), (Ok(600), 200), "{profile}");
        assert_eq!(client.bind(0x4000, peer.addr()), 200, "{profile}");
        client.channel_send(0x4000, b"still here");
        assert_eq!(peer.received().len(), 1, "{profile}");
        assert_eq!(sent(&client), Err(437), "{profile}: one allocation a 5-tuple");
        assert_eq!(client.refresh(Some(0)), Ok(0));
        assert!(sent(&client).is_ok(), "{profile}: once it is gone, its client is sent as well");
    }
}

// An answer that was lost is given again, though the server would say another thing by now.
#[test]
fn a_retransmission_of_an_old_allocate_is_answered_as_before() {
    for profile in Profile::ALL {
        let world = world(profile, OVER_TCP);
        let client = world.client();
        client.nonce();
        let request = client.request(Method::ALLOCATE).transport(17);
        let before = request.once().expect("an answer");
        world.reload(&Setup::with(profile, TWO));
        let again = request.once().expect("an answer");
        assert_eq!((before.code(), again.bytes()), (200, before.bytes()), "{profile}");
    }
}

// Nothing is kept of who was sent away: the same question has a like answer, and makes nothing.
#[test]
fn a_retransmission_of_a_redirected_request_is_redirected() {
    for profile in Profile::ALL {
        let world = world(profile, TWO);
        let client = world.client();
        let request = client.request(Method::ALLOCATE).transport(17);
        let request = if profile == Profile::Coturn { request.bare() } else { request };
        for _ in 0..3 {
            assert_eq!(request.once().map(|reply| reply.code()), Some(300), "{profile}");
        }
        assert_eq!((world.allocations(), world.parked()), (0, 0));
    }
}

// RFC 8656 section 7.2: a token is good where its port is.
#[test]
fn whoever_has_a_token_is_served() {
    let world = world(Profile::Default, OVER_TCP);
    let first = world.client();
    let token = first.request(Method::ALLOCATE).transport(17).even(true).send().and_then(|reply| reply.token());
    world.reload(&Setup::with(Profile::Default, TWO));
    let claim = world.client().request(Method::ALLOCATE).transport(17).token(&token.expect("a token")).code();
    assert_eq!(claim, 200);
}

// RFC 8656 section 7.2: what would be refused anywhere is refused here.
#[test]
fn what_is_wrong_with_a_request_comes_first() {
    let world = world(Profile::Default, TWO);
    let client = world.client();
    assert_eq!(client.request(Method::ALLOCATE).code(), 400, "without REQUESTED-TRANSPORT");
    assert_eq!(client.request(Method::ALLOCATE).transport(6).code(), 442);
    assert_eq!(client.request(Method::ALLOCATE).transport(17).attribute(AttributeType(0x7F00), b"").code(), 420);
    assert_eq!(world.client().at("[2002:cb00:7105::1]:4000").allocate(), Err(403));
}

// BIND-007, ALT-010: not even with what RFC 5780 asks.
#[test]
fn binding_is_answered_here() {
    const CHANGE_REQUEST: AttributeType = AttributeType(0x0003);
    for profile in Profile::ALL {
        let world = world(profile, BOTH);
        for client in [world.client(), world.client().over(Transport::Tcp), world.client().at(CLIENT_V6)] {
            let reply = client.request(Method::BINDING).bare().once().expect("an answer");
            assert_eq!((reply.code(), reply.alternates()), (200, vec![]));
            for change in [0, 2, 4, 6] {
                let request = client.request(Method::BINDING).attribute(CHANGE_REQUEST, &[0, 0, 0, change]);
                let reply = request.bare().once().expect("an answer");
                assert_ne!(reply.code(), 300);
                assert_eq!(reply.alternates(), []);
            }
        }
    }
}

// Without passwords there is no signature: whoever runs it so is served so.
#[test]
fn anonymous_clients_are_sent_unsigned() {
    let anonymous = |setup: Setup| setup.tune(|config| config.auth.mode = turnserver::config::AuthMode::Anonymous);
    let world = anonymous(Setup::with(Profile::Default, TWO)).build();
    let reply = world.client().request(Method::ALLOCATE).transport(17).bare().once().expect("an answer");
    assert_eq!((reply.code(), reply.is_signed()), (300, false));
}

// ALT-006: a client that is sent on shows the nonce it has, from a port of its choice.
#[test]
fn a_nonce_of_a_server_that_redirects_is_of_any_port() {
    let elsewhere = |world: &World| {
        let nonce = world.client().at("203.0.113.77:4000").nonce();
        let moved = world.client().at("203.0.113.77:4001").with_nonce(nonce);
        moved.request(Method::ALLOCATE).transport(17).once().expect("an answer").code()
    };
    assert_eq!(elsewhere(&world(Profile::Default, TWO)), 300);
    assert_eq!(elsewhere(&world(Profile::Default, "tls-alternate-server = [\"198.51.100.1\"]")), 200);
    assert_eq!(elsewhere(&world(Profile::Default, "")), 438, "of that port only where nobody is sent on");
}

#[test]
fn it_is_told() {
    let world = world(Profile::Default, TWO);
    let client = world.client().named(BOB);
    sent(&client).expect("a redirect");
    let told = world.events();
    let [Event::Refused { tuple, method, code, user, why: None }] = &told[..] else { panic!("{told:?}") };
    assert_eq!((*tuple, *method, *code), (client.tuple(), Method::ALLOCATE, ErrorCode::TRY_ALTERNATE));
    assert_eq!(user.as_deref(), Some(&b"bob"[..]));
}
