//! Which other server an Allocate is sent to (RFC 8489 section 10): targets take turns.

use std::net::SocketAddr;

use super::address::{FiveTuple, Transport, WorkerId};
use super::server::Server;
use crate::config::Redirect;

/// Where one client is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Alternate {
    /// Of the family of the client's address (RFC 8489 section 10: a MUST).
    pub(super) first: SocketAddr,
    /// Of the other family.
    pub(super) second: Option<SocketAddr>,
}

/// Whose turn it is, for each transport and family of clients.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turns([[usize; 2]; 3]);

impl Turns {
    /// Workers begin at different targets: where there are many of them, each has few clients.
    pub(super) fn new(worker: WorkerId) -> Turns {
        Turns([[usize::from(worker.0); 2]; 3])
    }

    /// The next target of this client; none where its family has none. Targets at the same place among those of their
    /// families go together, as they may be one server.
    fn next(&mut self, redirect: &Redirect, tuple: &FiveTuple) -> Option<Alternate> {
        let (targets, place) = match tuple.transport {
            Transport::Udp => (&redirect.udp, 0),
            Transport::Tcp => (&redirect.tcp, 1),
            Transport::Tls => (&redirect.tls, 2),
        };
        let is_ipv4 = tuple.client.is_ipv4();
        let turn = &mut self.0[place][usize::from(is_ipv4)];
        let first = at(targets, is_ipv4, *turn)?;
        let second = at(targets, !is_ipv4, *turn);
        *turn = turn.wrapping_add(1);
        Some(Alternate { first, second })
    }
}

/// The target of a family whose turn it is.
fn at(targets: &[SocketAddr], is_ipv4: bool, turn: usize) -> Option<SocketAddr> {
    let of_family = || targets.iter().filter(|target| target.is_ipv4() == is_ipv4);
    let count = of_family().count();
    of_family().nth(turn.checked_rem(count)?).copied()
}

impl Server {
    /// Where to send a client that asks for an allocation, if not here.
    pub(super) fn alternate_for(&mut self, tuple: &FiveTuple) -> Option<Alternate> {
        self.turns.next(&self.settings.config.redirect, tuple)
    }
}
