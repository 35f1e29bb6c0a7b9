//! Arrows between modules point one way: `stun <- auth <- turn <- {udp, stream, kernel, admin, cluster} <- cli`, and
//! `config` is read by all and reads none of them.

use super::code::Code;
use super::tree::{Finding, Source};

/// Every module at the top of the crate and what it may use. `userdb` answers what the core asks; the homes of clock,
/// randomness and epoll stand below whoever has threads.
const MODULES: &[(&str, &[&str])] = &[
    ("stun", &[]),
    ("auth", &["stun", "config"]),
    ("config", &[]),
    ("turn", &["stun", "auth", "config"]),
    ("userdb", &["auth", "turn", "config"]),
    ("clock", &["turn"]),
    ("rng", &[]),
    ("poll", &[]),
    ("stream", &["stun", "auth", "turn", "config", "userdb", "clock", "rng", "poll"]),
    ("udp", &["stun", "auth", "turn", "config", "userdb", "clock", "rng", "poll", "stream"]),
    ("kernel", &["stun", "turn", "config", "clock", "rng", "poll"]),
    ("admin", &["stun", "auth", "turn", "config", "userdb", "clock", "rng", "udp", "stream", "kernel"]),
    ("cluster", &["stun", "auth", "turn", "config", "userdb", "clock", "rng"]),
    (
        "cli",
        &["stun", "auth", "turn", "config", "userdb", "clock", "rng", "udp", "stream", "kernel", "admin", "cluster"],
    ),
];

/// Modules that are functions of their arguments.
const CORE: &[&str] = &["stun", "auth", "turn"];

/// What the core must not name, and where it belongs.
const OUTSIDE: &[(&str, &str)] = &[
    ("tokio", "asynchronous work belongs to userdb/, admin/ and cli/"),
    ("mio", "sockets belong to udp/ and stream/"),
    ("socket2", "sockets belong to udp/ and stream/"),
    ("rustix", "system calls belong to udp/, poll.rs and clock.rs"),
    ("libc", "system calls belong to udp/sys.rs"),
    ("rustls", "TLS belongs to stream/"),
    ("UdpSocket", "sockets belong to udp/"),
    ("TcpStream", "sockets belong to stream/"),
    ("TcpListener", "sockets belong to stream/"),
    ("UnixStream", "sockets belong to stream/"),
    ("Instant", "take `Now` as an argument"),
    ("SystemTime", "take `Now` as an argument"),
    ("getrandom", "take a seed as an argument"),
];

/// Parts of the standard library that the core must not name.
const OUTSIDE_STD: &[&str] = &["fs", "thread", "process", "env", "os"];

/// Uses against the arrows.
pub(crate) fn check(file: &Source) -> Vec<Finding> {
    let Some(module) = module_of(&file.path) else { return Vec::new() };
    let Some((_, allowed)) = MODULES.iter().find(|(name, _)| *name == module) else {
        let message = format!("module {module} has no place among the arrows; give it one in tests/tidy/arrows.rs");
        return vec![file.finding(1, message)];
    };
    let depth = depth_of(&file.path);
    let mut findings = Vec::new();
    for (path, line) in Code::new(&file.text).paths() {
        let Some(used) = used_module(&path, depth) else { continue };
        let is_module = MODULES.iter().any(|(name, _)| *name == used);
        if is_module && used != module && !allowed.contains(&used) {
            let message = format!(
                "{module} uses {used}, against the arrows of ARCHITECTURE.md; pass it a value, or move the code to a \
                 module that may"
            );
            findings.push(file.finding(line, message));
        }
    }
    findings
}

/// Names of runtimes, sockets, files, threads and clocks in the core.
pub(crate) fn check_core(file: &Source) -> Vec<Finding> {
    if !module_of(&file.path).is_some_and(|module| CORE.contains(&module)) {
        return Vec::new();
    }
    let code = Code::new(&file.text);
    let mut findings = Vec::new();
    for token in code.tokens() {
        if let Some((name, instead)) = OUTSIDE.iter().find(|(name, _)| *name == token.text) {
            findings.push(file.finding(token.line, format!("{name} in the sans-IO core; {instead}")));
        }
    }
    for (path, line) in code.paths() {
        if path[0] == "std" && OUTSIDE_STD.contains(&path[1].as_str()) {
            let message = format!("std::{} in the sans-IO core; ask for it by an Output", path[1]);
            findings.push(file.finding(line, message));
        }
    }
    findings
}

/// The module at the top of the crate that a file belongs to; none for `lib.rs` and `main.rs`.
fn module_of(path: &str) -> Option<&str> {
    let inside = path.strip_prefix("src/")?;
    let module = inside.split('/').next()?.trim_end_matches(".rs");
    (!matches!(module, "lib" | "main")).then_some(module)
}

/// How many names a file's module path has: 1 for `src/turn/mod.rs`, 2 for `src/turn/server.rs`.
fn depth_of(path: &str) -> usize {
    let inside = path.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod");
    inside.split('/').count()
}

/// The top module a path leads to, whether it starts at the crate or climbs up to it.
fn used_module(path: &[String], depth: usize) -> Option<&str> {
    if matches!(path[0].as_str(), "crate" | "turnserver") {
        return Some(&path[1]);
    }
    let climbs = path.iter().take_while(|name| *name == "super").count();
    (climbs >= depth && climbs > 0).then(|| path.get(climbs).map(String::as_str)).flatten()
}

#[cfg(test)]
fn messages(findings: Vec<Finding>) -> String {
    findings.iter().map(|finding| format!("{finding}\n")).collect()
}

#[test]
fn an_arrow_against_the_stream_is_found() {
    let bad = Source::new("src/turn/server.rs", "use crate::stun::Message;\nuse crate::{auth, udp::Engine};\n");
    let found = messages(check(&bad));
    assert!(found.starts_with("src/turn/server.rs:2: turn uses udp"), "{found}");
    assert_eq!(found.lines().count(), 1);
    for (path, text) in [
        ("src/config/mod.rs", "use crate::stun::Method;"),
        ("src/stun/mod.rs", "fn a() { crate::auth::rest::key() }"),
        ("src/stream/tcp.rs", "use crate::udp::Engine;"),
        ("src/turn/request/send.rs", "use super::super::super::udp::Engine;"),
        ("src/clock.rs", "use super::cli::run;"),
    ] {
        assert_eq!(check(&Source::new(path, text)).len(), 1, "{path}");
    }
}

#[test]
fn arrows_along_the_stream_are_fine() {
    for (path, text) in [
        ("src/turn/request/send.rs", "use super::super::server::Server;\nuse crate::config::Config;"),
        ("src/cli/serve.rs", "use crate::udp::Engine;\n// crate::nowhere\nconst A: &str = \"crate::stun\";"),
        ("src/userdb/mod.rs", "use crate::turn::io::UserRecord;"),
        ("src/lib.rs", "pub use crate::udp::Engine;"),
    ] {
        assert_eq!(check(&Source::new(path, text)), [], "{path}");
    }
}

#[test]
fn a_module_without_a_place_is_found() {
    assert!(messages(check(&Source::new("src/extra/mod.rs", ""))).contains("no place among the arrows"));
}

#[test]
fn the_world_in_the_core_is_found() {
    for text in [
        "use tokio::sync::Mutex;",
        "use std::{fs, net::IpAddr};",
        "use std::net::UdpSocket;",
        "fn a() { std::thread::yield_now() }",
        "fn a(now: std::time::Instant) {}",
    ] {
        for path in ["src/stun/a.rs", "src/turn/request/a.rs", "src/auth/a.rs"] {
            assert_eq!(check_core(&Source::new(path, text)).len(), 1, "{path}: {text}");
        }
        assert_eq!(check_core(&Source::new("src/udp/a.rs", text)), [], "{text}");
    }
    let fine = "use std::net::IpAddr;\nuse std::time::Duration; // no Instant\n";
    assert_eq!(check_core(&Source::new("src/turn/a.rs", fine)), []);
}
