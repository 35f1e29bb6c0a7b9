//! The configuration and the certificate read again while the server runs: all of it or nothing, and nobody who is served
//! notices more than what was changed for him.

mod addresses;
mod certificates;
mod differences;
mod live;
mod load;
mod looks;
#[path = "../netns/mod.rs"]
mod netns;
mod options;
mod refusals;
mod stage;
#[path = "../wire/mod.rs"]
mod wire;
