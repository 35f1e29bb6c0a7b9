//! The built server as a process of its own, and clients that talk to it over real sockets.
//!
//! `server.rs` starts and stops it and reads what it logs, `client.rs` speaks STUN and TURN (`client/` asks and receives) over `link.rs`: UDP, TCP or
//! TLS. Waiting is bounded everywhere and ends with the event; `wait.rs` is the only place that lets time pass.
#![allow(dead_code, unused_imports, reason = "each suite uses the part that concerns it")]

mod client;
pub(crate) mod http;
mod link;
mod log;
mod memory;
mod ports;
mod reply;
mod secrets;
mod server;
pub(crate) mod tls;
mod wait;

pub(crate) use client::{Client, Received, timed_name};
pub(crate) use link::Link;
pub(crate) use log::Log;
pub(crate) use memory::{busy, resident_kib};
pub(crate) use ports::free_ports;
pub(crate) use reply::Reply;
pub(crate) use secrets::Secrets;
pub(crate) use server::{Launch, Server};
pub(crate) use wait::poll_until;
