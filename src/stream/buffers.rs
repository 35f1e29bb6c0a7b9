//! Buffers of one worker that all its connections use in turn.

use bytes::BytesMut;

use super::limits::READ_LEN;

/// Given out in slices, and taken back when the last of them is gone.
const ARENA_LEN: usize = 256 * 1024;

/// Scratch space; nothing in it outlives one call, the messages cut from `arena` excepted.
#[derive(Debug)]
pub(super) struct Buffers {
    /// Plaintext is put at its front and leaves it as messages.
    pub(super) arena: BytesMut,
    /// Ciphertext just read.
    pub(super) read: Box<[u8]>,
    /// All ciphertext of the connection at hand.
    pub(super) received: Vec<u8>,
    /// Records to be written.
    pub(super) sealed: Vec<u8>,
}

impl Buffers {
    pub(super) fn new() -> Buffers {
        Buffers {
            arena: BytesMut::new(),
            read: vec![0; READ_LEN].into_boxed_slice(),
            received: Vec::new(),
            sealed: Vec::new(),
        }
    }

    /// The front of the arena, at least `len` bytes long.
    pub(super) fn space(&mut self, len: usize) -> &mut [u8] {
        if self.arena.len() < len {
            // Cleared first, so that nothing is copied; the memory is the same again unless a message still uses it.
            self.arena.clear();
            self.arena.reserve(len.max(ARENA_LEN));
            self.arena.resize(len.max(ARENA_LEN), 0);
        }
        &mut self.arena[..]
    }
}
