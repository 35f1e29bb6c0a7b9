//! What a process takes of the machine: memory, and time of its processors.

use std::time::Duration;

/// Resident memory of a process that runs, code and data.
pub(crate) fn resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a process has memory");
    line.split_whitespace().next().and_then(|kib| kib.parse().ok()).expect("a number")
}

/// Time that the threads of a process that runs spent on a processor.
pub(crate) fn busy(pid: u32) -> Duration {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).expect("the process runs").flatten();
    // A thread that ended between the two readings has nothing to tell.
    let spent = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("schedstat")).ok());
    let of_nanos = |text: String| text.split_whitespace().next().and_then(|nanos| nanos.parse().ok());
    spent.map(|text| Duration::from_nanos(of_nanos(text).expect("the system counts the time of threads"))).sum()
}
