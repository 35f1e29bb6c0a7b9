//! What a server process holds, read from the system.

use std::fmt::Display;
use std::io::Write;

use turnserver::clock;
use turnserver::turn::time::Mono;

use crate::wire::{Server, poll_until};

/// Open descriptors.
pub(crate) fn descriptors(server: &Server) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", server.pid())).expect("the server runs").count()
}

/// Waits until there are as many descriptors as before.
pub(crate) fn await_descriptors(server: &Server, before: usize) {
    poll_until("descriptors are back to the start", || (descriptors(server) <= before).then_some(()));
}

/// Datagrams that the kernel dropped at the server's listener.
pub(crate) fn drops(server: &Server) -> usize {
    let text = std::fs::read_to_string(format!("/proc/{}/net/udp", server.pid())).expect("the server runs");
    let port = format!(":{:04X}", server.addr.port());
    let of_listener = |line: &str| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let is_listener = columns.get(1).is_some_and(|local| local.ends_with(&port));
        is_listener.then(|| columns.last().and_then(|drops| drops.parse::<usize>().ok()).expect("a number"))
    };
    let drops: Vec<usize> = text.lines().filter_map(of_listener).collect();
    assert!(!drops.is_empty(), "no listener in\n{text}");
    drops.iter().sum()
}

/// Memory and descriptors at a moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    at: Mono,
    pub(crate) rss_kib: u64,
    /// The most that was seen since: the system's own high-water mark would count the start and the warm-up as well.
    peak_kib: u64,
    pub(crate) descriptors: usize,
}

impl Figures {
    pub(crate) fn of(server: &Server) -> Figures {
        let rss_kib = server.resident_kib();
        Figures { at: clock::now().mono, rss_kib, peak_kib: rss_kib, descriptors: descriptors(server) }
    }

    /// Looks at the memory in between.
    pub(crate) fn sample(&mut self, server: &Server) {
        self.peak_kib = self.peak_kib.max(server.resident_kib());
    }

    /// One line with what became of them, whoever captures the test's output.
    pub(crate) fn report(&self, server: &Server, what: impl Display) -> Figures {
        let now = Figures::of(server);
        let secs = now.at.since(self.at).as_secs_f64();
        let line = format!(
            "SOAK {what}; RSS {} -> {} KiB, {} at most, descriptors {} -> {}, {secs:.1} s\n",
            self.rss_kib,
            now.rss_kib,
            self.peak_kib.max(now.rss_kib),
            self.descriptors,
            now.descriptors
        );
        std::io::stderr().write_all(line.as_bytes()).expect("standard error is open");
        now
    }

    /// Fails unless memory is, and was all the while, within 2 MB of what it was.
    pub(crate) fn assert_memory(&self, later: &Figures) {
        let max = self.rss_kib + 2000;
        let peak = self.peak_kib.max(later.rss_kib);
        assert!(peak <= max, "RSS grew from {} to {peak} KiB, and is {} now", self.rss_kib, later.rss_kib);
    }
}

/// Ends the server; nothing it logged may be a panic or another error. Returns how many messages its core dropped, which
/// are its last lines.
pub(crate) fn assert_healthy(mut server: Server) -> usize {
    assert!(server.terminate().success(), "{}", server.log.text());
    let log = server.log.whole();
    assert!(!log.contains("ERROR") && !log.contains("panicked"), "{log}");
    // What could not be sent was not dropped by it.
    let counted = log.lines().filter(|line| line.contains(" dropped reason=") && !line.contains("unsent"));
    counted
        .map(|line| line.split_once("count=").and_then(|(_, count)| count.parse::<usize>().ok()).expect("a count"))
        .sum()
}
