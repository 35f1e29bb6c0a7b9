//! The configuration read again on SIGHUP: from the same command line and environment, by the same search for a file, and
//! all of it or nothing.

use std::sync::Arc;

use tracing::{error, info, warn};

use super::super::state_dir::StateDir;
use super::certificates::{NewCertificate, Watch};
use super::database::{self, Configured, UserDatabase};
use super::log::Controls;
use super::secrets::{read_state, warn_readable};
use crate::clock;
use crate::config::{Change, InForce, Loaded, Serve, Update, load};
use crate::udp::{Engine, Prepared, Secrets};
use crate::userdb::{self, UserStore};

/// What it takes to read the configuration again.
pub(super) struct Reloader {
    /// The command line, with the secrets it may hold: nothing else remembers them.
    pub(super) serve: Serve,
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
    /// Reads the configuration again. If there is anything wrong with it nothing changes.
    pub(super) fn run(&mut self, engine: &mut Engine) {
        // Before anything else goes there.
        self.log.reopen();
        let next = self.read(engine);
        engine.reloads().note(clock::now().wall, next.is_ok());
        match next {
            Ok(next) => self.take(engine, next),
            Err(problems) => {
                problems.iter().for_each(|problem| error!("{problem}"));
                error!(problems = problems.len(), "the configuration cannot be used; the former one stays in force");
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
        let held = |problems: &[crate::config::Problem]| {
            texts(problems).iter().map(|text| format!("with what waits for a restart: {text}")).collect::<Vec<_>>()
        };
        let Update { mut config, changed, waiting, in_force } =
            self.in_force.update(&loaded).map_err(|problems| held(&problems.0))?;
        let mut problems = Vec::new();
        let certificate = self.watch.read(engine.certificates(), config.tls.as_ref());
        let certificate = certificate.unwrap_or_else(|error| {
            problems.push(error.to_string());
            None
        });
        let prepared = read_state(&mut config, &self.state, Some(&self.secrets)).and_then(|secrets| {
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

fn texts(problems: &[crate::config::Problem]) -> Vec<String> {
    problems.iter().map(ToString::to_string).collect()
}
