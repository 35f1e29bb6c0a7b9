//! The file with the process id.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;
use tracing::{info, warn};

pub(super) fn write(path: &Path) -> bool {
    if let Some(pid) = other_server(path) {
        warn!(path = %path.display(), pid, "the pid file is of another server, which runs; it names this one now");
    }
    let written = replace(path);
    if let Err(error) = &written {
        warn!(path = %path.display(), %error, "cannot write the pid file");
    }
    written.is_ok()
}

/// The server may still be root, and its directory somebody's who would have it write elsewhere.
fn replace(path: &Path) -> io::Result<()> {
    let flags = OFlags::NOFOLLOW.bits() as i32;
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).custom_flags(flags).open(path)?;
    writeln!(file, "{}", std::process::id())
}

/// The process that a file names, if it is of our name. Any process may have the number of one that ended.
fn other_server(path: &Path) -> Option<u32> {
    let pid: u32 = fs::read_to_string(path).ok()?.trim().parse().ok()?;
    let name = |pid: u32| fs::read_to_string(format!("/proc/{pid}/comm")).ok();
    let own = std::process::id();
    (pid != own && name(pid).is_some() && name(pid) == name(own)).then_some(pid)
}

/// Another server may have put its own there meanwhile.
pub(super) fn remove(path: &Path) {
    let is_ours = |text: String| text.trim() == std::process::id().to_string();
    if !fs::read_to_string(path).is_ok_and(is_ours) {
        return;
    }
    match fs::remove_file(path) {
        Ok(()) => {}
        // Written by root, who is no more: whoever reads it finds no such process.
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            info!(path = %path.display(), "the pid file stays: its directory is not ours to write");
        }
        Err(error) => warn!(path = %path.display(), %error, "cannot remove the pid file"),
    }
}
