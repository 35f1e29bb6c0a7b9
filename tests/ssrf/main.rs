//! Server-side request forgery: which peers a relay reaches, and that nothing at all leaves the host for the others.
//!
//! The server is a host in a network namespace, the world is another one that has every address there is. What the server
//! answers is one oracle; canaries on both hosts that must hear nothing are the second; a capture of every packet on the
//! server's interfaces is the third. Root makes the hosts; without it those tests say that they
//! did not run. What needs no host of its own, properties over all addresses among it, is in `tests/turn/policy.rs`.

mod canaries;
mod forged;
mod lab;
mod lists;
mod matrix;
#[path = "../netns/mod.rs"]
mod netns;
mod own;
mod reload;
#[path = "../wire/mod.rs"]
mod wire;
