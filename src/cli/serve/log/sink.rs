//! One target of the log: a bounded queue, the thread that empties it, and the count of what was lost.

use std::io::{self, ErrorKind, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};

use super::format::Style;

/// Lines that wait for a slow reader; further ones are lost, and nothing else is.
const LINES_MAX: usize = 8192;

/// Starts the thread of a target.
pub(super) fn start(output: Box<dyn Write + Send>, style: Style) -> (NonBlocking, WorkerGuard, Lost) {
    let lost = Lost::default();
    let sink = Sink { output, style, lost: lost.clone(), told: 0, is_torn: false };
    let builder = NonBlockingBuilder::default().buffered_lines_limit(LINES_MAX).lossy(true);
    let (writer, guard) = builder.thread_name("log").finish(sink);
    // Nothing was queued so far.
    let _ = lost.0.queue.set(writer.error_counter());
    (writer, guard, lost)
}

/// Lines that one target lost.
#[derive(Clone, Debug, Default)]
pub(in crate::cli) struct Lost(Arc<LostLines>);

#[derive(Debug, Default)]
struct LostLines {
    /// The queue was full.
    queue: OnceLock<ErrorCounter>,
    /// The target did not take them.
    unwritten: AtomicU64,
}

impl Lost {
    /// How many, so far.
    pub(in crate::cli) fn count(&self) -> u64 {
        let queued = self.0.queue.get().map_or(0, |counter| counter.dropped_lines() as u64);
        queued + self.0.unwritten.load(Ordering::Relaxed)
    }
}

/// Writes lines, each whole or not at all as far as the target lets it, and says how many were lost when it takes lines
/// again.
struct Sink<W> {
    output: W,
    style: Style,
    lost: Lost,
    told: u64,
    /// The last line was cut off; what comes next begins a line of its own.
    is_torn: bool,
}

impl<W: Write> Write for Sink<W> {
    /// One line. It never fails: what is lost is counted, and the queue goes on.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if !self.put(line) {
            self.lost.0.unwritten.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    /// Called whenever the queue is empty.
    fn flush(&mut self) -> io::Result<()> {
        let lost = self.lost.count();
        if lost > self.told && self.put(self.style.notice("lines of the log were lost", lost - self.told).as_bytes()) {
            self.told = lost;
        }
        Ok(())
    }
}

impl<W: Write> Sink<W> {
    fn put(&mut self, line: &[u8]) -> bool {
        if self.is_torn {
            if put_all(&mut self.output, b"\n") != 1 {
                return false;
            }
            self.is_torn = false;
        }
        let written = put_all(&mut self.output, line);
        self.is_torn = written > 0 && written < line.len();
        written == line.len()
    }
}

/// How many bytes were taken before something went wrong.
fn put_all(output: &mut impl Write, bytes: &[u8]) -> usize {
    let mut written = 0;
    while written < bytes.len() {
        match output.write(&bytes[written..]) {
            Ok(0) => break,
            Ok(more) => written += more,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::LogFormat;

    /// A file on a disk with so much room.
    #[derive(Default)]
    struct Disk {
        text: Vec<u8>,
        room: usize,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = bytes.len().min(self.room);
            if taken == 0 {
                return Err(ErrorKind::StorageFull.into());
            }
            self.room -= taken;
            self.text.extend(&bytes[..taken]);
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn sink(room: usize) -> Sink<Disk> {
        let style = Style::plain(LogFormat::Text);
        Sink { output: Disk { text: Vec::new(), room }, style, lost: Lost::default(), told: 0, is_torn: false }
    }

    fn log(sink: &mut Sink<Disk>, lines: &[&str]) {
        lines.iter().for_each(|line| sink.write_all(line.as_bytes()).expect("it never fails"));
        sink.flush().expect("it never fails");
    }

    #[test]
    fn a_full_disk_loses_lines_and_says_how_many_once_there_is_room() {
        let mut sink = sink(10);
        log(&mut sink, &["one\n", "two\n", "three\n", "four\n"]);
        assert_eq!(sink.lost.count(), 2, "there was room for two, and for half of the third");
        sink.output.room = 1000;
        log(&mut sink, &["five\n"]);
        let text = String::from_utf8(sink.output.text.clone()).expect("text");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[..4], ["one", "two", "th", "five"], "what follows a torn line has a line of its own");
        assert!(lines[4].contains("WARN lines of the log were lost count=2"), "{text}");
        assert_eq!(lines.len(), 5);
        log(&mut sink, &["six\n"]);
        assert!(sink.output.text.ends_with(b"six\n"), "it is told once");
    }
}
