//! A peer: a UDP socket of this machine that the server may relay to.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use crate::probe::Probe;
use crate::target::Target;

/// Far beyond what a busy machine takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// A peer.
pub(crate) struct Peer(UdpSocket);

impl Peer {
    /// A peer on the target's peer address.
    pub(crate) fn new() -> Peer {
        Peer::at(Target::get().peer_ip)
    }

    /// A peer on another address.
    pub(crate) fn at(ip: IpAddr) -> Peer {
        Peer(UdpSocket::bind((ip, 0)).expect("the peer's address is one of this machine"))
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.0.local_addr().expect("a bound socket")
    }

    /// The socket, for options.
    pub(crate) fn socket(&self) -> &UdpSocket {
        &self.0
    }

    pub(crate) fn send(&self, to: SocketAddr, data: &[u8]) {
        self.0.send_to(data, to).expect("the relayed address has a route");
    }

    /// The next datagram and its sender, waited for.
    pub(crate) fn receive(&self) -> (Vec<u8>, SocketAddr) {
        self.try_receive(PATIENCE).expect("the peer received what was sent to it")
    }

    /// Nothing came; `probe` is the client whose server may not have sent it.
    pub(crate) fn receives_nothing(&self, probe: &mut Probe) {
        probe.settle();
        let got = self.try_receive(Target::get().grace());
        assert_eq!(got, None, "nothing may reach this peer");
    }

    fn try_receive(&self, patience: Duration) -> Option<(Vec<u8>, SocketAddr)> {
        let mut datagram = vec![0; 65_536];
        self.0.set_nonblocking(patience.is_zero()).expect("a socket of ours");
        if !patience.is_zero() {
            self.0.set_read_timeout(Some(patience)).expect("a socket of ours");
        }
        let (len, from) = self.0.recv_from(&mut datagram).ok()?;
        datagram.truncate(len);
        Some((datagram, from))
    }
}
