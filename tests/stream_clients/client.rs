//! Clients, plain and TLS, and the messages they send.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, RootCertStore, SupportedProtocolVersion};
use socket2::{Domain, Protocol, Socket, Type};

use crate::worker::Worker;

/// Both versions that are served.
pub(crate) const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

/// A STUN message of this type with `len` bytes behind its header.
pub(crate) fn stun(kind: u16, len: usize, fill: u8) -> Vec<u8> {
    let mut message = kind.to_be_bytes().to_vec();
    message.extend(u16::try_from(len).expect("a STUN length").to_be_bytes());
    message.extend([0x21, 0x12, 0xA4, 0x42]);
    message.extend([fill; 12]);
    message.resize(20 + len, fill);
    message
}

/// A Binding request.
pub(crate) fn request(fill: u8) -> Vec<u8> {
    stun(0x0001, 0, fill)
}

/// ChannelData of `len` bytes, padded.
pub(crate) fn channel_data(len: usize, fill: u8) -> Vec<u8> {
    let mut message = vec![0x40, 0x00];
    message.extend(u16::try_from(len).expect("a ChannelData length").to_be_bytes());
    message.resize(4 + len, fill);
    message.resize(4 + len.next_multiple_of(4), 0);
    message
}

/// A client on TCP.
pub(crate) struct Client {
    pub(crate) socket: TcpStream,
    /// What came, and was not looked at.
    pub(crate) received: Vec<u8>,
    /// The server closed or broke the connection.
    pub(crate) ended: bool,
}

impl Client {
    pub(crate) fn connect(worker: &Worker) -> Client {
        Client::connect_from(worker, Ipv4Addr::LOCALHOST.into(), None)
    }

    /// Connects from this loopback address, with a receive buffer of this size.
    pub(crate) fn connect_from(worker: &Worker, ip: IpAddr, receive_len: Option<usize>) -> Client {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).expect("a socket");
        if let Some(len) = receive_len {
            socket.set_recv_buffer_size(len).expect("an option");
        }
        socket.bind(&SocketAddr::new(ip, 0).into()).expect("a loopback address");
        socket.connect(&worker.address(Ipv4Addr::LOCALHOST.into()).into()).expect("a listener");
        socket.set_nonblocking(true).expect("an option");
        socket.set_tcp_nodelay(true).expect("an option");
        Client { socket: socket.into(), received: Vec::new(), ended: false }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.socket.local_addr().expect("a connected socket")
    }

    /// Writes what the kernel takes at once, which is all of it in these tests.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        (&self.socket).write_all(bytes).expect("room in the kernel");
    }

    /// Writes as the worker reads.
    pub(crate) fn send_all(&mut self, worker: &mut Worker, bytes: &[u8]) {
        let mut rest = bytes;
        worker.until(|_| {
            while !rest.is_empty() {
                match (&self.socket).write(rest) {
                    Ok(len) => rest = &rest[len..],
                    Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
                    Err(error) => panic!("{error}"),
                }
            }
            Some(())
        });
    }

    pub(crate) fn shut_down(&self) {
        self.socket.shutdown(Shutdown::Write).expect("a connected socket");
    }

    pub(crate) fn shut_down_if_open(&self) {
        let _ = self.socket.shutdown(Shutdown::Write);
    }

    /// Takes what the kernel has.
    pub(crate) fn receive(&mut self) {
        let mut buffer = [0; 64 * 1024];
        loop {
            match (&self.socket).read(&mut buffer) {
                Ok(0) => return self.ended = true,
                Ok(len) => self.received.extend_from_slice(&buffer[..len]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => return self.ended = true,
            }
        }
    }

    /// Waits for `len` bytes and takes them.
    pub(crate) fn expect(&mut self, worker: &mut Worker, len: usize) -> Vec<u8> {
        worker.until(|_| {
            self.receive();
            (self.received.len() >= len).then_some(())
        });
        self.received.drain(..len).collect()
    }

    pub(crate) fn expect_end(&mut self, worker: &mut Worker) {
        worker.until(|_| {
            self.receive();
            self.ended.then_some(())
        });
    }
}

/// A client on TLS.
pub(crate) struct TlsClient {
    pub(crate) tls: ClientConnection,
    pub(crate) tcp: Client,
    /// Data that came.
    pub(crate) received: Vec<u8>,
    /// The server said good-bye.
    pub(crate) closed: bool,
    /// Why the handshake or the connection failed.
    pub(crate) error: Option<rustls::Error>,
}

impl TlsClient {
    pub(crate) fn connect(worker: &Worker, config: Arc<ClientConfig>) -> TlsClient {
        TlsClient::over(Client::connect(worker), config)
    }

    pub(crate) fn over(tcp: Client, config: Arc<ClientConfig>) -> TlsClient {
        let name = ServerName::try_from("turn.example.org").expect("a name");
        let mut tls = ClientConnection::new(config, name).expect("a client");
        tls.set_buffer_limit(None);
        TlsClient { tls, tcp, received: Vec::new(), closed: false, error: None }
    }

    /// Moves bytes both ways as far as they go.
    pub(crate) fn pump(&mut self) {
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut self.tcp.socket) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => {
                    self.tcp.ended = true;
                    break;
                }
            }
        }
        self.tcp.receive();
        let mut bytes = &std::mem::take(&mut self.tcp.received)[..];
        while !bytes.is_empty() && self.error.is_none() {
            self.tls.read_tls(&mut bytes).expect("memory gives everything");
            match self.tls.process_new_packets() {
                Ok(state) => self.closed |= state.peer_has_closed(),
                Err(error) => self.error = Some(error),
            }
            let _ = self.tls.reader().read_to_end(&mut self.received);
        }
    }

    /// Waits until both sides are done; with TLS 1.3 the client is first.
    pub(crate) fn shake_hands(&mut self, worker: &mut Worker) {
        let before = worker.streams.tally().handshakes;
        worker.until(|worker| {
            self.pump();
            assert_eq!(self.error, None);
            (!self.tls.is_handshaking() && worker.streams.tally().handshakes > before).then_some(())
        });
    }

    /// Sends data in one record, or as many as it needs.
    pub(crate) fn send(&mut self, worker: &mut Worker, bytes: &[u8]) {
        self.tls.writer().write_all(bytes).expect("memory takes everything");
        worker.until(|_| {
            self.pump();
            (!self.tls.wants_write()).then_some(())
        });
    }

    pub(crate) fn expect(&mut self, worker: &mut Worker, len: usize) -> Vec<u8> {
        worker.until(|_| {
            self.pump();
            assert_eq!(self.error, None);
            (self.received.len() >= len).then_some(())
        });
        self.received.drain(..len).collect()
    }

    pub(crate) fn expect_end(&mut self, worker: &mut Worker) {
        worker.until(|_| {
            self.pump();
            self.tcp.ended.then_some(())
        });
    }
}

/// A client that trusts this certificate.
pub(crate) fn trusting(version: &'static SupportedProtocolVersion, root: CertificateDer<'static>) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(root).expect("a root");
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[version])
        .expect("a version")
        .with_root_certificates(roots)
        .with_no_client_auth()
}
