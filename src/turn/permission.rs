//! Permissions: peers by address, never by port (RFC 8656 section 9).

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::time::Mono;

/// The table of an allocation is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableFull;

/// The permissions of one allocation, sorted by address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permissions {
    entries: Vec<Permission>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Permission {
    peer: IpAddr,
    expires: Mono,
}

impl Permissions {
    /// Whether data may pass between the allocation and `peer`.
    pub fn allows(&self, peer: IpAddr, now: Mono) -> bool {
        self.position(peer).is_ok_and(|index| now < self.entries[index].expires)
    }

    /// How many of `peers` have no permission, each counted once. What ended must have been swept before.
    pub fn count_new(&self, peers: &[IpAddr]) -> usize {
        let is_new = |index: usize| {
            let peer = peers[index];
            self.position(peer).is_err() && !peers[..index].contains(&peer)
        };
        (0..peers.len()).filter(|index| is_new(*index)).count()
    }

    /// Installs a permission or moves its end; never to an earlier time. Says whether it is new.
    pub fn install(&mut self, peer: IpAddr, expires: Mono, now: Mono) -> bool {
        match self.position(peer) {
            Ok(index) => {
                let entry = &mut self.entries[index];
                let was_expired = entry.expires <= now;
                entry.expires = entry.expires.max(expires);
                was_expired
            }
            Err(index) => {
                self.entries.insert(index, Permission { peer, expires });
                true
            }
        }
    }

    /// Removes what ended, and everything `keep` refuses.
    pub fn sweep(&mut self, now: Mono, keep: impl Fn(IpAddr) -> bool, mut ended: impl FnMut(IpAddr)) {
        self.entries.retain(|entry| {
            let stays = now < entry.expires && keep(entry.peer);
            if !stays {
                ended(entry.peer);
            }
            stays
        });
    }

    /// The earliest end.
    pub fn next_expiry(&self) -> Option<Mono> {
        self.entries.iter().map(|entry| entry.expires).min()
    }

    /// How many there are, ended ones included until they are swept.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn position(&self, peer: IpAddr) -> Result<usize, usize> {
        self.entries.binary_search_by(|entry| entry.peer.cmp(&peer))
    }
}
