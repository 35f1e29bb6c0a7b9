//! Whether the journal of systemd reads what is written to a descriptor.

use std::os::fd::BorrowedFd;

/// As systemd tells it: `JOURNAL_STREAM` names device and inode of the stream it made.
pub(super) fn reads(fd: BorrowedFd<'_>) -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else { return false };
    let Ok(stat) = rustix::fs::fstat(fd) else { return false };
    is_named(&stream, stat.st_dev, stat.st_ino)
}

fn is_named(stream: &str, device: u64, inode: u64) -> bool {
    let Some((named_device, named_inode)) = stream.split_once(':') else { return false };
    named_device.parse() == Ok(device) && named_inode.parse() == Ok(inode)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_the_journals_when_both_numbers_are() {
        assert!(is_named("8:24671", 8, 24671));
        for other in ["", "8", "8:", ":24671", "8:24672", "9:24671", "8:24671:1", "24671:8"] {
            assert!(!is_named(other, 8, 24671), "{other:?}");
        }
    }
}
