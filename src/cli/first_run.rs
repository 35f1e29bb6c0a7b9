//! What a person at a terminal is told: where the server listens, and credentials ready to paste.

use std::io::{self, IsTerminal, Write};
use std::net::{IpAddr, SocketAddr};

use serde_json::json;

use crate::auth::rest;
use crate::config::{AuthMode, Config, LogTarget};
use crate::turn::time::UnixTime;
use crate::udp::ListenAddresses;

/// How long the shown credential is valid.
const CREDENTIAL_SECS: u64 = 24 * 60 * 60;

/// Prints addresses on standard output, and credentials when that is a terminal: whatever else it is may be kept, and read
/// by others. Nothing among the lines of a log, nor under systemd, whose journal keeps what is printed.
pub(super) fn print(config: &Config, addresses: &ListenAddresses, has_tls: bool, now: UnixTime) -> io::Result<()> {
    let is_service = ["INVOCATION_ID", "JOURNAL_STREAM"].iter().any(|name| std::env::var_os(name).is_some());
    let mut out = io::stdout().lock();
    let is_terminal = out.is_terminal();
    if config.log.target == LogTarget::Output || (is_service && !is_terminal) {
        return Ok(());
    }
    let listen = &config.listen;
    writeln!(out, "turnserver {} listens on", env!("CARGO_PKG_VERSION"))?;
    for ip in &addresses.listen {
        let plain = [("udp", listen.udp), ("tcp", listen.tcp), ("tls", listen.tcp && has_tls)];
        let secure = [("tls", has_tls), ("tcp", has_tls && listen.tcp)];
        for (port, transports) in [(listen.port, &plain[..]), (listen.tls_port, &secure[..])] {
            let names: Vec<&str> = transports.iter().filter(|(_, on)| *on).map(|(name, _)| *name).collect();
            if !names.is_empty() {
                writeln!(out, "  {} ({})", SocketAddr::new(*ip, port), names.join(", "))?;
            }
        }
    }
    if let (true, AuthMode::SharedSecret, Some(secret)) = (is_terminal, config.auth.mode, config.auth.secrets.first()) {
        let expires = now.0 + CREDENTIAL_SECS;
        let servers = ice_servers(config, addresses, has_tls, secret, expires);
        writeln!(out, "iceServers with a credential that is valid for a day:")?;
        writeln!(out, "{servers}")?;
    }
    out.flush()
}

/// The `iceServers` of an RTCPeerConnection.
fn ice_servers(
    config: &Config,
    addresses: &ListenAddresses,
    has_tls: bool,
    secret: &str,
    expires: u64,
) -> serde_json::Value {
    let host = advertised(config, addresses);
    let listen = &config.listen;
    let at = |scheme: &str, port: u16, transport: &str| {
        format!("{scheme}:{}?transport={transport}", SocketAddr::new(host, port))
    };
    let urls: Vec<String> = [
        (listen.udp, at("turn", listen.port, "udp")),
        (listen.tcp, at("turn", listen.port, "tcp")),
        (has_tls, at("turns", listen.tls_port, "tcp")),
    ]
    .into_iter()
    .filter_map(|(on, url)| on.then_some(url))
    .collect();
    let username = format!("{expires}{}example", config.auth.separator);
    let credential = rest::password(secret.as_bytes(), username.as_bytes());
    json!([{ "urls": urls, "username": username, "credential": credential }])
}

/// The address most likely to be of use to somebody else: the external one, the default route's, any but loopback.
fn advertised(config: &Config, addresses: &ListenAddresses) -> IpAddr {
    let listens_on = |ip: &&IpAddr| addresses.listen.contains(ip);
    let local = addresses.default_routes.iter().find(listens_on);
    let local = local.or_else(|| addresses.listen.iter().find(|ip| !ip.is_loopback()));
    let local = local.or(addresses.listen.first()).copied().unwrap_or(IpAddr::from([127, 0, 0, 1]));
    config.relay.external.public_of(local)
}
