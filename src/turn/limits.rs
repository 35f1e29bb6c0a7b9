//! Every bound the core keeps; those an operator may move stand in `config::Limits`.

use std::time::Duration;

/// LIFETIME granted when none, or less, is asked for (RFC 8656 section 7.2).
pub const LIFETIME_SECS_DEFAULT: u32 = 600;

/// XOR-PEER-ADDRESS attributes in one CreatePermission.
pub const PEERS_PER_REQUEST_MAX: usize = 64;

/// New peers that all allocations of a user may be given together, as a multiple of what one may.
pub const USER_PEERS_FACTOR: u32 = 8;

/// Users whose new peers are counted together, per worker, while they wait for more.
pub const USER_PEERS_MAX: usize = 65_536;

/// So many users have buckets of bytes before those that nobody needs are looked for.
pub const USERS_KEPT_MIN: usize = 1024;

/// Requests waiting for an answer of the world, per worker: more than there may be look-ups, so that a user database
/// that does not answer leaves room for those who need none.
pub const PARKED_MAX: usize = LOOK_UPS_MAX + 1024;

/// Requests waiting for a user, per worker, and look-ups that have not ended; a user store that does not answer holds no
/// more.
pub const LOOK_UPS_MAX: usize = 4096;

/// The same of one source, an IPv4 address or an IPv6 /64: whoever has no password leaves room for others.
pub const LOOK_UPS_OF_SOURCE_MAX: usize = 64;

/// A request that waits for its user is kept whole; a longer one is dropped. Names, and the most peers a request may
/// have, take less.
pub const PARKED_LEN_MAX: usize = 4096;

/// How long one of them waits before it is forgotten.
pub const PARKED_SECS: u32 = 5;

/// How long the answer to an Allocate is kept for its retransmissions (RFC 8489 section 6.3.1).
pub const REPLAY_SECS: u32 = 40;

/// A wrong password on a live allocation asks the user database again at most this often.
pub const KEY_REREAD: Duration = Duration::from_secs(1);

/// How long the key of an allocation is enough before the user database is asked again whether its owner still is a user
/// with that password: as long as what was found is kept elsewhere.
pub const KEY_VOUCHES: Duration = Duration::from_secs(60);

/// A nonce from this far ahead still counts as ours: clocks of a fleet differ.
pub const NONCE_AHEAD_SECS: u64 = 5;

/// How long a nonce is taken that announces less than those made now, even where nonces live for ever.
pub const NONCE_OUTDONE_SECS: u64 = 600;

/// USERNAME, REALM and NONCE may be this long (RFC 8489 sections 14.3, 14.9, 14.10).
pub const NAME_LEN_MAX: usize = 763;

/// The largest UDP payload over IPv4.
pub const UDP_PAYLOAD_MAX: usize = 65_507;

/// What one packet of an ordinary network carries; as much may always be relayed at once.
pub const PACKET_BYTES: u64 = 1500;

/// Length of the longest answer: an Allocate success with two IPv6 addresses, or a 420 naming 128 types.
pub const ANSWER_LEN_MAX: usize = 1280;

/// Timer entries that ended allocations, or connections, may leave behind, beside as many as there are of living ones.
pub const LEFTOVERS_MAX: usize = 4096;

/// How long a freed relay port rests before it is given out again, while others are free.
pub const PORT_REST_SECS: u32 = 30;

/// How long data is still known as that of a relay that ended: longer than it lies in a socket of this host.
pub const PORT_GONE_SECS: u32 = 2;

const _: () = assert!(PORT_GONE_SECS < PORT_REST_SECS, "by then the port may be another client's");
const _: () = assert!(REPLAY_SECS < LIFETIME_SECS_DEFAULT, "a replay lives inside its allocation");
const _: () = assert!(20 + 3 * (4 + 764) + PEERS_PER_REQUEST_MAX * 24 < PARKED_LEN_MAX);
const _: () = assert!(PARKED_SECS < REPLAY_SECS);
