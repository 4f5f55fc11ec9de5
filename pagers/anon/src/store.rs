//! The store: pages by object, on slots of the disk or as a single word.
//!
//! A page is *committed* to an entry when its data are safe there; its old entry is freed then. Slots that a request of the
//! disk still reads or writes are not given out again before that request ends ([`Store::begin`], [`Store::end`]).
//! [`Store::rebuild`] makes the same store of what a former pager has left in the table.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::Range;

use crate::slots::Slots;
use crate::table::{Memory, Record, Table};

/// Pages of one leaf of an object's map.
const LEAF: u64 = 64;

/// Where a page is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// On this slot of the disk.
    Slot(u32),
    /// Nowhere: it is filled with this word.
    Fill(u64),
}

/// A stretch of pages that are got in the same way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Piece {
    /// First page.
    pub page: u64,
    /// How many.
    pub count: u32,
    /// Where they are: the first one's slot, the word of all of them, or nowhere.
    pub place: Option<Place>,
}

/// One object's pages: leaves of entry numbers plus one, zero for none.
#[derive(Debug, Default)]
struct Object {
    leaves: BTreeMap<u64, Box<[u32; LEAF as usize]>>,
}

impl Object {
    fn get(&self, page: u64) -> Option<u32> {
        let leaf = self.leaves.get(&(page / LEAF))?;
        leaf[(page % LEAF) as usize].checked_sub(1)
    }

    fn set(&mut self, page: u64, entry: u32) -> Option<u32> {
        let leaf = self
            .leaves
            .entry(page / LEAF)
            .or_insert_with(|| Box::new([0; LEAF as usize]));
        core::mem::replace(&mut leaf[(page % LEAF) as usize], entry + 1).checked_sub(1)
    }

    fn take(&mut self, page: u64) -> Option<u32> {
        let leaf = self.leaves.get_mut(&(page / LEAF))?;
        let taken = core::mem::take(&mut leaf[(page % LEAF) as usize]).checked_sub(1);
        if leaf.iter().all(|entry| *entry == 0) {
            self.leaves.remove(&(page / LEAF));
        }
        taken
    }

    /// The pages of `range` that are there.
    fn pages(&self, range: Range<u64>) -> Vec<u64> {
        let leaves = self.leaves.range(range.start / LEAF..=range.end / LEAF);
        let pages = leaves.flat_map(|(leaf, entries)| {
            let there = entries.iter().enumerate().filter(|(_, entry)| **entry != 0);
            there.map(move |(at, _)| leaf * LEAF + at as u64)
        });
        pages.filter(|page| range.contains(page)).collect()
    }
}

/// Everything that is stored.
#[derive(Debug)]
pub struct Store<M> {
    table: Table<M>,
    slots: Slots,
    /// Entries behind the slots, for filled pages.
    fills: Slots,
    objects: BTreeMap<u64, Object>,
    /// Slots that the disk has to do with.
    busy: Vec<Range<u32>>,
    /// Freed while busy.
    waiting: Vec<u32>,
}

/// Bytes of the table of a disk with so many slots.
#[must_use]
pub fn table_size(slots: u32) -> usize {
    2 * slots as usize * crate::table::RECORD
}

impl<M: Memory> Store<M> {
    /// What is in the table: an empty store, or that of a pager that has died. Of two records for one page either may be
    /// taken: the kernel has had no answer for the later one and returns the page again.
    pub fn rebuild(memory: M, slots: u32) -> Self {
        let mut store = Self {
            table: Table::new(memory),
            slots: Slots::new(slots),
            fills: Slots::new(slots),
            objects: BTreeMap::new(),
            busy: Vec::new(),
            waiting: Vec::new(),
        };
        for entry in 0..2 * slots {
            if !store.table.is_touched(entry) {
                continue;
            }
            let Some(record) = store.table.read(entry) else {
                continue;
            };
            store.mark(entry);
            let object = store.objects.entry(record.object).or_default();
            if let Some(old) = object.set(record.page, entry) {
                store.free(old);
            }
        }
        store
    }

    fn mark(&mut self, entry: u32) {
        match entry.checked_sub(self.slots.count()) {
            None => self.slots.mark(entry),
            Some(fill) => self.fills.mark(fill),
        };
    }

    fn free(&mut self, entry: u32) {
        self.table.clear(entry);
        match entry.checked_sub(self.slots.count()) {
            None if self.is_busy(entry) => self.waiting.push(entry),
            None => _ = self.slots.give(entry),
            Some(fill) => _ = self.fills.give(fill),
        }
    }

    fn is_busy(&self, slot: u32) -> bool {
        self.busy.iter().any(|range| range.contains(&slot))
    }

    /// Slots free now.
    pub fn free_slots(&self) -> u32 {
        self.slots.free()
    }

    /// The numbers of the objects that have pages.
    pub fn objects(&self) -> impl Iterator<Item = u64> + '_ {
        self.objects.keys().copied()
    }

    /// The disk has to do with these slots from now on.
    pub fn begin(&mut self, slots: Range<u32>) {
        self.busy.push(slots);
    }

    /// A request that was begun has ended.
    pub fn end(&mut self, slots: &Range<u32>) {
        if let Some(at) = self.busy.iter().position(|busy| busy == slots) {
            self.busy.swap_remove(at);
        }
        let mut waiting = core::mem::take(&mut self.waiting);
        waiting.retain(|slot| {
            let busy = self.is_busy(*slot);
            if !busy {
                self.slots.give(*slot);
            }
            busy
        });
        self.waiting = waiting;
    }

    /// Where a page is.
    pub fn place(&self, object: u64, page: u64) -> Option<Place> {
        let entry = self.objects.get(&object)?.get(page)?;
        if entry < self.slots.count() {
            return Some(Place::Slot(entry));
        }
        let record = self.table.read(entry)?;
        Some(Place::Fill(record.word))
    }

    /// How to get `count` pages from `first` on: stretches on slots in a row, of at most `most` pages, of one word, or
    /// missing.
    pub fn pieces(&self, object: u64, first: u64, count: u64, most: u32) -> Vec<Piece> {
        let mut pieces: Vec<Piece> = Vec::new();
        for page in first..first + count {
            let place = self.place(object, page);
            let goes_on = pieces.last_mut().filter(|piece| {
                let follows = match (piece.place, place) {
                    (Some(Place::Slot(start)), Some(Place::Slot(slot))) => {
                        slot == start + piece.count
                    }
                    (one, two) => one == two,
                };
                follows && piece.count < most
            });
            match goes_on {
                Some(piece) => piece.count += 1,
                None => pieces.push(Piece {
                    page,
                    count: 1,
                    place,
                }),
            }
        }
        pieces
    }

    /// Slots for `count` pages, in as few runs as can be found; `None`, and nothing taken, when there are not enough.
    pub fn take(&mut self, count: u32) -> Option<Vec<u32>> {
        if self.slots.free() < count {
            return None;
        }
        let mut taken = Vec::new();
        while (taken.len() as u32) < count {
            let run = self.slots.take_run(count - taken.len() as u32)?;
            taken.extend(run);
        }
        Some(taken)
    }

    /// Gives slots back that were taken and are not used.
    pub fn give(&mut self, slots: impl IntoIterator<Item = u32>) {
        for slot in slots {
            self.free(slot);
        }
    }

    /// The page is safe on this slot, which was taken before.
    pub fn commit(&mut self, object: u64, page: u64, slot: u32) {
        self.record(object, page, 0, slot);
    }

    /// The page is filled with this word. `false` when there is no entry for it.
    pub fn commit_fill(&mut self, object: u64, page: u64, word: u64) -> bool {
        let Some(run) = self.fills.take_run(1) else {
            return false;
        };
        self.record(object, page, word, self.slots.count() + run.start);
        true
    }

    fn record(&mut self, object: u64, page: u64, word: u64, entry: u32) {
        let record = Record { object, page, word };
        self.table.write(entry, record);
        let old = self.objects.entry(object).or_default().set(page, entry);
        if let Some(old) = old.filter(|old| *old != entry) {
            self.free(old);
        }
    }

    /// These pages are not wanted any more.
    pub fn discard(&mut self, object: u64, range: Range<u64>) {
        let Some(known) = self.objects.get_mut(&object) else {
            return;
        };
        let pages = known.pages(range);
        let entries: Vec<u32> = pages.iter().filter_map(|page| known.take(*page)).collect();
        if known.leaves.is_empty() {
            self.objects.remove(&object);
        }
        for entry in entries {
            self.free(entry);
        }
    }

    /// The object has ended.
    pub fn remove(&mut self, object: u64) {
        self.discard(object, 0..u64::MAX - LEAF);
    }

    /// The memory of the table again: what a successor finds.
    pub fn into_memory(self) -> M {
        self.table.into_memory()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    const SLOTS: u32 = 300;

    type Model = BTreeMap<(u64, u64), Place>;

    fn fresh() -> Store<Vec<u8>> {
        Store::rebuild(alloc::vec![0; table_size(SLOTS)], SLOTS)
    }

    fn check(store: &Store<Vec<u8>>, model: &Model) {
        for object in 1..5 {
            for page in 0..200 {
                assert_eq!(
                    store.place(object, page),
                    model.get(&(object, page)).copied()
                );
            }
        }
        let on_slots = model
            .values()
            .filter(|place| matches!(place, Place::Slot(_)))
            .count();
        let unused = store.slots.free() as usize + store.waiting.len();
        assert_eq!(on_slots + unused, SLOTS as usize, "slots leaked");
    }

    #[test]
    fn any_sequence_agrees_with_a_map_and_survives_the_death_of_the_pager() {
        let (mut store, mut model) = (fresh(), Model::new());
        let mut seed = 11_u64;
        let mut random = |limit: u64| {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % limit
        };
        let mut in_flight: Vec<Range<u32>> = Vec::new();
        for step in 0..5_000 {
            let (object, first) = (1 + random(4), random(180));
            let pages = first..first + 1 + random(20);
            match random(8) {
                0 => {
                    store.discard(object, pages.clone());
                    model.retain(|(number, page), _| *number != object || !pages.contains(page));
                }
                1 if random(6) == 0 => {
                    store.remove(object);
                    model.retain(|(number, _), _| *number != object);
                }
                2 => {
                    for page in pages {
                        let word = random(3);
                        assert!(store.commit_fill(object, page, word));
                        model.insert((object, page), Place::Fill(word));
                    }
                }
                3 => {
                    if let Some(Place::Slot(slot)) = store.place(object, first) {
                        store.begin(slot..slot + 1);
                        in_flight.push(slot..slot + 1);
                    }
                }
                4 if !in_flight.is_empty() => {
                    let ended = in_flight.swap_remove(0);
                    store.end(&ended);
                }
                5 if step % 50 == 0 => {
                    in_flight.clear();
                    store = Store::rebuild(store.into_memory(), SLOTS);
                }
                _ => {
                    let count = (pages.end - pages.start) as u32;
                    if let Some(slots) = store.take(count) {
                        for busy in &in_flight {
                            assert!(slots.iter().all(|slot| !busy.contains(slot)));
                        }
                        for (page, slot) in pages.zip(slots) {
                            store.commit(object, page, slot);
                            model.insert((object, page), Place::Slot(slot));
                        }
                    } else {
                        assert!(store.slots.free() < count);
                    }
                }
            }
            check(&store, &model);
        }
    }

    #[test]
    fn pages_written_together_are_read_in_one_piece() {
        let mut store = fresh();
        let slots = store.take(40).unwrap();
        for (page, slot) in (100..140).zip(&slots) {
            store.commit(9, page, *slot);
        }
        store.commit_fill(9, 140, 0);
        store.commit_fill(9, 141, 0);
        let piece = |page, count, place| Piece { page, count, place };
        assert_eq!(
            store.pieces(9, 98, 46, 64),
            [
                piece(98, 2, None),
                piece(100, 40, Some(Place::Slot(slots[0]))),
                piece(140, 2, Some(Place::Fill(0))),
                piece(142, 2, None),
            ]
        );
        assert_eq!(store.pieces(9, 100, 40, 16).len(), 3);
    }

    #[test]
    fn a_slot_freed_while_the_disk_reads_it_is_not_given_out_before_that_ends() {
        let mut store = fresh();
        let slots = store.take(SLOTS).unwrap();
        for (page, slot) in slots.iter().enumerate() {
            store.commit(1, page as u64, *slot);
        }
        store.begin(5..8);
        store.discard(1, 0..10);
        assert_eq!(store.free_slots(), 7);
        store.end(&(5..8));
        assert_eq!(store.free_slots(), 10);
        assert_eq!(store.take(11), None);
    }
}
