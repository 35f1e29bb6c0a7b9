//! The file with the process id.

use std::io::ErrorKind;
use std::path::Path;

use tracing::{info, warn};

pub(super) fn write(path: &Path) -> bool {
    let written = std::fs::write(path, format!("{}\n", std::process::id()));
    if let Err(error) = &written {
        warn!(path = %path.display(), %error, "cannot write the pid file");
    }
    written.is_ok()
}

/// Another server may have put its own there meanwhile.
pub(super) fn remove(path: &Path) {
    let is_ours = |text: String| text.trim() == std::process::id().to_string();
    if !std::fs::read_to_string(path).is_ok_and(is_ours) {
        return;
    }
    match std::fs::remove_file(path) {
        Ok(()) => {}
        // Written by root, who is no more: whoever reads it finds no such process.
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            info!(path = %path.display(), "the pid file stays: its directory is not ours to write");
        }
        Err(error) => warn!(path = %path.display(), %error, "cannot remove the pid file"),
    }
}
