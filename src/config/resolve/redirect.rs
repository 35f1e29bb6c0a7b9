//! Which server a client may be sent to: one that it can reach, and not this one.

use std::net::{IpAddr, SocketAddr};

use super::super::raw::{Placed, Raw};
use super::super::redirect::is_oneself;
use super::super::{External, Listen, Redirect};
use super::Found;

pub(super) fn redirect(
    raw: &Raw,
    listen: &Listen,
    certified: bool,
    external: &External,
    found: &mut Found,
) -> Redirect {
    let ports = listen.ports(certified);
    let mut of = |name: &str, servers: &[Placed<SocketAddr>]| -> Vec<SocketAddr> {
        for Placed { value: target, place } in servers {
            if let Some((reason, hint)) = why_not(*target, listen, &ports, external) {
                found.wrong(place, format!("{name}: {target} {reason}"), hint);
            }
        }
        servers.iter().map(|server| server.value).collect()
    };
    let any = of("alternate-server", &raw.alternate_servers);
    let instead = |special: Vec<SocketAddr>| if special.is_empty() { any.clone() } else { special };
    Redirect {
        udp: instead(of("udp-alternate-server", &raw.udp_alternate_servers)),
        tcp: instead(of("tcp-alternate-server", &raw.tcp_alternate_servers)),
        tls: instead(of("tls-alternate-server", &raw.tls_alternate_servers)),
    }
}

/// Why clients cannot be sent there, and what to do about it. What a wildcard of `listening-ip` stands for is known when
/// the server starts, and looked at again there.
fn why_not(
    target: SocketAddr,
    listen: &Listen,
    ports: &[u16],
    external: &External,
) -> Option<(&'static str, &'static str)> {
    let ip = target.ip();
    let is_broadcast = matches!(ip, IpAddr::V4(ip) if ip.is_broadcast());
    if ip.is_unspecified() || ip.is_multicast() || is_broadcast {
        return Some(("is not the address of one server", "the address by which clients reach that server"));
    }
    if target.port() == 0 {
        return Some(("has port 0, which nobody can reach", "1 to 65535, or none for the default"));
    }
    // Clients refuse to be sent to their own machine, unless they know that all of this is on one.
    if ip.is_loopback() && !listen.is_loopback() {
        let hint = "clients would ask their own machine; for tests on one machine listen on loopback only";
        return Some(("is a loopback address", hint));
    }
    // A client must not be sent in circles (RFC 8489 section 10).
    is_oneself(target, &listen.ips, ports, external)
        .then_some(("is this server", "leave it out: clients would come back to where they are"))
}
