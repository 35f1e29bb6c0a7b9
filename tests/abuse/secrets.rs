//! T34: where a secret must not be seen.

use std::fs;
use std::path::Path;
use std::process::Command;

use turnserver::auth::LongTermKey;
use turnserver::auth::rest;
use turnserver::config::load_text;

use crate::wire::{Client, Launch, timed_name};

const PASSWORD: &str = "correct-horse-battery";
const SECRET: &str = "staple-for-the-operators-eyes";

/// Fails when a text shows one of the secrets, or half of it.
fn assert_clean(what: &str, text: &str, secrets: &[&str]) {
    for secret in secrets {
        let half = &secret[..secret.len() / 2];
        assert!(!text.contains(half), "{what} shows {half}...:\n{text}");
    }
}

/// Everything a client can have the server say, at the most talkative level.
#[test]
fn t34_no_log_shows_a_password() {
    let key: String =
        LongTermKey::derive(b"alice", b"r", PASSWORD.as_bytes()).raw().map(|b| format!("{b:02x}")).concat();
    let file = format!("realm = \"r\"\nuser = [\"alice:{PASSWORD}\"]\nrelay-ip = [\"127.0.0.1\"]\n");
    let mut server = Launch::new(&["-V"]).with_file(&file).start();
    let mut client = Client::tcp(server.addr).with_user("alice", PASSWORD);
    let relayed = client.relayed();
    assert_eq!((client.permit(relayed.ip()).code(), client.bind(0x4000, relayed).code()), (0, 0));
    assert_eq!(Client::udp(server.addr).with_user("alice", "mistaken-horse").allocate().code(), 401);
    assert_eq!(Client::udp(server.addr).with_user("mallory", PASSWORD).allocate().code(), 401);
    assert_eq!(client.refresh(0).code(), 0);
    let nonce_key: Vec<String> = fs::read_dir(server.dir())
        .expect("our own directory")
        .flatten()
        .filter_map(|file| fs::read(file.path()).ok().filter(|bytes| bytes.len() == 32))
        .map(|bytes| bytes.iter().map(|byte| format!("{byte:02x}")).collect())
        .collect();
    let cmdline = fs::read(format!("/proc/{}/cmdline", server.pid())).expect("the server runs");
    let environ = fs::read(format!("/proc/{}/environ", server.pid())).expect("our own process");
    assert!(server.terminate().success());
    assert_eq!(nonce_key.len(), 1, "there is a key to be kept secret");
    let secrets = [PASSWORD, &key, &nonce_key[0], "mistaken-horse"];
    let log = server.log.whole();
    assert!(log.contains("user=\"alice\"") && log.contains("TRACE") | log.contains("DEBUG"), "it is talkative:\n{log}");
    assert_clean("the log", &log, &secrets);
    assert_clean("the output", &server.out.whole(), &secrets);
    assert_clean("the command line", &String::from_utf8_lossy(&cmdline), &secrets);
    assert_clean("the environment", &String::from_utf8_lossy(&environ), &secrets);
}

/// What the first start prints is meant for the operator: credentials that end, never the secret itself.
#[test]
fn t34_no_log_shows_a_shared_secret() {
    let file = format!("realm = \"r\"\nstatic-auth-secret = [\"{SECRET}\"]\nrelay-ip = [\"127.0.0.1\"]\n");
    let mut server = Launch::new(&["-V"]).with_file(&file).start();
    let name = timed_name(':', "fred");
    assert_eq!(Client::udp(server.addr).with_timed_name(&name, SECRET).allocate().code(), 0);
    assert_eq!(Client::udp(server.addr).with_timed_name(&name, "a wrong one").allocate().code(), 401);
    assert!(server.terminate().success());
    let password = rest::password(SECRET.as_bytes(), name.as_bytes());
    assert_clean("the log", &server.log.whole(), &[SECRET, &password]);
    assert_clean("the output", &server.out.whole(), &[SECRET]);
}

/// coturn once logged the user and password of a line it could not read.
#[test]
fn t34_no_error_shows_what_it_refuses() {
    for line in [
        "user = [\"SECRET\"]",
        "user = [\":SECRET\"]",
        "user = [\"alice:0xSECRET\"]",
        "user = \"alice:SECRET",
        "user = [\"alice:SECRET\", 7]",
        "user = { alice = \"SECRET\" }",
        "static-auth-secret = SECRET",
        "static-auth-secret = [\"SECRET\", SECRET]",
        "static-auth-secret = \"SECRET\\q\"",
        "static-auth-secret = [\"SECRET\"]\nno-auth = true",
        "users = [\"alice:SECRET\"]",
        "static-auth-secrt = \"SECRET\"",
    ] {
        let text = line.replace("SECRET", SECRET);
        let problems = load_text(&text, Path::new("t.toml")).expect_err(line).to_string();
        assert_clean(line, &problems, &[SECRET]);
        let ended = Launch::new(&["-V"]).with_file(&text).run();
        assert!(!ended.status.success(), "{line}");
        assert_clean(line, &(ended.log + &ended.out), &[SECRET]);
    }
    for args in [["-u", SECRET], ["--usr", SECRET], ["--static-auth-secret", ""], ["--listening-port", "x"]] {
        let also = format!("--static-auth-secret={SECRET}");
        let ended = Launch::new(&args).and(&[&also, "-z"]).run();
        assert!(!ended.status.success(), "{args:?}");
        assert_clean("an error", &(ended.log + &ended.out), &[SECRET]);
    }
}

/// The client tool, whose operator pastes its output into reports.
#[test]
fn t34_the_client_tool_shows_no_password() {
    let server = crate::launch(&[]).start();
    for (uri, password) in [
        (format!("turn:{}?transport=udp", server.addr), "mistaken-horse-of-mine"),
        (format!("turn:{}?transport=tcp", server.addr), "mistaken-horse-of-mine"),
        (format!("turn:{}?transport=sctp", server.addr), "mistaken-horse-of-mine"),
        (format!("turn:{}", server.addr), crate::ALICE.1),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_turnserver"));
        let output = command.args(["probe", &uri, "-u", crate::ALICE.0, "-w", password]).output().expect("it starts");
        let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        assert!(!text.is_empty(), "{uri}");
        assert_clean(&uri, &text, &[password]);
    }
}
