//! One socket to the server, which sends and receives whole messages whatever lies below.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use super::framing::Frames;
use super::uri::Protocol;
use crate::clock;
use crate::turn::time::Mono;

/// The largest datagram, and more than a TLS record.
const RECEIVE_LEN_MAX: usize = 65_536;

/// What a TLS connection needs to know of the other side.
#[derive(Clone)]
pub(super) struct Tls {
    pub(super) config: Arc<ClientConfig>,
    pub(super) name: ServerName<'static>,
}

/// A connected socket.
pub(super) struct Transport {
    link: Link,
    buf: Vec<u8>,
}

enum Link {
    Udp(UdpSocket),
    Tcp(TcpStream, Frames),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>, Frames),
}

impl Transport {
    /// Connects within `timeout`; with TLS, until the handshake is done.
    ///
    /// # Errors
    /// Those of the sockets. A failed handshake holds rustls' error inside.
    pub(super) fn open(
        protocol: Protocol,
        server: SocketAddr,
        tls: Option<Tls>,
        timeout: Duration,
    ) -> io::Result<Transport> {
        let link = match (protocol, tls) {
            (Protocol::Udp, _) => Link::Udp(open_udp(server)?),
            (Protocol::Tcp, _) => Link::Tcp(open_tcp(server, timeout)?, Frames::default()),
            (Protocol::Tls, Some(tls)) => Link::Tls(Box::new(open_tls(server, tls, timeout)?), Frames::default()),
            (Protocol::Tls, None) => return Err(io::Error::other("TLS without its configuration")),
        };
        Ok(Transport { link, buf: vec![0; RECEIVE_LEN_MAX] })
    }

    pub(super) fn is_reliable(&self) -> bool {
        !matches!(self.link, Link::Udp(_))
    }

    pub(super) fn local_addr(&self) -> io::Result<SocketAddr> {
        match &self.link {
            Link::Udp(socket) => socket.local_addr(),
            Link::Tcp(stream, _) => stream.local_addr(),
            Link::Tls(stream, _) => stream.sock.local_addr(),
        }
    }

    pub(super) fn send(&mut self, message: &[u8]) -> io::Result<()> {
        match &mut self.link {
            Link::Udp(socket) => socket.send(message).map(|_| ()),
            Link::Tcp(stream, _) => stream.write_all(message),
            Link::Tls(stream, _) => stream.write_all(message).and_then(|()| stream.flush()),
        }
    }

    /// The next message; none when `until` has passed without one.
    ///
    /// # Errors
    /// The connection is closed or broken, or nothing listens on the server's UDP port.
    pub(super) fn receive(&mut self, until: Mono) -> io::Result<Option<Vec<u8>>> {
        loop {
            if let Link::Tcp(_, frames) | Link::Tls(_, frames) = &mut self.link {
                let frame = frames.take().map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
                if frame.is_some() {
                    return Ok(frame);
                }
            }
            let left = until.since(clock::now().mono);
            if left.is_zero() {
                return Ok(None);
            }
            match self.read(left) {
                Ok(0) if self.is_reliable() => {
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the connection"));
                }
                Ok(len) => match &mut self.link {
                    Link::Udp(_) => return Ok(Some(self.buf[..len].to_vec())),
                    Link::Tcp(_, frames) | Link::Tls(_, frames) => frames.push(&self.buf[..len]),
                },
                Err(error) if is_timeout(&error) || error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn read(&mut self, timeout: Duration) -> io::Result<usize> {
        match &mut self.link {
            Link::Udp(socket) => {
                socket.set_read_timeout(Some(timeout))?;
                socket.recv(&mut self.buf)
            }
            Link::Tcp(stream, _) => {
                stream.set_read_timeout(Some(timeout))?;
                stream.read(&mut self.buf)
            }
            Link::Tls(stream, _) => {
                stream.sock.set_read_timeout(Some(timeout))?;
                stream.read(&mut self.buf)
            }
        }
    }
}

/// Tells a TLS server that the end is meant; the sockets close by themselves.
impl Drop for Transport {
    fn drop(&mut self) {
        if let Link::Tls(stream, _) = &mut self.link {
            stream.conn.send_close_notify();
            let _ = stream.flush();
        }
    }
}

fn open_udp(server: SocketAddr) -> io::Result<UdpSocket> {
    let any: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect(server)?;
    Ok(socket)
}

fn open_tcp(server: SocketAddr, timeout: Duration) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&server, timeout)?;
    stream.set_nodelay(true)?;
    stream.set_write_timeout(Some(timeout))?;
    Ok(stream)
}

fn open_tls(server: SocketAddr, tls: Tls, timeout: Duration) -> io::Result<StreamOwned<ClientConnection, TcpStream>> {
    let mut stream = open_tcp(server, timeout)?;
    stream.set_read_timeout(Some(timeout))?;
    let mut connection = ClientConnection::new(tls.config, tls.name).map_err(io::Error::other)?;
    while connection.is_handshaking() {
        connection.complete_io(&mut stream)?;
    }
    Ok(StreamOwned::new(connection, stream))
}

/// What a read with a timeout returns depends on the system.
pub(super) fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}
