//! What the stream clients of all workers share.

use std::io;
use std::sync::Arc;

use super::gate::Gate;
use super::handshake::HandshakePool;
use super::limits::HANDSHAKE_THREADS;
use super::tls::Certificates;
use crate::config::Config;

/// What all workers share about streams. Nothing here is touched once per message.
#[derive(Debug)]
pub struct StreamShared {
    pub(super) settings: StreamSettings,
    pub(super) gate: Arc<Gate>,
    pub(super) certificates: Certificates,
    pub(super) handshakes: HandshakePool,
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
}

impl StreamSettings {
    /// As `config` has it.
    pub fn from_config(config: &Config) -> StreamSettings {
        StreamSettings {
            tcp: config.listen.tcp,
            tls: config.listen.tls,
            channel_number_max: config.protocol.channel_number_max,
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
            settings,
            gate: Arc::new(Gate::new(unallocated_max, seed)),
            certificates,
            handshakes: HandshakePool::new(HANDSHAKE_THREADS)?,
        })
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
