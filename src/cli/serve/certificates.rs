//! The certificate of TLS clients: read at the start, and again when told to.

use anyhow::Result;
use tracing::{info, warn};

use crate::config::Config;
use crate::stream::tls::Certificates;

/// Without a certificate that works there is no TLS until SIGUSR2 finds one, and everything else is served (as coturn
/// does).
pub(super) fn load(config: &Config) -> Result<Certificates> {
    let Some(files) = &config.tls else { return Ok(Certificates::none()?) };
    let certificates = Certificates::of(files.clone())?;
    match certificates.reload() {
        Ok(warnings) => warnings.iter().for_each(|warning| warn!("{warning}")),
        Err(error) => warn!("TLS is not served: {error}"),
    }
    Ok(certificates)
}

pub(super) fn reload(certificates: &Certificates) {
    match certificates.reload() {
        Ok(warnings) => {
            warnings.iter().for_each(|warning| warn!("{warning}"));
            info!("certificates read again");
        }
        Err(error) => warn!("the certificates stay as they are: {error}"),
    }
}
