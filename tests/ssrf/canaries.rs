//! Sockets that only a forged request can reach, and count whatever does.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, UdpSocket};

use crate::netns::Host;

/// The port of every canary, and of every peer.
pub(crate) const PORT: u16 = 7777;

/// A UDP socket and a TCP listener on each of some addresses of a host.
pub(crate) struct Canaries {
    heard: usize,
    datagrams: Vec<UdpSocket>,
    streams: Vec<TcpListener>,
}

impl Canaries {
    /// Canaries on these addresses of `host`, on their port.
    pub(crate) fn on(host: &Host, addresses: &[SocketAddr]) -> Canaries {
        host.call(|| {
            let datagrams = addresses.iter().map(|at| {
                let socket = UdpSocket::bind(at).unwrap_or_else(|error| panic!("{at}: {error}"));
                socket.set_nonblocking(true).expect("a socket");
                socket
            });
            let streams = addresses.iter().map(|at| {
                let socket = TcpListener::bind(at).unwrap_or_else(|error| panic!("{at}: {error}"));
                socket.set_nonblocking(true).expect("a socket");
                socket
            });
            Canaries { heard: 0, datagrams: datagrams.collect(), streams: streams.collect() }
        })
    }

    /// Datagrams and connections so far.
    pub(crate) fn heard(&mut self) -> usize {
        let mut bytes = [0; 2048];
        for socket in &self.datagrams {
            loop {
                match socket.recv(&mut bytes) {
                    Ok(_) => self.heard += 1,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => panic!("a canary cannot hear: {error}"),
                }
            }
        }
        for socket in &self.streams {
            while socket.accept().is_ok() {
                self.heard += 1;
            }
        }
        self.heard
    }
}
