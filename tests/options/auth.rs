//! Who may allocate.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use turnserver::auth::LongTermKey;
use turnserver::clock;
use turnserver::stun::{AttributeType, Method};

use crate::wire::{Client, Launch, Reply, Server, poll_until, timed_name};
use crate::{ALICE, REALM, alice, bob, launch, start};

const SECRET: &str = "a-secret-of-this-test-51";
const OTHER_SECRET: &str = "another-one-of-this-test-64";

/// The first, bare Allocate of a client.
fn unauthenticated_allocate(server: &Server) -> Reply {
    let transport = |writer: &mut turnserver::stun::Writer<'_>| {
        writer.attribute(AttributeType::REQUESTED_TRANSPORT, &[17, 0, 0, 0]);
    };
    Client::udp(server.addr).ask_once(Method::ALLOCATE, transport)
}

/// The answer to an Allocate under a time-limited name.
fn allocate_as(server: &Server, name: &str, secret: &str) -> u16 {
    Client::udp(server.addr).with_timed_name(name, secret).allocate().code()
}

pub(crate) fn challenges_name_the_realm() {
    let server = Launch::new(&["--user=alice:pw-3817", "--realm=first.example", "-r", "last.example"]).start();
    assert_eq!(unauthenticated_allocate(&server).text(AttributeType::REALM), "last.example");
    assert_eq!(Client::udp(server.addr).with_user("alice", "pw-3817").allocate().code(), 0);
    let nameless = Launch::new(&["--user=alice:pw-3817"]).start();
    assert_eq!(unauthenticated_allocate(&nameless).text(AttributeType::REALM), "turnserver");
    assert_eq!(nameless.log.count(&["WARN", "realm is not given"]), 1);
}

pub(crate) fn a_secret_file_is_made_once_and_its_credentials_work() {
    let server = Launch::new(&["--secret-file=made.secret", "--realm=r.example"]).at_terminal().start();
    // A relative path lies in the state directory.
    let path = server.dir().join("made.secret");
    let mode = fs::metadata(&path).expect("the file was made").permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "its owner alone may read it");
    let secret = fs::read_to_string(&path).expect("text").trim().to_owned();
    assert!(secret.len() >= 32, "{secret:?} is too short");
    assert_eq!(allocate_as(&server, &timed_name(':', "bob"), &secret), 0);
    assert_eq!(allocate_as(&server, &timed_name(':', "bob"), SECRET), 401);
    assert!(!server.log.text().contains(&secret) && server.log.count(&["made a secret"]) == 1);
    printed_credential_works(&server);

    let launch = Launch::new(&["--realm=r.example"]);
    let path = launch.write("kept.secret", &format!("{SECRET}\n"));
    let second = launch.and(&[&format!("--secret-file={}", path.display())]).start();
    assert_eq!(allocate_as(&second, &timed_name(':', "bob"), SECRET), 0);
    assert_eq!(fs::read_to_string(&path).expect("text"), format!("{SECRET}\n"), "a secret that is there stays");
}

/// What is printed at a terminal, for a person to paste, is a credential that is let in.
fn printed_credential_works(server: &Server) {
    let line = server.out.find(&["[", "username"]).expect("the iceServers are printed");
    let servers: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    let text = |key: &str| servers[0][key].as_str().expect("text").to_owned();
    let mut client = Client::udp(server.addr).with_user(&text("username"), &text("credential"));
    assert_eq!(client.allocate().code(), 0);
}

pub(crate) fn use_auth_secret_puts_static_users_out_of_force() {
    let server = start(&["--use-auth-secret"]);
    assert_eq!(alice(&server).allocate().code(), 401, "static users are ignored");
    assert_eq!(server.log.count(&["WARN", "static users are ignored"]), 1);
    assert_eq!(server.log.count(&["WARN", "there is no secret"]), 1);
    let switched_off = start(&["--use-auth-secret=off"]);
    assert_eq!(alice(&switched_off).allocate().code(), 0);
}

pub(crate) fn every_static_auth_secret_makes_credentials() {
    let secrets = [SECRET, OTHER_SECRET].map(|secret| format!("--static-auth-secret={secret}"));
    let server = Launch::new(&[&secrets[0], &secrets[1], "--realm=r.example"]).start();
    let good = timed_name(':', "bob");
    assert_eq!(allocate_as(&server, &good, SECRET), 0);
    assert_eq!(allocate_as(&server, &good, OTHER_SECRET), 0);
    assert_eq!(allocate_as(&server, &good, "nobody-s-secret"), 401);
    let over = format!("{}:bob", clock::now().wall.0 - 5);
    assert_eq!(allocate_as(&server, &over, SECRET), 401, "its time is over");
    assert_eq!(allocate_as(&server, "bob", SECRET), 401, "the name says no time");
    assert!(!server.log.text().contains(SECRET));
}

pub(crate) fn the_separator_stands_between_time_and_name() {
    let secret = format!("--static-auth-secret={SECRET}");
    let server = Launch::new(&[&secret, "--realm=r.example", "-C", "#", "--user-quota=1"]).start();
    assert_eq!(allocate_as(&server, &timed_name(':', "bob"), SECRET), 401, "the name says no time");
    let mut first = Client::udp(server.addr).with_timed_name(&timed_name('#', "bob"), SECRET);
    assert_eq!(first.allocate().code(), 0);
    let later = format!("{}#bob", clock::now().wall.0 + 5000);
    assert_eq!(allocate_as(&server, &later, SECRET), 486, "what stands behind the separator is the user");
    assert_eq!(allocate_as(&server, &timed_name('#', "carol"), SECRET), 0);
}

pub(crate) fn an_allocation_may_end_with_its_credential() {
    let secret = format!("--static-auth-secret={SECRET}");
    let granted = |args: &[&str]| {
        let server = Launch::new(&[&secret, "--realm=r.example"]).and(args).start();
        let name = format!("{}:bob", clock::now().wall.0 + 100);
        let reply = Client::udp(server.addr).with_timed_name(&name, SECRET).allocate();
        assert_eq!(reply.code(), 0);
        reply.lifetime()
    };
    assert_eq!((granted(&[]), granted(&["--profile=hardened", "--strict-expiry=off"])), (600, 600));
    for strict in [&["--strict-expiry"][..], &["--profile=hardened"]] {
        let lifetime = granted(strict);
        assert!((60..=101).contains(&lifetime), "{strict:?}: {lifetime} s for a credential of 100 s");
    }
}

pub(crate) fn sha256_is_offered() {
    let offers = |args: &[&str]| {
        let server = Launch::new(&["--user=alice:pw-3817", "--realm=r.example"]).and(args).start();
        let challenge = unauthenticated_allocate(&server);
        let announces = challenge.text(AttributeType::NONCE).starts_with("obMatJos2gAAA");
        assert_eq!(challenge.has(AttributeType::PASSWORD_ALGORITHMS), announces, "{args:?}");
        assert_eq!(
            Client::udp(server.addr).with_user("alice", "pw-3817").allocate().code(),
            0,
            "{args:?}: MD5 goes on"
        );
        announces
    };
    assert_eq!((offers(&["--sha256"]), offers(&[])), (true, false), "coturn's profile");
    assert_eq!((offers(&["--profile=default"]), offers(&["--profile=default", "--sha256=off"])), (true, false));
    // A client takes SHA-256 where it is offered, and here nobody knows such a key.
    let key = LongTermKey::derive(b"carol", b"r.example", b"carols-own");
    let digits: String = key.raw().iter().map(|byte| format!("{byte:02x}")).collect();
    let user = format!("--user=carol:0x{digits}");
    assert!(!offers(&["--sha256", &user]) && !offers(&["--profile=default", &user]));
    for on in ["--sha256", "--profile=default"] {
        let told = Launch::new(&["--realm=r.example", on, &user]).start();
        assert_eq!(told.log.count(&["WARN", "sha256: not offered", "carol"]), 1, "{on}");
    }
}

pub(crate) fn lt_cred_mech_asks_for_credentials() {
    let asks = Launch::new(&["--lt-cred-mech", "--realm=r.example"]).start();
    assert_eq!(unauthenticated_allocate(&asks).code(), 401, "without users there is a challenge, and nobody meets it");
    assert_eq!(asks.log.count(&["WARN", "lt-cred-mech is on and there is no user"]), 1);

    let implied = Launch::new(&["--user=alice:pw-3817", "--realm=r.example"]).start();
    assert_eq!(Client::udp(implied.addr).with_user("alice", "pw-3817").allocate().code(), 0);
    assert_eq!(implied.log.count(&["WARN", "lt-cred-mech is turned on"]), 1);
    assert_eq!(launch(&[]).start().log.count(&["lt-cred-mech"]), 0, "given, it is no news");

    let contradiction = Launch::new(&["--lt-cred-mech", "--no-auth"]).run();
    assert!(contradiction.log.contains("no-auth contradicts lt-cred-mech"), "{}", contradiction.log);
}

pub(crate) fn users_have_passwords_or_keys() {
    let key = LongTermKey::derive(b"carol", REALM.as_bytes(), b"carols-own");
    let digits: String = key.raw().iter().map(|byte| format!("{byte:02x}")).collect();
    let server = start(&[&format!("--user=carol:0x{digits}"), "-u", "dave:pass:with:colons"]);
    for (name, password) in [ALICE, ("carol", "carols-own"), ("dave", "pass:with:colons")] {
        assert_eq!(Client::udp(server.addr).with_user(name, password).allocate().code(), 0, "{name}");
    }
    for (name, password) in [("nobody", "at-all"), ("alice", "wrong"), ("carol", digits.as_str())] {
        assert_eq!(Client::udp(server.addr).with_user(name, password).allocate().code(), 401, "{name}");
    }
    let log = server.log.find(&["WARN", "request refused", "user=\"nobody\"", "code=401", "why=unknown_user"]);
    assert!(log.is_some() && !server.log.text().contains(ALICE.1), "{}", server.log.text());
}

pub(crate) fn no_auth_lets_anybody_allocate() {
    let server = Launch::new(&["--no-auth"]).start();
    assert_eq!(unauthenticated_allocate(&server).code(), 0);
    assert_eq!(server.log.count(&["WARN", "no-auth", "anybody"]), 1);
    let hardened = Launch::new(&["--no-auth", "--profile=hardened"]).run();
    assert!(hardened.log.contains("no-auth is refused in the hardened profile"), "{}", hardened.log);
}

pub(crate) fn a_nonce_goes_stale() {
    let server = start(&["--stale-nonce=1"]);
    let mut client = alice(&server);
    client.relayed();
    // With its first nonce, again and again.
    let lifetime = |writer: &mut turnserver::stun::Writer<'_>| writer.attribute_u32(AttributeType::LIFETIME, 600);
    let stale = poll_until("the nonce is stale", || {
        Some(client.ask_once(Method::REFRESH, lifetime)).filter(|reply| reply.code() != 0)
    });
    assert_eq!(stale.code(), 438);
    assert_eq!(stale.text(AttributeType::REALM), REALM);
    assert!(stale.has(AttributeType::NONCE));
    assert_eq!(client.refresh(600).code(), 0, "the new nonce is good");
    assert_eq!(bob(&server).allocate().code(), 0);
}

pub(crate) fn servers_of_a_fleet_take_each_others_nonces() {
    let fleet = "--nonce-secret=a-secret-of-this-fleet-83";
    let [first, second, other] =
        [fleet, "--stateless-nonce-secret=a-secret-of-this-fleet-83", "--nonce-secret=another"]
            .map(|option| start(&[option]));
    let shown_to = |server: &Server| {
        let told = alice(&first).challenged();
        let mut client = alice(server).with_challenge(told.challenge().expect("a challenge"));
        client.refresh_once().code()
    };
    assert_eq!([&first, &second, &other].map(shown_to), [437, 437, 438], "taken from another port and server");
    let alone = start(&[]);
    assert_eq!(shown_to(&alone), 438);
    assert_eq!(other.log.count(&["WARN", "nonce-secret", "shorter than 16"]), 1, "{}", other.log.text());
    assert!(!first.log.text().contains("a-secret-of-this-fleet-83"));
    let known = Launch::new(&["--no-auth", "--profile=default", "--nonce-secret=changeme"]).run();
    assert!(known.log.contains("nonce-secret: the secret is an example"), "{}", known.log);
    assert_eq!(start(&["--nonce-secret=changeme"]).log.count(&["WARN", "nonce-secret", "an example"]), 1);
}
