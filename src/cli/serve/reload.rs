//! The configuration read again on SIGHUP: from the same command line and environment, by the same search for a file, and
//! all of it or nothing.

use std::path::PathBuf;
use std::sync::Arc;

use tracing::{error, info, warn};

use super::super::state_dir::StateDir;
use super::certificates::{NewCertificate, Watch};
use super::database::{self, Configured, UserDatabase};
use super::log::Controls;
use super::secrets::{read_state, warn_readable};
use crate::clock;
use crate::config::{Auth, AuthMode, Change, Config, InForce, Loaded, Serve, Update, load};
use crate::udp::{Engine, Prepared, Secrets};
use crate::userdb::{self, UserStore};

/// What it takes to read the configuration again.
pub(super) struct Reloader {
    /// The command line, with the secrets it may hold: nothing else remembers them.
    pub(super) serve: Serve,
    /// The file in force, if there is one.
    pub(super) file: Option<PathBuf>,
    pub(super) in_force: InForce,
    pub(super) secrets: Secrets,
    /// As it was found at the start: who gave up root would find another one.
    pub(super) state: anyhow::Result<StateDir>,
    pub(super) watch: Watch,
    pub(super) log: Controls,
    pub(super) database: Option<UserDatabase>,
}

/// A configuration that was read again, looked at and found good.
struct Next {
    loaded: Loaded,
    changed: Vec<Change>,
    waiting: Vec<Change>,
    in_force: InForce,
    secrets: Secrets,
    certificate: Option<NewCertificate>,
    prepared: Prepared,
    users: Arc<dyn UserStore>,
    /// What it says without the database; none: there is none.
    configured: Option<Configured>,
}

impl Reloader {
    /// Reads the configuration again. If there is anything wrong with it nothing changes, and what that is is given in short.
    pub(super) fn run(&mut self, engine: &mut Engine) -> Option<String> {
        // Before anything else goes there.
        self.log.reopen();
        let next = self.read(engine);
        engine.reloads().note(clock::now().wall, next.is_ok());
        match next {
            Ok(next) => {
                self.take(engine, next);
                None
            }
            Err(problems) => {
                problems.iter().for_each(|problem| error!("{problem}"));
                error!(problems = problems.len(), "the configuration cannot be used; the former one stays in force");
                problems.first().map(|first| match problems.len() {
                    1 => first.clone(),
                    all => format!("{first} (and {} more)", all - 1),
                })
            }
        }
    }

    /// Reads the certificate again, and nothing else.
    pub(super) fn reload_certificate(&mut self, engine: &Engine) {
        self.watch.reload(engine.certificates());
    }

    /// Reads the certificate again if its files changed.
    pub(super) fn look_at_certificate(&mut self, engine: &Engine) {
        self.watch.look(engine.certificates());
    }

    /// Waits until peers or limits in the user database change.
    pub(super) async fn until_rules_change(&mut self) {
        match &mut self.database {
            Some(database) => database.until_changed().await,
            None => std::future::pending().await,
        }
    }

    /// Has them hold.
    pub(super) fn change_rules(&mut self, engine: &mut Engine) {
        if let Some(database) = &mut self.database {
            database.apply(engine);
        }
    }

    /// Everything that can go wrong; nothing is changed.
    fn read(&mut self, engine: &Engine) -> Result<Next, Vec<String>> {
        let loaded = load(&self.serve).map_err(|problems| texts(&problems.0))?;
        self.judge_file(&loaded)?;
        let held = |problems: &[crate::config::Problem]| {
            texts(problems).iter().map(|text| format!("with what waits for a restart: {text}")).collect::<Vec<_>>()
        };
        let Update { mut config, mut changed, waiting, in_force } =
            self.in_force.update(&loaded).map_err(|problems| held(&problems.0))?;
        let mut problems: Vec<String> = ends_all_service(engine, &config, &loaded).into_iter().collect();
        let certificate = self.watch.read(engine.certificates(), config.tls.as_ref());
        let certificate = certificate.unwrap_or_else(|error| {
            problems.push(error.to_string());
            None
        });
        // One that comes waits for a restart; that it is of no use is told now.
        let coming = loaded.config.tls.as_ref().filter(|_| config.tls.is_none() && loaded.config.listen.tls);
        if let Err(error) = self.watch.read(engine.certificates(), coming) {
            problems.push(error.to_string());
        }
        let prepared = read_state(&mut config, &self.state, Some(&self.secrets)).and_then(|secrets| {
            changed.extend(changed_secret_file(&engine.config().auth, &config.auth));
            userdb::seal(&mut config.auth);
            let users = database::users(self.database.as_ref(), &config);
            let configured = self.database.as_ref().map(|database| database.add_to(&mut config));
            Ok((engine.prepare(config, &secrets)?, secrets, users, configured))
        });
        match prepared {
            Ok((prepared, secrets, users, configured)) if problems.is_empty() => {
                Ok(Next { loaded, changed, waiting, in_force, secrets, certificate, prepared, users, configured })
            }
            Ok(_) => Err(problems),
            Err(error) => {
                problems.push(format!("{error:#}"));
                Err(problems)
            }
        }
    }

    /// Who is served by a file goes on being served by it: found by search, none or another one may be found.
    fn judge_file(&self, loaded: &Loaded) -> Result<(), Vec<String>> {
        let Some(file) = &self.file else { return Ok(()) };
        let found = match &loaded.file {
            Some(found) if found == file => return Ok(()),
            Some(found) => format!("{} is found instead", found.display()),
            None => "no other one is".to_owned(),
        };
        Err(vec![format!("{}: it is not found any more, {found}; another file takes a restart", file.display())])
    }

    fn take(&mut self, engine: &mut Engine, next: Next) {
        let Next { loaded, changed, waiting, in_force, secrets, certificate, prepared, users, configured } = next;
        let reloaded = engine.apply(prepared, users);
        if let (Some(database), Some(configured)) = (&mut self.database, configured) {
            database.adopt(configured);
        }
        if let Some(certificate) = certificate {
            self.watch.show(engine.certificates(), certificate);
        }
        (self.in_force, self.secrets) = (in_force, secrets);
        self.file = loaded.file.clone();
        self.log.set_level(engine.config().log.level);
        if let Some(file) = &loaded.file {
            warn_readable(file, &loaded);
        }
        super::log::tell(&loaded.warnings);
        for Change { option, values } in &changed {
            match values {
                Some((before, after)) => info!(option, before = before.as_str(), after = after.as_str(), "changed"),
                None => info!(option, "changed"),
            }
        }
        for Change { option, values } in &waiting {
            match values {
                Some((now, then)) => warn!(option, now = now.as_str(), then = then.as_str(), "needs a restart"),
                None => warn!(option, "needs a restart"),
            }
        }
        reloaded.came.iter().for_each(|ip| warn!(%ip, "an address that came is listened to after a restart"));
        reloaded.went.iter().for_each(|ip| warn!(%ip, "an address that went is let go by a restart"));
        info!(changed = changed.len(), waiting = waiting.len(), "configuration read again");
    }
}

/// What is wrong with a configuration that lets nobody allocate any more: an editor leaves a file empty for an instant, so
/// that it has to be said.
fn ends_all_service(engine: &Engine, config: &Config, loaded: &Loaded) -> Option<String> {
    let is_end = config.auth.mode == AuthMode::StunOnly && engine.config().auth.mode != AuthMode::StunOnly;
    (is_end && !loaded.is_on("stun-only")).then(|| {
        "there are no users and no secret any more, which would end every allocation; if that is meant, say stun-only"
            .to_owned()
    })
}

/// The option is the same and what the file says is not. Its secret stands last.
fn changed_secret_file(before: &Auth, after: &Auth) -> Option<Change> {
    let is_same_file = after.secret_file.is_some() && before.secret_file == after.secret_file;
    let is_other = is_same_file && before.secrets.last() != after.secrets.last();
    is_other.then_some(Change { option: "secret-file", values: None })
}

fn texts(problems: &[crate::config::Problem]) -> Vec<String> {
    problems.iter().map(ToString::to_string).collect()
}
