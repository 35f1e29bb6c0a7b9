//! A host that clients reach through their relays.

use std::net::SocketAddr;

use super::engine::Packet;
use super::net::World;

/// A UDP socket of a peer.
#[derive(Clone)]
pub(crate) struct TestPeer {
    world: World,
    addr: SocketAddr,
}

impl TestPeer {
    pub(super) fn new(world: World, addr: SocketAddr) -> TestPeer {
        TestPeer { world, addr }
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Sends a datagram to a relayed address; false when nothing listens there.
    pub(crate) fn send_to(&self, relayed: SocketAddr, data: &[u8]) -> bool {
        self.world.inner().receive_from_peer(self.addr, relayed, data)
    }

    /// Everything that arrived since the last call.
    pub(crate) fn packets(&self) -> Vec<Packet> {
        self.world.inner().take_peer_mail(self.addr)
    }

    /// The payloads of everything that arrived since the last call.
    pub(crate) fn received(&self) -> Vec<Vec<u8>> {
        self.packets().into_iter().map(|packet| packet.data).collect()
    }
}
