//! The file with the process id.

use std::path::Path;

use tracing::warn;

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
    if std::fs::read_to_string(path).is_ok_and(is_ours)
        && let Err(error) = std::fs::remove_file(path)
    {
        warn!(path = %path.display(), %error, "cannot remove the pid file");
    }
}
