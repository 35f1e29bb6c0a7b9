//! `turnserver`: read the configuration, start the engine, wait for signals.

use std::ffi::OsString;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{error, info, warn};
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::LevelFilter;

use super::first_run;
use super::state_dir::{Secret, StateDir, secret};
use crate::clock;
use crate::config::error::EXIT_STATUS;
use crate::config::{AuthMode, Command, Config, is_example_secret, load, parse_command_line, short_secret};
use crate::rng;
use crate::stream::tls::Certificates;
use crate::udp::{Engine, Secrets};
use crate::userdb::{self, Users};

/// Lines of the log that wait for a slow reader; further ones are lost, and nothing else is.
const LOG_LINES_MAX: usize = 8192;
/// How long the end of the process waits for a reader of the last lines.
const LOG_END_MAX: Duration = Duration::from_secs(2);

/// Runs the server until a signal ends it.
pub(super) fn run(args: Vec<OsString>) -> ExitCode {
    let serve = match parse_command_line(args) {
        Ok(Command::Version) => return say(env!("CARGO_PKG_VERSION")),
        Ok(Command::Help(text)) => return say(text.trim_end()),
        Ok(Command::Serve(serve)) => serve,
        Err(problem) => return super::fail(&problem.to_string(), EXIT_STATUS),
    };
    let loaded = match load(&serve) {
        Ok(loaded) => loaded,
        Err(problems) => return super::fail(&format!("the configuration cannot be used\n{problems}"), EXIT_STATUS),
    };
    let log = start_log(loaded.config.process.verbosity);
    let profile = loaded.config.profile.name();
    match &loaded.file {
        Some(file) => {
            info!(file = %file.display(), profile, "configuration read");
            warn_readable(file, &loaded.config);
        }
        None => info!(profile, "no configuration file"),
    }
    loaded.warnings.iter().for_each(|warning| warn!("{warning}"));
    let ended = serve_until_stopped(loaded.config);
    // What was logged comes before the last word.
    drop(log);
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => super::fail(&format!("{error:#}"), EXIT_STATUS),
    }
}

fn serve_until_stopped(mut config: Config) -> Result<()> {
    let secrets = open_state(&mut config)?;
    userdb::seal(&mut config.auth);
    let config = Arc::new(config);
    // The handlers stand before anything can be asked to end.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut signals = runtime.block_on(async { Signals::listen() })?;
    let users = Arc::new(Users::new(&config.auth));
    let engine = Engine::start(Arc::clone(&config), &secrets, load_certificates(&config)?, users)?;
    let pidfile = config.process.pidfile.as_deref().filter(|path| write_pidfile(path));
    for ip in &engine.addresses().listen {
        info!(%ip, port = config.listen.port, workers = engine.workers(), "listening");
    }
    let has_tls = config.listen.tls && engine.certificates().current().is_some();
    if let Err(error) = first_run::print(&config, engine.addresses(), has_tls, clock::now().wall) {
        warn!(%error, "cannot write to standard output");
    }
    runtime.block_on(signals.until_stop(&engine));
    let stopped = engine.stop();
    if let Some(path) = pidfile {
        remove_pidfile(path);
    }
    info!("stopped");
    Ok(stopped?)
}

/// Says so when others can read passwords.
fn warn_readable(file: &Path, config: &Config) {
    let holds_secrets = !config.auth.users.is_empty() || !config.auth.secrets.is_empty();
    let mode = std::fs::metadata(file).map_or(0, |metadata| metadata.mode());
    if holds_secrets && mode & 0o077 != 0 {
        warn!(file = %file.display(), mode = format!("{:03o}", mode & 0o777), "a file with secrets can be read by others");
    }
}

/// Without a certificate that works there is no TLS until SIGUSR2 finds one, and everything else is served (as coturn
/// does).
fn load_certificates(config: &Config) -> Result<Certificates> {
    let Some(files) = &config.tls else { return Ok(Certificates::none()?) };
    let certificates = Certificates::of(files.clone())?;
    match certificates.reload() {
        Ok(warnings) => warnings.iter().for_each(|warning| warn!("{warning}")),
        Err(error) => warn!("TLS is not served: {error}"),
    }
    Ok(certificates)
}

fn reload_certificates(certificates: &Certificates) {
    match certificates.reload() {
        Ok(warnings) => {
            warnings.iter().for_each(|warning| warn!("{warning}"));
            info!("certificates read again");
        }
        Err(error) => warn!("the certificates stay as they are: {error}"),
    }
}

/// Reads, or makes, what outlives a restart.
fn open_state(config: &mut Config) -> Result<Secrets> {
    let state = StateDir::open();
    if let Some(file) = config.auth.secret_file.clone() {
        let path = match &state {
            _ if file.is_absolute() => file,
            Ok(state) => state.join(&file),
            Err(error) => bail!("no state directory for secret-file: {error:#}"),
        };
        let Secret { text, path, is_new } = secret(path)?;
        ensure!(!is_example_secret(&text), "{} holds a secret that documentation uses", path.display());
        if let Some(short) = short_secret(&text) {
            warn!(path = %path.display(), "{short}");
        }
        if is_new {
            info!(path = %path.display(), "made a secret for time-limited credentials");
        }
        config.auth.secrets.push(text);
    }
    if matches!(config.auth.mode, AuthMode::StunOnly | AuthMode::Anonymous) {
        return Ok(Secrets { nonce_key: rng::seed()?, previous_nonce_key: None });
    }
    match state.and_then(|state| state.nonce_keys()) {
        Ok((nonce_key, previous_nonce_key)) => Ok(Secrets { nonce_key, previous_nonce_key }),
        Err(error) => {
            warn!("clients will have to authenticate anew after a restart: {error:#}");
            Ok(Secrets { nonce_key: rng::seed()?, previous_nonce_key: None })
        }
    }
}

fn write_pidfile(path: &Path) -> bool {
    let written = std::fs::write(path, format!("{}\n", std::process::id()));
    if let Err(error) = &written {
        warn!(path = %path.display(), %error, "cannot write the pid file");
    }
    written.is_ok()
}

/// Another server may have put its own there meanwhile.
fn remove_pidfile(path: &Path) {
    let is_ours = |text: String| text.trim() == std::process::id().to_string();
    if std::fs::read_to_string(path).is_ok_and(is_ours)
        && let Err(error) = std::fs::remove_file(path)
    {
        warn!(path = %path.display(), %error, "cannot remove the pid file");
    }
}

/// Starts the log. Lines are written by a thread of its own: a reader that stops reading must not stop the workers.
fn start_log(verbosity: u8) -> Log {
    let level = match verbosity {
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
struct Log(Option<WorkerGuard>);

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

fn say(text: &str) -> ExitCode {
    match writeln!(std::io::stdout(), "{text}") {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// The signals the server answers.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    certificates: Signal,
    reload: Signal,
    drain: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            certificates: signal(SignalKind::user_defined2())?,
            reload: signal(SignalKind::hangup())?,
            drain: signal(SignalKind::user_defined1())?,
        })
    }

    async fn until_stop(&mut self, engine: &Engine) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return info!("terminating on SIGTERM"),
                _ = self.interrupt.recv() => return info!("terminating on SIGINT"),
                _ = self.certificates.recv() => reload_certificates(engine.certificates()),
                _ = self.reload.recv() => warn!("SIGHUP: this version does not reload its configuration; restart it"),
                _ = self.drain.recv() => warn!("SIGUSR1: this version does not drain; it goes on serving"),
            }
        }
    }
}
