//! A request, filled in attribute by attribute.

use std::net::SocketAddr;

use turnserver::auth::{LongTermKey, Scheme};
use turnserver::stun::address::encode_xor;
use turnserver::stun::{AttributeType, Class, MessageType, Method, PasswordAlgorithm, TransactionId, Writer};

use super::client::TestClient;
use super::reply::Reply;
use super::setup::REALM;

/// A message of a client. Unless told otherwise it is signed with the client's credentials.
#[derive(Clone)]
pub(crate) struct Request<'c> {
    client: &'c TestClient,
    kind: MessageType,
    id: TransactionId,
    attributes: Vec<(AttributeType, Vec<u8>)>,
    behind_integrity: Vec<(AttributeType, Vec<u8>)>,
    is_signed: bool,
    key: Option<LongTermKey>,
    schemes: Vec<Scheme>,
    username: Option<Vec<u8>>,
    realm: Option<Vec<u8>>,
    nonce: Option<Vec<u8>>,
    left_out: Vec<AttributeType>,
    fingerprint: bool,
}

impl<'c> Request<'c> {
    pub(super) fn new(client: &'c TestClient, method: Method, class: Class) -> Request<'c> {
        Request {
            client,
            kind: MessageType { method, class },
            id: client.fresh_id(),
            attributes: Vec::new(),
            behind_integrity: Vec::new(),
            is_signed: true,
            key: None,
            schemes: vec![Scheme::Unnamed],
            username: None,
            realm: None,
            nonce: None,
            left_out: Vec::new(),
            fingerprint: false,
        }
    }

    pub(crate) fn attribute(mut self, kind: AttributeType, value: &[u8]) -> Self {
        self.attributes.push((kind, value.to_vec()));
        self
    }

    /// An attribute behind MESSAGE-INTEGRITY.
    pub(crate) fn behind(mut self, kind: AttributeType, value: &[u8]) -> Self {
        self.behind_integrity.push((kind, value.to_vec()));
        self
    }

    /// REQUESTED-TRANSPORT.
    pub(crate) fn transport(self, protocol: u8) -> Self {
        self.attribute(AttributeType::REQUESTED_TRANSPORT, &[protocol, 0, 0, 0])
    }

    pub(crate) fn lifetime(self, secs: u32) -> Self {
        self.attribute(AttributeType::LIFETIME, &secs.to_be_bytes())
    }

    /// XOR-PEER-ADDRESS.
    pub(crate) fn peer(self, peer: SocketAddr) -> Self {
        let mut value = [0; 20];
        let len = encode_xor(peer, &self.id, &mut value);
        self.attribute(AttributeType::XOR_PEER_ADDRESS, &value[..len])
    }

    pub(crate) fn data(self, data: &[u8]) -> Self {
        self.attribute(AttributeType::DATA, data)
    }

    /// CHANNEL-NUMBER.
    pub(crate) fn channel(self, number: u16) -> Self {
        let [high, low] = number.to_be_bytes();
        self.attribute(AttributeType::CHANNEL_NUMBER, &[high, low, 0, 0])
    }

    /// REQUESTED-ADDRESS-FAMILY.
    pub(crate) fn family(self, code: u8) -> Self {
        self.attribute(AttributeType::REQUESTED_ADDRESS_FAMILY, &[code, 0, 0, 0])
    }

    /// ADDITIONAL-ADDRESS-FAMILY.
    pub(crate) fn additional(self, code: u8) -> Self {
        self.attribute(AttributeType::ADDITIONAL_ADDRESS_FAMILY, &[code, 0, 0, 0])
    }

    /// EVEN-PORT, with or without the R bit.
    pub(crate) fn even(self, reserve: bool) -> Self {
        self.attribute(AttributeType::EVEN_PORT, &[if reserve { 0x80 } else { 0 }])
    }

    /// RESERVATION-TOKEN.
    pub(crate) fn token(self, token: &[u8]) -> Self {
        self.attribute(AttributeType::RESERVATION_TOKEN, token)
    }

    pub(crate) fn fingerprint(mut self) -> Self {
        self.fingerprint = true;
        self
    }

    /// Without credentials.
    pub(crate) fn bare(mut self) -> Self {
        self.is_signed = false;
        self
    }

    pub(crate) fn id(mut self, id: TransactionId) -> Self {
        self.id = id;
        self
    }

    pub(crate) fn transaction(&self) -> TransactionId {
        self.id
    }

    pub(crate) fn key(mut self, key: LongTermKey) -> Self {
        self.key = Some(key);
        self
    }

    /// Signed as whoever names this password algorithm signs, and naming it.
    pub(crate) fn naming(self, algorithm: PasswordAlgorithm) -> Self {
        self.attribute(AttributeType::PASSWORD_ALGORITHMS, &PasswordAlgorithm::LIST)
            .attribute(AttributeType::PASSWORD_ALGORITHM, &algorithm.encode())
            .signed_as(&[Scheme::Named(algorithm)])
    }

    /// With the integrity attribute of each of these schemes, in this order.
    pub(crate) fn signed_as(mut self, schemes: &[Scheme]) -> Self {
        self.schemes = schemes.to_vec();
        self
    }

    pub(crate) fn username(mut self, username: &[u8]) -> Self {
        self.username = Some(username.to_vec());
        self
    }

    pub(crate) fn realm(mut self, realm: &[u8]) -> Self {
        self.realm = Some(realm.to_vec());
        self
    }

    pub(crate) fn nonce(mut self, nonce: &[u8]) -> Self {
        self.nonce = Some(nonce.to_vec());
        self
    }

    /// Without one of USERNAME, REALM, NONCE and MESSAGE-INTEGRITY.
    pub(crate) fn without(mut self, kind: AttributeType) -> Self {
        self.left_out.push(kind);
        self
    }

    /// The message on the wire.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut buf = vec![0; 70_000];
        let mut writer = Writer::new(&mut buf, self.kind, self.id);
        self.attributes.iter().for_each(|(kind, value)| writer.attribute(*kind, value));
        if self.is_signed {
            self.sign(&mut writer);
        }
        self.behind_integrity.iter().for_each(|(kind, value)| writer.attribute(*kind, value));
        if self.fingerprint {
            writer.fingerprint();
        }
        let len = writer.finish().expect("a message of a test fits");
        buf.truncate(len);
        buf
    }

    fn sign(&self, writer: &mut Writer<'_>) {
        let client = self.client;
        let wants = |kind: AttributeType| !self.left_out.contains(&kind);
        if wants(AttributeType::USERNAME) {
            writer.attribute(AttributeType::USERNAME, self.username.as_ref().unwrap_or(&client.name));
        }
        if wants(AttributeType::REALM) {
            writer.attribute(AttributeType::REALM, self.realm.as_deref().unwrap_or(REALM.as_bytes()));
        }
        if wants(AttributeType::NONCE) {
            let nonce = self.nonce.clone().unwrap_or_else(|| client.nonce());
            writer.attribute(AttributeType::NONCE, &nonce);
        }
        if wants(AttributeType::MESSAGE_INTEGRITY) {
            let name = self.username.as_ref().unwrap_or(&client.name);
            let default = || LongTermKey::derive(name, REALM.as_bytes(), &client.password);
            let key = self.key.clone().unwrap_or_else(default);
            self.schemes.iter().for_each(|scheme| key.seal(*scheme).sign(writer));
        }
    }

    /// Sends it; nothing is waited for.
    pub(crate) fn dispatch(&self) {
        self.client.datagram(&self.bytes());
    }

    /// Sends it and gives the answer; none is silence.
    pub(crate) fn once(&self) -> Option<Reply> {
        self.dispatch();
        let mut replies = self.client.replies(self.id);
        assert!(replies.len() <= 1, "at most one answer to one request: {replies:?}");
        replies.pop()
    }

    /// The same; when the nonce is stale, once more with the new one, as every client does.
    pub(crate) fn send(self) -> Option<Reply> {
        let reply = self.once()?;
        if reply.code() != 438 || self.nonce.is_some() {
            return Some(reply);
        }
        *self.client.nonce.borrow_mut() = reply.nonce();
        let mut again = self.clone();
        again.id = self.client.fresh_id();
        again.reencode_peers(self.id);
        again.once()
    }

    /// The code of the answer, 200 for success, 0 for silence.
    pub(crate) fn code(self) -> u16 {
        self.send().map_or(0, |reply| reply.code())
    }

    /// XORed addresses depend on the transaction id.
    fn reencode_peers(&mut self, former: TransactionId) {
        for (kind, value) in &mut self.attributes {
            if *kind == AttributeType::XOR_PEER_ADDRESS {
                let peer = turnserver::stun::address::decode_xor(value, &former).expect("a peer");
                let mut encoded = [0; 20];
                let len = encode_xor(peer, &self.id, &mut encoded);
                *value = encoded[..len].to_vec();
            }
        }
    }
}
