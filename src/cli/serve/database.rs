//! The user database around the server: found and opened at the start; its peers and limits stand beside those of the
//! configuration, whatever of the two changes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Result, bail};
use tokio::sync::watch;
use tracing::{info, warn};

use crate::config::{AuthMode, COTURN_FILES, Config, Database as Named, Limits, Peers, Profile};
use crate::udp::Engine;
use crate::userdb::{Database, Keeper, Rules, StoredUsers, UserStore, Users, Wanted, coturn_file};

/// The user database of a running server.
pub(super) struct UserDatabase {
    database: Arc<Database>,
    rules: watch::Receiver<Arc<Rules>>,
    /// As it was named when the server started; another one takes a restart.
    named: Named,
    configured: Configured,
}

/// What the configuration says by itself.
pub(super) struct Configured {
    peers: Peers,
    limits: Limits,
    wanted: Wanted,
}

impl UserDatabase {
    /// Opens the database of a configuration, if it has one, and takes peers and limits from it. Made, it is `owner`'s. The
    /// keeper is to be run.
    ///
    /// # Errors
    /// It cannot be used. coturn's users are used to a server that starts all the same.
    pub(super) async fn open(config: &mut Config, owner: Option<(u32, u32)>) -> Result<Option<(UserDatabase, Keeper)>> {
        let challenges = matches!(config.auth.mode, AuthMode::LongTerm | AuthMode::SharedSecret);
        let Some(named) = config.database.clone().or_else(|| find_coturns(config).filter(|_| challenges)) else {
            return Ok(None);
        };
        let path = named.path(std::env::var_os("HOME").as_deref());
        let (database, mut keeper) = Database::new(path.clone(), owner, Wanted::of(&config.auth, &named));
        match keeper.begin().await {
            Ok(has_entries) if challenges => judge_entries(config, has_entries, &path)?,
            Ok(_) => {}
            Err(error) if config.profile == Profile::Coturn => warn!("{error}; it is tried again"),
            Err(error) => return Err(error.into()),
        }
        let rules = database.watch_rules();
        let configured = Configured::of(config, &named);
        let opened = UserDatabase { database, rules, named, configured };
        opened.add_to(config);
        Ok(Some((opened, keeper)))
    }

    /// Puts peers and limits of the database into a configuration that may be in force later, and gives what it says by
    /// itself.
    pub(super) fn add_to(&self, config: &mut Config) -> Configured {
        let configured = Configured::of(config, &self.named);
        // Its users have MD5 keys only.
        config.auth.sha256 &= config.auth.mode != AuthMode::LongTerm;
        let rules = self.database.rules();
        config.peers = rules.peers(&configured.peers);
        rules.limits.apply(&mut config.limits);
        configured
    }

    /// That configuration is in force.
    pub(super) fn adopt(&mut self, configured: Configured) {
        self.database.want(configured.wanted.clone());
        self.configured = configured;
    }

    /// Waits until peers or limits in the database change.
    pub(super) async fn until_changed(&mut self) {
        // The sender lives in the database that we hold.
        let _ = self.rules.changed().await;
    }

    /// Has peers and limits of the database hold.
    pub(super) fn apply(&mut self, engine: &mut Engine) {
        let rules = Arc::clone(&self.rules.borrow_and_update());
        let peers = rules.peers(&self.configured.peers);
        let mut limits = self.configured.limits.clone();
        rules.limits.apply(&mut limits);
        if peers != engine.config().peers {
            info!(allowed = rules.allowed.len(), denied = rules.denied.len(), "peers of the user database hold");
            engine.change_peers(peers);
        }
        if limits != engine.config().limits {
            let (max_bps, user_quota, total_quota) = (limits.max_bps, limits.user_quota, limits.total_quota);
            info!(max_bps, user_quota, total_quota, "limits of the user database hold");
            engine.change_limits(limits);
        }
    }

    /// What is asked for users, and counts it.
    pub(super) fn store(&self) -> Arc<Database> {
        Arc::clone(&self.database)
    }

    /// The users of the configuration and of the database.
    pub(super) fn users(&self, configured: Users) -> Arc<dyn UserStore> {
        Arc::new(StoredUsers::new(configured, Arc::clone(&self.database)))
    }
}

impl Configured {
    fn of(config: &Config, named: &Named) -> Configured {
        let named = config.database.as_ref().unwrap_or(named);
        let wanted = Wanted::of(&config.auth, named);
        Configured { peers: config.peers.clone(), limits: config.limits.clone(), wanted }
    }
}

/// The users of a configuration, and of the database beside it.
pub(super) fn users(database: Option<&UserDatabase>, config: &Config) -> Arc<dyn UserStore> {
    let configured = Users::new(&config.auth);
    match database {
        Some(database) => database.users(configured),
        None => Arc::new(configured),
    }
}

/// Nobody can be let in: safe, yet hardly meant.
fn judge_entries(config: &Config, has_entries: bool, path: &Path) -> Result<()> {
    let is_served = has_entries || !config.auth.users.is_empty() || !config.auth.secrets.is_empty();
    match config.profile {
        _ if is_served => {}
        Profile::Hardened => {
            bail!("the user database {}: it has no entry of realm {:?}", path.display(), config.auth.realm)
        }
        Profile::Default | Profile::Coturn => {
            warn!("nobody can allocate until the user database has an entry of our realm")
        }
    }
    Ok(())
}

/// coturn opens its file without being told.
fn find_coturns(config: &Config) -> Option<Named> {
    let file: PathBuf = coturn_file(&COTURN_FILES).filter(|_| config.profile == Profile::Coturn)?;
    info!(file = %file.display(), "coturn's user database is used; userdb names another one");
    Some(Named { file, peer_lists: true, realm_options: true })
}
