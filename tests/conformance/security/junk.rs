//! Messages with something wrong, and bytes that are no message at all; cheap enough to make a billion of.

use std::net::SocketAddr;

use turnserver::stun::{AttributeType, Method};

use crate::draft::Draft;

/// A source of junk: a xorshift generator and one buffer.
pub(super) struct Junk {
    state: u64,
    bytes: Vec<u8>,
}

impl Junk {
    /// The same seed makes the same junk.
    pub(super) fn new(seed: u64) -> Junk {
        Junk { state: seed | 1, bytes: Vec::with_capacity(4096) }
    }

    fn next(&mut self) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        self.state.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// A number below `max`; 0 if there is none.
    pub(super) fn below(&mut self, max: usize) -> usize {
        (((self.next() >> 32) * max as u64) >> 32) as usize
    }

    /// Random bytes, or one of the corpus cut, lengthened, joined with another one, or with some bits turned.
    pub(super) fn of(&mut self, corpus: &[Vec<u8>]) -> &[u8] {
        let place = self.below(corpus.len());
        self.bytes.clear();
        self.bytes.extend_from_slice(&corpus[place]);
        let len = self.bytes.len();
        match self.below(6) {
            0 => {
                let cut = self.below(len);
                self.bytes.truncate(cut);
            }
            1 => {
                let (more, byte) = (self.below(100), self.below(256));
                self.bytes.resize(len + more, byte as u8);
            }
            2 => {
                let other = &corpus[self.below(corpus.len())];
                let (cut, from) = (self.below(len), self.below(other.len()));
                self.bytes.truncate(cut);
                self.bytes.extend_from_slice(&other[from..]);
            }
            3 => {
                let random = self.below(200);
                self.bytes.clear();
                while self.bytes.len() < random {
                    let eight = self.next().to_le_bytes();
                    self.bytes.extend_from_slice(&eight);
                }
                self.bytes.truncate(random);
            }
            _ => {
                for _ in 0..=self.below(4) {
                    let bit = self.below(8 * len);
                    self.bytes[bit / 8] ^= 1 << (bit % 8);
                }
            }
        }
        &self.bytes
    }
}

/// One of each kind of message that a client sends, as it would sign them.
pub(super) fn corpus(peer: SocketAddr, sign: impl FnMut(&Draft) -> Vec<u8>) -> Vec<Vec<u8>> {
    let drafts = [
        Draft::request(Method::BINDING).fingerprint(),
        Draft::allocate().bare(),
        Draft::allocate().lifetime(700).with(AttributeType::EVEN_PORT, &[0x80]),
        Draft::request(Method::REFRESH).lifetime(600),
        Draft::request(Method::CREATE_PERMISSION).peer(peer).peer(peer),
        Draft::request(Method::CHANNEL_BIND).channel(0x4000).peer(peer),
        Draft::send(peer, b"some data of a client").with(AttributeType::DONT_FRAGMENT, b""),
        Draft::send(peer, &[7; 1000]).fingerprint(),
    ];
    let mut corpus: Vec<Vec<u8>> = drafts.iter().map(sign).collect();
    corpus.push(b"\x40\x00\x00\x04data".to_vec());
    corpus
}
