//! Metrics and health over HTTP.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The port of coturn's exporter.
pub(super) const PORT: u16 = 9641;

/// Where metrics and health are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metrics {
    /// The address that is listened on; none: every address.
    pub ip: Option<IpAddr>,
    /// The port.
    pub port: u16,
    /// The path of the metrics.
    pub path: String,
    /// Metrics under the names that coturn has for them stand beside ours.
    pub coturn_names: bool,
    /// Without this address the server does not start.
    pub required: bool,
}

impl Metrics {
    /// What is tried, in this order, until one can be bound: `::` takes IPv4 as well, where there is IPv6.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        let any = [IpAddr::V6(Ipv6Addr::UNSPECIFIED), IpAddr::V4(Ipv4Addr::UNSPECIFIED)];
        let ips = self.ip.map_or(any.to_vec(), |ip| vec![ip]);
        ips.into_iter().map(|ip| SocketAddr::new(ip, self.port)).collect()
    }
}
