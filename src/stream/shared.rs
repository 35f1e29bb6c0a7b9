//! What the stream clients of all workers share.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use super::gate::Gate;
use super::handshake::HandshakePool;
use super::limits::{HANDSHAKE_THREADS, IDLE_GRACE};
use super::tls::Certificates;
use crate::config::Config;
use crate::turn::budget::Refill;
use crate::turn::ration::Ration;

/// What all workers share about streams. Nothing here is touched once per message.
#[derive(Debug)]
pub struct StreamShared {
    settings: ArcSwap<StreamSettings>,
    pub(super) gate: Arc<Gate>,
    pub(super) certificates: Certificates,
    pub(super) handshakes: HandshakePool,
    /// Lines about connections that ended, at the level debug.
    pub(super) endings: Ration,
}

/// What the configuration says about streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamSettings {
    /// Plain TCP is served.
    pub tcp: bool,
    /// TLS is served, while there is a certificate.
    pub tls: bool,
    /// The highest channel number.
    pub channel_number_max: u16,
    /// How long a client without an allocation may be silent.
    pub idle: Duration,
}

impl StreamSettings {
    /// As `config` has it.
    pub fn from_config(config: &Config) -> StreamSettings {
        StreamSettings {
            tcp: config.listen.tcp,
            tls: config.listen.tls,
            channel_number_max: config.protocol.channel_number_max,
            idle: Duration::from_secs(u64::from(config.limits.unallocated_secs_max)) + IDLE_GRACE,
        }
    }
}

impl StreamShared {
    /// Starts the handshake threads. `unallocated_max` bounds the streams without an allocation in all, a share of the
    /// descriptors; `seed` keys the table that counts them.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn new(
        settings: StreamSettings,
        certificates: Certificates,
        unallocated_max: u32,
        seed: [u64; 4],
    ) -> io::Result<StreamShared> {
        Ok(StreamShared {
            settings: ArcSwap::from_pointee(settings),
            gate: Arc::new(Gate::new(unallocated_max, seed)),
            certificates,
            handshakes: HandshakePool::new(HANDSHAKE_THREADS)?,
            endings: Ration::filling(Refill::per_minute(30, 30)),
        })
    }

    /// What the configuration says now.
    pub(super) fn settings(&self) -> StreamSettings {
        **self.settings.load()
    }

    /// Takes another configuration. Which transports are served is a matter of listeners, and stays. A channel that was
    /// bound goes on, so that its number is still one on connections: a lower bound is for the binding of others.
    pub fn change(&self, settings: StreamSettings) {
        let (held, mut settings) = (self.settings(), settings);
        (settings.tcp, settings.tls) = (held.tcp, held.tls);
        settings.channel_number_max = settings.channel_number_max.max(held.channel_number_max);
        self.settings.store(Arc::new(settings));
    }

    /// The certificate, to be reloaded or changed.
    pub fn certificates(&self) -> &Certificates {
        &self.certificates
    }

    /// Streams without an allocation, over all workers.
    pub fn unallocated(&self) -> u32 {
        self.gate.total()
    }
}
