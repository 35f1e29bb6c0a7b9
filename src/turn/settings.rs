//! What a worker's core is told at birth: the configuration, compiled.

use std::net::SocketAddr;
use std::sync::Arc;

use super::nonce::Nonces;
use super::policy::PeerPolicy;
use crate::config::Config;

/// Shared by all workers, never changed.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The configuration.
    pub config: Arc<Config>,
    /// Which peers may be reached.
    pub policy: PeerPolicy,
    /// Makes and judges nonces.
    pub nonces: Nonces,
    /// The addresses of our listeners; what claims to come from one is forged.
    pub listeners: Vec<SocketAddr>,
}
