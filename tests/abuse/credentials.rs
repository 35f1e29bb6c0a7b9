//! T37, T38: time-limited credentials.

use turnserver::auth::rest;
use turnserver::config::Profile;

use crate::world::{Setup, TestClient, WALL_START, World};

const SECRET: &str = "a-secret-of-the-operator";
const NEXT_SECRET: &str = "the-secret-that-comes-after";

/// The code of an Allocate with this name and the password the secret gives it; 200 for success.
fn code(world: &World, name: &str, secret: &str) -> u16 {
    let client = holder(world, name, secret);
    let code = client.allocate().map_or_else(|code| code, |_| 200);
    if code == 200 {
        assert_eq!(client.refresh(Some(0)), Ok(0));
    }
    code
}

fn holder(world: &World, name: &str, secret: &str) -> TestClient {
    world.client().login(name.as_bytes(), rest::password(secret.as_bytes(), name.as_bytes()).as_bytes())
}

#[test]
fn t37_only_a_time_that_is_one_and_not_over_lets_in() {
    let now = WALL_START;
    for profile in Profile::ALL {
        let world = Setup::of(profile).secrets(&[SECRET]).build();
        let far = if profile == Profile::Coturn { 200 } else { 401 };
        let day = 86_400;
        let most = if profile == Profile::Hardened { day } else { 7 * day };
        for (name, expected) in [
            (format!("{}:user", now + 60), 200),
            (format!("{now}:user"), 200),
            (format!("{}:user", now - 1), 401),
            ("0:user".to_owned(), 401),
            ("9223372036854775808:user".to_owned(), far),
            ("18446744073709551616:user".to_owned(), 401),
            (format!("-{}:user", now + 60), 401),
            (format!("+{}:user", now + 60), 401),
            (format!("0x{:x}:user", now + 60), 401),
            (format!("{}.5:user", now + 60), 401),
            (format!(" {}:user", now + 60), 401),
            (format!("000{}:user", now + 60), 200),
            // No colon: a bare time, as prosody makes it.
            (format!("{}", now + 60), 200),
            (format!("{}user", now + 60), 401),
            ("user".to_owned(), 401),
            (format!("{}:a:b", now + 60), 200),
            (format!("{}:@alice:matrix.org", now + 60), 200),
            (format!("{}:user", now + most), 200),
            (format!("{}:user", now + most + 1), far),
        ] {
            assert_eq!(code(&world, &name, SECRET), expected, "{profile}: {name}");
        }
    }
}

#[test]
fn t37_several_secrets_are_in_force_at_once() {
    let name = format!("{}:user", WALL_START + 60);
    let both = Setup::of(Profile::Default).secrets(&[SECRET, NEXT_SECRET]).build();
    let one = Setup::of(Profile::Default).secrets(&[NEXT_SECRET]).build();
    assert_eq!(
        (code(&both, &name, SECRET), code(&both, &name, NEXT_SECRET), code(&both, &name, "no")),
        (200, 200, 401)
    );
    assert_eq!((code(&one, &name, SECRET), code(&one, &name, NEXT_SECRET)), (401, 200));
    // A password is that of one name.
    let other = rest::password(SECRET.as_bytes(), b"other");
    assert_eq!(both.client().login(name.as_bytes(), other.as_bytes()).allocate(), Err(401));
}

/// An allocation outlives its credential, as coturn's does; nothing new is made with it. Beyond: revoking one.
#[test]
fn t38_a_credential_that_is_over_makes_nothing_new() {
    for profile in [Profile::Default, Profile::Coturn] {
        let world = Setup::of(profile).secrets(&[SECRET]).build();
        let name = format!("{}:user", WALL_START + 100);
        let client = holder(&world, &name, SECRET);
        let peer = world.peer("8.8.4.4:5000");
        client.allocate().expect("the credential is valid");
        world.advance(101);
        assert_eq!(client.permit(&[peer.addr()]), 200, "{profile}: what was made goes on");
        client.send_to(peer.addr(), b"x");
        assert_eq!((peer.received().len(), code(&world, &name, SECRET)), (1, 401), "{profile}");
        let copy = holder(&world, &name, SECRET).at(&client.tuple().client.to_string());
        assert_eq!(client.refresh(Some(0)), Ok(0), "{profile}");
        assert_eq!((copy.allocate(), copy.refresh(None)), (Err(401), Err(401)), "{profile}: it does not come back");
    }
}

#[test]
fn t38_with_strict_expiry_an_allocation_ends_with_its_credential() {
    for setup in [Setup::of(Profile::Hardened), Setup::with(Profile::Coturn, "strict-expiry = true")] {
        let world = setup.secrets(&[SECRET]).build();
        let name = format!("{}:user", WALL_START + 100);
        let (client, idle) = (holder(&world, &name, SECRET), holder(&world, &name, SECRET));
        assert!(client.allocate().is_ok() && idle.allocate().is_ok());
        world.advance(50);
        assert_eq!(client.refresh(Some(3600)), Ok(51), "its last second included");
        world.advance(49);
        assert_eq!((client.refresh(None), world.allocations()), (Ok(2), 2));
        world.advance(6);
        assert_eq!((world.allocations(), client.refresh(None), client.allocate()), (0, Err(401), Err(401)));
    }
    // A clock that jumps ahead takes the credential with it.
    let world = Setup::of(Profile::Hardened).secrets(&[SECRET]).build();
    let client = holder(&world, &format!("{}:user", WALL_START + 1000), SECRET);
    assert!(client.allocate().is_ok());
    world.jump(2000);
    assert_eq!(client.refresh(None), Ok(1));
    world.advance(2);
    assert_eq!((world.allocations(), client.refresh(None)), (0, Err(401)));
    // Static users have no end.
    let world = World::of(Profile::Hardened);
    let client = world.client();
    assert_eq!((client.allocate().is_ok(), client.refresh(None)), (true, Ok(600)));
}
