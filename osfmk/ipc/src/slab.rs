//! A table of slots with stable numbers that grows only by a vector its owner allocated beforehand.
//!
//! Port sets keep their members in one, ports their notification requests: both are changed under a
//! spinning lock, where nothing may be allocated. The owner asks [`Slab::has_room`]; if there is none it
//! drops its lock, allocates with [`Slab::bigger`], and hands the vector in with [`Slab::adopt`].

use alloc::vec::Vec;
use mach::KernReturn;

/// One slot: a value, or the next free slot.
pub(crate) enum Slot<T> {
    Full(T),
    Free(u32),
}

const NONE: u32 = u32::MAX;

/// Slots numbered from zero.
pub(crate) struct Slab<T> {
    slots: Vec<Slot<T>>,
    free: u32,
    full: u32,
}

impl<T> Slab<T> {
    pub(crate) const fn new() -> Self {
        Self {
            slots: Vec::new(),
            free: NONE,
            full: 0,
        }
    }

    /// Whether the next [`Slab::insert`] needs no memory.
    pub(crate) fn has_room(&self) -> bool {
        self.free != NONE || self.slots.len() < self.slots.capacity()
    }

    /// The capacity to ask for when there is no room.
    pub(crate) fn next_capacity(&self) -> usize {
        (self.slots.capacity() * 2).max(4)
    }

    /// An empty vector for [`Slab::adopt`]; to be called without a lock.
    pub(crate) fn bigger(capacity: usize) -> Result<Vec<Slot<T>>, KernReturn> {
        let mut slots = Vec::new();
        slots
            .try_reserve_exact(capacity)
            .map_err(|_| KernReturn::RESOURCE_SHORTAGE)?;
        Ok(slots)
    }

    /// Moves into `vector` if that is larger; returns the vector to be freed without a lock.
    pub(crate) fn adopt(&mut self, mut vector: Vec<Slot<T>>) -> Vec<Slot<T>> {
        if vector.capacity() > self.slots.capacity() {
            vector.append(&mut self.slots);
            core::mem::swap(&mut vector, &mut self.slots);
        }
        vector
    }

    /// Takes a slot; the value comes back when there is no room.
    pub(crate) fn insert(&mut self, value: T) -> Result<u32, T> {
        let index = self.free;
        if index != NONE {
            if let Slot::Free(next) = self.slots[index as usize] {
                self.free = next;
            }
            self.slots[index as usize] = Slot::Full(value);
        } else if self.slots.len() < self.slots.capacity() {
            self.slots.push(Slot::Full(value));
            self.full += 1;
            return Ok(self.slots.len() as u32 - 1);
        } else {
            return Err(value);
        }
        self.full += 1;
        Ok(index)
    }

    /// Empties a slot.
    pub(crate) fn remove(&mut self, index: u32) -> Option<T> {
        let slot = self.slots.get_mut(index as usize)?;
        if matches!(slot, Slot::Free(_)) {
            return None;
        }
        let Slot::Full(value) = core::mem::replace(slot, Slot::Free(self.free)) else {
            return None;
        };
        self.free = index;
        self.full -= 1;
        Some(value)
    }

    pub(crate) fn get(&self, index: u32) -> Option<&T> {
        match self.slots.get(index as usize)? {
            Slot::Full(value) => Some(value),
            Slot::Free(_) => None,
        }
    }

    pub(crate) fn get_mut(&mut self, index: u32) -> Option<&mut T> {
        match self.slots.get_mut(index as usize)? {
            Slot::Full(value) => Some(value),
            Slot::Free(_) => None,
        }
    }

    /// One more than the greatest number in use.
    pub(crate) fn end(&self) -> u32 {
        self.slots.len() as u32
    }

    /// Full slots.
    pub(crate) fn len(&self) -> usize {
        self.full as usize
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        self.slots
            .iter()
            .enumerate()
            .filter_map(|(index, slot)| match slot {
                Slot::Full(value) => Some((index as u32, value)),
                Slot::Free(_) => None,
            })
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (u32, &mut T)> {
        self.slots
            .iter_mut()
            .enumerate()
            .filter_map(|(index, slot)| match slot {
                Slot::Full(value) => Some((index as u32, value)),
                Slot::Free(_) => None,
            })
    }

    /// The free list and the count agree with the slots.
    pub(crate) fn validate(&self) {
        let free = self
            .slots
            .iter()
            .filter(|slot| matches!(slot, Slot::Free(_)))
            .count();
        assert_eq!(
            free + self.len(),
            self.slots.len(),
            "slab: count of full slots"
        );
        let mut listed = 0;
        let mut next = self.free;
        while next != NONE {
            listed += 1;
            assert!(listed <= free, "slab: free list is a cycle");
            match self.slots[next as usize] {
                Slot::Free(after) => next = after,
                Slot::Full(_) => panic!("slab: full slot on the free list"),
            }
        }
        assert_eq!(listed, free, "slab: free slots listed");
    }
}

#[cfg(test)]
mod tests {
    use super::Slab;

    #[test]
    fn numbers_stay_stable_while_the_slab_grows_and_shrinks() {
        let mut slab = Slab::new();
        assert!(!slab.has_room());
        assert_eq!(slab.insert(1), Err(1));
        let old = slab.adopt(Slab::bigger(2).unwrap());
        drop(old);
        let one = slab.insert(1).unwrap();
        let two = slab.insert(2).unwrap();
        let room = Slab::bigger(slab.next_capacity()).unwrap();
        slab.adopt(room);
        let three = slab.insert(3).unwrap();
        assert_eq!(slab.remove(one), Some(1));
        assert_eq!(slab.remove(one), None);
        assert_eq!((slab.get(two), slab.get(three)), (Some(&2), Some(&3)));
        assert_eq!(slab.insert(4), Ok(one));
        slab.validate();
        assert_eq!(slab.len(), 3);
    }
}
