//! What many rows begin with: a client that holds an allocation and a peer that it permits.

use std::net::SocketAddr;

use turnserver::stun::AttributeType;

use crate::draft::Draft;
use crate::peer::Peer;
use crate::probe::Probe;
use crate::wire::{Launch, Server};

/// A client with an allocation, a peer it permits, and where that peer reaches it.
pub(crate) struct Scene {
    pub(crate) probe: Probe,
    pub(crate) peer: Peer,
    pub(crate) relayed: SocketAddr,
}

impl Scene {
    /// Over UDP.
    pub(crate) fn new() -> Scene {
        Scene::over(Probe::udp())
    }

    /// The same for any client.
    pub(crate) fn over(mut probe: Probe) -> Scene {
        let relayed = probe.allocate();
        Scene::of(probe, relayed, Peer::new())
    }

    /// The same with a relayed address of IPv6 and a peer of its family.
    pub(crate) fn over_v6(mut probe: Probe) -> Scene {
        let reply = probe.ask(&Draft::allocate().with(AttributeType::REQUESTED_ADDRESS_FAMILY, &[2, 0, 0, 0]));
        assert_eq!(reply.code(), 0, "a relayed address of IPv6");
        Scene::of(probe, reply.relayed(), peer_v6())
    }

    fn of(mut probe: Probe, relayed: SocketAddr, peer: Peer) -> Scene {
        assert_eq!(probe.permit(peer.addr()), 0, "the peer is one that the server may relay to");
        Scene { probe, peer, relayed }
    }

    /// The same with channel 0x4000 bound to the peer.
    pub(crate) fn with_channel(mut self) -> Scene {
        assert_eq!(self.probe.bind(0x4000, self.peer.addr()), 0);
        self
    }

    /// Sends data in a Send indication.
    pub(crate) fn send(&mut self, data: &[u8]) {
        let peer = self.peer.addr();
        self.probe.tell(&Draft::send(peer, data));
    }

    /// Data of the peer goes to the relayed address.
    pub(crate) fn peer_sends(&self, data: &[u8]) {
        self.peer.send(self.relayed, data);
    }

    /// The next thing that reaches the peer is this, and it comes from the relayed address.
    pub(crate) fn peer_gets(&self, data: &[u8]) {
        assert_eq!(self.peer.receive(), (data.to_vec(), self.relayed));
    }

    /// Nothing reached the peer, and nothing came back to the client.
    pub(crate) fn nothing_moves(&mut self) {
        self.peer.receives_nothing(&mut self.probe);
        self.probe.receives_nothing();
    }
}

/// A peer on loopback of IPv6.
pub(crate) fn peer_v6() -> Peer {
    Peer::at(std::net::Ipv6Addr::LOCALHOST.into())
}

/// Whether bytes are a Data indication, by the type's number.
pub(crate) fn is_data_indication(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x00, 0x17])
}

/// Our server with these lines in its file, beside a realm and the users that every client of the suite may be.
pub(crate) fn launch(profile: &str, lines: &str) -> Launch {
    Launch::new(&[]).with_file(&format!(
        "profile = {profile:?}\nrealm = \"example.org\"\nuser = [\"alice:wonderland-7\", \"bob:the-builder-9\"]\n{lines}\n"
    ))
}

/// A client of such a server.
pub(crate) fn client_of(server: &Server) -> Probe {
    Probe::udp_to(server.addr)
}
