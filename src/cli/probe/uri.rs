//! URIs of STUN and TURN servers (RFC 7064 and RFC 7065).

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::str::FromStr;

/// Default ports of RFC 8489 section 8.1 and RFC 8656 section 5.
const PORT: u16 = 3478;
const PORT_TLS: u16 = 5349;

/// What a server is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Service {
    /// The address one is seen from.
    Stun,
    /// Relayed addresses.
    Turn,
}

/// How the server is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Udp,
    Tcp,
    /// TLS over TCP.
    Tls,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Protocol::Udp => "UDP",
            Protocol::Tcp => "TCP",
            Protocol::Tls => "TLS",
        })
    }
}

/// A server's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Uri {
    pub(super) service: Service,
    pub(super) protocol: Protocol,
    /// A name or an address, without the brackets of an IPv6 one.
    pub(super) host: String,
    pub(super) port: u16,
}

/// Why a text is no URI that this tool can follow.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum UriError {
    #[error("begins with none of turn:, turns:, stun: and stuns:")]
    Scheme,
    #[error("the host follows the colon at once, without //")]
    Slashes,
    #[error("credentials stand in no URI of RFC 7065: use -u and -w")]
    Credentials,
    #[error("no host")]
    NoHost,
    #[error("not a host name or an address: {0}")]
    Host(String),
    #[error("an IPv6 address stands in brackets")]
    Brackets,
    #[error("not a port: {0}")]
    Port(String),
    #[error("the only query is ?transport=udp or ?transport=tcp, after turn: and turns:")]
    Query,
    #[error("turns: over UDP is DTLS, which this tool does not speak")]
    Dtls,
}

impl FromStr for Uri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Uri, UriError> {
        let (scheme, rest) = text.split_once(':').ok_or(UriError::Scheme)?;
        let (service, secure) = match scheme.to_ascii_lowercase().as_str() {
            "stun" => (Service::Stun, false),
            "stuns" => (Service::Stun, true),
            "turn" => (Service::Turn, false),
            "turns" => (Service::Turn, true),
            _ => return Err(UriError::Scheme),
        };
        let (authority, query) = match rest.split_once('?') {
            Some((authority, query)) => (authority, Some(query)),
            None => (rest, None),
        };
        let protocol = match (query, secure) {
            (Some(_), _) if service == Service::Stun => return Err(UriError::Query),
            (Some("transport=udp"), true) => return Err(UriError::Dtls),
            (None | Some("transport=tcp"), true) => Protocol::Tls,
            (None | Some("transport=udp"), false) => Protocol::Udp,
            (Some("transport=tcp"), false) => Protocol::Tcp,
            _ => return Err(UriError::Query),
        };
        let (host, port) = split_authority(authority)?;
        let port = match port {
            None => {
                if secure {
                    PORT_TLS
                } else {
                    PORT
                }
            }
            Some(digits) => parse_port(digits)?,
        };
        Ok(Uri { service, protocol, host, port })
    }
}

fn split_authority(authority: &str) -> Result<(String, Option<&str>), UriError> {
    if authority.starts_with("//") {
        return Err(UriError::Slashes);
    }
    if authority.contains('@') {
        return Err(UriError::Credentials);
    }
    if let Some(literal) = authority.strip_prefix('[') {
        let (host, behind) = literal.split_once(']').ok_or(UriError::Brackets)?;
        let host = host.parse::<Ipv6Addr>().map_err(|_| UriError::Host(host.to_owned()))?.to_string();
        return match (behind, behind.strip_prefix(':')) {
            ("", _) => Ok((host, None)),
            (_, Some(port)) => Ok((host, Some(port))),
            (_, None) => Err(UriError::Port(behind.to_owned())),
        };
    }
    if authority.parse::<Ipv6Addr>().is_ok() {
        return Err(UriError::Brackets);
    }
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    };
    if host.is_empty() {
        return Err(UriError::NoHost);
    }
    let is_named = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    if host.bytes().all(is_named) { Ok((host.to_owned(), port)) } else { Err(UriError::Host(host.to_owned())) }
}

fn parse_port(digits: &str) -> Result<u16, UriError> {
    let wrong = || UriError::Port(digits.to_owned());
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    digits.parse().ok().filter(|port| *port != 0).ok_or_else(wrong)
}

impl Uri {
    /// The server's addresses, from the system's resolver.
    pub(super) fn resolve(&self) -> io::Result<Vec<SocketAddr>> {
        Ok((self.host.as_str(), self.port).to_socket_addrs()?.collect())
    }
}

/// The URI with nothing left to defaults.
impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match (self.service, self.protocol) {
            (Service::Stun, Protocol::Tls) => "stuns",
            (Service::Stun, _) => "stun",
            (Service::Turn, Protocol::Tls) => "turns",
            (Service::Turn, _) => "turn",
        };
        let query = match (self.service, self.protocol) {
            (Service::Stun, _) => "",
            (Service::Turn, Protocol::Udp) => "?transport=udp",
            (Service::Turn, _) => "?transport=tcp",
        };
        match self.host.parse::<IpAddr>() {
            Ok(IpAddr::V6(ip)) => write!(f, "{scheme}:[{ip}]:{}{query}", self.port),
            _ => write!(f, "{scheme}:{}:{}{query}", self.host, self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_of_both_rfcs_are_read() {
        for (text, complete) in [
            ("turn:example.org", "turn:example.org:3478?transport=udp"),
            ("turn:example.org?transport=tcp", "turn:example.org:3478?transport=tcp"),
            ("turn:192.0.2.1:3479?transport=udp", "turn:192.0.2.1:3479?transport=udp"),
            ("turns:example.org", "turns:example.org:5349?transport=tcp"),
            ("turns:example.org:443?transport=tcp", "turns:example.org:443?transport=tcp"),
            ("turn:[2001:DB8::1]", "turn:[2001:db8::1]:3478?transport=udp"),
            ("turn:[::1]:65535", "turn:[::1]:65535?transport=udp"),
            ("TURN:a_b-c.example", "turn:a_b-c.example:3478?transport=udp"),
            ("stun:example.org", "stun:example.org:3478"),
            ("stuns:[::1]", "stuns:[::1]:5349"),
        ] {
            let uri = text.parse::<Uri>().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(uri.to_string(), complete);
            assert_eq!(complete.parse(), Ok(uri), "what is shown can be read");
        }
    }

    #[test]
    fn other_uris_are_refused_with_the_reason() {
        let port = |text: &str| UriError::Port(text.to_owned());
        for (text, error) in [
            ("example.org", UriError::Scheme),
            ("example.org:3478", UriError::Scheme),
            ("http:example.org", UriError::Scheme),
            ("turn://example.org", UriError::Slashes),
            ("turn:user:pass@example.org", UriError::Credentials),
            ("turn:", UriError::NoHost),
            ("turn::3478", UriError::NoHost),
            ("turn:::1", UriError::Brackets),
            ("turn:2001:db8::1", UriError::Brackets),
            ("turn:[::1", UriError::Brackets),
            ("turn:[192.0.2.1]", UriError::Host("192.0.2.1".to_owned())),
            ("turn:exa mple", UriError::Host("exa mple".to_owned())),
            ("turn:example.org/path", UriError::Host("example.org/path".to_owned())),
            ("turn:example.org:", port("")),
            ("turn:example.org:0", port("0")),
            ("turn:example.org:65536", port("65536")),
            ("turn:example.org:+80", port("+80")),
            ("turn:[::1]3478", port("3478")),
            ("turn:example.org?transport=sctp", UriError::Query),
            ("turn:example.org?", UriError::Query),
            ("stun:example.org?transport=tcp", UriError::Query),
            ("turns:example.org?transport=udp", UriError::Dtls),
        ] {
            assert_eq!(text.parse::<Uri>(), Err(error), "{text}");
        }
    }

    #[test]
    fn addresses_need_no_resolver() {
        for (text, address) in [("turn:127.0.0.1", "127.0.0.1:3478"), ("turns:[::1]", "[::1]:5349")] {
            let uri: Uri = text.parse().expect("a URI");
            assert_eq!(uri.resolve().expect("an address"), [address.parse().expect("an address")]);
        }
    }
}
