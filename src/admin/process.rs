//! The process, under the names that exporters of every language use.

use std::fs;

use rustix::process::{Resource, getrlimit};

use super::metrics::Family;
use crate::clock;
use crate::turn::time::UnixTime;

/// Reads what the system says of this process; what it does not tell is left out.
pub(super) fn families(started: UnixTime) -> Vec<Family> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next());
    let number = |name: &str| field(name).and_then(|text| text.parse::<u64>().ok());
    let kib = |name: &str| number(name).map(|kib| kib * 1024);
    let max_fds = getrlimit(Resource::Nofile).current;
    vec![
        Family::gauge("process_start_time_seconds", "When the server started, in seconds since 1970.").value(started.0),
        Family::counter("process_cpu_seconds_total", "CPU time used by all threads.")
            .number(clock::cpu().as_secs_f64()),
        Family::gauge("process_resident_memory_bytes", "Memory in use.").maybe(kib("VmRSS:")),
        Family::gauge("process_virtual_memory_bytes", "Address space in use.").maybe(kib("VmSize:")),
        Family::gauge("process_threads", "Threads.").maybe(number("Threads:")),
        Family::gauge("process_open_fds", "Open descriptors.").maybe(open_fds()),
        Family::gauge("process_max_fds", "The limit of open descriptors.").maybe(max_fds),
    ]
}

fn open_fds() -> Option<u64> {
    let dir = "/proc/self/fd";
    // Since Linux 6.2 the folder's length is their number; before, they have to be counted, the folder's own among them.
    match fs::metadata(dir).ok()?.len() {
        0 => Some(fs::read_dir(dir).ok()?.count().saturating_sub(1) as u64),
        len => Some(len),
    }
}
