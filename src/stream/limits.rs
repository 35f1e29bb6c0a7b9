//! Every bound of the stream clients' side.

use std::time::Duration;

use crate::stun::channel_data::CHANNEL_HEADER_LEN;
use crate::stun::header::HEADER_LEN;

/// The longest message of a client without an allocation.
pub const FRAME_LEN_MAX_UNALLOCATED: usize = 4096;

/// The longest message there is: a STUN header and 65,535 bytes (RFC 8489 section 5).
pub const FRAME_LEN_MAX: usize = HEADER_LEN + 65_535;

/// Ciphertext held back for a client without an allocation: one record with one longest message, and its overhead.
pub const CIPHERTEXT_LEN_MAX_UNALLOCATED: usize = FRAME_LEN_MAX_UNALLOCATED + 256;

/// Ciphertext held back for a client with an allocation: more than a record, and a handshake message cut in pieces.
pub const CIPHERTEXT_LEN_MAX: usize = 20 * 1024;

/// Taken from a socket at once when the client has no allocation. It bounds the answers that one turn can make.
pub const READ_LEN_UNALLOCATED: usize = 2048;

/// Taken from a socket at once when the client has an allocation; then the others have their turn.
pub const READ_LEN: usize = 64 * 1024;

/// The first complete message after the connection opened, or after its TLS handshake.
pub const FIRST_MESSAGE: Duration = Duration::from_secs(10);

/// From accept to the end of the TLS handshake.
pub const HANDSHAKE: Duration = Duration::from_secs(10);

/// Silence of a client without an allocation beyond `max-allocate-timeout`: who speaks once in that time is served.
pub const IDLE_GRACE: Duration = Duration::from_secs(2);

/// From the first byte of a message, or of a TLS record, to its last.
pub const PARTIAL_FRAME: Duration = Duration::from_secs(30);

/// Output that waits while not one byte of it can be written.
pub const STUCK: Duration = Duration::from_secs(30);

/// How long a client that sent its last byte is waited with for answers; longer than any request is parked.
pub const LINGER: Duration = Duration::from_secs(6);

/// Above this relayed data is dropped, and nothing more is read until the client has read.
pub const QUEUE_LEN_MAX: usize = 256 * 1024;

/// When the oldest byte waits longer, relayed data is dropped.
pub const QUEUE_AGE_MAX: Duration = Duration::from_millis(200);

/// Answers are never dropped; a client that lets this much of them lie is closed.
pub const QUEUE_LEN_HARD_MAX: usize = 512 * 1024;

/// The same for a client without an allocation.
pub const QUEUE_LEN_HARD_MAX_UNALLOCATED: usize = 128 * 1024;

/// Bytes the kernel may hold unsent. What lies there can no longer be dropped when it is late, so it is little.
pub const UNSENT_LEN_MAX: u32 = 32 * 1024;

/// Plaintext made into TLS records at once: the longest message at least, so that a record never ends inside one.
pub const SEAL_LEN_MAX: usize = FRAME_LEN_MAX;

/// Streams without an allocation per source address (IPv6: per /64), over all workers.
pub const UNALLOCATED_PER_SOURCE_MAX: u32 = 64;

/// TLS handshakes of one worker that are worked on. Those that wait for their client are bounded as streams without an
/// allocation are.
pub const HANDSHAKES_MAX: usize = 200;

/// TLS handshakes a worker begins in one second; more of them wait their turn.
pub const HANDSHAKES_PER_SEC: u32 = 100;

/// TLS handshakes that wait their turn; further ones are closed.
pub const HANDSHAKES_WAITING_MAX: usize = 1000;

/// Times one handshake may visit the handshake threads. Two or three are usual; whoever sends it in crumbs takes more.
pub const HANDSHAKE_STEPS_MAX: u8 = 16;

/// Threads that compute handshakes for all workers.
pub const HANDSHAKE_THREADS: usize = 2;

/// Steps waiting for those threads.
pub const HANDSHAKE_QUEUE_MAX: usize = 256;

/// Silence after which the kernel begins to ask whether the client is still there.
pub const KEEPALIVE_AFTER: Duration = Duration::from_secs(60);

/// How often it asks.
pub const KEEPALIVE_EVERY: Duration = Duration::from_secs(15);

const _: () = assert!(CHANNEL_HEADER_LEN + 65_536 <= FRAME_LEN_MAX, "the longest ChannelData, padded, is let in");
const _: () = assert!(READ_LEN_UNALLOCATED < FRAME_LEN_MAX_UNALLOCATED);
const _: () = assert!(QUEUE_LEN_MAX + FRAME_LEN_MAX < QUEUE_LEN_HARD_MAX, "relayed data alone never closes a client");
const _: () = assert!(LINGER.as_secs() > crate::turn::limits::PARKED_SECS as u64);
const _: () = assert!(HANDSHAKES_WAITING_MAX as u64 <= HANDSHAKES_PER_SEC as u64 * HANDSHAKE.as_secs());
