//! Servers that clients are sent to (RFC 8489 section 10), by the transport a client came over.

use std::net::{IpAddr, SocketAddr};

use super::{Config, External};

/// The targets of each transport; none: its clients are served here. A target that stands there twice has two turns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Redirect {
    /// Of UDP clients.
    pub udp: Vec<SocketAddr>,
    /// Of plain TCP clients.
    pub tcp: Vec<SocketAddr>,
    /// Of TLS clients.
    pub tls: Vec<SocketAddr>,
}

impl Redirect {
    /// Whether any client is sent elsewhere.
    pub fn is_on(&self) -> bool {
        self.targets().next().is_some()
    }

    /// All targets.
    pub fn targets(&self) -> impl Iterator<Item = SocketAddr> {
        self.udp.iter().chain(&self.tcp).chain(&self.tls).copied()
    }
}

/// Whether `target` is one of the listeners on `ips` and `ports`, by its own address or by what a NAT makes of it: who is
/// sent there comes back.
pub(crate) fn is_oneself(target: SocketAddr, ips: &[IpAddr], ports: &[u16], external: &External) -> bool {
    let is_own = |ip: &IpAddr| target.ip() == *ip || target.ip() == external.public_of(*ip);
    ports.contains(&target.port()) && ips.iter().any(is_own)
}

impl Config {
    /// A target that is this server, now that `ips` is known to be what it listens on.
    pub(crate) fn redirect_to_oneself(&self, ips: &[IpAddr]) -> Option<SocketAddr> {
        let ports = self.listen.ports(self.tls.is_some());
        self.redirect.targets().find(|target| is_oneself(*target, ips, &ports, &self.relay.external))
    }
}
