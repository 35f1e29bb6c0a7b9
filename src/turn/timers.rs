//! A lazy timer wheel: entries say when to look, their owners know what is due.
//!
//! Moving a deadline later costs its owner one store and the wheel nothing: the entry fires at the old time, the owner
//! sees that nothing is due and schedules the rest. Moving one earlier schedules a second entry.

use super::time::Mono;

const TICK_NANOS: u64 = 1_000_000_000;
const SLOTS: usize = 4096;
const WORDS: usize = SLOTS / 64;

/// Entries of type `K` by due time, with a resolution of one second; nothing fires early.
#[derive(Debug)]
pub struct Wheel<K> {
    slots: Vec<Vec<K>>,
    occupied: [u64; WORDS],
    /// Every slot before this tick is empty.
    tick: u64,
    len: usize,
}

impl<K> Wheel<K> {
    /// An empty wheel that begins to turn at `now`.
    pub fn new(now: Mono) -> Wheel<K> {
        Wheel {
            slots: (0..SLOTS).map(|_| Vec::new()).collect(),
            occupied: [0; WORDS],
            tick: now.0 / TICK_NANOS,
            len: 0,
        }
    }

    /// Has `key` fire at `deadline`, or one turn of the wheel from now if that is sooner.
    pub fn schedule(&mut self, deadline: Mono, key: K) {
        let due = deadline.0.div_ceil(TICK_NANOS);
        let tick = due.clamp(self.tick, self.tick + SLOTS as u64 - 1);
        let slot = (tick % SLOTS as u64) as usize;
        self.slots[slot].push(key);
        self.occupied[slot / 64] |= 1 << (slot % 64);
        self.len += 1;
    }

    /// The next entry that is due.
    pub fn poll(&mut self, now: Mono) -> Option<K> {
        let last = now.0 / TICK_NANOS;
        while let Some(tick) = self.next_tick() {
            if tick > last {
                break;
            }
            self.tick = tick;
            let slot = (tick % SLOTS as u64) as usize;
            match self.slots[slot].pop() {
                Some(key) => {
                    self.len -= 1;
                    return Some(key);
                }
                None => self.occupied[slot / 64] &= !(1 << (slot % 64)),
            }
        }
        self.tick = self.tick.max(last);
        None
    }

    /// When [`Wheel::poll`] has something again.
    pub fn next(&self) -> Option<Mono> {
        self.next_tick().map(|tick| Mono(tick * TICK_NANOS))
    }

    /// How many entries wait.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The first tick, from the current one on, whose slot may hold something.
    fn next_tick(&self) -> Option<u64> {
        if self.len == 0 {
            return None;
        }
        let start = (self.tick % SLOTS as u64) as usize;
        (0..=WORDS).find_map(|step| {
            let word = (start / 64 + step) % WORDS;
            let mut bits = self.occupied[word];
            if step == 0 {
                bits &= !0 << (start % 64);
            } else if step == WORDS {
                bits &= !(!0 << (start % 64));
            }
            if bits == 0 {
                return None;
            }
            let slot = word * 64 + bits.trailing_zeros() as usize;
            Some(self.tick + ((slot + SLOTS - start) % SLOTS) as u64)
        })
    }
}
