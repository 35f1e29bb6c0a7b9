//! No secret in anything the server lets out, at its most talkative.

use std::fs;
use std::net::SocketAddr;
use std::ops::RangeInclusive;

use turnserver::auth::{LongTermKey, rest};
use turnserver::clock;
use turnserver::stun::Method;

use crate::packets::{challenge, forged, nameless};
use crate::wire::tls::Certificate;
use crate::wire::{Client, Launch, Secrets, Server, free_ports, http, timed_name};

const PASSWORD: &str = "correct-horse-battery";
const OTHER_KEY: &str = "8f14e45fceea167a5a36dedd4bea2543";
const SECRET: &str = "staple-for-the-operators-eyes";
const NONCE_SECRET: &str = "nonces-of-the-whole-fleet-are-made-of-this";

/// The same with everything there is to be asked over HTTP, and where.
fn with_metrics(launch: Launch) -> (Launch, SocketAddr) {
    let port = free_ports(1);
    let shown = ["--prometheus", "--prometheus-address=127.0.0.1", &format!("--prometheus-port={port}")];
    (launch.and(&shown), ([127, 0, 0, 1], port).into())
}

/// The key of a certificate, as it lies in the file and as it is used.
fn with_key(secrets: Secrets, certificate: &Certificate) -> Secrets {
    let body: String = certificate.key_pem.lines().filter(|line| !line.starts_with("--")).collect();
    let der = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, &body).expect("PEM");
    // The head of a PKCS #8 key is the same for all of them.
    secrets.and("the private key", &der[36..])
}

/// What the server keeps in its directory, beyond what the test put there.
fn with_state(mut secrets: Secrets, server: &Server) -> Secrets {
    let mut count = 0;
    for file in fs::read_dir(server.dir()).expect("our own directory").flatten() {
        let bytes = fs::read(file.path()).unwrap_or_default();
        if bytes.len() == 32 {
            secrets = secrets.and("the nonce key", &bytes);
            count += 1;
        }
    }
    assert_eq!(count, 1, "there is a nonce key to be kept secret");
    secrets
}

/// Everything a stranger is told, in bytes.
fn answers(server: &Server) -> Vec<u8> {
    let mut client = Client::udp(server.addr);
    let (realm, nonce) = challenge(&mut client);
    for packet in [
        nameless(),
        forged(b"alice", &realm, &nonce),
        forged(b"mallory", &realm, &nonce),
        forged(b"alice", &realm, &[b'A'; 28]),
        forged(b"alice", b"other", &nonce),
    ] {
        client.send_bytes(&packet);
    }
    // The answer to this one comes behind the others.
    let mut heard = client.ask_once(Method::BINDING, |_| {}).bytes().to_vec();
    heard.extend(client.pending_bytes().concat());
    heard.extend(Client::tcp(server.addr).ask_once(Method::ALLOCATE, |_| {}).bytes());
    heard
}

fn assert_all_hidden(mut server: Server, metrics: SocketAddr, secrets: Secrets) {
    let secrets = with_state(secrets, &server);
    for path in ["/", "/metrics", "/livez", "/readyz", "/nowhere"] {
        let answer = http::get(metrics, path);
        assert!(!answer.body.is_empty(), "{path}");
        secrets.assert_hidden(path, answer.head + &answer.body);
    }
    let heard = answers(&server);
    assert!(heard.len() > 100, "there are answers");
    secrets.assert_hidden("an answer", heard);
    for name in ["cmdline", "environ", "comm"] {
        let bytes = fs::read(format!("/proc/{}/{name}", server.pid())).expect("the server runs");
        secrets.assert_hidden(name, bytes);
    }
    server.signal(rustix::process::Signal::HUP);
    assert!(server.log.find(&["configuration read again"]).is_some());
    assert!(server.terminate().success());
    let log = server.log.whole();
    assert!(log.contains("request refused") && log.contains("DEBUG"), "it is talkative:\n{log}");
    secrets.assert_hidden("the log", log);
    secrets.assert_hidden("the output", server.out.whole());
}

#[test]
fn passwords_and_keys_are_hidden() {
    for format in ["text", "json"] {
        let certificate = Certificate::new();
        let key = LongTermKey::derive(b"alice", b"r", PASSWORD.as_bytes());
        let key = key.raw().to_vec();
        let secrets = Secrets::default().and("a password", PASSWORD.as_bytes()).and("a derived key", &key);
        let other = hex::decode(OTHER_KEY).expect("hexadecimal");
        let secrets = with_key(secrets.and("a configured key", &other), &certificate);
        let launch = certificate.given_to(Launch::new(&["-V", "--log-binding", &format!("--log-format={format}")]));
        let users = format!("user = [\"alice:{PASSWORD}\", \"bob:0x{OTHER_KEY}\"]");
        let (launch, metrics) = with_metrics(launch);
        let server = launch.with_file(&format!("realm = \"r\"\n{users}\nrelay-ip = [\"127.0.0.1\"]\n")).start();
        let mut client = Client::tls(server.tls_addr, &certificate).with_user("alice", PASSWORD);
        let relayed = client.relayed();
        assert_eq!((client.permit(relayed.ip()).code(), client.bind(0x4000, relayed).code()), (0, 0));
        assert_eq!(client.refresh(0).code(), 0);
        assert_all_hidden(server, metrics, secrets);
    }
}

#[test]
fn shared_secrets_and_what_they_make_are_hidden() {
    let name = timed_name(':', "fred");
    let password = rest::password(SECRET.as_bytes(), name.as_bytes());
    let secrets = Secrets::default().and("the shared secret", SECRET.as_bytes());
    let secrets = secrets.and("a password made of it", password.as_bytes());
    let secrets = secrets.and("the secret of nonces", NONCE_SECRET.as_bytes());
    let own = format!("static-auth-secret = [\"{SECRET}\"]\nnonce-secret = \"{NONCE_SECRET}\"");
    let file = format!("realm = \"r\"\n{own}\nrelay-ip = [\"127.0.0.1\"]\n");
    let on_output = |format: &str| Launch::new(&["-V", "--log-file=stdout", format]).logging_on_output();
    for launch in [Launch::new(&["-V"]), on_output("--log-format=text"), on_output("--log-format=json")] {
        let (launch, metrics) = with_metrics(launch);
        let begin = clock::now().wall.0;
        let server = launch.with_file(&file).start();
        let secrets = with_printed(secrets.clone(), begin..=clock::now().wall.0);
        assert_eq!(Client::udp(server.addr).with_timed_name(&name, SECRET).allocate().code(), 0);
        assert_all_hidden(server, metrics, secrets);
    }
}

/// What a server that started in these seconds shows at a terminal, for a person to paste.
fn with_printed(secrets: Secrets, started: RangeInclusive<u64>) -> Secrets {
    started.fold(secrets, |secrets, at| {
        let password = rest::password(SECRET.as_bytes(), format!("{}:example", at + 24 * 60 * 60).as_bytes());
        secrets.and("the password that is shown at a terminal", password.as_bytes())
    })
}

/// Words that are wrong beside a secret, and secrets where they do not belong.
#[test]
fn a_broken_configuration_is_told_without_its_secrets() {
    let secrets = Secrets::default().and("the secret", SECRET.as_bytes());
    for line in [
        "user = [\"alice:SECRET\"]\nlog-format = \"yaml\"",
        "static-auth-secret = [\"SECRET\"]\nlog-min-level = 7",
        "user = [\"alice:SECRET\"]\nsyslog-facility = \"nothing\"",
        "user = \"alice:SECRET",
        "static-auth-secret = SECRET",
        "user = [\"SECRET\"]\nlog-file = \"/nowhere/at/all.log\"",
        "user = [\"alice:SECRET\"]\nrealm = \"r\"\nlog-file = \"/nowhere/at/all.log\"",
    ] {
        let ended = Launch::new(&["-V"]).with_file(&line.replace("SECRET", SECRET)).run();
        assert!(!ended.status.success() && !ended.log.is_empty(), "{line}");
        secrets.assert_hidden(line, ended.log + &ended.out);
    }
}
