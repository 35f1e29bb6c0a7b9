//! What may go wrong between two messages, and what its reader should look at.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use crate::stun::ErrorCode;

/// Why a step did not succeed.
#[derive(Debug)]
pub(super) enum Failure {
    /// The server answered with an error.
    Refused {
        code: u16,
        phrase: String,
        /// Where a 300 sends its clients.
        alternate: Option<SocketAddr>,
    },
    /// No answer came, or none that counts.
    Silence {
        transmissions: u32,
        /// Why the last answer did not count.
        discarded: Option<String>,
    },
    /// The answer lacks something, or says something else than was asked.
    Answer(String),
    /// Datagrams got lost on the way through the relays.
    Lost { sent: usize, returned: usize },
    /// The connection could not be made, or broke.
    Io(io::Error),
    /// The request could not be written: a name or a password that stun-rs does not take.
    Request(String),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Io(error)
    }
}

impl From<stun_rs::StunError> for Failure {
    fn from(error: stun_rs::StunError) -> Failure {
        Failure::Request(error.to_string())
    }
}

/// The phrase of a code, for servers that send none.
fn phrase_of(code: u16) -> &'static str {
    let known = ErrorCode::decode(&[0, 0, (code / 100) as u8, (code % 100) as u8]).map_or("", ErrorCode::phrase);
    if known.is_empty() { "unknown error" } else { known }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Refused { code, phrase, .. } if phrase.is_empty() => write!(f, "{code} {}", phrase_of(*code)),
            Failure::Refused { code, phrase, .. } => write!(f, "{code} {}", phrase.escape_debug()),
            Failure::Silence { transmissions, discarded: None } => {
                write!(f, "no answer, transmissions {transmissions}")
            }
            Failure::Silence { discarded: Some(reason), .. } => write!(f, "no answer that counts: {reason}"),
            Failure::Answer(what) | Failure::Request(what) => f.write_str(what),
            Failure::Lost { sent, returned } => write!(f, "{} of {sent} datagrams did not come back", sent - returned),
            Failure::Io(error) => error.fmt(f),
        }
    }
}

impl Failure {
    /// The error code, where the server sent one.
    pub(super) fn code(&self) -> Option<u16> {
        match self {
            Failure::Refused { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// What to look at. `has_user` tells whether credentials were named.
    pub(super) fn hint(&self, has_user: bool) -> String {
        let hint = match self {
            Failure::Refused { code: 300, alternate: Some(address), .. } => {
                return format!("the server sends its clients to {address}: probe that one");
            }
            Failure::Refused { code, .. } => hint_of_code(*code, has_user),
            Failure::Silence { discarded: None, .. } => {
                "is the server reachable and running, and does every firewall let this port pass?"
            }
            Failure::Silence { discarded: Some(_), .. } => {
                "is something between here and the server changing messages?"
            }
            Failure::Answer(_) => "the server does not follow RFC 8656, or something between changes its messages",
            Failure::Lost { returned: 0, .. } => {
                "can the server reach its own relayed addresses, and does every firewall let the relay ports pass?"
            }
            Failure::Lost { .. } => "the way to the server, or the server, loses datagrams",
            Failure::Request(_) => "this name or password is not an OpaqueString of RFC 8265",
            Failure::Io(error) => hint_of_io(error),
        };
        hint.to_owned()
    }
}

fn hint_of_code(code: u16, has_user: bool) -> &'static str {
    match code {
        401 if has_user => "check user and password, and for -W the secret and both clocks",
        401 => "the server wants credentials: name them with -u and -w, or a secret with -W",
        403 => "the server's policy denies this peer, here its own relayed address: see its denied and allowed peers",
        437 => "the server knows an allocation of this address and port already, or lost it",
        438 => "the server takes no nonce of its own: see its clock, or several servers behind one address",
        440 | 443 => "the server has no relayed address of this family",
        441 => "the allocation belongs to another user",
        442 => "the server relays no UDP",
        486 => "this user has as many allocations as allowed: see the user's quota",
        508 => "the server has no relay port left, or it drains: see its port range, total quota and log",
        300 => "the server sends its clients elsewhere",
        _ => "see the server's log",
    }
}

fn hint_of_io(error: &io::Error) -> &'static str {
    let inside = error.get_ref().and_then(|inside| inside.downcast_ref::<rustls::Error>());
    if let Some(rustls::Error::InvalidCertificate(_)) = inside {
        return "name the authority of the server's certificate with --ca (a self-signed one must not be marked as an \
                authority itself: basicConstraints=CA:FALSE), and its own name in the URI; or take any with --insecure";
    }
    if inside.is_some() {
        return "does this port speak TLS?";
    }
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "nothing listens there: is the server running, and is this its port?",
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
            "the server hung up: does this port speak this protocol? See the server's log"
        }
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable => "there is no route to this address",
        _ => "is the server reachable and running, and does every firewall let this port pass?",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: u16, phrase: &str) -> Failure {
        Failure::Refused { code, phrase: phrase.to_owned(), alternate: None }
    }

    #[test]
    fn an_error_is_told_by_code_and_phrase() {
        assert_eq!(refused(486, "Allocation Quota Reached").to_string(), "486 Allocation Quota Reached");
        assert_eq!(refused(508, "").to_string(), "508 Insufficient Capacity", "servers may leave the phrase out");
        assert_eq!(refused(401, "a\x1b[2Jb\n").to_string(), "401 a\\u{1b}[2Jb\\n", "a terminal shows it harmlessly");
        assert_eq!(refused(699, "").to_string(), "699 unknown error");
    }

    #[test]
    fn hints_depend_on_what_was_named() {
        assert!(refused(401, "").hint(true).contains("check user and password"));
        assert!(refused(401, "").hint(false).contains("-u and -w"));
        let alternate = "192.0.2.1:3478".parse().ok();
        let redirect = Failure::Refused { code: 300, phrase: String::new(), alternate };
        assert!(redirect.hint(true).contains("192.0.2.1:3478"));
    }

    #[test]
    fn losses_are_counted() {
        assert_eq!(Failure::Lost { sent: 10, returned: 7 }.to_string(), "3 of 10 datagrams did not come back");
    }
}
