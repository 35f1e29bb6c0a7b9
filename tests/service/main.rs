//! The built server as a service: what it tells the service manager, how it ends, drains, goes into the background, gives up
//! root, and takes sockets over.

mod activation;
mod daemon;
mod drain;
mod early;
mod notify;
mod pidfile;
mod privileges;
mod process;
mod stop;
mod supervisor;
mod watchdog;
#[path = "../wire/mod.rs"]
mod wire;

use wire::{Client, Launch, Server};

/// A server that alice may use.
fn launch(args: &[&str]) -> Launch {
    Launch::new(&["-a", "--realm=r", "--user=alice:secret", "--allow-loopback-peers"]).and(args)
}

/// Alice, over UDP.
fn alice(server: &Server) -> Client {
    Client::udp(server.addr).with_user("alice", "secret")
}
