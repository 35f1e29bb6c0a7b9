//! The log: where lines go, and the threads that write them. Whoever logs never waits: each target has a bounded queue and
//! a thread, and what finds no room is lost and counted.

mod file;
mod format;
mod journald;
mod sink;
mod syslog;

use std::io::{self, IsTerminal, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use anyhow::{Context, Result};
use tracing::{error, info, warn};
use tracing_appender::non_blocking::WorkerGuard;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, registry, reload};

use crate::clock;
use crate::config::{self, LogLevel, LogTarget, Rate};
use crate::turn::ration::Ration;
use file::LogFile;
use format::{Lead, Style};
pub(super) use sink::Lost;
use syslog::SystemLog;

/// How long the end of the process waits for a reader of the last lines.
const LOG_END_MAX: Duration = Duration::from_secs(2);
/// Lines about panics; somebody may have found out how to make one.
const PANICS: Rate = Rate { per_sec: 1, burst: 10 };

/// The threads that write the log; they end with this value.
pub(super) struct Log {
    guards: Vec<WorkerGuard>,
    controls: Controls,
}

/// What can be changed while the log is written, from any thread.
#[derive(Clone)]
pub(super) struct Controls {
    file: Option<Arc<LogFile>>,
    lost: Vec<Lost>,
    level: reload::Handle<Targets, Registry>,
}

/// Says what is doubtful about a configuration.
pub(super) fn tell(warnings: &[config::Warning]) {
    for warning in warnings {
        match warning.is_note {
            true => info!("{warning}"),
            false => warn!("{warning}"),
        }
    }
}

/// Starts the log.
///
/// # Errors
/// The file cannot be opened, and must be.
pub(super) fn start(log: &config::Log) -> Result<Log> {
    let (filter, level) = reload::Layer::new(targets(log.level));
    let mut started = Log { guards: Vec::new(), controls: Controls { file: None, lost: Vec::new(), level } };
    let style = Style::new(log, clock::now().mono);
    let mut layers = Vec::new();
    let mut add = |style: Style, output: Box<dyn Write + Send>| {
        let (writer, guard, lost) = sink::start(output, style.clone());
        started.guards.push(guard);
        started.controls.lost.push(lost);
        layers.push(tracing_subscriber::fmt::layer().event_format(style).with_writer(writer).boxed());
    };
    let mut shortfall = None;
    let is_console = match &log.target {
        LogTarget::Console => true,
        LogTarget::Output => {
            add(console_style(&style, io::stdout().as_fd()), unbuffered(io::stdout().as_fd())?);
            false
        }
        LogTarget::Syslog(facility) => {
            let system = SystemLog::new(syslog::SOCKET.into());
            shortfall = system.shortfall();
            add(style.clone().led_by(Lead::Syslog(syslog::Header::new(*facility))), Box::new(system));
            false
        }
        LogTarget::File { path, daily, required } => match LogFile::open(path, *daily) {
            Ok(file) => {
                let file = Arc::new(file);
                started.controls.file = Some(Arc::clone(&file));
                add(style.clone(), Box::new(file::Writer(file)));
                log.console
            }
            Err(error) if *required => return Err(error).context(format!("cannot log into {}", path.display())),
            Err(error) => {
                shortfall =
                    Some(format!("cannot log into {}, so the log goes to the console: {error}", path.display()));
                true
            }
        },
    };
    if is_console {
        add(console_style(&style, io::stderr().as_fd()), Box::new(io::stderr()));
    }
    registry().with(filter).with(layers).init();
    tell_panics();
    if let Some(shortfall) = shortfall {
        warn!("{shortfall}");
    }
    Ok(started)
}

/// Packages of others speak up when something is wrong, in their own words.
fn targets(level: LogLevel) -> Targets {
    let level = match level {
        LogLevel::Trace => LevelFilter::TRACE,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Warning => LevelFilter::WARN,
        LogLevel::Error => LevelFilter::ERROR,
    };
    Targets::new().with_default(level.min(LevelFilter::WARN)).with_target("turnserver", level)
}

/// Under systemd the journal keeps the time and is told the level; a person at a terminal sees levels in colour.
fn console_style(style: &Style, fd: BorrowedFd<'_>) -> Style {
    match journald::reads(fd) {
        true => style.clone().led_by(Lead::Journal),
        false => style.clone().coloured(fd.is_terminal()),
    }
}

/// Standard output without the buffer of the standard library: a line that cannot be written must not come up later.
fn unbuffered(fd: BorrowedFd<'_>) -> Result<Box<dyn Write + Send>> {
    let owned = fd.try_clone_to_owned().context("cannot log to the console")?;
    Ok(Box::new(std::fs::File::from(owned)))
}

/// Through the log as well, so that a panic that is contained blocks nobody, and not more often than is of use.
fn tell_panics() {
    let ration = Mutex::new(Ration::new(PANICS));
    std::panic::set_hook(Box::new(move |panic| {
        let taken = ration.lock().unwrap_or_else(PoisonError::into_inner).take(clock::now().mono);
        if let Some(suppressed) = taken {
            error!(suppressed, "{panic}");
        }
    }));
}

impl Log {
    /// What can be changed while it runs.
    pub(super) fn controls(&self) -> Controls {
        self.controls.clone()
    }
}

impl Controls {
    /// Opens the file anew, for whoever moved the old one away. Lines written meanwhile stand in one or the other; when it
    /// cannot be opened the old one stays, which is logged.
    pub(super) fn reopen(&self) {
        let Some(file) = &self.file else { return };
        match file.reopen() {
            Ok(path) => {
                let lost: u64 = self.lost().iter().map(Lost::count).sum();
                info!(path = %path.display(), lost, "log file opened anew");
            }
            Err(error) => error!(%error, "the log file cannot be opened anew; the old one stays"),
        }
    }

    /// Who the server is going to be must be able to open the file anew.
    pub(super) fn give_to(&self, owner: (u32, u32)) {
        if let Some(Err(error)) = self.file.as_ref().map(|file| file.give_to(owner)) {
            warn!(%error, "the log file cannot be given to the server's user, who may not be able to open it anew");
        }
    }

    /// Another level holds from now on.
    pub(super) fn set_level(&self, level: LogLevel) {
        if let Err(error) = self.level.reload(targets(level)) {
            warn!(%error, "the level of the log stays as it is");
        }
    }

    /// Lines that were lost since the start, readable from any thread.
    pub(super) fn lost(&self) -> Vec<Lost> {
        self.lost.clone()
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        let guards = std::mem::take(&mut self.guards);
        let (done, ended) = mpsc::channel::<()>();
        // When the last lines do not go, the guard prints that on standard output, which may be stuck as well, or closed.
        let ending = move || {
            drop(guards);
            drop(done);
        };
        if std::thread::Builder::new().name("log-end".to_owned()).spawn(ending).is_ok() {
            let _ = ended.recv_timeout(LOG_END_MAX);
        }
    }
}
