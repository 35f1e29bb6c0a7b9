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

/// An allocation outlives its credential, as coturn's does; nothing new is made with it. Beyond: cutting it off.
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
