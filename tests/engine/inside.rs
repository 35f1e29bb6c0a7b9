//! A server inside this process, so that a test can stand in for what surrounds it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use turnserver::config::{Config, load_text};
use turnserver::stream::tls::Certificates;
use turnserver::turn::settings::Hooks;
use turnserver::udp::{Engine, Secrets, StartError};
use turnserver::userdb::{UserStore, Users};

use crate::wire::free_ports;

/// The configuration of a server on loopback with one worker, so that everybody is on the one that suffers.
pub(crate) fn config(lines: &str) -> (Config, SocketAddr) {
    let port = free_ports(1);
    let text = format!(
        "listening-ip = [\"127.0.0.1\"]\nlistening-port = {port}\nrelay-threads = 1\nrealm = \"r\"\n\
         lt-cred-mech = true\nuser = [\"alice:secret\"]\n{lines}\n"
    );
    let config = load_text(&text, Path::new("test.toml")).expect("a good configuration").config;
    (config, ([127, 0, 0, 1], port).into())
}

/// Starts it, or says why not.
pub(crate) fn try_start(config: Config) -> Result<Engine, StartError> {
    let secrets = Secrets { nonce_key: [7; 32], previous_nonce_key: None };
    let users = Arc::new(Users::new(&config.auth));
    Engine::start(Arc::new(config), &secrets, Certificates::none().expect("randomness"), users)
}

/// Starts it with users from `store`, or those of the configuration, and a way into the core.
pub(crate) fn start(config: Config, store: Option<Arc<dyn UserStore>>, hooks: Hooks) -> Engine {
    let secrets = Secrets { nonce_key: [7; 32], previous_nonce_key: None };
    let certificates = Certificates::none().expect("randomness");
    let users = store.unwrap_or_else(|| Arc::new(Users::new(&config.auth)));
    Engine::start_with(Arc::new(config), &secrets, certificates, users, hooks).expect("a free port")
}
