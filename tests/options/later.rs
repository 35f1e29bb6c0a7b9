//! Options of coturn's users that have no effect yet: taken, each with one warning.

use crate::{alice, start};

fn taken(option: &str, args: &[&str]) {
    let server = start(args);
    assert_eq!(server.log.count(&["WARN", &format!("--{option}: "), "has no effect yet"]), 1, "{}", server.log.text());
    assert_eq!(server.log.count(&["has no effect yet"]), 1, "{}", server.log.text());
    assert_eq!(alice(&server).allocate().code(), 0);
}

pub(crate) fn no_cli_is_taken() {
    taken("no-cli", &["--no-cli", "--no-cli"]);
}

pub(crate) fn no_dtls_is_taken() {
    taken("no-dtls", &["--no-dtls"]);
}

pub(crate) fn log_file_is_taken() {
    taken("log-file", &["-l", "turn.log"]);
}

pub(crate) fn simple_log_is_taken() {
    taken("simple-log", &["--simple-log"]);
}

pub(crate) fn no_stdout_log_is_taken() {
    taken("no-stdout-log", &["--no-stdout-log"]);
}
