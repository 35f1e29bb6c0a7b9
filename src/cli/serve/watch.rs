//! A thread that looks whether the workers go round, and passes it on to the service manager. Apart from the control
//! runtime: a reload, however long it takes, must not look like a worker that hangs.

use std::io;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::Duration;

use tracing::{error, info};

use super::notify::Notifier;
use crate::clock;
use crate::turn::time::Mono;
use crate::udp::{Beat, Pulse, Readings};

/// Between two looks, unless the service manager asks for more.
const STEP: Duration = Duration::from_secs(5);
/// Between two looks at workers that have not answered yet.
const PAUSE: Duration = Duration::from_millis(5);
/// A worker that does not answer for so long is logged.
const SILENCE_MAX: Duration = Duration::from_secs(2);

/// The thread; it ends with this value.
#[derive(Debug)]
pub struct Watch {
    thread: Option<JoinHandle<()>>,
    end: Option<mpsc::Sender<()>>,
}

impl Watch {
    /// Starts it. `watchdog`: the service manager ends the server when it does not hear for so long that it is alive.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(
        pulse: Pulse,
        readings: Readings,
        notifier: Notifier,
        watchdog: Option<Duration>,
    ) -> io::Result<Watch> {
        let (end, ended) = mpsc::channel();
        let mut watcher = Watcher { pulse, readings, notifier, watchdog, is_silent: false };
        let thread = std::thread::Builder::new().name("watch".to_owned()).spawn(move || watcher.run(&ended))?;
        Ok(Watch { thread: Some(thread), end: Some(end) })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.end = None;
        if let Some(thread) = self.thread.take() {
            // It does not panic; if it did, the log says so.
            let _ = thread.join();
        }
    }
}

struct Watcher {
    pulse: Pulse,
    readings: Readings,
    notifier: Notifier,
    watchdog: Option<Duration>,
    /// That a worker does not answer was logged.
    is_silent: bool,
}

impl Watcher {
    /// Asks, waits for the answers, says what came of it; then pauses for the rest of the step.
    fn run(&mut self, ended: &Receiver<()>) {
        let step = self.watchdog.map_or(STEP, |watchdog| STEP.min(watchdog / 2));
        loop {
            let begin = clock::now().mono;
            self.pulse.ping(begin);
            let rest = || step.saturating_sub(clock::now().mono.since(begin));
            let mut is_told = false;
            while !rest().is_zero() {
                let has_answered = self.pulse.all_answered(clock::now().mono);
                if has_answered && !is_told {
                    self.pass_on_life();
                    is_told = true;
                }
                let pause = if is_told { rest() } else { PAUSE.min(rest()) };
                if ended.recv_timeout(pause) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
            }
            self.say(clock::now().mono);
        }
    }

    fn pass_on_life(&mut self) {
        if self.watchdog.is_some() {
            self.notifier.alive();
        }
        if self.is_silent {
            info!("every worker goes round again");
            self.is_silent = false;
        }
        self.tell_status(None);
    }

    /// What is to be said at the end of a step.
    fn say(&mut self, now: Mono) {
        let silent = |(worker, beat)| match beat {
            Beat::Waiting(time) if time >= SILENCE_MAX => Some((worker, time)),
            _ => None,
        };
        let silent: Option<(usize, Duration)> = self.pulse.beats(now).into_iter().enumerate().find_map(silent);
        if let Some((worker, time)) = silent {
            if !self.is_silent {
                error!(worker, secs = time.as_secs(), "a worker does not answer");
            }
            self.is_silent = true;
            self.tell_status(Some(worker));
        }
        if self.readings.is_draining() {
            self.notifier.draining();
        }
    }

    fn tell_status(&self, silent: Option<usize>) {
        let (allocations, ports) = (self.readings.allocations(), self.readings.ports());
        let doing = if self.readings.is_draining() { "draining" } else { "serving" };
        let mut status = format!("{doing}, allocations: {allocations}, relay ports: {ports}");
        if let Some(worker) = silent {
            status.push_str(&format!(", worker {worker} does not answer"));
        }
        self.notifier.status(status);
    }
}
