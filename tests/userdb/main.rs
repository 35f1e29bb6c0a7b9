//! Users in a database: what is remembered of it and for how long, what it changes while a server runs, and what becomes of
//! clients while it is locked, missing, broken or replaced.

mod broken;
mod cache;
mod dynamic;
mod file;
mod schema;
mod store;
mod users;
#[path = "../wire/mod.rs"]
mod wire;

use file::Turndb;
use wire::{Launch, Server};

const REALM: &str = "turn.example.org";
const ALICE: (&str, &str) = ("alice", "wonderland-27");
const BOB: (&str, &str) = ("bob", "builder-81");
const SECRET: &str = "a-secret-of-this-test-51";

/// A server of coturn's profile that asks this database for its users.
fn launch(database: &Turndb, args: &[&str]) -> Launch {
    Launch::new(&[
        "-a",
        "--allow-loopback-peers",
        &format!("--realm={REALM}"),
        &format!("--userdb={}", database.name()),
    ])
    .and(args)
}

/// The same, started.
fn start(database: &Turndb) -> Server {
    launch(database, &[]).start()
}
