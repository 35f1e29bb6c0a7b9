//! Opening sockets with the options the engine counts on.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::sys;

/// Receive and send buffer a UDP listener asks for: the default holds some 160 small datagrams.
pub(super) const LISTENER_BUFFER_LEN: usize = 4 * 1024 * 1024;
/// What a relay socket asks for: one client's traffic.
const RELAY_BUFFER_LEN: usize = 512 * 1024;
const TCP_BACKLOG: i32 = 1024;

/// Whether another program has the port: our own listeners share theirs among workers, and would share it with a second
/// instance as well.
pub(super) fn is_taken(address: SocketAddr, kind: Type) -> io::Result<bool> {
    let socket = Socket::new(Domain::for_address(address), kind, None)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    if kind == Type::STREAM {
        // A port in TIME-WAIT is free; one that is listened on is not.
        socket.set_reuse_address(true)?;
    }
    match socket.bind(&SockAddr::from(address)) {
        Ok(()) => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Ok(true),
        Err(error) => Err(error),
    }
}

/// A UDP listener and the address clients reach it by.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) socket: Arc<UdpSocket>,
    pub(super) address: SocketAddr,
}

/// A UDP listener; every worker has one on the same address, and the kernel keeps a 5-tuple with one of them.
pub(super) fn listen_udp(address: SocketAddr) -> io::Result<Listener> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_port(true)?;
    prepare(&socket, address)?;
    set_listener_buffers(&socket)?;
    socket.bind(&SockAddr::from(address))?;
    Ok(Listener { socket: Arc::new(socket.into()), address })
}

/// A UDP socket that is bound already, as a listener.
pub(super) fn adopt_udp(socket: UdpSocket, address: SocketAddr) -> io::Result<Listener> {
    let socket = Socket::from(socket);
    socket.set_nonblocking(true)?;
    set_dont_fragment(&socket, address)?;
    set_listener_buffers(&socket)?;
    Ok(Listener { socket: Arc::new(socket.into()), address })
}

/// A TCP socket that is bound already, listening or not yet.
pub(super) fn adopt_tcp(socket: TcpListener, _: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::from(socket);
    socket.set_nonblocking(true)?;
    socket.listen(TCP_BACKLOG)?;
    Ok(socket.into())
}

/// A TCP listener; shared like the UDP ones.
pub(super) fn listen_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&SockAddr::from(address))?;
    socket.listen(TCP_BACKLOG)?;
    Ok(socket.into())
}

/// A relay socket, bound to exactly the port that was chosen.
pub(super) fn open_relay(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    prepare(&socket, address)?;
    socket.set_recv_buffer_size(RELAY_BUFFER_LEN)?;
    socket.set_send_buffer_size(RELAY_BUFFER_LEN)?;
    socket.bind(&SockAddr::from(address))?;
    Ok(socket.into())
}

fn set_listener_buffers(socket: &Socket) -> io::Result<()> {
    if sys::force_receive_buffer(socket, LISTENER_BUFFER_LEN).is_err() {
        socket.set_recv_buffer_size(LISTENER_BUFFER_LEN)?;
    }
    socket.set_send_buffer_size(LISTENER_BUFFER_LEN)
}

/// Before it is bound.
fn prepare(socket: &Socket, address: SocketAddr) -> io::Result<()> {
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    set_dont_fragment(socket, address)
}

/// Datagrams may be fragmented on their way, unless a client asks otherwise (RFC 8656 section 14): the system's default
/// would set DF on all of them.
fn set_dont_fragment(socket: &Socket, address: SocketAddr) -> io::Result<()> {
    if address.is_ipv6() { sys::set_dont_fragment_v6(socket, false) } else { sys::set_dont_fragment(socket, false) }
}
