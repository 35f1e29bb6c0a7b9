//! Certificates of a test, and connections that trust them.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, DEFAULT_VERSIONS, RootCertStore, StreamOwned, SupportedProtocolVersion};

use super::server::Launch;

/// The name certificates are made for.
const HOST: &str = "turn.example.org";
/// The longest wait for the server's part of a handshake.
const HANDSHAKE_MAX: Duration = Duration::from_secs(30);

/// A self-signed certificate and its key.
pub(crate) struct Certificate {
    /// The certificate.
    pub(crate) der: CertificateDer<'static>,
    /// The certificate in PEM.
    pub(crate) pem: String,
    /// Its key in PEM.
    pub(crate) key_pem: String,
}

impl Certificate {
    /// A new one.
    pub(crate) fn new() -> Certificate {
        let made = rcgen::generate_simple_self_signed(vec![HOST.to_owned()]).expect("a certificate for a host name");
        let (pem, key_pem) = (made.cert.pem(), made.signing_key.serialize_pem());
        Certificate { der: made.cert.der().clone(), pem, key_pem }
    }

    /// The certificate that a server shows, from a file in PEM; its key is the server's.
    pub(crate) fn read(file: &Path) -> Certificate {
        let pem = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate in PEM");
        Certificate { der, pem, key_pem: String::new() }
    }

    /// Writes it where a server can read it, and says where certificate and key are.
    pub(crate) fn write(&self, launch: &Launch) -> (PathBuf, PathBuf) {
        (launch.write("cert.pem", &self.pem), launch.write("key.pem", &self.key_pem))
    }

    /// The same launch with this certificate.
    pub(crate) fn given_to(&self, launch: Launch) -> Launch {
        let (cert, key) = self.write(&launch);
        launch.and(&[&format!("--cert={}", cert.display()), &format!("--pkey={}", key.display())])
    }
}

/// Connects and shakes hands; fails unless the server shows exactly `certificate`.
pub(crate) fn connect(server: SocketAddr, certificate: &Certificate) -> StreamOwned<ClientConnection, TcpStream> {
    try_connect(server, certificate).expect("the server shows the certificate")
}

/// The same; none when the server shows another certificate.
pub(crate) fn try_connect(
    server: SocketAddr,
    certificate: &Certificate,
) -> Option<StreamOwned<ClientConnection, TcpStream>> {
    let stream = try_connect_to_any(server, &[certificate])?;
    (stream.conn.peer_certificates().and_then(<[_]>::first) == Some(&certificate.der)).then_some(stream)
}

/// Connects and shakes hands; none when the server shows none of `certificates`, or does not shake hands.
pub(crate) fn try_connect_to_any(
    server: SocketAddr,
    certificates: &[&Certificate],
) -> Option<StreamOwned<ClientConnection, TcpStream>> {
    handshake(server, certificates, DEFAULT_VERSIONS)
}

/// The same with the only certificate there can be, by a client that knows these versions of TLS alone.
pub(crate) fn try_connect_by(
    server: SocketAddr,
    certificate: &Certificate,
    versions: &[&'static SupportedProtocolVersion],
) -> Option<StreamOwned<ClientConnection, TcpStream>> {
    handshake(server, &[certificate], versions)
}

fn handshake(
    server: SocketAddr,
    certificates: &[&Certificate],
    versions: &[&'static SupportedProtocolVersion],
) -> Option<StreamOwned<ClientConnection, TcpStream>> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(certificate.der.clone()).expect("a certificate of our own");
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions);
    let config = versions.expect("ring has them").with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from(HOST).expect("a host name");
    let mut connection = ClientConnection::new(Arc::new(config), name).expect("a good configuration");
    let mut stream = TcpStream::connect(server).expect("the server listens for TLS");
    stream.set_read_timeout(Some(HANDSHAKE_MAX)).expect("a timeout");
    stream.set_nodelay(true).expect("a connection");
    while connection.is_handshaking() {
        connection.complete_io(&mut stream).ok()?;
    }
    Some(StreamOwned::new(connection, stream))
}
