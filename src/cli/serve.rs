//! `turnserver`: read the configuration, start the engine, wait for signals.

use std::ffi::OsString;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{info, warn};
use tracing_subscriber::filter::LevelFilter;

use super::first_run;
use super::state_dir::StateDir;
use crate::clock;
use crate::config::error::EXIT_STATUS;
use crate::config::{AuthMode, Command, Config, load, parse_command_line};
use crate::rng;
use crate::stream::tls::Certificates;
use crate::udp::{Engine, Secrets};

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
        Err(problems) => return super::fail(&format!("the configuration cannot be used\n{problems}"), 1),
    };
    start_log(loaded.config.process.verbosity);
    match &loaded.file {
        Some(file) => info!(file = %file.display(), profile = loaded.config.profile.name(), "configuration read"),
        None => info!(profile = loaded.config.profile.name(), "no configuration file"),
    }
    loaded.warnings.iter().for_each(|warning| warn!("{warning}"));
    match serve_until_stopped(loaded.config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => super::fail(&format!("{error:#}"), 1),
    }
}

fn serve_until_stopped(mut config: Config) -> Result<()> {
    let secrets = open_state(&mut config)?;
    let config = Arc::new(config);
    // The handlers stand before anything can be asked to end.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut signals = runtime.block_on(async { Signals::listen() })?;
    let certificates = load_certificates(&config)?;
    let has_tls = config.listen.tls && certificates.current().is_some();
    let engine = Engine::start(Arc::clone(&config), &secrets, certificates)?;
    let pidfile = config.process.pidfile.as_deref().filter(|path| write_pidfile(path));
    for ip in &engine.addresses().listen {
        info!(%ip, port = config.listen.port, workers = engine.workers(), "listening");
    }
    first_run::print(&config, engine.addresses(), has_tls, clock::now().wall)
        .context("cannot write to standard output")?;
    runtime.block_on(signals.until_stop(&engine));
    engine.stop();
    if let Some(path) = pidfile
        && let Err(error) = std::fs::remove_file(path)
    {
        warn!(path = %path.display(), %error, "cannot remove the pid file");
    }
    info!("stopped");
    Ok(())
}

/// Without a certificate that works there is no TLS, and everything else is served (as coturn does).
fn load_certificates(config: &Config) -> Result<Certificates> {
    let Some(files) = &config.tls else { return Ok(Certificates::none()?) };
    match Certificates::load(files.clone()) {
        Ok((certificates, warnings)) => {
            warnings.iter().for_each(|warning| warn!("{warning}"));
            Ok(certificates)
        }
        Err(error) => {
            warn!("TLS is not served: {error}");
            Ok(Certificates::none()?)
        }
    }
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
        let state = state.as_ref().map_err(|error| anyhow::anyhow!("{error:#}")).context("no state directory")?;
        let (secret, path, is_new) = state.secret(&file)?;
        if is_new {
            info!(path = %path.display(), "made a secret for time-limited credentials");
        }
        config.auth.secrets.push(secret);
    }
    if matches!(config.auth.mode, AuthMode::StunOnly | AuthMode::Anonymous) {
        return Ok(Secrets { nonce_key: rng::seed()?, previous_nonce_key: None });
    }
    let nonce_key = match state.and_then(|state| state.nonce_key()) {
        Ok(key) => key,
        Err(error) => {
            warn!("clients will have to authenticate anew after a restart: {error:#}");
            rng::seed()?
        }
    };
    Ok(Secrets { nonce_key, previous_nonce_key: None })
}

fn write_pidfile(path: &Path) -> bool {
    let written = std::fs::write(path, format!("{}\n", std::process::id()));
    if let Err(error) = &written {
        warn!(path = %path.display(), %error, "cannot write the pid file");
    }
    written.is_ok()
}

fn start_log(verbosity: u8) {
    let level = match verbosity {
        0 => LevelFilter::INFO,
        1 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_target(false)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .init();
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
