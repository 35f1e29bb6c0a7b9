//! The map of the crate, in reading order. `ARCHITECTURE.md` tells how the parts work together.
#![deny(unsafe_code)]

pub mod stun;

pub mod auth;

pub mod config;

pub mod turn;

pub mod userdb;

pub mod stream;

pub mod udp;

pub mod admin;

pub mod clock;
pub mod poll;
pub mod rng;

pub mod cli;
