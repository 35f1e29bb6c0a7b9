//! TLS of one connection: bytes in, bytes out; no socket.
//!
//! It drives rustls through its unbuffered interface, so that what a connection holds back is counted by its owner, and
//! a batch of messages becomes as few records as it needs. `received` is always all ciphertext that is still there:
//! rustls remembers places in it.

use std::fmt;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus, WriteTraffic};

/// The TLS state of one connection.
pub(super) struct Session {
    tls: Box<UnbufferedServerConnection>,
    /// After a fault rustls must not see the same bytes again, nor any others.
    fault: Option<rustls::Error>,
}

/// How far a session came with the bytes there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// The handshake needs more from the client.
    Handshaking,
    /// Data can pass.
    Established,
    /// The client said that it sends no more.
    PeerClosed,
}

/// The session failed.
#[derive(Clone, Debug, thiserror::Error)]
#[error(transparent)]
pub(super) struct SessionError(#[from] rustls::Error);

/// Where decrypted data goes.
pub(super) type Sink<'a> = &'a mut dyn FnMut(&[u8]);

/// Room tried first for what rustls wants to send by itself; it tells when it needs more.
const ROOM: usize = 512;

impl Session {
    /// A session that has seen nothing yet.
    ///
    /// # Errors
    /// The configuration contradicts itself.
    pub(super) fn new(config: Arc<ServerConfig>) -> Result<Session, SessionError> {
        Ok(Session { tls: Box::new(UnbufferedServerConnection::new(config)?), fault: None })
    }

    /// Takes handshake records off the front of `received` until it needs more, or is done. Data that follows stays.
    ///
    /// # Errors
    /// The client's fault; the session is over, `out` may end with an alert that says why.
    pub(super) fn handshake(&mut self, received: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<Progress, SessionError> {
        self.drive(received, out, None)
    }

    /// Decrypts what is whole in `received` and hands its data to `take`, record by record.
    ///
    /// # Errors
    /// As [`Session::handshake`].
    pub(super) fn open(
        &mut self,
        received: &mut Vec<u8>,
        out: &mut Vec<u8>,
        take: Sink<'_>,
    ) -> Result<Progress, SessionError> {
        self.drive(received, out, Some(take))
    }

    /// Makes records of `data` and appends them to `out`.
    ///
    /// # Errors
    /// The keys are worn out (TLS 1.2, after some 2^24 records), or the session is over.
    pub(super) fn seal(&mut self, received: &mut Vec<u8>, data: &[u8], out: &mut Vec<u8>) -> Result<(), SessionError> {
        self.write(received, out, data.len() + data.len() / 64 + ROOM, |writer, room| writer.encrypt(data, room))
    }

    /// Appends a close_notify to `out`.
    ///
    /// # Errors
    /// The session is over already.
    pub(super) fn close(&mut self, received: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<(), SessionError> {
        self.write(received, out, ROOM, |writer, room| writer.queue_close_notify(room))
    }

    fn drive(
        &mut self,
        received: &mut Vec<u8>,
        out: &mut Vec<u8>,
        mut take: Option<Sink<'_>>,
    ) -> Result<Progress, SessionError> {
        if let Some(fault) = &self.fault {
            return Err(fault.clone().into());
        }
        let mut used = 0;
        let result = loop {
            let UnbufferedStatus { discard, state } = self.tls.process_tls_records(&mut received[used..]);
            let result = state.map(|state| step(state, out, &mut take));
            used += discard;
            match result {
                Ok(Ok(None)) => {}
                Ok(Ok(Some(progress))) => break Ok(progress),
                Ok(Err(error)) | Err(error) => break Err(error),
            }
        };
        received.drain(..used);
        if let Err(fault) = &result {
            self.fault = Some(fault.clone());
            self.fetch_alert(out);
        }
        Ok(result?)
    }

    fn write(
        &mut self,
        received: &mut Vec<u8>,
        out: &mut Vec<u8>,
        room: usize,
        mut encode: impl FnMut(&mut Writer<'_>, &mut [u8]) -> Result<usize, EncryptError>,
    ) -> Result<(), SessionError> {
        self.drive(received, out, None)?;
        match self.tls.process_tls_records(received).state? {
            ConnectionState::WriteTraffic(mut writer) => {
                Ok(append(out, room, |room| encode(&mut writer, room).map_err(Refused::from))?)
            }
            _ => Err(unexpected().into()),
        }
    }

    /// After a fault rustls may have an alert ready. It gives out what it has before it looks at bytes, which are none.
    fn fetch_alert(&mut self, out: &mut Vec<u8>) {
        while self.tls.wants_write() {
            match self.tls.process_tls_records(&mut []).state {
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    if append(out, ROOM, |room| data.encode(room).map_err(Refused::from)).is_err() {
                        return;
                    }
                }
                _ => return,
            }
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

type State<'c, 'i> = ConnectionState<'c, 'i, ServerConnectionData>;
type Writer<'c> = WriteTraffic<'c, ServerConnectionData>;

/// Does what the state asks for; none: go on.
fn step(
    state: State<'_, '_>,
    out: &mut Vec<u8>,
    take: &mut Option<Sink<'_>>,
) -> Result<Option<Progress>, rustls::Error> {
    match state {
        ConnectionState::EncodeTlsData(mut data) => {
            append(out, ROOM, |room| data.encode(room).map_err(Refused::from))?;
            Ok(None)
        }
        ConnectionState::TransmitTlsData(data) => {
            data.done();
            Ok(None)
        }
        ConnectionState::ReadTraffic(mut traffic) => {
            // Whoever takes no data leaves it where it is, for the next call.
            let Some(take) = take else { return Ok(Some(Progress::Established)) };
            while let Some(record) = traffic.next_record() {
                take(record?.payload);
            }
            Ok(None)
        }
        ConnectionState::BlockedHandshake => Ok(Some(Progress::Handshaking)),
        ConnectionState::WriteTraffic(_) => Ok(Some(Progress::Established)),
        ConnectionState::PeerClosed | ConnectionState::Closed => Ok(Some(Progress::PeerClosed)),
        // Early data is off, and states that rustls may add some day are unknown here.
        _ => Err(unexpected()),
    }
}

enum Refused {
    Room(usize),
    Over,
}

impl From<EncodeError> for Refused {
    fn from(error: EncodeError) -> Refused {
        match error {
            EncodeError::InsufficientSize(size) => Refused::Room(size.required_size),
            EncodeError::AlreadyEncoded => Refused::Over,
        }
    }
}

impl From<EncryptError> for Refused {
    fn from(error: EncryptError) -> Refused {
        match error {
            EncryptError::InsufficientSize(size) => Refused::Room(size.required_size),
            EncryptError::EncryptExhausted => Refused::Over,
        }
    }
}

fn append(
    out: &mut Vec<u8>,
    room: usize,
    mut encode: impl FnMut(&mut [u8]) -> Result<usize, Refused>,
) -> Result<(), rustls::Error> {
    let start = out.len();
    let mut attempt = |out: &mut Vec<u8>, room: usize| {
        out.resize(start + room, 0);
        let result = encode(&mut out[start..]);
        out.truncate(start + result.as_ref().map_or(0, |len| *len));
        result
    };
    let result = match attempt(out, room) {
        Err(Refused::Room(required)) => attempt(out, required),
        result => result,
    };
    result.map(|_| ()).map_err(|_| unexpected())
}

fn unexpected() -> rustls::Error {
    rustls::Error::General("the session is over".into())
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
