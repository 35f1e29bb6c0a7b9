//! The whole core under virtual time and one seed: workers, clients, peers, a network that loses, doubles and delays,
//! NATs, clocks that jump, a system that refuses, look-ups that are slow, lost or fail, an operator who changes the rules
//! for peers, clients that guess, scan and do whatever is forbidden; against a model that was written apart from the core,
//! with the books checked behind every step.
//!
//! - `cargo test --test simulation` runs 2,000 seeds and sees that everything that can occur did occur.
//! - `SEED=1234 cargo test --test simulation` runs one of them, and prints its script, shrunk, when it fails.
//! - `SEEDS=1000000 MINUTES=30 cargo test --release --test simulation seeds` runs many, from `FIRST=` on,
//!   until they or the minutes are over, with a line each minute and the counts at the end.
//! - `tests/simulation/planted.sh` breaks the core in nine ways on purpose and sees that each is found.
//!
//! Each step has its books checked; at every 40th, twenty times a seed and more, and in one of 32 seeds at every one, the
//! whole state is written out, taken over by another core, and compared with the model's tables. What is not run here is `src/udp/open.rs`: `engine.rs` opens
//! relays in its stead, with the ports and quotas of the core.
//!
//! Begin with `action.rs` (what can happen) and `stage.rs` (how it happens); `model/` says what must come of it.

mod action;
mod books;
mod client;
mod dice;
mod engine;
mod events;
mod guesses;
mod hostile;
mod judge;
mod mail;
mod model;
mod plan;
mod planted;
mod play;
mod proof;
mod run;
mod shrink;
mod stage;
mod state;
mod tally;
mod wire;
