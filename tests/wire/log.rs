//! What a process writes, line by line, as it comes.

use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::wait::Deadline;

/// The lines of a process's output so far.
#[derive(Clone)]
pub(crate) struct Log(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    lines: Vec<String>,
    ended: bool,
}

impl Log {
    /// Reads `output` in a thread until it ends, which it does with the process.
    pub(crate) fn of(output: impl Read + Send + 'static) -> Log {
        let log = Log(Arc::new(Shared { state: Mutex::default(), changed: Condvar::new() }));
        let writer = log.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                writer.lock().lines.push(line);
                writer.0.changed.notify_all();
            }
            writer.lock().ended = true;
            writer.0.changed.notify_all();
        });
        log
    }

    /// The first line that holds every one of `parts`, waited for; none when the output ends without it.
    pub(crate) fn find(&self, parts: &[&str]) -> Option<String> {
        let deadline = Deadline::new();
        let mut state = self.lock();
        loop {
            if let Some(line) = state.lines.iter().find(|line| parts.iter().all(|part| line.contains(part))) {
                return Some(line.clone());
            }
            if state.ended {
                return None;
            }
            let left =
                deadline.left().unwrap_or_else(|| panic!("no line with {parts:?} in\n{}", state.lines.join("\n")));
            state = self.0.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Everything until the end of the output, waited for.
    pub(crate) fn whole(&self) -> String {
        assert_eq!(self.find(&["\0"]), None, "a process writes no NUL");
        self.text()
    }

    /// Everything so far.
    pub(crate) fn text(&self) -> String {
        self.lock().lines.join("\n")
    }

    /// How many lines so far hold every one of `parts`.
    pub(crate) fn count(&self, parts: &[&str]) -> usize {
        self.lock().lines.iter().filter(|line| parts.iter().all(|part| line.contains(part))).count()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
