//! A world without sockets, sleeps and threads for the core: servers, clients and peers that talk through a stand-in
//! engine, in virtual time.
//!
//! `net.rs` carries datagrams, `engine.rs` answers what the core asks, `client.rs` and `request.rs` speak for clients,
//! `setup.rs` says what kind of server it is.
#![allow(dead_code, unused_imports, reason = "each suite uses the part that concerns it")]

mod cache;
mod client;
mod engine;
mod net;
mod peer;
mod reply;
mod request;
mod setup;
mod users;

pub(crate) use client::{Received, TestClient};
pub(crate) use engine::{Pace, Packet};
pub(crate) use net::World;
pub(crate) use peer::TestPeer;
pub(crate) use reply::Reply;
pub(crate) use request::Request;
pub(crate) use setup::{
    ALICE, BOB, NONCE_KEY, NOW, REALM, RELAY_V4, RELAY_V6, SERVER_V4, SERVER_V6, Setup, WALL_START, ip, sock, tuple,
};
pub(crate) use users::{Person, Users};
