//! Memory of the entry store: fixed-size chunks of slots, named by 32-bit indices.
//!
//! Purpose: growth never moves a node and never asks for one large block; emptied chunks go back to the heap.
//! Main types: [`Arena`], [`StoreShortage`].
//! Neighbours: only `EntryStore` uses it.
//! It does not: free memory outside [`Arena::trim`], so that a reservation made before a mutation holds through it.
//! XNU counterpart: the zone `VM map entries`.

use alloc::vec::Vec;

/// Slots per chunk: about a page of nodes.
const CHUNK: usize = 64;

/// "No chunk", "no slot".
const NONE: u32 = u32::MAX;

/// The heap refused memory for map entries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StoreShortage;

enum Slot<N> {
    /// Unused; the next unused slot of the same chunk.
    Vacant(u32),
    Used(N),
}

/// A chunk is in one of three states: released (no slots), open (some slot vacant; on the open list) or full.
struct Chunk<N> {
    slots: Vec<Slot<N>>,
    /// First vacant slot of this chunk.
    vacant: u32,
    used: u32,
    /// Links of the open list, or of the released list (`next` only).
    next: u32,
    prev: u32,
}

/// Slots for nodes.
pub(super) struct Arena<N> {
    chunks: Vec<Chunk<N>>,
    /// Chunks with a vacant slot, doubly linked.
    open: u32,
    /// Chunk numbers whose memory was given back, singly linked.
    released: u32,
    /// Vacant slots in all open chunks.
    vacant: usize,
}

impl<N> Arena<N> {
    pub(super) const fn new() -> Self {
        Arena {
            chunks: Vec::new(),
            open: NONE,
            released: NONE,
            vacant: 0,
        }
    }

    pub(super) fn get(&self, index: u32) -> &N {
        let (chunk, slot) = split(index);
        match &self.chunks[chunk].slots[slot] {
            Slot::Used(node) => node,
            Slot::Vacant(_) => panic!("entry store: index {index} is vacant"),
        }
    }

    pub(super) fn get_mut(&mut self, index: u32) -> &mut N {
        let (chunk, slot) = split(index);
        match &mut self.chunks[chunk].slots[slot] {
            Slot::Used(node) => node,
            Slot::Vacant(_) => panic!("entry store: index {index} is vacant"),
        }
    }

    /// Makes at least `count` slots vacant.
    pub(super) fn reserve(&mut self, count: usize) -> Result<(), StoreShortage> {
        while self.vacant < count {
            self.add_chunk()?;
        }
        Ok(())
    }

    /// Stores `node` in a vacant slot.
    pub(super) fn insert(&mut self, node: N) -> u32 {
        let number = self.open;
        assert!(
            number != NONE,
            "entry store: insertion without a reservation"
        );
        let chunk = &mut self.chunks[number as usize];
        let slot = chunk.vacant;
        let Slot::Vacant(next) =
            core::mem::replace(&mut chunk.slots[slot as usize], Slot::Used(node))
        else {
            panic!("entry store: vacant list names a used slot");
        };
        chunk.vacant = next;
        chunk.used += 1;
        self.vacant -= 1;
        if next == NONE {
            self.unlink_open(number);
        }
        number * CHUNK as u32 + slot
    }

    /// Takes the node out; its slot becomes vacant.
    pub(super) fn remove(&mut self, index: u32) -> N {
        let (number, slot) = split(index);
        let chunk = &mut self.chunks[number];
        let was_full = chunk.vacant == NONE;
        let Slot::Used(node) =
            core::mem::replace(&mut chunk.slots[slot], Slot::Vacant(chunk.vacant))
        else {
            panic!("entry store: removing a vacant slot");
        };
        chunk.vacant = slot as u32;
        chunk.used -= 1;
        self.vacant += 1;
        if was_full {
            self.link_open(number as u32);
        }
        node
    }

    /// Gives wholly vacant chunks back while one chunk's worth of vacant slots stays.
    pub(super) fn trim(&mut self) {
        let mut number = self.open;
        while number != NONE && self.vacant > 2 * CHUNK {
            let next = self.chunks[number as usize].next;
            if self.chunks[number as usize].used == 0 {
                self.unlink_open(number);
                self.vacant -= CHUNK;
                let released = self.released;
                let chunk = &mut self.chunks[number as usize];
                chunk.slots = Vec::new();
                chunk.next = released;
                self.released = number;
            }
            number = next;
        }
    }

    fn add_chunk(&mut self) -> Result<(), StoreShortage> {
        let mut slots = Vec::new();
        slots.try_reserve_exact(CHUNK).map_err(|_| StoreShortage)?;
        for slot in 1..=CHUNK as u32 {
            slots.push(Slot::Vacant(if slot == CHUNK as u32 { NONE } else { slot }));
        }
        let chunk = Chunk {
            slots,
            vacant: 0,
            used: 0,
            next: NONE,
            prev: NONE,
        };
        let number = if self.released != NONE {
            let number = self.released;
            self.released = self.chunks[number as usize].next;
            self.chunks[number as usize] = chunk;
            number
        } else {
            self.chunks.try_reserve(1).map_err(|_| StoreShortage)?;
            let number = u32::try_from(self.chunks.len()).map_err(|_| StoreShortage)?;
            if number >= NONE / CHUNK as u32 {
                return Err(StoreShortage);
            }
            self.chunks.push(chunk);
            number
        };
        self.vacant += CHUNK;
        self.link_open(number);
        Ok(())
    }

    fn link_open(&mut self, number: u32) {
        let head = self.open;
        if head != NONE {
            self.chunks[head as usize].prev = number;
        }
        let chunk = &mut self.chunks[number as usize];
        chunk.next = head;
        chunk.prev = NONE;
        self.open = number;
    }

    fn unlink_open(&mut self, number: u32) {
        let (next, prev) = {
            let chunk = &self.chunks[number as usize];
            (chunk.next, chunk.prev)
        };
        match prev {
            NONE => self.open = next,
            _ => self.chunks[prev as usize].next = next,
        }
        if next != NONE {
            self.chunks[next as usize].prev = prev;
        }
    }

    /// Slots that hold memory, used or vacant; for tests.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.slots.len()).sum()
    }
}

fn split(index: u32) -> (usize, usize) {
    (index as usize / CHUNK, index as usize % CHUNK)
}
