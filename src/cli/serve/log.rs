//! The log: where lines go, and the thread that writes them.

use std::sync::mpsc;
use std::time::Duration;

use tracing::error;
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::LevelFilter;

use crate::config;

/// Lines of the log that wait for a slow reader; further ones are lost, and nothing else is.
const LOG_LINES_MAX: usize = 8192;
/// How long the end of the process waits for a reader of the last lines.
const LOG_END_MAX: Duration = Duration::from_secs(2);

/// Starts the log. Lines are written by a thread of its own: a reader that stops reading must not stop the workers.
pub(super) fn start(log: &config::Log) -> Log {
    let level = match log.verbosity {
        0 => LevelFilter::INFO,
        1 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    let builder = NonBlockingBuilder::default().buffered_lines_limit(LOG_LINES_MAX).lossy(true);
    let (writer, guard) = builder.thread_name("log").finish(std::io::stderr());
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_target(false)
        .with_writer(writer)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .init();
    // Through the log as well, so that a panic that is contained blocks nobody.
    std::panic::set_hook(Box::new(|panic| error!("{panic}")));
    Log(Some(guard))
}

/// The thread that writes the log; it ends with this value.
pub(super) struct Log(Option<WorkerGuard>);

impl Drop for Log {
    fn drop(&mut self) {
        let guard = self.0.take();
        let (done, ended) = mpsc::channel::<()>();
        // When the last lines do not go, the guard prints that on standard output, which may be stuck as well, or closed.
        let ending = move || {
            drop(guard);
            drop(done);
        };
        if std::thread::Builder::new().name("log-end".to_owned()).spawn(ending).is_ok() {
            let _ = ended.recv_timeout(LOG_END_MAX);
        }
    }
}
