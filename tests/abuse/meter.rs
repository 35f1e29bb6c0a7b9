//! What a process takes of the machine.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use crate::wire::{Server, busy, resident_kib};

/// Reads what the system counts of a server.
pub(crate) struct Meter {
    pid: u32,
    proc: PathBuf,
}

impl Meter {
    pub(crate) fn of(server: &Server) -> Meter {
        Meter { pid: server.pid(), proc: format!("/proc/{}", server.pid()).into() }
    }

    /// Resident memory.
    pub(crate) fn kib(&self) -> u64 {
        resident_kib(self.pid)
    }

    /// Open descriptors.
    pub(crate) fn descriptors(&self) -> usize {
        fs::read_dir(self.proc.join("fd")).expect("the server runs").count()
    }

    /// Time its threads spent on a processor.
    pub(crate) fn busy(&self) -> Duration {
        busy(self.pid)
    }
}
