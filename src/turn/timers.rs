//! A lazy timer wheel: entries say when to look, their owners know what is due.
//!
//! Moving a deadline later costs its owner one store and the wheel nothing: the entry fires at the old time, the owner
//! sees that nothing is due and schedules the rest. Moving one earlier schedules a second entry. An owner that ends leaves
//! its entries behind, until they fire or are too many.

use super::limits::LEFTOVERS_MAX;
use super::time::Mono;

const TICK_NANOS: u64 = 1_000_000_000;
const SLOTS: usize = 4096;
const WORDS: usize = SLOTS / 64;

/// Entries of type `K` by due time, with a resolution of one second; nothing fires early.
#[derive(Debug)]
pub struct Wheel<K> {
    /// Each entry with the tick it is due at, which may be more than one turn of the wheel away.
    slots: Vec<Vec<(u64, K)>>,
    /// Due already, not taken yet.
    ready: Vec<K>,
    occupied: [u64; WORDS],
    /// Every slot before this tick is empty.
    tick: u64,
    len: usize,
    /// How many entries there may be before those without owner are looked for.
    crowded_at: usize,
}

impl<K> Wheel<K> {
    /// An empty wheel that begins to turn at `now`.
    pub fn new(now: Mono) -> Wheel<K> {
        Wheel {
            slots: (0..SLOTS).map(|_| Vec::new()).collect(),
            ready: Vec::new(),
            occupied: [0; WORDS],
            tick: now.0 / TICK_NANOS,
            len: 0,
            crowded_at: LEFTOVERS_MAX,
        }
    }

    /// Has `key` fire at `deadline`.
    pub fn schedule(&mut self, deadline: Mono, key: K) {
        self.insert(deadline.0.div_ceil(TICK_NANOS), key);
        self.len += 1;
    }

    fn insert(&mut self, due: u64, key: K) {
        let tick = due.clamp(self.tick, self.tick + SLOTS as u64 - 1);
        let slot = (tick % SLOTS as u64) as usize;
        self.slots[slot].push((due, key));
        self.occupied[slot / 64] |= 1 << (slot % 64);
    }

    /// The next entry that is due.
    pub fn poll(&mut self, now: Mono) -> Option<K> {
        if self.ready.is_empty() {
            self.turn_to(now.0 / TICK_NANOS);
        }
        let Some(key) = self.ready.pop() else {
            self.ready = Vec::new();
            return None;
        };
        self.len -= 1;
        Some(key)
    }

    /// When [`Wheel::poll`] has something again.
    pub fn next(&self) -> Option<Mono> {
        match self.ready.is_empty() {
            true => self.next_tick().map(|tick| Mono(tick * TICK_NANOS)),
            false => Some(Mono(self.tick * TICK_NANOS)),
        }
    }

    /// Empties every slot up to the tick `last`; what only made a stopover there goes on the rest of its way.
    fn turn_to(&mut self, last: u64) {
        let mut stopovers = Vec::new();
        while let Some(tick) = self.next_tick().filter(|tick| *tick <= last) {
            self.tick = tick;
            let slot = (tick % SLOTS as u64) as usize;
            self.occupied[slot / 64] &= !(1 << (slot % 64));
            // Taken whole, so that a slot that once held many gives its memory back.
            for (due, key) in std::mem::take(&mut self.slots[slot]) {
                match due <= last {
                    true => self.ready.push(key),
                    false => stopovers.push((due, key)),
                }
            }
        }
        self.tick = self.tick.max(last);
        stopovers.into_iter().for_each(|(due, key)| self.insert(due, key));
    }

    /// Lets entries go whose owners are gone, once in as many as are left: whoever makes and ends owners quickly does not
    /// fill the wheel with what they leave behind. To be called when an owner ended.
    pub fn prune(&mut self, is_owned: impl Fn(&K) -> bool) {
        if self.len <= self.crowded_at {
            return;
        }
        for (index, slot) in self.slots.iter_mut().enumerate().filter(|(_, slot)| !slot.is_empty()) {
            slot.retain(|(_, key)| is_owned(key));
            slot.shrink_to_fit();
            if slot.is_empty() {
                self.occupied[index / 64] &= !(1 << (index % 64));
            }
        }
        self.len = self.ready.len() + self.slots.iter().map(Vec::len).sum::<usize>();
        self.crowded_at = 2 * self.len + LEFTOVERS_MAX;
    }

    /// The tick at which a deadline is due.
    pub(super) fn tick_of(deadline: Mono) -> u64 {
        deadline.0.div_ceil(TICK_NANOS)
    }

    /// Every entry with the tick it is due at.
    pub(super) fn entries(&self) -> impl Iterator<Item = (u64, &K)> {
        let words = self.occupied.iter().enumerate().filter(|(_, bits)| **bits != 0);
        let slots = words.flat_map(|(word, bits)| {
            let rest = std::iter::successors(Some(*bits), |bits| Some(bits & bits.wrapping_sub(1)));
            rest.take_while(|bits| *bits != 0).map(move |bits| word * 64 + bits.trailing_zeros() as usize)
        });
        slots.flat_map(|slot| self.slots[slot].iter().map(|(due, key)| (*due, key)))
    }

    /// Whether the count of entries is right.
    pub(super) fn check(&self) -> Result<(), &'static str> {
        match self.entries().count() + self.ready.len() == self.len {
            true => Ok(()),
            false => Err("the wheel miscounts its entries"),
        }
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
