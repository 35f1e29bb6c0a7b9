//! One TURN client over one socket: transactions with long-term credentials, and data through Send and Data indications.
//!
//! Messages are those of stun-rs, which shares no line with the server's codec: the tool sees what other people's clients
//! see. An answer counts when it is signed with the key that its request was signed with.

use std::net::SocketAddr;
use std::time::Duration;

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use stun_rs::attributes::stun::{
    AlternateServer, ErrorCode, Fingerprint, MessageIntegrity, MessageIntegritySha256, XorMappedAddress,
};
use stun_rs::attributes::turn::{Data, LifeTime, RequestedTrasport, XorPeerAddress, XorRelayedAddress};
use stun_rs::methods::{ALLOCATE, BINDING, CREATE_PERMMISSION, DATA, REFRESH, SEND};
use stun_rs::{
    DecoderContextBuilder, MessageClass, MessageDecoderBuilder, MessageEncoderBuilder, MessageHeader, MessageMethod,
    StunAttribute, StunMessage, StunMessageBuilder, TransactionId,
};

use super::credentials::{Credentials, Session};
use super::failure::Failure;
use super::transport::Transport;
use crate::clock;
use crate::turn::time::Mono;

/// First retransmission, RFC 8489 section 6.2.1.
const RTO: Duration = Duration::from_millis(500);
/// Challenges answered in one request: the 401 that names the realm, and a nonce that is too old, twice.
const CHALLENGES_MAX: u32 = 3;
/// More than a message of this tool: the longest datagram with its headers.
pub(super) const MESSAGE_LEN_MAX: usize = 16_384;

/// What an allocation has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allocation {
    pub(super) mapped: SocketAddr,
    pub(super) relayed: SocketAddr,
    pub(super) lifetime_secs: u32,
}

/// A client on its socket.
pub(super) struct Client {
    transport: Transport,
    rng: ChaCha12Rng,
    timeout: Duration,
    credentials: Option<Credentials>,
    /// What the server's challenge said, from the first 401 on.
    session: Option<Session>,
}

impl Client {
    /// A client that has not sent anything. `timeout` bounds every transaction.
    pub(super) fn new(
        transport: Transport,
        credentials: Option<Credentials>,
        timeout: Duration,
        seed: [u8; 32],
    ) -> Client {
        Client { transport, rng: ChaCha12Rng::from_seed(seed), timeout, credentials, session: None }
    }

    /// The address that the server sees.
    pub(super) fn bind(&mut self) -> Result<SocketAddr, Failure> {
        let answer = self.request(BINDING, &[])?;
        mapped_address(&answer)
    }

    /// Makes an allocation of UDP.
    pub(super) fn allocate(&mut self) -> Result<Allocation, Failure> {
        let answer = self.request(ALLOCATE, &[RequestedTrasport::default().into()])?;
        let relayed = answer.get::<XorRelayedAddress>().and_then(|attribute| attribute.as_xor_relayed_address().ok());
        let lifetime = answer.get::<LifeTime>().and_then(|attribute| attribute.as_life_time().ok());
        Ok(Allocation {
            mapped: mapped_address(&answer)?,
            relayed: *relayed.ok_or_else(|| lacks("XOR-RELAYED-ADDRESS"))?.socket_address(),
            lifetime_secs: lifetime.ok_or_else(|| lacks("LIFETIME"))?.as_u32(),
        })
    }

    /// How the key of the requests is made; none where the server wanted no credentials.
    pub(super) fn password_algorithm(&self) -> Option<&'static str> {
        self.session.as_ref().map(Session::password_algorithm)
    }

    /// Lets `peer` send to the relayed address, and data go to it.
    pub(super) fn permit(&mut self, peer: SocketAddr) -> Result<(), Failure> {
        self.request(CREATE_PERMMISSION, &[XorPeerAddress::from(peer).into()]).map(|_| ())
    }

    /// Deletes the allocation. One that is gone already is what was wanted: the answer to an earlier transmission may
    /// have got lost (RFC 8656 section 7).
    pub(super) fn delete(&mut self) -> Result<(), Failure> {
        match self.request(REFRESH, &[LifeTime::from(0).into()]) {
            Err(Failure::Refused { code: 437, .. }) => Ok(()),
            other => other.map(|_| ()),
        }
    }

    /// Sends `data` to `peer` through the relayed address.
    pub(super) fn send_data(&mut self, peer: SocketAddr, data: &[u8]) -> Result<(), Failure> {
        let attributes = vec![XorPeerAddress::from(peer).into(), Data::new(data).into()];
        let (message, _) = self.encode(SEND, MessageClass::Indication, attributes)?;
        Ok(self.transport.send(&message)?)
    }

    /// The next data that a peer sent to the relayed address, and the peer; none when `until` passes.
    pub(super) fn receive_data(&mut self, until: Mono) -> Result<Option<(SocketAddr, Vec<u8>)>, Failure> {
        let decoder = MessageDecoderBuilder::default().build();
        while let Some(bytes) = self.transport.receive(until)? {
            let Ok((message, _)) = decoder.decode(&bytes) else { continue };
            if message.method() != DATA || message.class() != MessageClass::Indication {
                continue;
            }
            let peer = message.get::<XorPeerAddress>().and_then(|attribute| attribute.as_xor_peer_address().ok());
            let data = message.get::<Data>().and_then(|attribute| attribute.as_data().ok());
            if let (Some(peer), Some(data)) = (peer, data) {
                return Ok(Some((*peer.socket_address(), data.as_bytes().to_vec())));
            }
        }
        Ok(None)
    }

    /// Runs a request until it succeeds or fails, challenges answered.
    fn request(&mut self, method: MessageMethod, attributes: &[StunAttribute]) -> Result<StunMessage, Failure> {
        let mut challenges = 0;
        loop {
            let credentials = self.session.as_ref().map(Session::attributes).unwrap_or_default();
            let attributes = [attributes, &credentials].concat();
            let (request, id) = self.encode(method, MessageClass::Request, attributes)?;
            let answer = self.transact(&request, method, &id)?;
            if answer.class() == MessageClass::SuccessResponse {
                return Ok(answer);
            }
            let error = answer.get::<ErrorCode>().and_then(|attribute| attribute.as_error_code().ok());
            let error = error.ok_or_else(|| lacks("ERROR-CODE"))?.error_code();
            challenges += 1;
            match (error.error_code(), &self.credentials, &mut self.session) {
                (401, Some(credentials), None) => self.session = Some(Session::from_challenge(&answer, credentials)?),
                (438, _, Some(session)) if challenges <= CHALLENGES_MAX => session.renew(&answer)?,
                (code, ..) => return Err(refused(code, error.reason(), &answer)),
            }
        }
    }

    fn encode(
        &mut self,
        method: MessageMethod,
        class: MessageClass,
        attributes: Vec<StunAttribute>,
    ) -> Result<(Vec<u8>, TransactionId), Failure> {
        let mut id = [0; 12];
        self.rng.fill_bytes(&mut id);
        let id = TransactionId::from(id);
        let message = StunMessageBuilder::new(method, class).with_transaction_id(id);
        let message = attributes.into_iter().fold(message, StunMessageBuilder::with_attribute);
        let message = message.with_attribute(Fingerprint::default()).build();
        let mut buf = vec![0; MESSAGE_LEN_MAX];
        let len = MessageEncoderBuilder::default().build().encode(&mut buf, &message);
        buf.truncate(len.map_err(|error| Failure::Request(error.to_string()))?);
        Ok((buf, id))
    }

    /// Sends a request and waits for its answer: with retransmissions over UDP, without over streams (RFC 8489 sections
    /// 6.2.1 and 6.2.2).
    fn transact(&mut self, request: &[u8], method: MessageMethod, id: &TransactionId) -> Result<StunMessage, Failure> {
        let begin = clock::now().mono;
        let end = begin + self.timeout;
        let mut pause = RTO;
        let mut transmissions = 0;
        let mut discarded = None;
        loop {
            self.transport.send(request)?;
            transmissions += 1;
            let again = if self.transport.is_reliable() { end } else { end.min(clock::now().mono + pause) };
            while let Some(bytes) = self.transport.receive(again)? {
                match self.accept(&bytes, method, id) {
                    Some(Ok(answer)) => return Ok(answer),
                    Some(Err(reason)) => discarded = Some(reason),
                    None => {}
                }
            }
            if again == end {
                return Err(Failure::Silence { transmissions, discarded });
            }
            pause *= 2;
        }
    }

    /// An answer to the transaction that counts; why it does not; none for anything else.
    fn accept(&self, bytes: &[u8], method: MessageMethod, id: &TransactionId) -> Option<Result<StunMessage, String>> {
        let header = MessageHeader::try_from(bytes.first_chunk::<20>()?).ok()?;
        if header.transaction_id != id.as_bytes() {
            return None;
        }
        let context = DecoderContextBuilder::default().with_validation();
        let context = self.session.iter().fold(context, |context, session| context.with_key(session.key()));
        let decoder = MessageDecoderBuilder::default().with_context(context.build()).build();
        let answer = match decoder.decode(bytes) {
            Ok((answer, _)) => answer,
            Err(error) => return Some(Err(format!("an answer could not be read or verified ({error})"))),
        };
        let is_answer = matches!(answer.class(), MessageClass::SuccessResponse | MessageClass::ErrorResponse);
        if !is_answer || answer.method() != method {
            return None;
        }
        // Errors may be unsigned: 401 and 438 always, others where the server cannot or does not sign them.
        let is_signed = answer.get::<MessageIntegrity>().is_some() || answer.get::<MessageIntegritySha256>().is_some();
        if self.session.is_some() && !is_signed && answer.class() == MessageClass::SuccessResponse {
            return Some(Err("a success without MESSAGE-INTEGRITY".to_owned()));
        }
        Some(Ok(answer))
    }
}

fn mapped_address(answer: &StunMessage) -> Result<SocketAddr, Failure> {
    let mapped = answer.get::<XorMappedAddress>().and_then(|attribute| attribute.as_xor_mapped_address().ok());
    Ok(*mapped.ok_or_else(|| lacks("XOR-MAPPED-ADDRESS"))?.socket_address())
}

fn refused(code: u16, phrase: &str, answer: &StunMessage) -> Failure {
    let alternate = answer.get::<AlternateServer>().and_then(|attribute| attribute.as_alternate_server().ok());
    Failure::Refused { code, phrase: phrase.to_owned(), alternate: alternate.map(|server| *server.socket_address()) }
}

fn lacks(attribute: &str) -> Failure {
    Failure::Answer(format!("the answer has no {attribute}"))
}

#[cfg(test)]
mod tests;
