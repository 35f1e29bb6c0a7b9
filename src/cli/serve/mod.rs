//! `turnserver`: read the configuration, start the engine, wait for signals.

mod certificates;
mod log;
mod pidfile;
mod reload;
mod secrets;
mod signals;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use tracing::{info, warn};

use super::first_run;
use crate::clock;
use crate::config::error::EXIT_STATUS;
use crate::config::{Command, InForce, Loaded, Serve, load, parse_command_line};
use crate::udp::Engine;
use crate::userdb::{self, Users};
use certificates::Watch;
use reload::Reloader;
use secrets::{open_state, warn_readable};
use signals::Signals;

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
    let log = log::start(&loaded.config.log);
    let profile = loaded.config.profile.name();
    match &loaded.file {
        Some(file) => {
            info!(file = %file.display(), profile, "configuration read");
            warn_readable(file, &loaded.config);
        }
        None => info!(profile, "no configuration file"),
    }
    loaded.warnings.iter().for_each(|warning| warn!("{warning}"));
    let ended = serve_until_stopped(serve, loaded);
    // What was logged comes before the last word.
    drop(log);
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => super::fail(&format!("{error:#}"), EXIT_STATUS),
    }
}

fn serve_until_stopped(serve: Serve, loaded: Loaded) -> Result<()> {
    let in_force = InForce::new(&loaded);
    // Passwords as they were written go no further than this.
    let Loaded { mut config, written, .. } = loaded;
    drop(written);
    let secrets = open_state(&mut config, None)?;
    userdb::seal(&mut config.auth);
    let config = Arc::new(config);
    // The handlers stand before anything can be asked to end.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut signals = runtime.block_on(async { Signals::listen() })?;
    let users = Arc::new(Users::new(&config.auth));
    let (certificates, watch) = Watch::start(&config)?;
    let mut engine = Engine::start(Arc::clone(&config), &secrets, certificates, users)?;
    let pidfile = config.process.pidfile.as_deref().filter(|path| pidfile::write(path));
    for ip in &engine.addresses().listen {
        info!(%ip, port = config.listen.port, workers = engine.workers(), "listening");
    }
    let has_tls = config.listen.tls && engine.certificates().current().is_some();
    if let Err(error) = first_run::print(&config, engine.addresses(), has_tls, clock::now().wall) {
        warn!(%error, "cannot write to standard output");
    }
    let mut reloader = Reloader::new(serve, in_force, secrets, watch);
    runtime.block_on(signals.until_stop(&mut engine, &mut reloader));
    let stopped = engine.stop();
    if let Some(path) = pidfile {
        pidfile::remove(path);
    }
    info!("stopped");
    Ok(stopped?)
}

fn say(text: &str) -> ExitCode {
    match writeln!(std::io::stdout(), "{text}") {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
