//! TURN as a state machine (RFC 8656): datagrams and answers in, verdicts and outputs out.
//!
//! A [`Server`] reads no clock, no socket, no file and no random source; one seed and the same inputs make the same run.
//! What a packet path needs is returned ([`Verdict`]); what takes longer is asked ([`Output`]) and answered ([`Answer`]).
//! Begin with `io.rs` for the shapes, then `server.rs`; each method has its file in `request/`.
#![forbid(unsafe_code)]

pub mod address;
pub mod allocation;
mod answer;
pub mod auth_failure;
mod authenticate;
pub mod bandwidth;
pub mod budget;
pub mod budgets;
mod census;
pub mod channel;
mod check;
mod claims;
mod client;
mod customer;
pub mod drop_reason;
mod ending;
pub mod event;
pub mod fault;
pub mod gather;
pub mod io;
pub mod limits;
pub mod nonce;
mod parked;
mod peer;
pub mod permission;
pub mod policy;
pub mod ports;
pub mod quota;
pub mod ration;
mod redirect;
mod request;
mod server;
pub mod settings;
mod state;
pub mod time;
pub mod timers;
mod user_peers;
mod vouch;

pub use answer::AnswerBuf;
pub use auth_failure::{AuthFailure, AuthFailures};
pub use census::Census;
pub use drop_reason::DropReason;
pub use event::Event;
pub use io::{Answer, Destination, Forward, Output, Path, Verdict};
pub use server::Server;
pub use settings::Settings;
pub use state::Snapshot;
