//! The certificate of TLS clients: read at the start, when told to, and when its files change.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use tracing::{info, warn};

use crate::clock;
use crate::config::{Config, TlsFiles};
use crate::stream::tls::{Candidate, CertificateError, CertificateWarning, Certificates};
use crate::turn::time::UnixTime;

/// How often the files are looked at. A change counts when the next look sees the same.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(2);

/// A certificate that ends sooner is warned about.
const SOON_SECS: u64 = 14 * DAY_SECS;
const DAY_SECS: u64 = 24 * 60 * 60;

/// Whether the files of a certificate are those that were read.
#[derive(Debug)]
pub(super) struct Watch {
    /// As the files were when they were read last, whatever came of it.
    read: Stamps,
    /// As they were at the last look.
    seen: Stamps,
    /// What is wrong with them, as it was told.
    told: Option<String>,
}

/// What distinguishes two files from those that stood there before. Links are followed: with certbot it is them that
/// change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Stamps([Option<Stamp>; 2]);

/// Device, inode, size, and the times of the last writing and of the last change of owner, mode or name.
type Stamp = [i64; 7];

impl Stamps {
    fn of(files: Option<&TlsFiles>) -> Stamps {
        let stamp = |path: &Path| -> Option<Stamp> {
            let of = fs::metadata(path).ok()?;
            let times = [of.mtime(), of.mtime_nsec(), of.ctime(), of.ctime_nsec()];
            Some([of.dev() as i64, of.ino() as i64, of.size() as i64, times[0], times[1], times[2], times[3]])
        };
        Stamps([files.and_then(|files| stamp(&files.cert)), files.and_then(|files| stamp(&files.key))])
    }
}

impl Watch {
    /// Reads the certificate when the server starts. Without one that works there is no TLS until there is, and everything
    /// else is served (as coturn does).
    pub(super) fn start(config: &Config) -> Result<(Certificates, Watch)> {
        let stamps = Stamps::of(config.tls.as_ref());
        let mut watch = Watch { read: stamps, seen: stamps, told: None };
        let Some(files) = &config.tls else { return Ok((Certificates::none()?, watch)) };
        let certificates = Certificates::of(files.clone())?;
        let result = certificates.reload();
        if let Some(error) = watch.note(&certificates, stamps, &result) {
            warn!("TLS is not served: {error}");
        }
        Ok((certificates, watch))
    }

    /// Reads the same files again, as the operator asks.
    pub(super) fn reload(&mut self, certificates: &Certificates) {
        let stamps = Stamps::of(certificates.files().as_ref());
        self.told = None;
        self.read_again(certificates, stamps);
    }

    /// Reads the files again if they changed and nobody is at them any more, or if they are still not good.
    pub(super) fn look(&mut self, certificates: &Certificates) {
        let Some(files) = certificates.files() else { return };
        let stamps = Stamps::of(Some(&files));
        if self.is_due(stamps) {
            self.read_again(certificates, stamps);
        }
    }

    fn is_due(&mut self, stamps: Stamps) -> bool {
        let is_settled = std::mem::replace(&mut self.seen, stamps) == stamps;
        is_settled && (stamps != self.read || self.told.is_some())
    }

    fn read_again(&mut self, certificates: &Certificates, stamps: Stamps) {
        let result = certificates.reload();
        if result.is_err() && stamps != Stamps::of(certificates.files().as_ref()) {
            // Somebody is at them: a later look tells what comes of that.
            return;
        }
        match self.note(certificates, stamps, &result) {
            Some(error) => warn!("the certificates stay as they are: {error}"),
            None if result.is_ok() => info!("certificates read again"),
            None => {}
        }
    }

    /// Reads the files of another configuration, or the same ones again, and shows them to nobody yet. None: there are
    /// none, or what is wrong with them was so before, and there is no TLS to lose.
    ///
    /// # Errors
    /// They are not good.
    pub(super) fn read(
        &mut self,
        certificates: &Certificates,
        files: Option<&TlsFiles>,
    ) -> Result<Option<NewCertificate>, CertificateError> {
        let Some(files) = files else { return Ok(None) };
        let stamps = Stamps::of(Some(files));
        match certificates.read(Some(files.clone())) {
            Ok(candidate) => Ok(Some(NewCertificate { candidate, stamps })),
            Err(error) if certificates.current().is_none() && certificates.files().as_ref() == Some(files) => {
                warn!("TLS is not served: {error}");
                Ok(None)
            }
            Err(error) => {
                certificates.loads().note(clock::now().wall, false);
                Err(error)
            }
        }
    }

    /// Shows what was read.
    pub(super) fn show(&mut self, certificates: &Certificates, new: NewCertificate) {
        let warnings = certificates.show(new.candidate);
        self.note(certificates, new.stamps, &Ok(warnings));
    }

    /// Notes what came of reading files that looked like this; gives what is wrong with them unless it was told before.
    fn note(
        &mut self,
        certificates: &Certificates,
        stamps: Stamps,
        result: &Result<Vec<CertificateWarning>, CertificateError>,
    ) -> Option<String> {
        let now = clock::now().wall;
        let is_news = std::mem::replace(&mut self.read, stamps) != stamps;
        self.seen = stamps;
        match result {
            Ok(warnings) => {
                self.told = None;
                certificates.loads().note(now, true);
                warnings.iter().for_each(|warning| warn!("{warning}"));
                warn_of_end(certificates, now);
                None
            }
            Err(error) => {
                let error = error.to_string();
                if !is_news && self.told.as_ref() == Some(&error) {
                    return None;
                }
                certificates.loads().note(now, false);
                self.told = Some(error.clone());
                Some(error)
            }
        }
    }
}

/// A certificate that nobody is shown yet.
pub(super) struct NewCertificate {
    candidate: Candidate,
    stamps: Stamps,
}

fn warn_of_end(certificates: &Certificates, now: UnixTime) {
    let Some(good_until) = certificates.current().and_then(|configs| configs.good_until) else { return };
    match good_until.0.checked_sub(now.0) {
        None => warn!("the certificate has ended; clients refuse it"),
        Some(left) if left < SOON_SECS => warn!(days = left / DAY_SECS, "the certificate ends soon"),
        Some(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamps(cert: i64, key: i64) -> Stamps {
        Stamps([Some([cert; 7]), Some([key; 7])])
    }

    fn watch() -> Watch {
        Watch { read: stamps(1, 1), seen: stamps(1, 1), told: None }
    }

    /// The looks at which files would be read that look like this one after the other.
    fn due(watch: &mut Watch, looks: &[Stamps]) -> Vec<bool> {
        looks.iter().map(|look| watch.is_due(*look)).collect()
    }

    #[test]
    fn files_that_change_are_read_once_they_stay_as_they_are() {
        let looks = [stamps(1, 1), stamps(2, 1), stamps(3, 2), stamps(3, 2)];
        assert_eq!(due(&mut watch(), &looks), [false, false, false, true]);
        let gone = Stamps([None, Some([1; 7])]);
        assert_eq!(due(&mut watch(), &[gone, gone]), [false, true], "a file that is gone is a change as well");
    }

    #[test]
    fn what_was_not_good_is_tried_at_every_look_and_told_once() {
        let certificates = Certificates::none().expect("randomness");
        let broken = || Err(CertificateError::NotConfigured);
        let mut watch = watch();
        assert!(watch.note(&certificates, stamps(2, 1), &broken()).is_some());
        for _ in 0..3 {
            assert!(watch.is_due(stamps(2, 1)));
            assert_eq!(watch.note(&certificates, stamps(2, 1), &broken()), None);
        }
        assert_eq!(due(&mut watch, &[stamps(2, 2)]), [false], "half of it was written since");
        assert!(watch.is_due(stamps(2, 2)));
        assert!(watch.note(&certificates, stamps(2, 2), &broken()).is_some(), "it is another change");
        assert!(watch.is_due(stamps(2, 2)));
        watch.note(&certificates, stamps(2, 2), &Ok(Vec::new()));
        assert!(!watch.is_due(stamps(2, 2)));
        let counts = certificates.loads().counts();
        assert_eq!((counts.failed, counts.succeeded), (2, 1), "each change counts once");
    }
}
