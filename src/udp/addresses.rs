//! Which addresses this host has, and which of them the configuration means.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use crate::config::Config;

/// Addresses to listen on and to relay from, wildcards expanded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenAddresses {
    /// Every address of this host's interfaces.
    pub host: Vec<IpAddr>,
    /// Listener addresses.
    pub listen: Vec<IpAddr>,
    /// Local relay addresses.
    pub relay: Vec<IpAddr>,
    /// The addresses packets to the world leave from, one a family.
    pub default_routes: Vec<IpAddr>,
}

impl ListenAddresses {
    /// Reads the interfaces where the configuration leaves addresses open.
    ///
    /// # Errors
    /// The interfaces cannot be read.
    pub fn discover(config: &Config) -> io::Result<ListenAddresses> {
        let host = interface_addresses()?;
        let listen = match config.listen.ips.is_empty() {
            true => host.clone(),
            false => expand(&config.listen.ips, &host),
        };
        let relay = match config.relay.ips.is_empty() {
            true => listen.clone(),
            false => expand(&config.relay.ips, &host),
        };
        let default_routes = [
            (IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))),
            (IpAddr::V6(Ipv6Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1))),
        ];
        let default_routes =
            default_routes.into_iter().filter_map(|(from, to)| source_towards(from, to).ok()).collect();
        Ok(ListenAddresses { host, listen, relay, default_routes })
    }
}

/// Every address of the interfaces that are up, loopback included, link-local not.
fn interface_addresses() -> io::Result<Vec<IpAddr>> {
    let mut addresses: Vec<IpAddr> = if_addrs::get_if_addrs()?
        .into_iter()
        .filter(|interface| interface.is_oper_up() || interface.is_loopback())
        .map(|interface| interface.ip())
        .filter(|ip| !is_link_local(*ip))
        .collect();
    addresses.sort();
    addresses.dedup();
    Ok(addresses)
}

fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

/// A wildcard stands for all addresses of its family: answers must leave from the address that was asked (RFC 8489
/// section 6.3.1.2), which a socket on the wildcard does not see to.
fn expand(configured: &[IpAddr], host: &[IpAddr]) -> Vec<IpAddr> {
    let mut expanded: Vec<IpAddr> = Vec::new();
    for ip in configured {
        match ip.is_unspecified() {
            true => expanded.extend(host.iter().filter(|candidate| candidate.is_ipv4() == ip.is_ipv4())),
            false => expanded.push(*ip),
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    expanded.retain(|ip| seen.insert(*ip));
    expanded
}

/// The source address the system would use; connecting a UDP socket sends nothing.
fn source_towards(from: IpAddr, to: IpAddr) -> io::Result<IpAddr> {
    let socket = UdpSocket::bind(SocketAddr::new(from, 0))?;
    socket.connect(SocketAddr::new(to, 9))?;
    Ok(socket.local_addr()?.ip())
}
