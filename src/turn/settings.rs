//! What a worker's core is told: the configuration, compiled.

use std::net::SocketAddr;
use std::sync::Arc;

use super::address::FiveTuple;
use super::bandwidth::Bandwidth;
use super::io::Path;
use super::nonce::Nonces;
use super::policy::PeerPolicy;
use crate::config::Config;

/// Shared by all workers; changed as a whole, by [`super::Server::handle_settings`].
#[derive(Clone, Debug)]
pub struct Settings {
    /// The configuration.
    pub config: Arc<Config>,
    /// Which peers may be reached.
    pub policy: PeerPolicy,
    /// Makes and judges nonces.
    pub nonces: Nonces,
    /// How many bytes may be relayed. Settings that change nothing of it hand it on.
    pub bandwidth: Arc<Bandwidth>,
    /// The addresses of our listeners; what claims to come from one is forged.
    pub listeners: Vec<SocketAddr>,
    /// Nobody gets a new allocation here any more; those that live go on.
    pub draining: bool,
    /// For tests of what surrounds the core.
    pub hooks: Hooks,
}

/// Where a test reaches into the core of a running server; nothing in production.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hooks {
    /// Called with every datagram and message before it is handled; it may panic as a bug would.
    pub before_datagram: Option<fn(&Path, &[u8])>,
    /// Called where state is half changed, and whose, if it is a client's; it may panic as a bug would.
    pub midway: Option<fn(Midway, Option<&FiveTuple>)>,
}

/// Where [`Hooks::midway`] is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Midway {
    /// The user is known, the request is about to be served.
    Serving,
    /// Relayed addresses are there, the allocation is not.
    Opened,
    /// The allocation is there, its client does not know.
    Inserted,
    /// An allocation's timer fired.
    Turn,
    /// Other rules hold, an allocation is looked through.
    Ruled,
    /// An allocation was taken out, nobody was told.
    Ended,
    /// What was sent on did not leave.
    Unsent,
    /// A request will not be answered.
    Forgotten,
    /// A reservation's timer fired.
    Released,
}

impl Hooks {
    pub(super) fn midway<'a>(&self, point: Midway, tuple: impl Into<Option<&'a FiveTuple>>) {
        if let Some(hook) = self.midway {
            hook(point, tuple.into());
        }
    }
}
