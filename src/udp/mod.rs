//! The per-core engine: sockets around one `turn::Server` a worker thread, in one epoll loop of our own.
//!
//! `engine.rs` starts and stops everything, `worker.rs` is the loop, `sys.rs` holds the system calls that need `unsafe`.
//! Nothing here knows what a permission is: the core decides, the engine moves bytes and owns sockets, ports and quotas.

mod addresses;
mod batch;
mod bound;
mod break_offs;
mod build;
pub mod checks;
mod connections;
mod counters;
mod datagrams;
mod engine;
mod fault;
mod inbox;
mod inherited;
mod journal;
mod listen;
mod messages;
mod open;
mod outputs;
mod places;
mod pulse;
mod rations;
mod readings;
mod relays;
mod reload;
mod shared;
mod socket;
mod sys;
mod wake;
mod worker;

pub use addresses::ListenAddresses;
pub use bound::Bound;
pub use break_offs::BrokeOff;
pub use counters::{Leg, Side};
pub use engine::{Engine, Secrets};
pub use inherited::Inherited;
pub use listen::StartError;
pub use messages::{CODES, METHODS};
pub use pulse::{Beat, Pulse};
pub use readings::{Readings, Relayed};
pub use reload::{Prepared, Reloaded};
