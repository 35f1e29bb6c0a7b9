//! The end within 5 s, whatever hangs: a thread of its own hears the signals as well, and ends the process when what should
//! have ended it did not.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;
use tracing::error;

/// What an end may take.
const STOP_MAX: Duration = Duration::from_secs(4);
/// For the last line of the log.
const LAST_LINE: Duration = Duration::from_millis(300);
/// The exit status of a process that had to be cut short.
const CUT_SHORT_STATUS: u8 = 70;

/// Waits for the begin of the end.
#[derive(Debug)]
pub(super) struct StopLimit(Arc<Notify>);

impl StopLimit {
    /// Starts the thread.
    pub(super) fn start() -> io::Result<StopLimit> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (mut terminate, mut interrupt) = {
            let _within = runtime.enter();
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?)
        };
        let begun = Arc::new(Notify::new());
        let begins = Arc::clone(&begun);
        let wait = async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
                () = begins.notified() => {}
            }
            tokio::time::sleep(STOP_MAX - LAST_LINE).await;
            error!("the server did not end in {} s, something in it hangs; it is cut short", STOP_MAX.as_secs());
            tokio::time::sleep(LAST_LINE).await;
            // No destructor runs: one of them may be what hangs.
            std::process::exit(i32::from(CUT_SHORT_STATUS));
        };
        let thread = std::thread::Builder::new().name("stop-limit".to_owned());
        thread.spawn(move || runtime.block_on(wait))?;
        Ok(StopLimit(begun))
    }

    /// The end begins without a signal.
    pub(super) fn begin(&self) {
        self.0.notify_one();
    }
}
