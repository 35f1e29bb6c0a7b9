//! Sessions against a rustls client in memory: any cuts, any damage.

use std::io::{Read, Write};

use proptest::collection::vec;
use proptest::prelude::*;
use rustls::crypto::ring;
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, RootCertStore, SupportedProtocolVersion};

use super::*;

/// Both ends of one connection, with what is on its way between them.
struct Pair {
    client: ClientConnection,
    server: Session,
    received: Vec<u8>,
    out: Vec<u8>,
    plain: Vec<u8>,
}

impl Pair {
    fn new(version: &'static SupportedProtocolVersion) -> Pair {
        let certified = rcgen::generate_simple_self_signed(["turn.example.org".to_owned()]).expect("a certificate");
        let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).expect("a key");
        let provider = Arc::new(ring::default_provider());
        let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[version])
            .and_then(|config| config.with_no_client_auth().with_single_cert(vec![certified.cert.der().clone()], key))
            .expect("a configuration");
        let mut roots = RootCertStore::empty();
        roots.add(certified.cert.der().clone()).expect("a root");
        let client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .expect("a version")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("turn.example.org").expect("a name");
        let mut client = ClientConnection::new(Arc::new(client), name).expect("a client");
        client.set_buffer_limit(None);
        Pair {
            client,
            server: Session::new(Arc::new(server)).expect("a session"),
            received: Vec::new(),
            out: Vec::new(),
            plain: Vec::new(),
        }
    }

    fn client_writes(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        while self.client.wants_write() {
            self.client.write_tls(&mut bytes).expect("memory takes everything");
        }
        bytes
    }

    /// Gives bytes to the server as its owner does: the handshake first, then data.
    fn server_reads(&mut self, bytes: &[u8]) -> Result<Progress, SessionError> {
        self.received.extend_from_slice(bytes);
        if self.server.tls.is_handshaking() {
            let progress = self.server.handshake(&mut self.received, &mut self.out)?;
            if progress != Progress::Established {
                return Ok(progress);
            }
        }
        let plain = &mut self.plain;
        self.server.open(&mut self.received, &mut self.out, &mut |data| plain.extend_from_slice(data))
    }

    fn client_reads(&mut self) -> Vec<u8> {
        let mut bytes = &std::mem::take(&mut self.out)[..];
        let mut plain = Vec::new();
        while !bytes.is_empty() {
            self.client.read_tls(&mut bytes).expect("memory gives everything");
            self.client.process_new_packets().expect("the server keeps to the protocol");
            let _ = self.client.reader().read_to_end(&mut plain);
        }
        plain
    }

    fn shake_hands(&mut self) {
        for _ in 0..4 {
            let bytes = self.client_writes();
            self.server_reads(&bytes).expect("the client keeps to the protocol");
            self.client_reads();
        }
        assert!(!self.client.is_handshaking() && !self.server.tls.is_handshaking());
    }
}

fn versions() -> impl Strategy<Value = &'static SupportedProtocolVersion> {
    prop::sample::select(vec![&TLS12, &TLS13])
}

/// Sizes of pieces, used again and again.
fn sizes() -> impl Strategy<Value = Vec<usize>> {
    vec(prop_oneof![1..20usize, 1..3000usize, 1..40_000usize], 1..8)
}

#[test]
fn a_handshake_leaves_the_data_behind_it() {
    for version in [&TLS12, &TLS13] {
        let mut pair = Pair::new(version);
        while pair.client.is_handshaking() {
            let bytes = pair.client_writes();
            pair.server_reads(&bytes).expect("the client keeps to the protocol");
            pair.client_reads();
        }
        pair.client.writer().write_all(b"first").expect("memory takes everything");
        let bytes = pair.client_writes();
        pair.received.extend_from_slice(&bytes);
        let progress = pair.server.handshake(&mut pair.received, &mut pair.out).expect("a handshake");
        assert_eq!((progress, pair.plain.len()), (Progress::Established, 0));
        pair.server_reads(b"").expect("data");
        assert_eq!(pair.plain, b"first");
    }
}

#[test]
fn a_fault_is_answered_by_an_alert() {
    let mut pair = Pair::new(&TLS13);
    pair.server_reads(&[0x16, 3, 1, 0, 4, 9, 0, 0, 0]).expect_err("no ClientHello");
    assert_eq!((pair.out[0], pair.out.len()), (0x15, 7), "{:02x?}", pair.out);
}

#[test]
fn a_close_is_told_both_ways() {
    for version in [&TLS12, &TLS13] {
        let mut pair = Pair::new(version);
        pair.shake_hands();
        pair.client.send_close_notify();
        let bytes = pair.client_writes();
        assert_eq!(pair.server_reads(&bytes).expect("a close"), Progress::PeerClosed);
        pair.server.seal(&mut pair.received, b"an answer", &mut pair.out).expect("our side is open");
        pair.server.close(&mut pair.received, &mut pair.out).expect("our side is open");
        let mut bytes = &pair.out[..];
        while pair.client.read_tls(&mut bytes).expect("memory gives everything") > 0 {}
        let state = pair.client.process_new_packets().expect("the server keeps to the protocol");
        assert_eq!((state.plaintext_bytes_to_read(), state.peer_has_closed()), (9, true));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn data_comes_through_in_any_pieces(
        version in versions(),
        to_server in vec(any::<u8>(), 0..60_000),
        to_client in vec(any::<u8>(), 0..60_000),
        sizes in sizes(),
    ) {
        let mut pair = Pair::new(version);
        pair.shake_hands();
        let mut rest = &to_server[..];
        for size in sizes.iter().cycle() {
            let (piece, behind) = rest.split_at((*size).min(rest.len()));
            pair.client.writer().write_all(piece).expect("memory takes everything");
            rest = behind;
            if rest.is_empty() { break }
        }
        let bytes = pair.client_writes();
        let mut at = 0;
        for size in sizes.iter().rev().cycle() {
            let end = (at + size).min(bytes.len());
            pair.server_reads(&bytes[at..end]).expect("the client keeps to the protocol");
            at = end;
            if at == bytes.len() { break }
        }
        prop_assert_eq!(&pair.plain, &to_server);
        prop_assert_eq!(pair.received.len(), 0);

        let mut arrived = Vec::new();
        for piece in to_client.chunks(sizes[0]) {
            pair.server.seal(&mut pair.received, piece, &mut pair.out).expect("our side is open");
            arrived.extend(pair.client_reads());
        }
        prop_assert_eq!(arrived, to_client);
    }

    #[test]
    fn damage_ends_a_session_and_nothing_else(
        version in versions(),
        damage in vec((any::<prop::sample::Index>(), 1..=255u8), 1..4),
        flight in 0..3usize,
        tail in vec(any::<u8>(), 0..200),
    ) {
        let mut pair = Pair::new(version);
        for number in 0..4 {
            if number == 2 {
                pair.client.writer().write_all(&[7; 500]).expect("memory takes everything");
            }
            let mut bytes = pair.client_writes();
            if number == flight && !bytes.is_empty() {
                for (place, mask) in &damage {
                    let at = place.index(bytes.len());
                    bytes[at] ^= mask;
                }
                bytes.extend_from_slice(&tail);
            }
            if pair.server_reads(&bytes).is_err() {
                // Whatever else its owner asks of it, it stays over.
                let Pair { server, received, out, .. } = &mut pair;
                prop_assert!(server.handshake(received, out).is_err());
                prop_assert!(server.seal(received, b"x", out).is_err());
                prop_assert!(server.close(received, out).is_err());
                return Ok(());
            }
            // The client may refuse what the server makes of damaged bytes.
            let mut out = &std::mem::take(&mut pair.out)[..];
            while !out.is_empty() && pair.client.read_tls(&mut out).is_ok() {
                if pair.client.process_new_packets().is_err() {
                    return Ok(());
                }
            }
        }
    }

    #[test]
    fn any_bytes_behind_a_handshake_are_survived(version in versions(), pieces in vec(vec(any::<u8>(), 0..100), 1..6)) {
        let mut pair = Pair::new(version);
        pair.shake_hands();
        for piece in pieces {
            let header = [[0x17, 3, 3].as_slice(), &(piece.len() as u16).to_be_bytes()].concat();
            if pair.server_reads(&[header, piece].concat()).is_err() {
                break;
            }
            let _ = pair.server.seal(&mut pair.received, b"x", &mut pair.out);
        }
    }
}
