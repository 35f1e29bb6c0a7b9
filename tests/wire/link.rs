//! The three ways to a server: datagrams, a stream, a stream in TLS. All carry whole messages.

use std::collections::BTreeSet;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::sync::Mutex;
use std::time::Duration;

use rustls::{ClientConnection, StreamOwned};

/// A way to a server.
pub(crate) enum Link {
    /// Datagrams.
    Udp(UdpSocket),
    /// A stream, and what of the next message was read already.
    Tcp(TcpStream, Vec<u8>),
    /// The same in TLS.
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>, Vec<u8>),
}

impl Link {
    /// A socket that only `server` can answer.
    pub(crate) fn udp(server: SocketAddr) -> Link {
        let any = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { IpAddr::from(Ipv6Addr::UNSPECIFIED) };
        Link::udp_from(any, server)
    }

    /// The same from an address of this machine.
    pub(crate) fn udp_from(source: IpAddr, server: SocketAddr) -> Link {
        let socket = bind_unused((source, 0).into());
        socket.connect(server).expect("a route to the server");
        Link::Udp(socket)
    }

    /// A stream to `server`.
    pub(crate) fn tcp(server: SocketAddr) -> Link {
        Link::over(TcpStream::connect(server).expect("the server listens for TCP"))
    }

    /// A connection. What is written leaves at once, or an indication and a request behind it would cost 40 ms.
    pub(crate) fn over(stream: TcpStream) -> Link {
        stream.set_nodelay(true).expect("a connection");
        Link::Tcp(stream, Vec::new())
    }

    /// The client's address.
    pub(crate) fn local(&self) -> SocketAddr {
        match self {
            Link::Udp(socket) => socket.local_addr(),
            Link::Tcp(stream, _) => stream.local_addr(),
            Link::Tls(stream, _) => stream.sock.local_addr(),
        }
        .expect("a bound socket")
    }

    /// Whether messages follow each other in a stream, so that none is ever lost and ChannelData is padded.
    pub(crate) fn is_stream(&self) -> bool {
        !matches!(self, Link::Udp(_))
    }

    /// Sends a message.
    pub(crate) fn send(&mut self, message: &[u8]) -> io::Result<()> {
        match self {
            Link::Udp(socket) => socket.send(message).map(drop),
            Link::Tcp(stream, _) => stream.write_all(message),
            Link::Tls(stream, _) => stream.write_all(message).and_then(|()| stream.flush()),
        }
    }

    /// A datagram that is there already.
    pub(crate) fn take(&mut self) -> io::Result<Option<Vec<u8>>> {
        let Link::Udp(socket) = self else { panic!("datagrams only") };
        socket.set_nonblocking(true)?;
        let mut datagram = vec![0; 65_536];
        let taken = socket.recv(&mut datagram);
        socket.set_nonblocking(false)?;
        match taken {
            Ok(len) => Ok(Some(datagram[..len].to_vec())),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The next message; none when there is none within `timeout`.
    pub(crate) fn receive(&mut self, timeout: Duration) -> io::Result<Option<Vec<u8>>> {
        let read = match self {
            Link::Udp(socket) => {
                socket.set_read_timeout(Some(timeout))?;
                let mut datagram = vec![0; 65_536];
                uninterrupted(|| socket.recv(&mut datagram)).map(|len| Some(datagram[..len].to_vec()))
            }
            Link::Tcp(stream, buffer) => {
                stream.set_read_timeout(Some(timeout))?;
                read_message(stream, buffer).map(Some)
            }
            Link::Tls(stream, buffer) => {
                stream.sock.set_read_timeout(Some(timeout))?;
                read_message(stream, buffer).map(Some)
            }
        };
        match read {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Ok(None),
            other => other,
        }
    }
}

/// A socket on a port that no client of this process had before: a server still holds what an earlier one left.
fn bind_unused(any: SocketAddr) -> UdpSocket {
    static USED: Mutex<BTreeSet<SocketAddr>> = Mutex::new(BTreeSet::new());
    for _ in 0..1000 {
        let socket = UdpSocket::bind(any).expect("a free port");
        let local = socket.local_addr().expect("a bound socket");
        if USED.lock().expect("nobody panics with it").insert(local) {
            return socket;
        }
    }
    panic!("no port of {any} is left that was not used before");
}

/// Reads again when the process was stopped and went on.
fn uninterrupted(mut read: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match read() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

/// Reads until a whole message is there; what was read before a timeout is kept for the next call.
fn read_message(stream: &mut impl Read, buffer: &mut Vec<u8>) -> io::Result<Vec<u8>> {
    loop {
        if let Some(len) = message_len(buffer).filter(|len| *len <= buffer.len()) {
            return Ok(buffer.drain(..len).collect());
        }
        let mut bytes = [0; 4096];
        match uninterrupted(|| stream.read(&mut bytes))? {
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            len => buffer.extend(&bytes[..len]),
        }
    }
}

/// The length of the message that `bytes` begin with (RFC 8656 section 12.5: ChannelData is padded on streams).
fn message_len(bytes: &[u8]) -> Option<usize> {
    let &[first, _, high, low, ..] = bytes else { return None };
    let body = usize::from(u16::from_be_bytes([high, low]));
    Some(if first < 0x40 { 20 + body } else { 4 + body.next_multiple_of(4) })
}
