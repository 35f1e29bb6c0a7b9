//! Names, realms and passwords on their way to a key, and what is kept of them.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use turnserver::auth::LongTermKey;
use turnserver::stun::{AttributeType, Method};

use crate::draft::Draft;
use crate::probe::Probe;
use crate::target::Person;
use crate::wire::{Launch, Link, Server};

fn person(name: &str, password: &str) -> Person {
    Person { name: name.to_owned(), password: password.to_owned() }
}

fn start(realm: &str, users: &[&str]) -> Server {
    let quoted: Vec<String> = users.iter().map(|user| toml::Value::from(*user).to_string()).collect();
    let realm = toml::Value::from(realm).to_string();
    let file = format!("realm = {realm}\nuser = [{}]\nuser-quota = 1", quoted.join(", "));
    Launch::new(&[]).with_file(&file).start()
}

/// The code of an Allocate whose USERNAME is `sent` and whose key is made of `person`.
fn code_as(server: &Server, sent: &str, person: &Person) -> u16 {
    let mut probe = Probe::over(Link::udp(server.addr)).of_user(person);
    let code = probe.code(&Draft::allocate().instead(AttributeType::USERNAME, sent.as_bytes()));
    if code == 0 {
        let end = Draft::request(Method::REFRESH).lifetime(0).instead(AttributeType::USERNAME, sent.as_bytes());
        assert_eq!(probe.code(&end), 0, "the allocation is this user's");
    }
    code
}

pub(super) fn auth_016_quotes_and_trailing_nuls_are_no_part_of_a_key() {
    for realm in ["\"example.org\"", "example.org\0\0", "\"example.org\"\0"] {
        let server = start(realm, &["alice:wonderland-7", "\"bob\":\"the-builder-9\"\0"]);
        let mut probe = Probe::over(Link::udp(server.addr));
        assert_eq!(probe.ask(&Draft::allocate().bare()).text(AttributeType::REALM), "example.org", "{realm:?}");
        for (sent, person) in [
            ("alice", person("alice", "wonderland-7")),
            ("\"alice\"", person("alice", "wonderland-7")),
            ("alice\0\0", person("alice", "wonderland-7")),
            ("bob", person("bob", "the-builder-9")),
            ("\"bob\"\0", person("bob", "the-builder-9")),
            // A client that takes a password as it is written has it as it is written.
            ("bob", person("bob", "\"the-builder-9\"\0")),
        ] {
            assert_eq!(code_as(&server, sent, &person), 0, "{sent:?} in {realm:?}");
        }
        for (sent, person) in [
            ("alice", person("\"alice\"", "wonderland-7")),
            ("alice", person("alice", "\"wonderland-7\"")),
            ("ali\"ce", person("alice", "wonderland-7")),
        ] {
            assert_eq!(code_as(&server, sent, &person), 401, "{sent:?} in {realm:?}");
        }
        // REALM in quotes names the same realm.
        let key = LongTermKey::derive(b"alice", b"example.org", b"wonderland-7");
        let draft = Draft::allocate().instead(AttributeType::REALM, b"\"example.org\"").signed_with(key);
        assert_eq!(probe.code(&draft), 0, "{realm:?}");
    }
}

pub(super) fn auth_017_names_are_compared_as_opaque_strings() {
    let (spaced, composed, decomposed) = ("a\u{A0}b", "caf\u{E9}", "cafe\u{301}");
    for (configured, other) in [(spaced, "a b"), ("a b", spaced), (composed, decomposed), (decomposed, composed)] {
        let server = start("example.org", &[&format!("{configured}:wonderland-7")]);
        // The key is made of the prepared name, whichever form USERNAME has.
        let prepared = if configured == spaced || other == spaced { "a b" } else { composed };
        for sent in [configured, other] {
            assert_eq!(code_as(&server, sent, &person(prepared, "wonderland-7")), 0, "{sent:?} for {configured:?}");
        }
        assert_eq!(code_as(&server, "cafe", &person("cafe", "wonderland-7")), 401);
        is_one_user(&server, [configured, other], prepared);
    }
    realms_are_compared_as_well(composed, decomposed);
    passwords_have_the_keys_of_all_clients();
}

/// One in the quota, and the owner of one allocation.
fn is_one_user(server: &Server, names: [&str; 2], prepared: &str) {
    let who = person(prepared, "wonderland-7");
    let mut probe = Probe::over(Link::udp(server.addr)).of_user(&who);
    let as_name = |draft: Draft, name: &str| draft.instead(AttributeType::USERNAME, name.as_bytes());
    assert_eq!(probe.code(&as_name(Draft::allocate(), names[0])), 0);
    let mut second = Probe::over(Link::udp(server.addr)).of_user(&who);
    assert_eq!(second.code(&as_name(Draft::allocate(), names[1])), 486);
    let refresh = Draft::request(Method::REFRESH).lifetime(0);
    assert_eq!(probe.code(&as_name(refresh, names[1])), 0);
    assert_eq!(second.code(&as_name(Draft::allocate(), names[1])), 0);
}

fn realms_are_compared_as_well(composed: &str, decomposed: &str) {
    let server = start(decomposed, &["alice:wonderland-7"]);
    let mut probe = Probe::over(Link::udp(server.addr)).of_user(&person("alice", "wonderland-7"));
    assert_eq!(probe.ask(&Draft::allocate().bare()).text(AttributeType::REALM), composed);
    let key = LongTermKey::derive(b"alice", composed.as_bytes(), b"wonderland-7");
    let draft = Draft::allocate().instead(AttributeType::REALM, decomposed.as_bytes()).signed_with(key);
    assert_eq!(probe.code(&draft), 0);
}

/// RFC 5389 prepared passwords by SASLprep, which folds what OpaqueString keeps.
fn passwords_have_the_keys_of_all_clients() {
    let server = start("example.org", &["alice:The\u{AD}M\u{AA}tr\u{2168}", "bob:n\u{303}\u{A0}o"]);
    for password in ["TheMatrIX", "The\u{AD}M\u{AA}tr\u{2168}"] {
        assert_eq!(code_as(&server, "alice", &person("alice", password)), 0, "{password:?}");
    }
    for password in ["\u{F1} o", "n\u{303}\u{A0}o"] {
        assert_eq!(code_as(&server, "bob", &person("bob", password)), 0, "{password:?}");
    }
    assert_eq!(code_as(&server, "alice", &person("alice", "TheMatrix")), 401);
}

/// What no file and no memory of the server may hold.
const PASSWORD: &str = "zebra-Quagga-4711-okapi";
/// What its memory must hold, so that the search is known to find things.
const NAME: &str = "administratrix-of-zoos";

pub(super) fn auth_020_passwords_are_not_kept() {
    let file = format!("realm = \"example.org\"\nuser = [\"{NAME}:{PASSWORD}\", \"bob:the-builder-9\"]");
    let server = Launch::new(&[]).with_file(&file).start();
    let who = person(NAME, PASSWORD);
    let mut probe = Probe::over(Link::udp(server.addr)).of_user(&who);
    assert_eq!(probe.code(&Draft::allocate()), 0, "it is a password");
    // The key is there, so the memory that is looked at is the one that counts.
    let key = LongTermKey::derive(NAME.as_bytes(), b"example.org", PASSWORD.as_bytes());
    let memory = Memory::of(server.pid());
    assert!(memory.holds(NAME.as_bytes()), "the name of a user who is let in");
    assert!(memory.holds(key.raw()), "the key");
    assert!(!memory.holds(PASSWORD.as_bytes()), "the password");
    // Of what it wrote nothing holds it; the configuration is ours.
    for entry in fs::read_dir(server.dir()).expect("a directory") {
        let path = entry.expect("an entry").path();
        let is_configuration = path.extension().is_some_and(|extension| extension == "toml");
        let bytes = if path.is_file() { fs::read(&path).expect("a file") } else { Vec::new() };
        assert!(is_configuration || !contains(&bytes, PASSWORD.as_bytes()), "{}", path.display());
    }
    assert!(!server.log.text().contains(PASSWORD) && !server.out.text().contains(PASSWORD));
}

/// Everything a process can write to.
struct Memory(Vec<Vec<u8>>);

impl Memory {
    fn of(pid: u32) -> Memory {
        let maps = fs::read_to_string(format!("/proc/{pid}/maps")).expect("our child");
        let memory = File::open(format!("/proc/{pid}/mem")).expect("a parent may look at its child");
        let regions = maps.lines().filter_map(|line| {
            let mut words = line.split_whitespace();
            let (start, end) = words.next()?.split_once('-')?;
            let is_data = words.next()?.starts_with("rw");
            let [start, end] = [start, end].map(|digits| u64::from_str_radix(digits, 16).expect("an address"));
            is_data.then_some((start, end))
        });
        Memory(regions.map(|(start, end)| read_region(&memory, start, end)).collect())
    }

    fn holds(&self, needle: &[u8]) -> bool {
        self.0.iter().any(|region| contains(region, needle))
    }
}

/// Page by page: some cannot be read.
fn read_region(memory: &File, start: u64, end: u64) -> Vec<u8> {
    const PAGE: usize = 4096;
    let mut bytes = vec![0; usize::try_from(end - start).expect("an address space")];
    for (page, place) in bytes.chunks_mut(PAGE).zip((start..).step_by(PAGE)) {
        if memory.read_exact_at(page, place).is_err() {
            page.fill(0);
        }
    }
    bytes
}

/// Whether `needle` stands anywhere in `bytes`.
fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| *byte == needle[0]) {
        if rest[at..].starts_with(needle) {
            return true;
        }
        rest = &rest[at + 1..];
    }
    false
}
