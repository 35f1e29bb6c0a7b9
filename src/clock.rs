//! The only caller of the system's clocks.

use std::time::Duration;

use crate::turn::time::{Mono, Now, UnixTime};

/// Both clocks, read together. CLOCK_MONOTONIC counts the same for every process of one boot, so deadlines survive a
/// hand-over to another process.
pub fn now() -> Now {
    let mono = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let wall = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
    Now {
        mono: Mono(mono.tv_sec as u64 * 1_000_000_000 + mono.tv_nsec as u64),
        wall: UnixTime(u64::try_from(wall.tv_sec).unwrap_or(0)),
    }
}

/// CPU time that all threads of this process have used.
pub fn cpu() -> Duration {
    let used = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(used.tv_sec as u64, used.tv_nsec as u32)
}

/// The time since 1970, for people: lines of the log tell milliseconds.
pub fn since_epoch() -> Duration {
    let wall = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
    Duration::new(u64::try_from(wall.tv_sec).unwrap_or(0), u32::try_from(wall.tv_nsec).unwrap_or(0))
}
