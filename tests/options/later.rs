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
