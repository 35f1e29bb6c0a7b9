//! Certificate and key files: every form that is read, everything that is refused, reload while clients are served.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use base64::prelude::{BASE64_STANDARD, Engine};
use rcgen::{CertificateParams, KeyPair};
use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use rustls::version::TLS13;
use tempfile::TempDir;
use turnserver::config::TlsFiles;
use turnserver::stream::tls::{CertificateError, CertificateWarning, Certificates};
use turnserver::stream::{CloseReason, StreamSettings};

use crate::client::{Client, TlsClient, request, trusting};
use crate::worker::{ALL, Worker};

/// Made for these tests, used for nothing else.
const RSA_KEY: &str = include_str!("rsa_key.pem");

/// A certificate and its key in files.
pub(crate) struct Files {
    folder: TempDir,
    pub(crate) key: KeyPair,
    pub(crate) der: CertificateDer<'static>,
}

impl Files {
    pub(crate) fn new(name: &str) -> Files {
        Files::with_key(name, KeyPair::generate().expect("a key"))
    }

    fn with_key(name: &str, key: KeyPair) -> Files {
        let files = Files { folder: TempDir::new().expect("a folder"), der: self_signed(name, &key), key };
        files.write_cert(&pem("CERTIFICATE", &files.der));
        files.write_key(&files.key.serialize_pem());
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn names(&self) -> TlsFiles {
        TlsFiles { cert: self.path("cert.pem"), key: self.path("key.pem"), is_tls13_only: false }
    }

    fn write_cert(&self, text: &str) {
        fs::write(self.path("cert.pem"), text).expect("a file");
    }

    fn write_key(&self, text: &str) {
        fs::write(self.path("key.pem"), text).expect("a file");
        self.set_key_mode(0o600);
    }

    fn set_key_mode(&self, mode: u32) {
        fs::set_permissions(self.path("key.pem"), Permissions::from_mode(mode)).expect("a file");
    }

    /// Another certificate and key take the place of these.
    fn renew(&mut self) {
        let new = Files::new("turn.example.org");
        self.write_cert(&pem("CERTIFICATE", &new.der));
        self.write_key(&new.key.serialize_pem());
        self.der = new.der.clone();
    }

    pub(crate) fn load(&self) -> Certificates {
        let (certificates, warnings) = Certificates::load(self.names()).expect("good files");
        assert_eq!(warnings, []);
        certificates
    }

    fn error(&self) -> CertificateError {
        Certificates::load(self.names()).expect_err("broken files")
    }

    pub(crate) fn client(&self) -> ClientConfig {
        trusting(&TLS13, self.der.clone())
    }
}

fn self_signed(name: &str, key: &KeyPair) -> CertificateDer<'static> {
    let params = CertificateParams::new([name.to_owned()]).expect("a name");
    params.self_signed(key).expect("a certificate").der().clone()
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = BASE64_STANDARD.encode(der);
    let lines: Vec<&str> = (0..text.len()).step_by(64).map(|at| &text[at..text.len().min(at + 64)]).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// The key inside PKCS#8, which is the older form: SEC1 or PKCS#1.
fn inner_key(pkcs8: &[u8], mark: &[u8]) -> Vec<u8> {
    let at = pkcs8.windows(mark.len()).position(|window| window == mark).expect("a key inside");
    pkcs8[at + mark.len()..].to_vec()
}

#[test]
fn every_form_of_key_serves_a_client() {
    let elliptic = KeyPair::generate().expect("a key");
    // An octet string of 109 bytes, and one of 1189.
    let sec1 = pem("EC PRIVATE KEY", &inner_key(&elliptic.serialize_der(), &[0x04, 0x6D]));
    let rsa = KeyPair::from_pem(RSA_KEY).expect("a key");
    let pkcs1 = pem("RSA PRIVATE KEY", &inner_key(&rsa.serialize_der(), &[0x04, 0x82, 0x04, 0xA9]));
    let ed25519 = KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("a key");
    let forms = [
        (KeyPair::generate().expect("a key"), None),
        (elliptic, Some(sec1)),
        (KeyPair::from_pem(RSA_KEY).expect("a key"), None),
        (rsa, Some(pkcs1)),
        (ed25519, None),
    ];
    for (key, text) in forms {
        let files = Files::with_key("turn.example.org", key);
        if let Some(text) = text {
            files.write_key(&text);
        }
        let mut worker = Worker::new(ALL, files.load());
        let mut client = TlsClient::connect(&worker, files.client().into());
        client.shake_hands(&mut worker);
        client.send(&mut worker, &request(1));
        worker.messages(1);
    }
}

#[test]
fn a_chain_is_sent_whole_and_text_around_it_is_skipped() {
    let files = Files::new("turn.example.org");
    let other = Files::new("issuer.example.org");
    let chain = [pem("CERTIFICATE", &files.der), "Issuer:\n".to_owned(), pem("CERTIFICATE", &other.der)].concat();
    files.write_cert(&format!("Subject: turn\r\n{chain}"));
    let mut worker = Worker::new(ALL, files.load());
    let mut client = TlsClient::connect(&worker, files.client().into());
    client.shake_hands(&mut worker);
    assert_eq!(client.tls.peer_certificates().map(<[_]>::len), Some(2));
}

#[test]
fn broken_files_are_named() {
    let good = || Files::new("turn.example.org");
    type Break = fn(&Files);
    type Expect = fn(&CertificateError) -> bool;
    let cases: [(Break, Expect, &str); 9] = [
        (|files| fs::remove_file(files.path("cert.pem")).expect("a file"), is_unreadable, "cert.pem"),
        (|files| fs::remove_file(files.path("key.pem")).expect("a file"), is_unreadable, "key.pem"),
        (|files| files.write_cert(""), |error| matches!(error, CertificateError::NoCertificate { .. }), "cert.pem"),
        (|files| files.write_key("no key"), |error| matches!(error, CertificateError::NoKey { .. }), "key.pem"),
        (
            |files| files.write_key(&pem("ENCRYPTED PRIVATE KEY", b"secret")),
            |error| matches!(error, CertificateError::KeyEncrypted { .. }),
            "key.pem",
        ),
        (
            |files| files.write_cert("-----BEGIN CERTIFICATE-----\nAAAA\n"),
            |error| matches!(error, CertificateError::Pem { .. }),
            "cert.pem",
        ),
        (
            |files| files.write_cert(&pem("CERTIFICATE", b"not DER")),
            |error| matches!(error, CertificateError::Unusable { .. }),
            "cert.pem",
        ),
        (
            |files| files.write_key(&pem("PRIVATE KEY", b"not DER")),
            |error| matches!(error, CertificateError::Unusable { .. }),
            "key.pem",
        ),
        (
            |files| files.write_key(&KeyPair::generate().expect("a key").serialize_pem()),
            |error| matches!(error, CertificateError::Mismatch { .. }),
            "key.pem",
        ),
    ];
    for (number, (spoil, expected, name)) in cases.iter().enumerate() {
        let files = good();
        spoil(&files);
        let error = files.error();
        assert!(expected(&error), "case {number}: {error:?}");
        assert!(error.to_string().contains(name), "case {number}: {error}");
    }
}

fn is_unreadable(error: &CertificateError) -> bool {
    matches!(error, CertificateError::Unreadable { .. })
}

#[test]
fn a_key_that_others_can_read_is_warned_about() {
    let files = Files::new("turn.example.org");
    for (mode, is_warned) in [(0o600, false), (0o640, false), (0o644, true), (0o604, true), (0o400, false)] {
        files.set_key_mode(mode);
        let (_, warnings) = Certificates::load(files.names()).expect("good files");
        let expected = CertificateWarning::KeyReadable { path: files.path("key.pem"), mode };
        assert_eq!(warnings, if is_warned { vec![expected] } else { vec![] }, "{mode:o}");
    }
}

#[test]
fn a_reload_shows_the_new_certificate_and_keeps_connections() {
    let mut files = Files::new("turn.example.org");
    let mut worker = Worker::new(ALL, files.load());
    let mut early = TlsClient::connect(&worker, files.client().into());
    early.shake_hands(&mut worker);

    let old = files.der.clone();
    files.renew();
    assert_eq!(worker.shared.certificates().reload().expect("good files"), []);
    let mut late = TlsClient::connect(&worker, files.client().into());
    late.shake_hands(&mut worker);
    assert_eq!(late.tls.peer_certificates(), Some(&[files.der.clone()][..]));
    assert_ne!(files.der, old);

    early.send(&mut worker, &request(1));
    assert_eq!(worker.messages(1), [request(1)]);
}

#[test]
fn a_reload_of_broken_files_changes_nothing_and_says_why() {
    let files = Files::new("turn.example.org");
    let mut worker = Worker::new(ALL, files.load());
    files.write_key(&KeyPair::generate().expect("a key").serialize_pem());
    let error = worker.shared.certificates().reload().expect_err("another key");
    assert!(matches!(error, CertificateError::Mismatch { .. }), "{error}");
    files.write_cert("");
    let error = worker.shared.certificates().reload().expect_err("no certificate");
    assert!(error.to_string().contains("cert.pem"), "{error}");
    let elsewhere = TlsFiles { cert: files.path("gone.pem"), key: files.path("key.pem"), is_tls13_only: false };
    worker.shared.certificates().change(Some(elsewhere)).expect_err("no file");

    TlsClient::connect(&worker, files.client().into()).shake_hands(&mut worker);

    files.write_cert(&pem("CERTIFICATE", &files.der));
    files.write_key(&files.key.serialize_pem());
    worker.shared.certificates().reload().expect("the files from the start are good again");
}

#[test]
fn a_certificate_can_come_later_and_go() {
    let files = Files::new("turn.example.org");
    let mut worker = Worker::new(ALL, Certificates::none().expect("randomness"));
    assert!(matches!(worker.shared.certificates().reload(), Err(CertificateError::NotConfigured)));
    Client::connect(&worker).send(&[0x16, 0x03, 0x01]);
    assert!(worker.ends(CloseReason::NotServed));

    worker.shared.certificates().change(Some(files.names())).expect("good files");
    let mut client = TlsClient::connect(&worker, files.client().into());
    client.shake_hands(&mut worker);

    worker.shared.certificates().change(None).expect("nothing to read");
    Client::connect(&worker).send(&[0x16, 0x03, 0x01]);
    assert!(worker.ends(CloseReason::NotServed));
}

#[test]
fn tls_that_is_switched_off_is_closed_despite_a_certificate() {
    let files = Files::new("turn.example.org");
    let mut worker = Worker::new(StreamSettings { tls: false, ..ALL }, files.load());
    let mut client = TlsClient::connect(&worker, files.client().into());
    client.pump();
    assert!(worker.ends(CloseReason::NotServed));
    let mut client = Client::connect(&worker);
    client.send(&request(1));
    assert_eq!(worker.messages(1), [request(1)]);
}
