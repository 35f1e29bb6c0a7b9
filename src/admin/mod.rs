//! What operators look at while the server runs: metrics and health over HTTP.
//!
//! `http.rs` answers, `connections.rs` bounds what a client of it may take, `health.rs` judges, `metrics/` shows counts.
//! All of it runs on the control thread and reads atomics: no worker ever waits for it.

mod connections;
mod health;
mod http;
mod metrics;
mod process;

pub use health::Health;
pub use http::{Admin, Bound};
pub use metrics::{Family, Metrics, user_families};
