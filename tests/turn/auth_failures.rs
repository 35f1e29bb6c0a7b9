//! Why a request was not taken as a user's: what operators hear and count, though clients are told less.

use std::collections::BTreeSet;

use turnserver::auth::rest;
use turnserver::config::Profile;
use turnserver::stun::{AttributeType, Method, PasswordAlgorithm};
use turnserver::turn::auth_failure::AuthFailure::*;
use turnserver::turn::{AuthFailure, Event};

use crate::world::{BOB, Pace, Request, Setup, TestClient, WALL_START, World};

const SECRET: &str = "a-secret-of-the-operator";
const SHA256: PasswordAlgorithm = PasswordAlgorithm::Sha256;

/// One request's answer, what was counted, and what was told, with the name it was told of.
type Outcome = (u16, Vec<(AuthFailure, u64)>, Vec<(u16, Option<AuthFailure>, Option<String>)>);

fn told(world: &World) -> Vec<(u16, Option<AuthFailure>, Option<String>)> {
    let name = |user: &[u8]| String::from_utf8_lossy(user).into_owned();
    let refused = |event| match event {
        Event::Refused { code, why, user, .. } => Some((code.code(), why, user.as_deref().map(name))),
        _ => None,
    };
    world.events().into_iter().filter_map(refused).collect()
}

fn outcome(world: &World, request: &Request<'_>) -> Outcome {
    world.events();
    world.auth_failures();
    let code = request.once().map_or(0, |reply| reply.code());
    (code, world.auth_failures(), told(world))
}

fn allocate(client: &TestClient) -> Request<'_> {
    client.request(Method::ALLOCATE).transport(17)
}

fn hidden(code: u16, why: AuthFailure) -> Outcome {
    (code, vec![(why, 1)], vec![])
}

fn nameless(code: u16, why: AuthFailure) -> Outcome {
    (code, vec![(why, 1)], vec![(code, Some(why), None)])
}

fn of(name: &str, code: u16, why: AuthFailure) -> Outcome {
    (code, vec![(why, 1)], vec![(code, Some(why), Some(name.to_owned()))])
}

// RFC 8489 section 9.2.4, in the order of our rules; a stranger's first request makes no line.
#[test]
fn each_request_that_fails_says_why() {
    let world = World::of(Profile::Default);
    let client = world.client();
    let elsewhere = world.client().nonce();
    client.nonce();
    let guesser = world.client().login(b"bob", b"wrong");
    guesser.nonce();
    let hash = [0; 32];
    let altered = [0, 1, 0, 0];
    let cases = [
        (allocate(&client).bare(), hidden(401, Unsigned)),
        (allocate(&client).without(AttributeType::USERNAME), nameless(400, Incomplete)),
        (allocate(&client).without(AttributeType::REALM), nameless(400, Incomplete)),
        (allocate(&client).without(AttributeType::NONCE), nameless(400, Incomplete)),
        (allocate(&client).attribute(AttributeType::USERHASH, &hash), nameless(400, Incomplete)),
        (allocate(&client).nonce(b"made up"), hidden(438, ForeignNonce)),
        (allocate(&client).nonce(&elsewhere), hidden(438, ForeignNonce)),
        (allocate(&client).attribute(AttributeType::PASSWORD_ALGORITHMS, &altered), nameless(400, AlteredOffer)),
        (allocate(&client).realm(b"elsewhere.org"), hidden(401, WrongRealm)),
        (
            allocate(&client).without(AttributeType::USERNAME).attribute(AttributeType::USERHASH, &hash),
            hidden(401, HashedName),
        ),
        (allocate(&client).username(b"nobody"), of("nobody", 401, UnknownUser)),
        (allocate(&guesser), of("bob", 401, WrongPassword)),
    ];
    for (index, (request, expected)) in cases.into_iter().enumerate() {
        assert_eq!(outcome(&world, &request), expected, "case {index}");
    }
    world.advance(601);
    assert_eq!(outcome(&world, &allocate(&client)), of("alice", 438, StaleNonce));
    let wrong = client.request(Method::ALLOCATE).transport(17).username(b"nobody");
    assert_eq!(outcome(&world, &wrong), of("nobody", 401, UnknownUser), "whoever is nobody never has a stale nonce");
}

#[test]
fn a_live_allocation_is_somebodys() {
    let world = World::of(Profile::Default);
    let client = world.client();
    assert_eq!(allocate(&client).naming(SHA256).code(), 200);
    let refresh = || client.request(Method::REFRESH);
    let at = client.tuple().client.to_string();
    let other = world.client().named(BOB).at(&at).with_nonce(client.nonce());
    assert_eq!(outcome(&world, &other.request(Method::REFRESH)), of("bob", 441, OtherUser));
    assert_eq!(outcome(&world, &refresh()), of("alice", 441, Downgrade));
    let guess = world.client().login(b"alice", b"guess").at(&at).with_nonce(client.nonce());
    let guess = || guess.request(Method::REFRESH);
    assert_eq!(outcome(&world, &guess()), of("alice", 401, WrongPassword), "the store is asked");
    assert_eq!(outcome(&world, &guess()), hidden(401, WrongPassword), "and not again in this second");
    world.advance(601 - 10);
    assert_eq!(refresh().naming(SHA256).code(), 200);
    world.advance(20);
    assert_eq!(outcome(&world, &refresh().naming(SHA256)), hidden(438, StaleNonce), "as every client's, every time");
}

// What is refused for other reasons is no failure to say who asks.
#[test]
fn whoever_is_known_fails_otherwise() {
    let world = Setup::with(Profile::Default, "user-quota = 1").build();
    let client = world.client();
    client.nonce();
    assert_eq!(outcome(&world, &client.request(Method::ALLOCATE)), (400, vec![], vec![(400, None, alice())]));
    assert_eq!(outcome(&world, &client.request(Method::REFRESH)), (437, vec![], vec![(437, None, alice())]));
    assert_eq!(outcome(&world, &allocate(&client)), (200, vec![], vec![]));
    let second = world.client();
    second.nonce();
    assert_eq!(outcome(&world, &allocate(&second)), (486, vec![], vec![(486, None, alice())]));
    let unknown = client.request(Method(0x0AB)).bare();
    assert_eq!(outcome(&world, &unknown), (0, vec![], vec![]));
    let coturn = World::of(Profile::Coturn);
    let unknown = coturn.client();
    let unknown = unknown.request(Method(0x0AB)).bare();
    assert_eq!(outcome(&coturn, &unknown), (400, vec![], vec![(400, None, None)]));
}

fn alice() -> Option<String> {
    Some("alice".to_owned())
}

#[test]
fn a_time_limited_name_is_over_too_far_ahead_or_none() {
    let world = Setup::of(Profile::Default).secrets(&[SECRET]).build();
    let day = 86_400;
    let cases = [
        (format!("{}:fred", WALL_START - 1), SECRET, Expired),
        (format!("{}:fred", WALL_START - 1), "another", Expired),
        (format!("{}:fred", WALL_START + 8 * day), SECRET, TooFarAhead),
        ("fred".to_owned(), SECRET, UnknownUser),
        (format!("{}:fred", WALL_START + day), "another", WrongPassword),
    ];
    for (name, secret, why) in cases {
        let password = rest::password(secret.as_bytes(), name.as_bytes());
        let client = world.client().login(name.as_bytes(), password.as_bytes());
        client.nonce();
        assert_eq!(outcome(&world, &allocate(&client)), of(&name, 401, why), "{name}");
    }
}

#[test]
fn a_store_that_cannot_tell_is_its_own_reason() {
    let world = World::of(Profile::Default);
    let client = world.client();
    client.nonce();
    world.look_ups(Pace::Failing);
    assert_eq!(outcome(&world, &allocate(&client)), of("alice", 500, LookUpFailed));
}

// RFC 8489 section 9.2.4: a name that nobody has is answered as a wrong password is.
#[test]
fn clients_are_not_told() {
    let world = World::of(Profile::Default);
    let answer = |name: &str| {
        let client = world.client().login(name.as_bytes(), b"wrong");
        let reply = allocate(&client).send().expect("an answer");
        (reply.code(), reply.kinds(), reply.bytes().len())
    };
    assert_eq!(answer("nobody"), answer("alice"));
}

#[test]
fn counts_are_taken_once_and_many_are_added_up() {
    let world = World::of(Profile::Default);
    let client = world.client();
    (0..5).for_each(|_| assert_eq!(allocate(&client).bare().code(), 401));
    assert_eq!(allocate(&client).nonce(b"x").code(), 438);
    assert_eq!(world.auth_failures(), [(Unsigned, 5), (ForeignNonce, 1)]);
    assert_eq!(world.auth_failures(), []);
}

// They become labels of metrics.
#[test]
fn reasons_have_names_of_their_own() {
    let names: BTreeSet<&str> = AuthFailure::ALL.iter().map(|why| why.name()).collect();
    assert_eq!(names.len(), AuthFailure::ALL.len());
    assert!(names.iter().all(|name| name.chars().all(|c| c.is_ascii_lowercase() || c == '_')), "{names:?}");
    assert!(AuthFailure::ALL.iter().enumerate().all(|(place, why)| *why as usize == place));
}
