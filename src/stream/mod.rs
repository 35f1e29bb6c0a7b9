//! Clients on streams: TCP and TLS, told apart by their first bytes on every port.
//!
//! A worker owns one [`Streams`] and drives it from its own epoll loop: no thread and no task per connection, no clock
//! of its own. Whole messages come out, messages of any length go in; what a connection may hold, and how long it may
//! take, is bounded in `limits.rs`. Only the handshakes' arithmetic runs elsewhere (`handshake.rs`).
//!
//! Begin with `streams.rs`; `receive.rs` and `transmit.rs` are the two directions of one connection.
#![forbid(unsafe_code)]

mod buffers;
mod close;
mod connection;
mod deadlines;
pub mod framing;
mod gate;
mod handshake;
pub mod limits;
mod loads;
mod offload;
mod queue;
mod receive;
mod session;
mod shared;
mod slots;
pub mod sniff;
mod streams;
pub mod tls;
mod transmit;

pub use close::{CloseReason, Tally};
pub use handshake::Waker;
pub use loads::{LoadCounts, Loads};
pub use shared::{StreamSettings, StreamShared};
pub use slots::StreamId;
pub use streams::{Kind, ReadOutcome, Sent, Streams};
