//! The log of the built server: one record per line whatever clients send, few lines whatever they send, no secret in any
//! of them, and files that lose nothing when they are moved away.

mod disk;
mod files;
mod flood;
mod guessing;
mod hidden;
mod hostile;
mod journal;
#[path = "../netns/mod.rs"]
mod netns;
mod packets;
#[path = "../wire/mod.rs"]
mod wire;

use std::fs;
use std::path::Path;

use wire::{Client, Launch, Server, poll_until};

const ALICE: (&str, &str) = ("alice", "wonderland-27");

/// A server that alice may use.
fn launch(args: &[&str]) -> Launch {
    Launch::new(&["-a", "--realm=example.org", "--user=alice:wonderland-27", "--allow-loopback-peers"]).and(args)
}

/// Alice, over UDP.
fn alice(server: &Server) -> Client {
    Client::udp(server.addr).with_user(ALICE.0, ALICE.1)
}

/// Waits for a file to hold all of `parts` in one line.
fn line_of(path: &Path, parts: &[&str]) -> String {
    poll_until(&format!("{} holds {parts:?}", path.display()), || {
        let text = fs::read_to_string(path).ok()?;
        text.lines().find(|line| parts.iter().all(|part| line.contains(part))).map(str::to_owned)
    })
}

/// A record of its own: a time, a level, and nothing that is more than a character to a terminal or a reader of lines.
fn assert_record(line: &str) {
    let (time, rest) = line.split_at_checked(24).unwrap_or_else(|| panic!("{line:?} is no record"));
    assert!(time.starts_with("20") && &time[10..11] == "T" && time.ends_with('Z'), "{line:?} has no time");
    let level = rest.split_whitespace().next().unwrap_or_default();
    assert!(["ERROR", "WARN", "INFO", "DEBUG"].contains(&level), "{line:?} has no level");
    assert_plain(line);
}

/// Nothing that ends a line, moves a cursor or turns the direction of writing.
fn assert_plain(line: &str) {
    let is_obeyed = |c: char| {
        c.is_control() || matches!(c, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
    };
    assert!(!line.contains(is_obeyed), "{line:?}");
}
