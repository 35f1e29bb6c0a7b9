//! Server-side request forgery: which peers a relay reaches, and that nothing at all leaves the host for the others.
//!
//! The server is a host in a network namespace, the world is another one that has every address there is. What the server
//! answers is one oracle; canaries on both hosts that must hear nothing are the second; a capture of every packet on the
//! server's interfaces is the third. Root makes the hosts; without it only the part over loopback runs, and says so.

mod canaries;
mod lab;
mod matrix;
#[path = "../netns/mod.rs"]
mod netns;
#[path = "../wire/mod.rs"]
mod wire;
