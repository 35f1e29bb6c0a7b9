//! Secrets of the process: those of the configuration, and those that outlive a restart.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::{Result, bail, ensure};
use tracing::{info, warn};

use super::super::state_dir::{Secret, StateDir, secret};
use crate::config::error::Place;
use crate::config::{AuthMode, Config, Loaded, is_example_secret, short_secret};
use crate::rng;
use crate::udp::Secrets;

/// Says so when others can read passwords, where any is written into the file.
pub(super) fn warn_readable(file: &Path, loaded: &Loaded) {
    let holds_secrets =
        loaded.written.iter().any(|setting| setting.option.secret && matches!(setting.place, Place::File { .. }));
    let mode = std::fs::metadata(file).map_or(0, |metadata| metadata.mode());
    if holds_secrets && mode & 0o007 != 0 {
        warn!(file = %file.display(), mode = format!("{:03o}", mode & 0o777), "a file with secrets can be read by others");
    }
}

/// Reads, or makes, what outlives a restart; what is made belongs to whom the state does. While something is `in_force`, no
/// secret is made, which no client would know; and a nonce key that cannot be kept stays as it is, so that nonces that clients
/// have go on being taken.
pub(super) fn read_state(config: &mut Config, state: &Result<StateDir>, in_force: Option<&Secrets>) -> Result<Secrets> {
    if let Some(file) = config.auth.secret_file.clone() {
        let path = match state {
            _ if file.is_absolute() => file,
            Ok(state) => state.join(&file),
            Err(error) => bail!("no state directory for secret-file: {error:#}"),
        };
        let is_gone = in_force.is_some() && !path.exists();
        ensure!(!is_gone, "{}: there is no such file; a secret is made at the start only", path.display());
        let Secret { text, path, is_new } = secret(path, state.as_ref().ok().and_then(StateDir::owner))?;
        ensure!(!is_example_secret(&text), "{} holds a secret that documentation uses", path.display());
        if let Some(short) = short_secret(&text) {
            warn!(path = %path.display(), "{short}");
        }
        if is_new {
            info!(path = %path.display(), "made a secret for time-limited credentials");
        }
        config.auth.secrets.push(text);
    }
    if matches!(config.auth.mode, AuthMode::StunOnly | AuthMode::Anonymous) {
        return kept(in_force);
    }
    let keys = match state {
        Ok(state) => state.nonce_keys().map_err(|error| format!("{error:#}")),
        Err(error) => Err(format!("{error:#}")),
    };
    match keys {
        Ok((nonce_key, previous)) => {
            let former = in_force.and_then(|former| match former.nonce_key == nonce_key {
                true => former.previous_nonce_key,
                false => Some(former.nonce_key),
            });
            Ok(Secrets { nonce_key, previous_nonce_key: previous.or(former) })
        }
        Err(error) => {
            warn!("clients will have to authenticate anew after a restart: {error}");
            kept(in_force)
        }
    }
}

fn kept(in_force: Option<&Secrets>) -> Result<Secrets> {
    match in_force {
        Some(secrets) => Ok(secrets.clone()),
        None => Ok(Secrets { nonce_key: rng::seed()?, previous_nonce_key: None }),
    }
}
