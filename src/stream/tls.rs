//! Certificate and key: read, checked against each other, and swapped whole.
//!
//! Nothing broken ever replaces what works; connections keep the certificate they began with.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::{Mutex, PoisonError};

use arc_swap::ArcSwapOption;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, ProducesTickets};
use rustls::version::{TLS12, TLS13};
use rustls::{InconsistentKeys, ServerConfig, SupportedProtocolVersion};

use super::loads::Loads;
use crate::config::TlsFiles;
use crate::turn::time::UnixTime;

/// The protocol names of RFC 7443. A client that names neither, or none at all, is served too, as coturn does.
pub const ALPN: [&[u8]; 2] = [b"stun.turn", b"stun.nat-discovery"];

/// What TLS clients are shown.
pub struct Certificates {
    configs: ArcSwapOption<TlsConfigs>,
    files: Mutex<Option<TlsFiles>>,
    /// One for all workers and all certificates, so that a ticket is good wherever the client comes back.
    ticketer: Arc<dyn ProducesTickets>,
    loads: Loads,
}

/// Certificate and key that were read and belong together; nobody is shown them yet.
#[derive(Debug)]
pub struct Candidate {
    files: Option<TlsFiles>,
    configs: Option<Arc<TlsConfigs>>,
    warnings: Vec<CertificateWarning>,
}

/// The settings of a TLS connection made from one certificate.
#[derive(Debug)]
pub struct TlsConfigs {
    /// For clients that name a protocol of [`ALPN`].
    pub named: Arc<ServerConfig>,
    /// For all others, whose protocol names are ignored.
    pub unnamed: Arc<ServerConfig>,
    /// When the certificate ends; none: it does not say so in a way that is understood.
    pub good_until: Option<UnixTime>,
}

/// Certificate and key work, but the operator should know something.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateWarning {
    /// Everybody on the host can read the key.
    #[error("the key file {} can be read by others (mode {mode:03o})", path.display())]
    KeyReadable {
        /// The key file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
}

/// Why certificate and key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The certificate file is not PEM.
    #[error("{} is broken: {error}", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: pem::Error,
    },
    /// No certificate in the certificate file.
    #[error("{} holds no certificate", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// No key in the key file.
    #[error("{} holds no private key (PKCS#8, PKCS#1 or SEC1 in PEM)", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// The key is encrypted.
    #[error("the private key in {} is encrypted, which is not supported", path.display())]
    KeyEncrypted {
        /// The file.
        path: PathBuf,
    },
    /// Each may be good, but they do not belong together.
    #[error("the private key in {} does not belong to the certificate in {}", key.display(), cert.display())]
    Mismatch {
        /// The certificate file.
        cert: PathBuf,
        /// The key file.
        key: PathBuf,
    },
    /// Certificate or key are of a kind that cannot be used.
    #[error("cannot use {} with {}: {error}", cert.display(), key.display())]
    Unusable {
        /// The certificate file.
        cert: PathBuf,
        /// The key file.
        key: PathBuf,
        /// What is wrong.
        error: rustls::Error,
    },
    /// There is nothing to read.
    #[error("no certificate is configured")]
    NotConfigured,
    /// The system gives no randomness.
    #[error("cannot make keys for session tickets: {0}")]
    Ticketer(rustls::Error),
}

impl Certificates {
    /// No certificate, so no TLS, until [`Certificates::change`] brings one.
    ///
    /// # Errors
    /// The system gives no randomness.
    pub fn none() -> Result<Certificates, CertificateError> {
        let ticketer = ring::Ticketer::new().map_err(CertificateError::Ticketer)?;
        Ok(Certificates { configs: ArcSwapOption::empty(), files: Mutex::new(None), ticketer, loads: Loads::default() })
    }

    /// Will read these files when [`Certificates::reload`] is called; until that succeeds there is no TLS.
    ///
    /// # Errors
    /// The system gives no randomness.
    pub fn of(files: TlsFiles) -> Result<Certificates, CertificateError> {
        Ok(Certificates { files: Mutex::new(Some(files)), ..Certificates::none()? })
    }

    /// Reads certificate and key.
    ///
    /// # Errors
    /// One of them is missing, broken, or they do not belong together; the file is named.
    pub fn load(files: TlsFiles) -> Result<(Certificates, Vec<CertificateWarning>), CertificateError> {
        let certificates = Certificates::of(files)?;
        let warnings = certificates.reload()?;
        Ok((certificates, warnings))
    }

    /// Reads the same files again.
    ///
    /// # Errors
    /// There are none, or as [`Certificates::load`]; what was there before stays.
    pub fn reload(&self) -> Result<Vec<CertificateWarning>, CertificateError> {
        self.change(Some(self.files().ok_or(CertificateError::NotConfigured)?))
    }

    /// Takes other files; none: new TLS clients are no longer served.
    ///
    /// # Errors
    /// As [`Certificates::load`]; what was there before stays, the names of its files too.
    pub fn change(&self, files: Option<TlsFiles>) -> Result<Vec<CertificateWarning>, CertificateError> {
        Ok(self.show(self.read(files)?))
    }

    /// Reads other files and changes nothing; none: there is to be no TLS.
    ///
    /// # Errors
    /// As [`Certificates::load`].
    pub fn read(&self, files: Option<TlsFiles>) -> Result<Candidate, CertificateError> {
        let (configs, warnings) = match &files {
            None => (None, Vec::new()),
            Some(files) => {
                let (configs, warnings) = read_files(files, &self.ticketer)?;
                (Some(Arc::new(configs)), warnings)
            }
        };
        Ok(Candidate { files, configs, warnings })
    }

    /// What was read is what clients see from now on.
    pub fn show(&self, candidate: Candidate) -> Vec<CertificateWarning> {
        let Candidate { files, configs, warnings } = candidate;
        let mut current = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        self.configs.store(configs);
        *current = files;
        warnings
    }

    /// The files in use.
    pub fn files(&self) -> Option<TlsFiles> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What became of every loading.
    pub fn loads(&self) -> &Loads {
        &self.loads
    }

    /// What a connection that begins now uses; none: there is no certificate.
    pub fn current(&self) -> Option<Arc<TlsConfigs>> {
        self.configs.load_full()
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates").field("files", &self.files).finish_non_exhaustive()
    }
}

fn read_files(
    files: &TlsFiles,
    ticketer: &Arc<dyn ProducesTickets>,
) -> Result<(TlsConfigs, Vec<CertificateWarning>), CertificateError> {
    let chain = read_chain(&files.cert)?;
    let good_until = chain.first().and_then(end_of);
    let (key, warnings) = read_key(&files.key)?;
    let unusable = |error| match error {
        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            CertificateError::Mismatch { cert: files.cert.clone(), key: files.key.clone() }
        }
        error => CertificateError::Unusable { cert: files.cert.clone(), key: files.key.clone(), error },
    };
    let versions: &[&SupportedProtocolVersion] = if files.is_tls13_only { &[&TLS13] } else { &[&TLS13, &TLS12] };
    let mut unnamed = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .map_err(unusable)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(unusable)?;
    unnamed.ticketer = Arc::clone(ticketer);
    unnamed.session_storage = Arc::new(NoServerSessionStorage {});
    // Data that comes before the handshake's end can be replayed, and an Allocate must not be.
    unnamed.max_early_data_size = 0;
    let mut named = unnamed.clone();
    named.alpn_protocols = ALPN.iter().map(|name| name.to_vec()).collect();
    Ok((TlsConfigs { named: Arc::new(named), unnamed: Arc::new(unnamed), good_until }, warnings))
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let text = read(path)?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<_, _>>()
        .map_err(|error| CertificateError::Pem { path: path.into(), error })?;
    if chain.is_empty() { Err(CertificateError::NoCertificate { path: path.into() }) } else { Ok(chain) }
}

/// The `notAfter` of a certificate (RFC 5280 section 4.1.2.5); one before 1970 is as good as 1970.
fn end_of(certificate: &CertificateDer<'_>) -> Option<UnixTime> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).ok()?;
    Some(UnixTime(u64::try_from(parsed.validity().not_after.timestamp()).unwrap_or(0)))
}

fn read_key(path: &Path) -> Result<(PrivateKeyDer<'static>, Vec<CertificateWarning>), CertificateError> {
    let text = read(path)?;
    let key = PrivateKeyDer::from_pem_slice(&text).map_err(|error| match error {
        pem::Error::NoItemsFound if is_encrypted(&text) => CertificateError::KeyEncrypted { path: path.into() },
        pem::Error::NoItemsFound => CertificateError::NoKey { path: path.into() },
        error => CertificateError::Pem { path: path.into(), error },
    })?;
    let mode = fs::metadata(path).map_err(|error| CertificateError::Unreadable { path: path.into(), error })?;
    let mode = mode.permissions().mode() & 0o777;
    let warnings =
        if mode & 0o004 == 0 { Vec::new() } else { vec![CertificateWarning::KeyReadable { path: path.into(), mode }] };
    Ok((key, warnings))
}

/// PKCS#8 says so in its first line, older formats in a header, whose body is then no key.
fn is_encrypted(text: &[u8]) -> bool {
    text.windows(b"ENCRYPTED".len()).any(|window| window == b"ENCRYPTED")
}

fn read(path: &Path) -> Result<Vec<u8>, CertificateError> {
    let unreadable = |error| CertificateError::Unreadable { path: path.into(), error };
    // A pipe would be waited at for somebody who writes to it.
    if !fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(unreadable(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file")));
    }
    fs::read(path).map_err(unreadable)
}
