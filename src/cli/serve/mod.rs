//! `turnserver`: read the configuration, start the engine, wait for signals.

mod admin;
mod certificates;
mod daemon;
mod database;
mod drain;
mod inherited;
mod log;
pub mod notify;
mod pidfile;
pub(super) mod privileges;
mod reload;
mod secrets;
mod signals;
mod stop_limit;
pub mod watch;

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use tokio::runtime::Runtime;
use tracing::{info, warn};

use super::first_run;
use super::state_dir::StateDir;
use crate::clock;
use crate::config::error::EXIT_STATUS;
use crate::config::{Command, Config, InForce, Loaded, Serve, load, parse_command_line};
use crate::turn::settings::Hooks;
use crate::udp::{Bound, Engine, Inherited};
use crate::userdb;
use admin::Beside;
use daemon::Background;
use database::UserDatabase;
use notify::Notifier;
use privileges::Identity;
use reload::Reloader;
use secrets::{read_state, warn_readable};
use signals::{Early, Signals};
use stop_limit::StopLimit;
use watch::Watch;

/// Runs the server until a signal ends it.
pub(super) fn run(args: Vec<OsString>) -> ExitCode {
    let serve = match parse_command_line(args.clone()) {
        Ok(Command::Version) => return say(env!("CARGO_PKG_VERSION")),
        Ok(Command::Help(text)) => return say(text.trim_end()),
        Ok(Command::Serve(serve)) => serve,
        Err(problem) => return super::fail(&problem.to_string(), EXIT_STATUS),
    };
    let is_awaited = std::env::var_os("NOTIFY_SOCKET").is_some() || inherited::are_there();
    // Before anything else is opened that could be taken for one of them.
    let given = inherited::take();
    let (runtime, early) = match control() {
        Ok(control) => control,
        Err(error) => return super::fail(&format!("{error:#}"), EXIT_STATUS),
    };
    let loaded = match load(&serve) {
        Ok(loaded) => loaded,
        Err(problems) => return super::fail(&format!("the configuration cannot be used\n{problems}"), EXIT_STATUS),
    };
    let background = daemon::Background::enter();
    if loaded.config.process.daemon && background.is_none() && !is_awaited {
        daemon::warn_of_console(&loaded.config.log);
        return daemon::start(&args).unwrap_or_else(|error| super::fail(&format!("{error:#}"), EXIT_STATUS));
    }
    let log = match log::start(&loaded.config.log) {
        Ok(log) => log,
        Err(error) => return super::fail(&format!("{error:#}"), EXIT_STATUS),
    };
    say_what_was_read(&loaded, is_awaited);
    let start = Start { serve, loaded, background, given, early, log: log.controls() };
    let ended = serve_until_stopped(start, &runtime);
    // A file that does not answer may have a thread wait for it.
    runtime.shutdown_background();
    // What was logged comes before the last word.
    drop(log);
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => super::fail(&format!("{error:#}"), EXIT_STATUS),
    }
}

/// The runtime of everything beside the workers, and the signals it hears from the first.
fn control() -> Result<(Runtime, Early)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let early = runtime.block_on(async { Early::listen() })?;
    Ok((runtime, early))
}

fn say_what_was_read(loaded: &Loaded, is_awaited: bool) {
    let profile = loaded.config.profile.name();
    match &loaded.file {
        Some(file) => {
            info!(file = %file.display(), profile, "configuration read");
            warn_readable(file, loaded);
        }
        None => info!(profile, "no configuration file"),
    }
    log::tell(&loaded.warnings);
    if loaded.config.process.daemon && is_awaited {
        warn!("daemon has no effect: a service manager waits for the server itself");
    }
}

/// How the server was started.
struct Start {
    serve: Serve,
    loaded: Loaded,
    background: Option<Background>,
    /// Sockets that were open already, and what was none.
    given: (Inherited, Vec<String>),
    early: Early,
    log: log::Controls,
}

fn serve_until_stopped(start: Start, runtime: &Runtime) -> Result<()> {
    let Start { serve, loaded, background, given: (inherited, refused), early, log } = start;
    inherited::warn_of(&refused);
    let in_force = InForce::new(&loaded);
    // Passwords as they were written go no further than this.
    let Loaded { mut config, written, file, .. } = loaded;
    drop(written);
    let identity = Identity::of(&config.process)?;
    let owner = identity.map(Identity::owner);
    let state = StateDir::open(owner);
    let secrets = read_state(&mut config, &state, None)?;
    userdb::seal(&mut config.auth);
    let notifier = Notifier::from_env()?;
    // The handlers stand before anything can be asked to end.
    let limit = StopLimit::start()?;
    let mut signals = runtime.block_on(async { Signals::listen(early) })?;
    let (database, keeper) = runtime.block_on(UserDatabase::open(&mut config, owner))?.unzip();
    let config = Arc::new(config);
    let users = database::users(database.as_ref(), &config);
    let (certificates, certificate_watch) = certificates::Watch::start(&config)?;
    let admin = admin::bind(&config)?;
    let bound = Bound::new(Arc::clone(&config), &secrets, certificates, users, Hooks::default(), inherited)?;
    let pidfile = config.process.pidfile.as_deref().filter(|path| pidfile::write(path));
    if let Some(identity) = identity {
        log.give_to(identity.owner());
        identity.assume()?;
        privileges::warn_unreadable(read_again(&config, file.as_deref(), state.as_ref().ok()));
        privileges::warn_low_ports(&config.relay.ports);
    }
    let mut engine = bound.start()?;
    if let Some(admin) = admin {
        let beside = Beside { database: database.as_ref().map(UserDatabase::store), lost_lines: log.lost() };
        admin::serve(runtime, admin, &config, &engine, beside)?;
    }
    let watchdog = sd_notify::watchdog_enabled().filter(|_| notifier.is_heard());
    let watch = Watch::start(engine.pulse(), engine.readings(), notifier.clone(), watchdog)?;
    say_that_it_listens(&config, &engine);
    notifier.ready();
    background.map_or(Ok(()), Background::ready)?;
    keeper.map(|keeper| runtime.spawn(keeper.run()));
    let mut reloader = Reloader { serve, file, in_force, secrets, state, watch: certificate_watch, log, database };
    runtime.block_on(signals.until_stop(&mut engine, &mut reloader, &notifier));
    limit.begin();
    notifier.stopping();
    drop(watch);
    let stopped = engine.stop();
    if let Some(path) = pidfile {
        pidfile::remove(path);
    }
    info!("stopped");
    Ok(stopped?)
}

fn say_that_it_listens(config: &Config, engine: &Engine) {
    let has_tls = config.listen.tls && engine.certificates().current().is_some();
    for ip in &engine.addresses().listen {
        let tls_port = has_tls.then_some(config.listen.tls_port);
        info!(%ip, port = config.listen.port, tls_port, workers = engine.workers(), "listening");
    }
    if let Err(error) = first_run::print(config, engine.addresses(), has_tls, clock::now().wall) {
        warn!(%error, "cannot write to standard output");
    }
}

/// The files that a reload reads.
fn read_again(config: &Config, file: Option<&Path>, state: Option<&StateDir>) -> Vec<PathBuf> {
    let tls = config.tls.iter().flat_map(|files| [files.cert.clone(), files.key.clone()]);
    let secret = config.auth.secret_file.iter().filter_map(|secret| match state {
        _ if secret.is_absolute() => Some(secret.clone()),
        state => Some(state?.join(secret)),
    });
    let home = std::env::var_os("HOME");
    let database = config.database.as_ref().map(|named| named.path(home.as_deref()));
    file.map(Path::to_owned).into_iter().chain(tls).chain(secret).chain(database).collect()
}

fn say(text: &str) -> ExitCode {
    match writeln!(std::io::stdout(), "{text}") {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
