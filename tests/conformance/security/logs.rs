//! What a log tells, and what nothing tells.

use std::fs;
use std::path::{Path, PathBuf};

use turnserver::auth::rest;
use turnserver::clock;

use crate::draft::{Credentials, Draft};
use crate::peer::Peer;
use crate::probe::Probe;
use crate::scene::{Scene, client_of, launch};
use crate::target::{Person, Target};
use crate::wire::{Launch, Link, Server, tls};

const OPEN: &str = "allowed-peer-ip = [\"127.0.0.1\"]";

/// The value of a field in a log line.
fn field<'l>(line: &'l str, name: &str) -> &'l str {
    let value = line.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    value.unwrap_or_else(|| panic!("no {name} in {line}"))
}

/// Whether a line begins with its time, to the second at least.
fn has_time(line: &str) -> bool {
    let shape = |c: char| if c.is_ascii_digit() { '0' } else { c };
    line.chars().take(19).map(shape).collect::<String>() == "0000-00-00T00:00:00"
}

/// A packet gives the relayed address and the peer; the log must lead from there to everything else.
pub(super) fn sec_013_logs_trace_a_relayed_packet() {
    let server = launch("default", OPEN).and(&["-V"]).start();
    let mut others: Vec<Scene> = (0..3).map(|_| Scene::over(client_of(&server))).collect();
    let mut scene = Scene::over(client_of(&server).of_user(Target::get().other.as_ref().expect("ours has one")));
    scene = scene.with_channel();
    scene.send(b"the packet");
    scene.peer_gets(b"the packet");
    let (relayed, client) = (scene.relayed.to_string(), scene.probe.local().to_string());

    let created = server.log.find(&["allocation created", &format!("relayed={relayed} ")]).expect("a line");
    assert_eq!((field(&created, "client"), field(&created, "user")), (&client[..], "\"bob\""));
    assert_eq!(field(&created, "transport"), "udp");
    let of_it = format!("allocation={} ", field(&created, "allocation"));
    let permission = server.log.find(&["permission installed", &of_it, "peer=127.0.0.1"]).expect("a line");
    let channel = server.log.find(&["channel bound", &of_it, &format!("peer={}", scene.peer.addr())]).expect("a line");
    assert_eq!(scene.probe.refresh(0), 0);
    let ended = server.log.find(&["allocation ended", &of_it, &format!("relayed={relayed} ")]).expect("a line");
    assert_eq!((field(&ended, "client"), field(&ended, "user")), (&client[..], "\"bob\""));
    assert_eq!((field(&ended, "to_peer_packets"), field(&ended, "to_peer_bytes")), ("1", "10"));
    for line in [&created, &permission, &channel, &ended] {
        assert!(has_time(line), "{line}");
    }
    assert!(others.iter_mut().all(|other| other.probe.refresh(0) == 0));
    let names = server.log.count(&["allocation created", &of_it]);
    assert_eq!(names, 1, "no other allocation has that name");
}

/// Comparison in constant time is read off the source: every check of a MAC is the MAC's own.
pub(super) fn sec_018_secrets_stay_secret() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let read = |path: &str| fs::read_to_string(src.join(path)).expect("a file of the project");
    assert!(read("stun/integrity.rs").contains(".verify_slice(value)"), "MESSAGE-INTEGRITY");
    assert!(read("turn/nonce.rs").contains(".verify_truncated_left("), "nonces");
    for file in rust_files(&src) {
        let text = fs::read_to_string(&file).expect("a file of the project");
        let makes_macs = text.lines().filter(|line| line.contains(".finalize()") || line.contains(".sign("));
        for line in makes_macs {
            assert!(
                !line.contains("==") && !line.contains("!="),
                "a MAC is compared by hand: {}: {line}",
                file.display()
            );
        }
    }
    logs_of_static_users();
    logs_of_a_shared_secret();
}

fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).expect("a directory of the project").map(|entry| entry.expect("an entry").path());
    let (dirs, files): (Vec<PathBuf>, Vec<PathBuf>) = entries.partition(|path| path.is_dir());
    let rust = files.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    rust.chain(dirs.iter().flat_map(|dir| rust_files(dir))).collect()
}

/// Bytes in the forms in which a log could show them.
fn forms(secret: &[u8]) -> Vec<String> {
    let hex = hex::encode(secret);
    let list = format!("{secret:?}").trim_matches(['[', ']']).to_owned();
    let text = std::str::from_utf8(secret).map(str::to_owned).ok();
    [hex.to_uppercase(), hex, list].into_iter().chain(text).collect()
}

/// Everything a client can have logged: success, wrong passwords, malformed requests, refusals, data.
fn exercise(server: &Server, tls: &tls::Certificate, person: &Person) -> Vec<Vec<u8>> {
    let mut secrets = vec![person.password.clone().into_bytes()];
    for link in [Link::udp(server.addr), Link::Tls(Box::new(tls::connect(server.tls_addr, tls)), Vec::new())] {
        let mut probe = Probe::over(link).of_user(person);
        let credentials = probe.challenged().clone();
        let key = key_of(&credentials);
        let mut wrong = client_of(server).of_user(&Person { password: "a guess".to_owned(), ..person.clone() });
        assert_eq!(wrong.code(&Draft::allocate()), 401);
        probe.allocate();
        let peer = Peer::new();
        assert_eq!(probe.permit(peer.addr()), 0);
        assert_eq!(probe.bind(0x3000, peer.addr()), 400);
        assert_eq!(probe.permit("10.0.0.1:9".parse().expect("an address")), 403);
        probe.tell(&Draft::send(peer.addr(), b"data of a client"));
        assert_eq!(peer.receive().0, b"data of a client");
        assert_eq!(probe.refresh(0), 0);
        secrets.extend([key, b"data of a client".to_vec()]);
    }
    secrets
}

fn key_of(credentials: &Credentials) -> Vec<u8> {
    use md5::{Digest, Md5};
    let Person { name, password } = &credentials.person;
    let realm = String::from_utf8(credentials.realm.clone()).expect("UTF-8");
    Md5::digest(format!("{name}:{realm}:{password}")).to_vec()
}

/// The log of a server that ended, at its most talkative.
fn holds_none_of(mut server: Server, mut secrets: Vec<Vec<u8>>) {
    let nonce_key = fs::read(server.dir().join("nonce.key")).expect("the state directory holds it");
    assert_eq!(nonce_key.len(), 32);
    secrets.push(nonce_key);
    assert!(server.terminate().success());
    let log = format!("{}\n{}", server.log.whole(), server.out.whole());
    assert!(log.contains("DEBUG") && log.contains("request refused") && log.contains("allocation ended"), "{log}");
    for secret in secrets {
        for form in forms(&secret) {
            assert!(!log.contains(&form), "{form} stands in\n{log}");
        }
    }
}

fn logs_of_static_users() {
    let certificate = tls::Certificate::new();
    let server = certificate.given_to(launch("default", OPEN).and(&["-V"])).start();
    let secrets = exercise(&server, &certificate, &Target::get().user);
    holds_none_of(server, secrets);
}

fn logs_of_a_shared_secret() {
    const SECRET: &str = "a-secret-that-nobody-logs";
    let certificate = tls::Certificate::new();
    let file = format!("realm = \"example.org\"\nstatic-auth-secret = [{SECRET:?}]\n{OPEN}\n");
    let server = certificate.given_to(Launch::new(&["-V"]).with_file(&file)).start();
    let name = format!("{}:fred", clock::now().wall.0 + 600);
    let password = rest::password(SECRET.as_bytes(), name.as_bytes());
    let mut secrets = exercise(&server, &certificate, &Person { name, password });
    secrets.push(SECRET.as_bytes().to_vec());
    holds_none_of(server, secrets);
}
