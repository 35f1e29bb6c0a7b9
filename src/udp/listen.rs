//! What is listened on, and why that may fail.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};

use super::addresses::ListenAddresses;
use super::inherited::ByAddress;
use super::socket;
use crate::config::Config;

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No interface has an address, or all transports are switched off.
    #[error("there is nothing to listen on: no address was found, or no-udp and no-tcp are both set")]
    NoListener,
    /// Another program, perhaps another instance, listens there.
    #[error("{0} is in use: another program, or another instance of this server, listens there")]
    InUse(SocketAddr),
    /// The system refuses an address.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// A `relay-ip` that is not ours: every allocation would be answered 508.
    #[error("cannot relay from {address}")]
    Relay {
        /// The address.
        address: IpAddr,
        /// Why.
        source: io::Error,
    },
    /// An alternate server that is this one: its clients would be sent in a circle.
    #[error(
        "{0} is given as an alternate server and is this server: leave it out, or clients come back to where they are"
    )]
    SentToOneself(SocketAddr),
    /// Anything else the system refuses.
    #[error("{what}")]
    System {
        /// What was tried.
        what: &'static str,
        /// Why not.
        source: io::Error,
    },
}

/// What is listened on: every address on every port, each once.
pub(super) struct ListenPorts {
    pub(super) udp: Vec<SocketAddr>,
    pub(super) tcp: Vec<SocketAddr>,
}

impl ListenPorts {
    /// Refuses what another program has: workers share a port, and would share it with another instance as well.
    pub(super) fn new(
        config: &Config,
        addresses: &ListenAddresses,
        inherited: &mut ByAddress,
    ) -> Result<ListenPorts, StartError> {
        let listen = &config.listen;
        let on = |ports: &[u16]| -> Vec<SocketAddr> {
            let each = |ip: &IpAddr| ports.iter().map(|port| SocketAddr::new(*ip, *port)).collect::<Vec<_>>();
            addresses.listen.iter().flat_map(each).collect()
        };
        let udp = if listen.udp { on(&[listen.port]) } else { Vec::new() };
        let tcp = on(&stream_ports(config));
        if udp.is_empty() && tcp.is_empty() {
            return Err(StartError::NoListener);
        }
        inherited.close_others(&udp, &tcp);
        let mut ours = udp.iter().filter(|address| !inherited.has_udp(**address));
        ours.try_for_each(|address| refuse_taken(*address, socket2::Type::DGRAM))?;
        let mut ours = tcp.iter().filter(|address| !inherited.has_tcp(**address));
        ours.try_for_each(|address| refuse_taken(*address, socket2::Type::STREAM))?;
        Ok(ListenPorts { udp, tcp })
    }

    /// Descriptors one worker takes: its listeners, a spare for each that accepts, its epoll set and its eventfd.
    pub(super) fn descriptors(&self) -> usize {
        self.udp.len() + 2 * self.tcp.len() + 2
    }
}

/// Where streams are accepted: on the plain port only if plain TCP is served, which TLS may come over as well, and on the
/// TLS port with a certificate, also when that is broken: it may be mended while the server runs.
fn stream_ports(config: &Config) -> Vec<u16> {
    let listen = &config.listen;
    let tls = (listen.tls && config.tls.is_some()).then_some(listen.tls_port);
    let tcp = (listen.tcp && tls != Some(listen.port)).then_some(listen.port);
    tcp.into_iter().chain(tls).collect()
}

fn refuse_taken(address: SocketAddr, kind: socket2::Type) -> Result<(), StartError> {
    match socket::is_taken(address, kind) {
        Ok(false) => Ok(()),
        Ok(true) => Err(StartError::InUse(address)),
        Err(source) => Err(StartError::Listen { address, source }),
    }
}

/// Refuses relay addresses that are not ours.
pub(super) fn refuse_foreign(relay: &[IpAddr]) -> Result<(), StartError> {
    relay.iter().try_for_each(|ip| match UdpSocket::bind((*ip, 0)) {
        Ok(_) => Ok(()),
        Err(source) => Err(StartError::Relay { address: *ip, source }),
    })
}

/// Refuses to send clients to this server. What stands in the configuration was looked at already; what a wildcard, or no
/// `listening-ip`, means is known only now.
pub(super) fn refuse_circles(config: &Config, addresses: &ListenAddresses) -> Result<(), StartError> {
    match config.redirect_to_oneself(&addresses.listen) {
        Some(target) => Err(StartError::SentToOneself(target)),
        None => Ok(()),
    }
}

/// Names what was tried when the system refuses.
pub(super) fn system(what: &'static str) -> impl FnOnce(io::Error) -> StartError {
    move |source| StartError::System { what, source }
}
