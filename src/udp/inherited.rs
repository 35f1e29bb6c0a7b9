//! Sockets that were open before the server was, and which worker gets which.
//!
//! Several on one address are dealt out in turn: each must be read by somebody, as the kernel deals 5-tuples out over all of
//! them, also while nobody reads. Where there are fewer than workers, others are opened beside them if the system lets us; it
//! does so only if they share their port and belong to the same user.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};

use tracing::{info, warn};

use super::connections::Acceptor;
use super::listen::{ListenPorts, StartError};
use super::socket::{self, Listener};

/// Bound sockets from whoever started the process.
#[derive(Debug, Default)]
pub struct Inherited {
    /// UDP sockets.
    pub udp: Vec<UdpSocket>,
    /// TCP listeners.
    pub tcp: Vec<TcpListener>,
}

/// The same by address.
#[derive(Debug, Default)]
pub(super) struct ByAddress {
    udp: BTreeMap<SocketAddr, Vec<UdpSocket>>,
    tcp: BTreeMap<SocketAddr, Vec<TcpListener>>,
}

impl ByAddress {
    pub(super) fn new(inherited: Inherited) -> io::Result<ByAddress> {
        let mut it = ByAddress::default();
        for socket in inherited.udp {
            it.udp.entry(socket.local_addr()?).or_default().push(socket);
        }
        for socket in inherited.tcp {
            it.tcp.entry(socket.local_addr()?).or_default().push(socket);
        }
        Ok(it)
    }

    pub(super) fn has_udp(&self, address: SocketAddr) -> bool {
        self.udp.contains_key(&address)
    }

    pub(super) fn has_tcp(&self, address: SocketAddr) -> bool {
        self.tcp.contains_key(&address)
    }

    /// Closes what we would not open ourselves. Before anything is bound: it may hold an address that we need.
    pub(super) fn close_others(&mut self, udp: &[SocketAddr], tcp: &[SocketAddr]) {
        let warn = |transport: &str, address: &SocketAddr| match address.ip().is_unspecified() {
            true => {
                warn!(%address, transport, "an inherited socket on every address is of no use; name the addresses in the socket unit")
            }
            false => {
                warn!(%address, transport, "an inherited socket is no listener of this configuration; it is closed")
            }
        };
        self.udp.keys().filter(|address| !udp.contains(address)).for_each(|address| warn("udp", address));
        self.tcp.keys().filter(|address| !tcp.contains(address)).for_each(|address| warn("tcp", address));
        self.udp.retain(|address, _| udp.contains(address));
        self.tcp.retain(|address, _| tcp.contains(address));
    }
}

/// The listeners of one worker.
#[derive(Default)]
pub(super) struct Sockets {
    pub(super) listeners: Vec<Listener>,
    pub(super) acceptors: Vec<Acceptor>,
}

/// Opens the listeners of all workers.
pub(super) fn open(ports: &ListenPorts, mut inherited: ByAddress, workers: u8) -> Result<Vec<Sockets>, StartError> {
    let mut all: Vec<Sockets> = (0..workers).map(|_| Sockets::default()).collect();
    for address in &ports.udp {
        let given = inherited.udp.remove(address).unwrap_or_default();
        let given = take_over(*address, given, socket::adopt_udp)?;
        for (worker, listener) in deal(*address, given, workers, || socket::listen_udp(*address))? {
            all[worker].listeners.push(listener);
        }
    }
    for address in &ports.tcp {
        let given = inherited.tcp.remove(address).unwrap_or_default();
        let given = take_over(*address, given, socket::adopt_tcp)?;
        for (worker, listener) in deal(*address, given, workers, || socket::listen_tcp(*address))? {
            all[worker].acceptors.push(Acceptor::new(listener, *address));
        }
    }
    Ok(all)
}

fn take_over<Given, T>(
    address: SocketAddr,
    given: Vec<Given>,
    adopt: impl Fn(Given, SocketAddr) -> io::Result<T>,
) -> Result<Vec<T>, StartError> {
    if !given.is_empty() {
        info!(%address, count = given.len(), "listening on inherited sockets");
    }
    let adopted = given.into_iter().map(|socket| adopt(socket, address));
    adopted.collect::<io::Result<_>>().map_err(|source| StartError::Listen { address, source })
}

/// The sockets of one address, each with its worker.
fn deal<T>(
    address: SocketAddr,
    given: Vec<T>,
    workers: u8,
    open: impl Fn() -> io::Result<T>,
) -> Result<Vec<(usize, T)>, StartError> {
    let workers = usize::from(workers);
    let is_inherited = !given.is_empty();
    let mut dealt: Vec<(usize, T)> = given.into_iter().enumerate().map(|(nth, it)| (nth % workers, it)).collect();
    for worker in dealt.len()..workers {
        match open() {
            Ok(socket) => dealt.push((worker, socket)),
            Err(error) if is_inherited && is_refused_beside(&error) => {
                warn!(
                    %address, sockets = worker, workers,
                    "fewer inherited sockets than workers, so the others do not serve this address; with ReusePort=yes, \
                     name the address in the socket unit once per worker"
                );
                break;
            }
            Err(source) => return Err(StartError::Listen { address, source }),
        }
    }
    Ok(dealt)
}

/// The inherited one does not share its port, or belongs to another user; or the port is not ours to bind.
fn is_refused_beside(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workers_of(given: usize, workers: u8, opened: Result<(), io::ErrorKind>) -> Option<Vec<usize>> {
        let open = || opened.map_err(io::Error::from);
        let dealt = deal(([127, 0, 0, 1], 3478).into(), vec![(); given], workers, open).ok()?;
        Some(dealt.into_iter().map(|(worker, ())| worker).collect())
    }

    #[test]
    fn every_inherited_socket_has_a_reader() {
        assert_eq!(workers_of(5, 2, Ok(())), Some(vec![0, 1, 0, 1, 0]));
        assert_eq!(workers_of(2, 2, Ok(())), Some(vec![0, 1]));
    }

    #[test]
    fn where_there_are_too_few_others_stand_beside_them_if_they_may() {
        assert_eq!(workers_of(1, 3, Ok(())), Some(vec![0, 1, 2]));
        for refusal in [io::ErrorKind::AddrInUse, io::ErrorKind::PermissionDenied] {
            assert_eq!(workers_of(1, 3, Err(refusal)), Some(vec![0]));
            assert_eq!(workers_of(0, 3, Err(refusal)), None, "nothing was inherited: the server cannot serve");
        }
        assert_eq!(workers_of(1, 3, Err(io::ErrorKind::OutOfMemory)), None);
    }
}
