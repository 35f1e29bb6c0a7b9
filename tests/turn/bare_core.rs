//! A core by itself, without the world around it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use turnserver::config::load_text;
use turnserver::turn::address::WorkerId;
use turnserver::turn::bandwidth::Bandwidth;
use turnserver::turn::nonce::Nonces;
use turnserver::turn::policy::{OwnNet, PeerPolicy};
use turnserver::turn::settings::Hooks;
use turnserver::turn::time::{Mono, Now, UnixTime};
use turnserver::turn::{Server, Settings};

pub(crate) const NOW: Now = Now { mono: Mono(1_000_000_000), wall: UnixTime(1_800_000_000) };

pub(crate) fn sock(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

/// A core that lets anybody allocate.
pub(crate) fn core(hooks: Hooks) -> Server {
    let loaded = load_text("no-auth = true\nprofile = \"coturn\"\n", Path::new("core.toml"));
    let config = loaded.expect("a good configuration").config;
    let settings = Settings {
        bandwidth: Bandwidth::new(&config.limits),
        policy: PeerPolicy::new(&config.peers, OwnNet::new(vec![3478], config.relay.ports.clone())),
        config: Arc::new(config),
        nonces: Nonces::new(&[7; 32], None, "r", 0),
        listeners: Vec::new(),
        draining: false,
        hooks,
    };
    Server::new(Arc::new(settings), WorkerId(0), [3; 32], NOW)
}
