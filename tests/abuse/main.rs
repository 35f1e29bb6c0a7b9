//! What an attacker does, one test per threat, named after its row in the project's table of threats (T01 to T47). Rows
//! about the protocol run against the core in virtual time, rows about the process against the built server; rows that
//! need forged sources have a network of their own (`network.rs`), which needs root. Left out are rows, and parts of
//! rows, whose feature the server does not have; each test says what its row holds beyond it.

mod access;
mod amplification;
mod credentials;
mod demultiplexing;
mod floods;
mod guessing;
mod live;
mod logs;
mod messages;
mod meter;
#[path = "../netns/mod.rs"]
mod netns;
mod network;
mod nonces;
mod quotas;
mod reflection;
mod secrets;
mod slow_streams;
mod startup;
mod tables;
mod tls;
#[path = "../wire/mod.rs"]
mod wire;
#[path = "../common/mod.rs"]
mod world;

/// A name and password for servers over the wire.
const ALICE: (&str, &str) = ("alice", "wonderland-27");
/// Somebody else.
const BOB: (&str, &str) = ("bob", "builder-81");

/// A server of the default profile that both may use, relaying on loopback.
fn launch(args: &[&str]) -> wire::Launch {
    let users = [ALICE, BOB].map(|(name, password)| format!("--user={name}:{password}"));
    let fixed = ["--profile=default", "--realm=example.org", "--relay-ip=127.0.0.1", &users[0], &users[1]];
    wire::Launch::new(&fixed).and(args)
}

/// Alice, over UDP.
fn alice(server: &wire::Server) -> wire::Client {
    wire::Client::udp(server.addr).with_user(ALICE.0, ALICE.1)
}
