//! What hostile clients say: bytes, half messages, messages with anything in them, signed or not, bent afterwards or not.

use std::net::{Ipv4Addr, SocketAddr};

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use turnserver::auth::LongTermKey;
use turnserver::stun::address::encode_xor;
use turnserver::stun::{AttributeType, ChannelNumber, Class, Message, MessageType, Method, TransactionId, Writer};

use crate::spelling::spelling;

/// Attributes a server looks at, and some it does not know.
const TYPES: [u16; 25] = [
    0x0001, 0x0003, 0x0006, 0x0009, 0x000A, 0x000C, 0x000D, 0x0012, 0x0013, 0x0014, 0x0015, 0x0016, 0x0017, 0x0018,
    0x0019, 0x001A, 0x001E, 0x0020, 0x0022, 0x8000, 0x8001, 0x8022, 0x8023, 0x7FFF, 0xFFFF,
];
const METHODS: [Method; 8] = [
    Method::BINDING,
    Method::ALLOCATE,
    Method::REFRESH,
    Method::SEND,
    Method::DATA,
    Method::CREATE_PERMISSION,
    Method::CHANNEL_BIND,
    Method(0x00A),
];
const CLASSES: [Class; 4] = [Class::Request, Class::Indication, Class::Success, Class::Error];

/// With what a client signs.
pub(crate) struct Signature {
    pub(crate) realm: Vec<u8>,
    pub(crate) nonce: Vec<u8>,
    pub(crate) key: LongTermKey,
}

impl Signature {
    pub(crate) fn of_alice(challenge: &(Vec<u8>, Vec<u8>)) -> Signature {
        let (realm, nonce) = challenge.clone();
        Signature { key: LongTermKey::derive(b"alice", &realm, b"a-secret-88"), realm, nonce }
    }
}

/// Makes datagrams, the same ones for the same seed.
pub(crate) struct Alphabet {
    rng: ChaCha12Rng,
    next_id: u64,
    buffer: Vec<u8>,
    /// Where data may go: the peer's port on loopback.
    peer_port: u16,
}

impl Alphabet {
    pub(crate) fn new(seed: u8, peer_port: u16) -> Alphabet {
        Alphabet { rng: ChaCha12Rng::from_seed([seed; 32]), next_id: 0, buffer: vec![0; 70_000], peer_port }
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.rng.next_u64() % bound as u64) as usize
    }

    fn random(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.rng.fill_bytes(&mut bytes);
        bytes
    }

    /// A length as clients and attackers have them: small mostly, now and then as large as it goes.
    fn len(&mut self) -> usize {
        match self.below(1000) {
            0 => self.below(60_000),
            1..50 => self.below(1400),
            50..300 => self.below(120),
            _ => self.below(40),
        }
    }

    /// Something hostile from somebody without credentials.
    pub(crate) fn unsigned(&mut self) -> Vec<u8> {
        match self.below(8) {
            0 => {
                let len = self.len();
                self.random(len)
            }
            1 => self.framed_noise(),
            2 => self.channel_data(),
            3 | 4 => self.message(None),
            _ => {
                let message = self.message(None);
                self.bent(message)
            }
        }
    }

    /// Something hostile from somebody with credentials, and with an allocation.
    pub(crate) fn signed(&mut self, signature: &Signature) -> Vec<u8> {
        match self.below(8) {
            0..=3 => self.message(Some(signature)),
            4 => {
                let message = self.message(Some(signature));
                self.bent(message)
            }
            5 => self.channel_data(),
            _ => self.unsigned(),
        }
    }

    /// A good header around noise.
    fn framed_noise(&mut self) -> Vec<u8> {
        let len = self.len() & !3;
        let mut bytes = self.random(20 + len);
        bytes[0] &= 0x3F;
        if self.below(4) > 0 {
            bytes[0] = 0;
        }
        bytes[2..4].copy_from_slice(&(len as u16).to_be_bytes());
        bytes[4..8].copy_from_slice(&[0x21, 0x12, 0xA4, 0x42]);
        bytes
    }

    /// ChannelData for bound, unbound and impossible numbers, with a length that is right or not.
    fn channel_data(&mut self) -> Vec<u8> {
        let len = self.len();
        let mut bytes = self.random(4 + len);
        let number = match self.below(4) {
            0 => self.rng.next_u32() as u16 | 0x4000,
            _ => 0x4000 + self.below(4) as u16,
        };
        bytes[..2].copy_from_slice(&ChannelNumber(number).0.to_be_bytes());
        let said = if self.below(4) == 0 { self.rng.next_u32() as u16 } else { len as u16 };
        bytes[2..4].copy_from_slice(&said.to_be_bytes());
        bytes
    }

    /// A well-formed message with any attributes in any order, each message under an id of its own.
    fn message(&mut self, signature: Option<&Signature>) -> Vec<u8> {
        let (method, class) = self.kind();
        self.next_id += 1;
        let id = self.id();
        let mut attributes = self.usual(method);
        attributes.extend((0..self.below(4)).map(|_| self.attribute(method)).collect::<Vec<_>>());
        let has_fingerprint = self.below(3) == 0;
        let mut writer = Writer::new(&mut self.buffer, MessageType { method, class }, id);
        for (kind, value) in &attributes {
            writer.attribute(AttributeType(*kind), value);
        }
        if let Some(Signature { realm, nonce, key }) = signature {
            writer.attribute(AttributeType::USERNAME, b"alice");
            writer.attribute(AttributeType::REALM, realm);
            writer.attribute(AttributeType::NONCE, nonce);
            writer.integrity(key.integrity());
        }
        if has_fingerprint {
            writer.fingerprint();
        }
        // What fits no datagram is not said.
        let len = writer.finish().map_or(0, |len| if len <= 65_507 { len } else { 0 });
        self.buffer[..len].to_vec()
    }

    /// The id of the message that is being made.
    fn id(&self) -> TransactionId {
        let mut id = TransactionId(*b"soak\0\0\0\0\0\0\0\0");
        id.0[4..].copy_from_slice(&self.next_id.to_be_bytes());
        id
    }

    fn kind(&mut self) -> (Method, Class) {
        let method = METHODS[self.below(METHODS.len())];
        let class = match self.below(4) {
            0 => CLASSES[self.below(4)],
            _ if method == Method::SEND => Class::Indication,
            _ => Class::Request,
        };
        (method, class)
    }

    /// What makes a request of the method go through, often.
    fn usual(&mut self, method: Method) -> Vec<(u16, Vec<u8>)> {
        if self.below(2) == 0 {
            return Vec::new();
        }
        match method {
            Method::SEND => {
                let len = self.len();
                vec![(0x0012, self.address()), (0x0013, self.random(len))]
            }
            Method::CHANNEL_BIND => vec![(0x000C, vec![0x40, self.below(8) as u8, 0, 0]), (0x0012, self.address())],
            Method::CREATE_PERMISSION => vec![(0x0012, self.address())],
            Method::ALLOCATE => vec![(0x0019, vec![17, 0, 0, 0])],
            _ => Vec::new(),
        }
    }

    /// An attribute the method could have, or another; with a value that is plausible, or not.
    fn attribute(&mut self, method: Method) -> (u16, Vec<u8>) {
        let is_send = method == Method::SEND;
        let kind = match self.below(3) {
            0 => TYPES[self.below(TYPES.len())],
            _ if is_send => [0x0012, 0x0013][self.below(2)],
            _ if method == Method::ALLOCATE => [0x0019, 0x0017, 0x0018, 0x0022, 0x000D][self.below(5)],
            _ if method == Method::REFRESH => 0x000D,
            _ if method == Method::CHANNEL_BIND => [0x000C, 0x0012][self.below(2)],
            _ => 0x0012,
        };
        let value = match (self.below(5), kind) {
            (0, _) => {
                let len = self.len();
                self.random(len)
            }
            (_, 0x0012 | 0x0016 | 0x0020) => self.address(),
            (_, 0x000C) => vec![0x40, self.below(8) as u8, 0, 0],
            // A lifetime of nothing ends the live allocation, so it is rare.
            (_, 0x000D) => (self.below(2000) as u32).to_be_bytes().to_vec(),
            (_, 0x0019) => vec![17, 0, 0, 0],
            (_, 0x0017 | 0x8000) => vec![1 + self.below(2) as u8, 0, 0, 0],
            (_, 0x0018) => vec![(self.below(2) as u8) << 7],
            (_, 0x0013) => {
                let len = self.len();
                self.random(len)
            }
            _ => {
                let len = self.below(30);
                self.random(len)
            }
        };
        (kind, value)
    }

    /// An XOR address: the peer's mostly, in one of the ways to write it.
    fn address(&mut self) -> Vec<u8> {
        let port = if self.below(8) == 0 { self.rng.next_u32() as u16 } else { self.peer_port };
        let ip = Ipv4Addr::from(if self.below(8) == 0 { self.rng.next_u32() } else { 0x7F00_0001 });
        let spelled = spelling(self.below(16), ip);
        let mut value = [0; 20];
        let len = encode_xor(SocketAddr::new(spelled, port), &self.id(), &mut value);
        value[..len].to_vec()
    }

    /// Flips, cuts, lengthens or overwrites.
    fn bent(&mut self, mut bytes: Vec<u8>) -> Vec<u8> {
        for _ in 0..=self.below(3) {
            if bytes.is_empty() {
                return bytes;
            }
            let at = self.below(bytes.len());
            match self.below(6) {
                0 => bytes[at] ^= 1 << self.below(8),
                1 => bytes.truncate(at),
                2 => {
                    let more = self.below(40);
                    bytes.extend(self.random(more));
                }
                3 => bytes[at] = self.rng.next_u32() as u8,
                4 if bytes.len() >= 4 => bytes[2 + self.below(2)] = self.rng.next_u32() as u8,
                _ => {
                    let copy = bytes[at..].to_vec();
                    bytes.extend(copy);
                }
            }
            bytes.truncate(65_507);
        }
        bytes
    }
}

/// What a client says on a stream after its allocation, or instead of one.
impl Alphabet {
    /// Several frames, whole mostly, then cut anywhere.
    pub(crate) fn stream(&mut self, signature: Option<&Signature>) -> Vec<u8> {
        let mut bytes = Vec::new();
        for _ in 0..=self.below(6) {
            let frame = match (signature, self.below(3)) {
                (Some(signature), 1..) => self.message(Some(signature)),
                _ => self.unsigned(),
            };
            bytes.extend(frame);
        }
        bytes.truncate(30_000);
        if self.below(3) == 0 {
            let at = self.below(bytes.len() + 1);
            bytes.truncate(at);
        }
        bytes
    }
}

/// The id of something that is long enough to have one.
pub(crate) fn id_of(bytes: &[u8]) -> Option<[u8; 12]> {
    bytes.get(8..20)?.try_into().ok()
}

/// Whether a message of the server is an answer, and to which id.
pub(crate) fn answered_id(bytes: &[u8]) -> Option<[u8; 12]> {
    let message = Message::parse(bytes).ok()?;
    matches!(message.kind().class, Class::Success | Class::Error).then(|| message.id().0)
}
