//! A message on its way to be written: any attributes in any order, credentials of any kind or none.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use turnserver::auth::{LongTermKey, Scheme};
use turnserver::stun::address::encode_xor;
use turnserver::stun::{AttributeType, Class, Message, MessageType, Method, PasswordAlgorithm, TransactionId, Writer};

use crate::target::Person;

/// A message. It is signed unless it is `bare` or an indication.
#[derive(Clone)]
pub(crate) struct Draft {
    kind: MessageType,
    pub(crate) id: TransactionId,
    attributes: Vec<(AttributeType, Vec<u8>)>,
    behind_integrity: Vec<(AttributeType, Vec<u8>)>,
    left_out: Vec<AttributeType>,
    replaced: Vec<(AttributeType, Vec<u8>)>,
    key: Option<LongTermKey>,
    pub(crate) scheme: Scheme,
    pub(crate) is_signed: bool,
    has_fingerprint: bool,
}

/// What a client signs with.
#[derive(Clone, Debug)]
pub(crate) struct Credentials {
    pub(crate) person: Person,
    pub(crate) realm: Vec<u8>,
    pub(crate) nonce: Vec<u8>,
}

impl Credentials {
    /// The key that this user has in this realm.
    pub(crate) fn key(&self) -> LongTermKey {
        LongTermKey::derive(self.person.name.as_bytes(), &self.realm, self.person.password.as_bytes())
    }
}

impl Draft {
    pub(crate) fn request(method: Method) -> Draft {
        Draft::of(method, Class::Request)
    }

    /// Any method in any class.
    pub(crate) fn of(method: Method, class: Class) -> Draft {
        Draft {
            kind: MessageType { method, class },
            id: fresh_id(),
            attributes: Vec::new(),
            behind_integrity: Vec::new(),
            left_out: Vec::new(),
            replaced: Vec::new(),
            key: None,
            scheme: Scheme::Unnamed,
            is_signed: class == Class::Request && method != Method::BINDING,
            has_fingerprint: false,
        }
    }

    /// An Allocate request for UDP.
    pub(crate) fn allocate() -> Draft {
        Draft::request(Method::ALLOCATE).transport(17)
    }

    /// A Send indication.
    pub(crate) fn send(peer: SocketAddr, data: &[u8]) -> Draft {
        Draft::of(Method::SEND, Class::Indication).peer(peer).with(AttributeType::DATA, data)
    }

    /// One more attribute, before the credentials.
    pub(crate) fn with(mut self, kind: AttributeType, value: &[u8]) -> Draft {
        self.attributes.push((kind, value.to_vec()));
        self
    }

    /// One more attribute, behind MESSAGE-INTEGRITY.
    pub(crate) fn behind(mut self, kind: AttributeType, value: &[u8]) -> Draft {
        self.behind_integrity.push((kind, value.to_vec()));
        self
    }

    /// REQUESTED-TRANSPORT.
    pub(crate) fn transport(self, protocol: u8) -> Draft {
        self.with(AttributeType::REQUESTED_TRANSPORT, &[protocol, 0, 0, 0])
    }

    pub(crate) fn lifetime(self, secs: u32) -> Draft {
        self.with(AttributeType::LIFETIME, &secs.to_be_bytes())
    }

    /// XOR-PEER-ADDRESS.
    pub(crate) fn peer(self, peer: SocketAddr) -> Draft {
        let mut value = [0; 20];
        let len = encode_xor(peer, &self.id, &mut value);
        self.with(AttributeType::XOR_PEER_ADDRESS, &value[..len])
    }

    /// CHANNEL-NUMBER.
    pub(crate) fn channel(self, number: u16) -> Draft {
        let [high, low] = number.to_be_bytes();
        self.with(AttributeType::CHANNEL_NUMBER, &[high, low, 0, 0])
    }

    /// Without credentials.
    pub(crate) fn bare(mut self) -> Draft {
        self.is_signed = false;
        self
    }

    /// Without one of USERNAME, REALM, NONCE, MESSAGE-INTEGRITY.
    pub(crate) fn without(mut self, kind: AttributeType) -> Draft {
        self.left_out.push(kind);
        self
    }

    /// Another USERNAME, REALM or NONCE than the client's; the key stays the client's.
    pub(crate) fn instead(mut self, kind: AttributeType, value: &[u8]) -> Draft {
        self.replaced.push((kind, value.to_vec()));
        self
    }

    /// Naming SHA-256, and signed by MESSAGE-INTEGRITY-SHA256 alone.
    pub(crate) fn by_sha256(mut self) -> Draft {
        self.scheme = Scheme::Named(PasswordAlgorithm::Sha256);
        self.with(AttributeType::PASSWORD_ALGORITHMS, &PasswordAlgorithm::LIST)
            .with(AttributeType::PASSWORD_ALGORITHM, &PasswordAlgorithm::Sha256.encode())
    }

    /// Signed with another key.
    pub(crate) fn signed_with(mut self, key: LongTermKey) -> Draft {
        self.key = Some(key);
        self
    }

    /// With FINGERPRINT.
    pub(crate) fn fingerprint(mut self) -> Draft {
        self.has_fingerprint = true;
        self
    }

    pub(crate) fn method(&self) -> Method {
        self.kind.method
    }

    /// The message on the wire.
    pub(crate) fn bytes(&self, credentials: Option<&Credentials>) -> Vec<u8> {
        let mut bytes = vec![0; 70_000];
        let mut writer = Writer::new(&mut bytes, self.kind, self.id);
        self.attributes.iter().for_each(|(kind, value)| writer.attribute(*kind, value));
        if let Some(credentials) = credentials.filter(|_| self.is_signed) {
            self.sign(credentials, &mut writer);
        }
        self.behind_integrity.iter().for_each(|(kind, value)| writer.attribute(*kind, value));
        if self.has_fingerprint {
            writer.fingerprint();
        }
        let len = writer.finish().expect("the buffer holds every message of a test");
        bytes.truncate(len);
        bytes
    }

    fn sign(&self, credentials: &Credentials, writer: &mut Writer<'_>) {
        let name = credentials.person.name.as_bytes();
        let own = [
            (AttributeType::USERNAME, name),
            (AttributeType::REALM, &credentials.realm[..]),
            (AttributeType::NONCE, &credentials.nonce[..]),
        ];
        for (kind, value) in own {
            let replaced = self.replaced.iter().find(|(replaced, _)| *replaced == kind);
            if !self.left_out.contains(&kind) {
                writer.attribute(kind, replaced.map_or(value, |(_, value)| value));
            }
        }
        if !self.left_out.contains(&AttributeType::MESSAGE_INTEGRITY) {
            self.key.clone().unwrap_or_else(|| credentials.key()).seal(self.scheme).sign(writer);
        }
    }

    /// The same message under a new transaction id, as a client asks again after a challenge.
    pub(crate) fn anew(&self) -> Draft {
        let mut again = Draft { id: fresh_id(), ..self.clone() };
        for (kind, value) in &mut again.attributes {
            if *kind == AttributeType::XOR_PEER_ADDRESS {
                // XORed addresses depend on the transaction id; malformed ones are kept as they are.
                if let Ok(peer) = turnserver::stun::address::decode_xor(value, &self.id) {
                    let mut encoded = [0; 20];
                    let len = encode_xor(peer, &again.id, &mut encoded);
                    *value = encoded[..len].to_vec();
                }
            }
        }
        again
    }
}

/// A transaction id that no other message of this process has.
pub(crate) fn fresh_id() -> TransactionId {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let mut id = TransactionId([0xC0; 12]);
    id.0[4..].copy_from_slice(&NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    id
}

/// Whether bytes are a message of this transaction.
pub(crate) fn is_of(bytes: &[u8], id: TransactionId) -> bool {
    Message::parse(bytes).is_ok_and(|message| message.id() == id)
}
