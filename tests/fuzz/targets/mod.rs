//! What is fuzzed, one target a file: each has a function `run` that takes any bytes and panics where the server is wrong.
//!
//! The fuzzers of `bins/` call them under libFuzzer; `tests/fuzz_corpus.rs` replays with them what was found before.
#![allow(dead_code, reason = "each fuzzer calls one of them")]

pub(crate) mod client;
pub(crate) mod codec;
pub(crate) mod config;
pub(crate) mod framing;
pub(crate) mod stranger;

mod book;
mod engine;
mod input;
mod kit;
mod known;
mod message;
mod oracle;

// Fuzzers let chance choose among them; what is replayed goes through all.
#[allow(unused_imports, reason = "only the replay asks")]
pub(crate) use kit::KITS;
