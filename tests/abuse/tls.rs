//! T27, T28: what TLS is offered, and with which key.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::Signal;
use rustls::client::ResolvesClientCert;
use rustls::pki_types::ServerName;
use rustls::sign::CertifiedKey;
use rustls::{CipherSuite, ClientConfig, ClientConnection, RootCertStore, SignatureScheme, StreamOwned};

use crate::wire::tls::{self as wire_tls, Certificate};
use crate::wire::{Client, Server, poll_until};
use crate::{ALICE, alice, launch};

/// ECDHE with AES-GCM, for a certificate with an elliptic curve.
const GOOD: u16 = 0xC02B;

/// A ClientHello of TLS 1.2 or below.
fn hello(version: u16, suites: &[u16], compressions: &[u8]) -> Vec<u8> {
    let mut body = version.to_be_bytes().to_vec();
    body.extend([7; 32]);
    body.push(0);
    body.extend((2 * suites.len() as u16).to_be_bytes());
    suites.iter().for_each(|suite| body.extend(suite.to_be_bytes()));
    body.push(compressions.len() as u8);
    body.extend(compressions);
    // supported_groups, ec_point_formats, signature_algorithms.
    let extensions: [&[u8]; 3] =
        [&[0, 10, 0, 6, 0, 4, 0, 29, 0, 23], &[0, 11, 0, 2, 1, 0], &[0, 13, 0, 6, 0, 4, 4, 3, 8, 4]];
    let extensions = extensions.concat();
    body.extend((extensions.len() as u16).to_be_bytes());
    body.extend(extensions);
    let handshake = [&[1, 0][..], &(body.len() as u16).to_be_bytes(), &body].concat();
    [&[22][..], &version.min(0x0301).to_be_bytes(), &(handshake.len() as u16).to_be_bytes(), &handshake].concat()
}

/// What the server says to it, until it waits or closes.
fn answer(server: SocketAddr, hello: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(server).expect("the server listens");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    stream.write_all(hello).expect("room");
    let mut bytes = vec![0; 1024];
    // A connection that is reset says nothing as well.
    let len = stream.read(&mut bytes).unwrap_or(0);
    bytes.truncate(len);
    bytes
}

/// A fatal alert, or nothing: never a ServerHello.
fn is_refused(answer: &[u8]) -> bool {
    answer.is_empty() || (answer[0] == 21 && answer[5] == 2)
}

fn serving(certificate: &Certificate) -> Server {
    certificate.given_to(launch(&[])).start()
}

/// Renegotiation is not to be had: the library has none.
#[test]
fn t27_old_versions_and_weak_suites_are_refused() {
    let certificate = Certificate::new();
    let server = serving(&certificate);
    for version in [0x0300, 0x0301, 0x0302] {
        assert!(is_refused(&answer(server.tls_addr, &hello(version, &[GOOD, 0xC009, 0x002F], &[0]))), "{version:#x}");
    }
    // SSL 2 has another record.
    assert_eq!(answer(server.tls_addr, &[0x80, 0x2E, 0x01, 0x00, 0x02, 0x00, 0x15, 0x00, 0x00, 0x00, 0x10]), b"");
    let weak = [
        (0x002F, "RSA key exchange"),
        (0x009C, "RSA key exchange with AES-GCM"),
        (0xC009, "CBC"),
        (0xC023, "CBC with SHA-256"),
        (0x009E, "finite fields"),
        (0xC007, "RC4"),
        (0xC006, "no cipher"),
        (0x000A, "3DES"),
    ];
    for (suite, what) in weak {
        assert!(is_refused(&answer(server.tls_addr, &hello(0x0303, &[suite], &[0]))), "{what}");
    }
    // Offered compression is declined: the byte behind the suite of the ServerHello.
    let said = answer(server.tls_addr, &hello(0x0303, &[GOOD], &[1, 0]));
    assert_eq!((said[0], said[5]), (22, 2), "a ServerHello");
    let behind = 5 + 4 + 2 + 32;
    let session = usize::from(said[behind]);
    assert_eq!(said[behind + 1 + session..][..3], [0xC0, 0x2B, 0], "the good suite, no compression");
}

/// Notices whether it is asked for a certificate.
#[derive(Debug, Default)]
struct Asked(AtomicBool);

impl ResolvesClientCert for Asked {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.store(true, Ordering::Relaxed);
        None
    }

    fn has_certs(&self) -> bool {
        true
    }
}

fn config(certificate: &Certificate, asked: &Arc<Asked>, names: &[&str]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.der.clone()).expect("a certificate of our own");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let asked: Arc<dyn ResolvesClientCert> = asked.clone();
    let mut config = builder.expect("ring has them").with_root_certificates(roots).with_client_cert_resolver(asked);
    config.alpn_protocols = names.iter().map(|name| name.as_bytes().to_vec()).collect();
    config.enable_early_data = true;
    Arc::new(config)
}

/// Shakes hands and reads once, so that tickets came as well.
fn connect(server: SocketAddr, config: &Arc<ClientConfig>) -> ClientConnection {
    let name = ServerName::try_from("turn.example.org").expect("a host name");
    let connection = ClientConnection::new(Arc::clone(config), name).expect("a good configuration");
    let socket = TcpStream::connect(server).expect("the server listens");
    socket.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    let mut stream = StreamOwned::new(connection, socket);
    assert!(stream.conn.early_data().is_none(), "no ticket carries early data");
    stream.write_all(&[&[0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42][..], &[7; 12]].concat()).expect("a handshake");
    let mut answer = [0; 32];
    stream.read_exact(&mut answer).expect("a Binding answer");
    assert_eq!(answer[..2], [1, 1]);
    stream.conn
}

#[test]
fn t27_handshakes_ask_for_nothing_and_give_no_early_data() {
    let certificate = Certificate::new();
    let server = serving(&certificate);
    let asked = Arc::new(Asked::default());
    for name in ["stun.turn", "stun.nat-discovery"] {
        let connection = connect(server.tls_addr, &config(&certificate, &asked, &[name]));
        assert_eq!(connection.alpn_protocol(), Some(name.as_bytes()));
    }
    let resumable = config(&certificate, &asked, &[]);
    let first = connect(server.tls_addr, &resumable);
    assert_eq!(first.alpn_protocol(), None, "without a name it goes as well");
    let suite = first.negotiated_cipher_suite().expect("a handshake").suite();
    let aead = [
        CipherSuite::TLS13_AES_256_GCM_SHA384,
        CipherSuite::TLS13_AES_128_GCM_SHA256,
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256,
    ];
    assert!(aead.contains(&suite), "{suite:?}");
    let second = connect(server.tls_addr, &resumable);
    assert_eq!(second.handshake_kind(), Some(rustls::HandshakeKind::Resumed), "there was a ticket");
    assert!(!asked.0.load(Ordering::Relaxed), "nobody is asked for a certificate");
}

/// Beyond: a metric of when the certificate ends.
#[test]
fn t28_a_renewal_that_fails_changes_nothing() {
    let (old, other) = (Certificate::new(), Certificate::new());
    let server = serving(&old);
    let (cert, key) = (server.dir().join("cert.pem"), server.dir().join("key.pem"));
    let mut client = Client::tls(server.tls_addr, &old).with_user(ALICE.0, ALICE.1);
    client.relayed();
    let broken = [
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", old.key_pem.as_str(), "no certificate"),
        ("", old.key_pem.as_str(), "an empty file"),
        (&old.pem, other.key_pem.as_str(), "the key of another one"),
        (&old.pem, "", "no key"),
    ];
    for (before, (certificate_text, key_text, what)) in broken.into_iter().enumerate() {
        fs::write(&cert, certificate_text).expect("our own directory");
        fs::write(&key, key_text).expect("our own directory");
        server.signal(Signal::USR2);
        let count = || server.log.count(&["WARN", "the certificates stay as they are"]);
        poll_until("the failure is told", || (count() == before + 1).then_some(()));
        assert!(wire_tls::try_connect(server.tls_addr, &old).is_some(), "{what}: the old one is shown");
    }
    fs::write(&cert, &other.pem).expect("our own directory");
    fs::write(&key, &other.key_pem).expect("our own directory");
    server.signal(Signal::USR2);
    poll_until("the new one is shown", || wire_tls::try_connect(server.tls_addr, &other));
    assert_eq!(client.refresh(600).code(), 0, "whoever was there stays");
}

#[test]
fn t28_a_key_that_others_can_read_is_told() {
    let certificate = Certificate::new();
    for (mode, told) in [(0o644, 1), (0o600, 0)] {
        let launch = certificate.given_to(launch(&[]));
        let key = launch.dir().join("key.pem");
        fs::set_permissions(&key, fs::Permissions::from_mode(mode)).expect("our own file");
        let server = launch.start();
        assert_eq!(server.log.count(&["WARN", "key.pem", "can be read by"]), told, "{mode:o}:\n{}", server.log.text());
        assert_eq!(alice(&server).allocate().code(), 0);
    }
}
