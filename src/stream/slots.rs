//! Places of connections, and names for them that are not given to another connection soon.

use std::collections::VecDeque;

use crate::turn::address::LinkId;

/// Names a connection of one worker: its place and a count of who was there before. A name outlives its connection
/// without ever meaning another one for a long time: answers of the core may come seconds late.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StreamId(pub u32);

const PLACE_BITS: u32 = 20;
const PLACES_MAX: usize = 1 << PLACE_BITS;

/// A freed place rests until this many are free, so that a name comes back after 4096 times as many connections.
const RESTING: usize = 64;

impl StreamId {
    fn new(place: u32, generation: u32) -> StreamId {
        StreamId(generation << PLACE_BITS | place)
    }

    fn place(self) -> usize {
        self.0 as usize % PLACES_MAX
    }

    fn generation(self) -> u32 {
        self.0 >> PLACE_BITS
    }
}

impl From<StreamId> for LinkId {
    fn from(id: StreamId) -> LinkId {
        LinkId(id.0)
    }
}

impl From<LinkId> for StreamId {
    fn from(link: LinkId) -> StreamId {
        StreamId(link.0)
    }
}

/// A table of `T`, by [`StreamId`].
#[derive(Debug)]
pub(super) struct Slots<T> {
    slots: Vec<Slot<T>>,
    free: VecDeque<u32>,
    len: usize,
}

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    held: Option<Box<T>>,
}

impl<T> Slots<T> {
    pub(super) fn new() -> Slots<T> {
        Slots { slots: Vec::new(), free: VecDeque::new(), len: 0 }
    }

    /// Puts what `make` makes of its name into a place; none when every place is taken, or `make` gives none.
    pub(super) fn insert(&mut self, make: impl FnOnce(StreamId) -> Option<T>) -> Option<StreamId> {
        if self.free.len() <= RESTING && self.slots.len() < PLACES_MAX {
            self.free.push_front(self.slots.len() as u32);
            self.slots.push(Slot { generation: 0, held: None });
        }
        let place = *self.free.front()?;
        let slot = &mut self.slots[place as usize];
        let id = StreamId::new(place, slot.generation);
        slot.held = Some(Box::new(make(id)?));
        self.free.pop_front();
        self.len += 1;
        Some(id)
    }

    pub(super) fn get(&self, id: StreamId) -> Option<&T> {
        let slot = self.slots.get(id.place())?;
        if slot.generation == id.generation() { slot.held.as_deref() } else { None }
    }

    pub(super) fn get_mut(&mut self, id: StreamId) -> Option<&mut T> {
        let slot = self.slots.get_mut(id.place())?;
        if slot.generation == id.generation() { slot.held.as_deref_mut() } else { None }
    }

    pub(super) fn remove(&mut self, id: StreamId) -> Option<Box<T>> {
        let slot = self.slots.get_mut(id.place())?;
        if slot.generation != id.generation() {
            return None;
        }
        let held = slot.held.take()?;
        slot.generation = (slot.generation + 1) % (1 << (u32::BITS - PLACE_BITS));
        self.free.push_back(id.place() as u32);
        self.len -= 1;
        Some(held)
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn ids(&self) -> Vec<StreamId> {
        let held = self.slots.iter().zip(0..).filter(|(slot, _)| slot.held.is_some());
        held.map(|(slot, place)| StreamId::new(place, slot.generation)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn insert(slots: &mut Slots<u32>, value: u32) -> StreamId {
        slots.insert(|_| Some(value)).expect("there is room")
    }

    #[test]
    fn a_name_is_gone_with_its_connection() {
        let mut slots = Slots::new();
        let id = insert(&mut slots, 7);
        assert_eq!(slots.get(id), Some(&7));
        assert_eq!(slots.remove(id).as_deref(), Some(&7));
        assert_eq!((slots.get(id), slots.len()), (None, 0));
        assert_eq!(slots.remove(id), None);
    }

    #[test]
    fn a_place_rests_and_its_next_holder_has_another_name() {
        let mut slots = Slots::new();
        let first = insert(&mut slots, 0);
        slots.remove(first);
        let mut names = vec![first];
        for value in 1..1000 {
            let id = insert(&mut slots, value);
            assert!(!names.contains(&id));
            names.push(id);
            slots.remove(id);
        }
        let again = names.iter().skip(1).position(|id| id.place() == first.place()).expect("places are used again");
        assert!(again >= RESTING - 1, "used again after {again}");
        assert!(slots.slots.len() <= RESTING + 2);
    }

    #[test]
    fn generations_wrap_without_touching_the_place() {
        let mut slots = Slots::new();
        for value in 0..(RESTING as u32 + 2) * 4097 {
            let id = insert(&mut slots, value);
            assert_eq!(slots.get(id), Some(&value));
            slots.remove(id);
        }
        assert!(slots.slots.len() <= RESTING + 2);
    }

    #[test]
    fn what_is_not_made_takes_no_place() {
        let mut slots: Slots<u32> = Slots::new();
        assert_eq!(slots.insert(|_| None), None);
        assert_eq!((slots.len(), slots.ids().len()), (0, 0));
    }
}
