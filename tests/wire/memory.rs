//! What a process takes of the machine's memory.

/// Resident memory of a process that runs, code and data.
pub(crate) fn resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a process has memory");
    line.split_whitespace().next().and_then(|kib| kib.parse().ok()).expect("a number")
}
