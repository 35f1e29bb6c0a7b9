//! The sans-IO core: each method's table, the stories of `tests/scenarios/`, ports, quotas, policy, timers, state; and who
//! may ask it. In virtual time, without sockets.

mod allocate;
mod auth_challenge;
mod auth_failures;
mod auth_renewal;
mod auth_rest;
mod auth_users;
mod auth_vectors;
mod bandwidth;
mod bare_core;
mod binding;
mod channel;
mod data;
mod draining;
mod families;
mod faults;
mod import;
mod nonce;
mod own_net;
mod own_peers;
mod parked;
mod password_algorithms;
mod permission;
mod policy;
mod ports;
mod quota;
mod redirect;
mod refresh;
mod reservation;
mod run_time;
mod scenarios;
#[path = "../scenarios/script.rs"]
mod script;
mod serving;
#[path = "../scenarios/stage.rs"]
mod stage;
mod state;
mod stream;
mod timers;
mod vouching;
#[path = "../common/mod.rs"]
mod world;
