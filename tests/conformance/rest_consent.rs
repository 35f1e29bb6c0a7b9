//! Section 22: time-limited credentials (TURN REST), consent checks inside relayed data, what WebRTC needs.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use turnserver::auth::LongTermKey;
use turnserver::clock;
use turnserver::config::Profile;
use turnserver::stun::Method;
use turnserver::turn::time::{Mono, Now, UnixTime};

use crate::draft::Draft;
use crate::probe::Probe;
use crate::row::{Section, rows};
use crate::scene::{Scene, client_of};
use crate::target::{Person, Target};
use crate::wire::{Launch, Received, Server};
use crate::world::{Setup, WALL_START};

pub(crate) const SECTION: Section = Section {
    rows: rows![
        configured rest_001_the_timestamp_decides,
        timer rest_002_the_password_is_an_hmac_of_the_name,
        timer rest_003_an_allocation_outlives_its_credential,
        configured rest_004_two_secrets_at_once,
        configured rest_005_the_user_part_is_optional_and_opaque,
        configured rest_006_absurd_timestamps_are_refused,
        wire cons_001_consent_checks_pass_untouched,
        wire cons_002_a_stun_message_of_a_peer_is_data,
        wire cons_003_what_webrtc_endpoints_need,
    ],
    partly: &[],
    later: &[],
    left_out: &[],
};

const SECRET: &str = "a secret of this section";
const FORMER: &str = "the secret before it";
const DAY: u64 = 24 * 3600;

fn start(profile: &str) -> Server {
    let file = format!(
        "profile = {profile:?}\nrealm = \"example.org\"\nstatic-auth-secret = [{SECRET:?}, {FORMER:?}]\n\
         unauthorized-ratelimit = false\n"
    );
    Launch::new(&[]).with_file(&file).start()
}

/// Section 2.2 of the draft, written down once more and not taken from the server.
fn password(secret: &str, name: &str) -> String {
    let mut mac = Hmac::<Sha1>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(name.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

/// The answer to an Allocate under a name signed with a secret; the client has nothing but these.
fn code_of(server: &Server, secret: &str, name: &str) -> u16 {
    let person = Person { name: name.to_owned(), password: password(secret, name) };
    client_of(server).of_user(&person).code(&Draft::allocate())
}

fn unix_now() -> u64 {
    clock::now().wall.0
}

fn rest_001_the_timestamp_decides() {
    let server = start("default");
    assert_eq!(code_of(&server, SECRET, &format!("{}:fred", unix_now() - 10)), 401, "past");
    assert_eq!(code_of(&server, SECRET, "1433895918:fred"), 401, "long past");
    assert_eq!(code_of(&server, SECRET, &format!("{}:fred", unix_now() + 600)), 0, "future");
    assert_eq!(code_of(&server, "another", &format!("{}:fred", unix_now() + 600)), 401, "not signed");
}

/// The vector's time is over, so its server lives before that.
fn rest_002_the_password_is_an_hmac_of_the_name() {
    const NAME: &str = "1433895918:fred";
    const PASSWORD: &str = "c9LJ2DK2IcpBQnGRodI89kOGZg8=";
    const KEY: &str = "c633f0269dd71828b4c4300e72cbaebd";
    assert_eq!(password("north", NAME), PASSWORD);
    let now = Now { mono: Mono(1_000_000_000_000), wall: UnixTime(1_433_895_000) };
    let world = Setup::of(Profile::Default).secrets(&["north"]).now(now).build();
    let client = world.client().login(NAME.as_bytes(), PASSWORD.as_bytes());
    let key: [u8; 16] = hex::decode(KEY).expect("hex").try_into().expect("16 bytes");
    // Signed with the key itself: the derivation from the password is the server's.
    assert_eq!(client.request(Method::ALLOCATE).transport(17).key(LongTermKey::from_raw(key)).code(), 200);
    let other = world.client().login(NAME.as_bytes(), b"c9LJ2DK2IcpBQnGRodI89kOGZg9=");
    assert_eq!(other.allocate(), Err(401));
}

fn rest_003_an_allocation_outlives_its_credential() {
    let world = Setup::of(Profile::Default).secrets(&[SECRET]).build();
    let name = format!("{}:fred", WALL_START + 300);
    let client = world.client().login(name.as_bytes(), password(SECRET, &name).as_bytes());
    let peer = world.peer("8.8.8.8:5000");
    client.allocate().expect("the credential is good");
    for past in [1, 300, 300] {
        world.advance(if past == 1 { 301 } else { past });
        assert_eq!(client.refresh(None), Ok(600), "RFC 8656 section 4: only the name is compared");
        assert_eq!((client.permit(&[peer.addr()]), client.bind(0x4000, peer.addr())), (200, 200));
    }
    let late = world.client().login(name.as_bytes(), password(SECRET, &name).as_bytes());
    assert_eq!(late.allocate(), Err(401), "a new allocation it makes no more");
}

fn rest_004_two_secrets_at_once() {
    let server = start("default");
    let name = format!("{}:fred", unix_now() + 600);
    assert_eq!([SECRET, FORMER].map(|secret| code_of(&server, secret, &name)), [0, 0]);
    assert_eq!(code_of(&server, "a third one", &name), 401);
}

/// The values of the row lie years ahead, which the coturn profile takes.
fn rest_005_the_user_part_is_optional_and_opaque() {
    let coturn = start("coturn");
    let default = start("default");
    for rest in ["", ":a:b", ":", ":@alice:example.org", ":\u{e9}\u{4e2d}"] {
        assert_eq!(code_of(&coturn, SECRET, &format!("1999999999{rest}")), 0, "{rest:?}");
        assert_eq!(code_of(&default, SECRET, &format!("{}{rest}", unix_now() + 600)), 0, "{rest:?}");
    }
}

/// How far ahead is set by the profile: 7 days, a day in the hardened one, without a bound in coturn's.
fn rest_006_absurd_timestamps_are_refused() {
    let ahead = |secs: u64| format!("{}:x", unix_now() + secs);
    for (profile, week_and_more, day_and_more, within_a_day) in
        [("default", 401, 0, 0), ("coturn", 0, 0, 0), ("hardened", 401, 401, 0)]
    {
        let server = start(profile);
        let code = |name: &str| code_of(&server, SECRET, name);
        assert_eq!(code("99999999999999999999:x"), 401, "beyond 64 bits; {profile}");
        assert_eq!(code("-1:x"), 401, "{profile}");
        assert_eq!(code("+1999999999:x"), 401, "{profile}");
        assert_eq!(code("tomorrow:x"), 401, "{profile}");
        assert_eq!(code("0x77359400:x"), 401, "{profile}");
        assert_eq!(code(&ahead(8 * DAY)), week_and_more, "{profile}");
        assert_eq!(code(&ahead(2 * DAY)), day_and_more, "{profile}");
        assert_eq!(code(&ahead(DAY / 2)), within_a_day, "{profile}");
    }
    let server = start("default");
    assert_eq!(code_of(&server, SECRET, "18446744073709551615:x"), 401, "the end of 64 bits");
}

fn consent_check() -> Vec<u8> {
    Draft::request(Method::BINDING).fingerprint().bytes(None)
}

fn cons_001_consent_checks_pass_untouched() {
    for (over, probe) in Probe::over_each() {
        let mut scene = Scene::over(probe);
        let (from, check) = (scene.peer.addr(), consent_check());
        scene.send(&check);
        scene.peer_gets(&check);
        scene.peer_sends(&check);
        assert_eq!(scene.probe.receive(), Received::Indication(from, check.clone()), "over {over}");
        let mut scene = scene.with_channel();
        scene.probe.send_channel(0x4000, &check);
        scene.peer_gets(&check);
        scene.peer_sends(&check);
        assert_eq!(scene.probe.receive(), Received::Channel(0x4000, check), "over {over}");
        scene.nothing_moves();
    }
}

fn cons_002_a_stun_message_of_a_peer_is_data() {
    let mut scene = Scene::new();
    let from = scene.peer.addr();
    let messages = [consent_check(), Draft::allocate().bare().bytes(None), b"\x40\x00\x00\x04data".to_vec()];
    for message in &messages {
        scene.peer_sends(message);
        assert_eq!(scene.probe.receive(), Received::Indication(from, message.clone()));
    }
    let mut scene = scene.with_channel();
    for message in messages {
        scene.peer_sends(&message);
        assert_eq!(scene.probe.receive(), Received::Channel(0x4000, message));
    }
    scene.nothing_moves();
}

fn cons_003_what_webrtc_endpoints_need() {
    if Target::get().tls.is_none() {
        crate::row::not_asked("TLS_SERVER is not set");
    }
    for (over, probe) in Probe::over_each() {
        let mut scene = Scene::over(probe);
        scene.send(over.as_bytes());
        scene.peer_gets(over.as_bytes());
    }
    for (over, probe) in Probe::over_each() {
        let mut scene = Scene::over_v6(probe);
        assert!(scene.relayed.is_ipv6());
        scene.send(over.as_bytes());
        scene.peer_gets(over.as_bytes());
    }
}
