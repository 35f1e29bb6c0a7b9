//! Who is sent to another server (RFC 8489 section 10): each worker names the servers of a client's transport and family in
//! their order, over and over, beginning with the one of its own number.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use turnserver::config::Redirect;

use super::{Model, Who};
use crate::wire;

/// How often each worker sent somebody elsewhere, by transport and family.
pub(super) type Sent = BTreeMap<(usize, u8, bool), usize>;

impl Model {
    /// What a 300 to this client names, if there is one to be sent.
    pub(super) fn alternates(&mut self, who: Who) -> Option<Vec<(u16, Vec<u8>)>> {
        let servers = &self.rules.alternates[usize::from(who.0)];
        let (mine, others): (Vec<SocketAddr>, Vec<SocketAddr>) =
            servers.iter().partition(|server| server.is_ipv4() == who.1.is_ipv4());
        if mine.is_empty() {
            return None;
        }
        let sent = self.sent.entry((self.at_worker, who.0, who.1.is_ipv4())).or_default();
        let turn = self.at_worker + *sent;
        *sent += 1;
        let named = [&mine, &others].into_iter().filter(|servers| !servers.is_empty());
        let named = named.map(|servers| (wire::ALTERNATE_SERVER, wire::plain(servers[turn % servers.len()])));
        Some(named.collect())
    }
}

/// By transport, in the order of [`Who`].
pub(super) fn by_transport(redirect: &Redirect) -> [Vec<SocketAddr>; 3] {
    [redirect.udp.clone(), redirect.tcp.clone(), redirect.tls.clone()]
}
