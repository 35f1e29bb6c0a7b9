//! Sockets that whoever started the process opened for it (systemd's `LISTEN_FDS`).

use std::env;

use listenfd::ListenFd;
use tracing::warn;

use crate::udp::Inherited;

/// The variable says for whom they are; without it they are for whoever finds them.
pub(super) fn are_there() -> bool {
    let is_ours = |pid: String| pid.is_empty() || pid == std::process::id().to_string();
    env::var_os("LISTEN_FDS").is_some() && env::var("LISTEN_PID").map_or(true, is_ours)
}

/// Takes them. To be called before there are threads: the variables are removed, so that nobody else finds them.
pub(super) fn take() -> (Inherited, Vec<String>) {
    let mut found = ListenFd::from_env();
    let (mut inherited, mut refused) = (Inherited::default(), Vec::new());
    for place in 0..found.len() {
        if let Ok(Some(socket)) = found.take_udp_socket(place) {
            inherited.udp.push(socket);
            continue;
        }
        match found.take_tcp_listener(place) {
            Ok(Some(socket)) => inherited.tcp.push(socket),
            Ok(None) => {}
            Err(error) => refused.push(error.to_string()),
        }
    }
    (inherited, refused)
}

pub(super) fn warn_of(refused: &[String]) {
    refused.iter().for_each(|error| warn!(error, "an inherited descriptor is of no use"));
}
