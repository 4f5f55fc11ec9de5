//! Which pages of an anonymous object its pager has: [`PagedOut`], a sparse set of page numbers.
//!
//! A page that is in the set and not resident must be asked of the pager; one that is in neither is looked for in the
//! shadow. While a page is resident its membership says only that the pager has *a* copy; whether that copy is good is said
//! by the page's dirty bits.
//!
//! The set is changed under the object's lock, where nothing may be allocated: whoever adds pages brings [`Room`] made
//! before. Taking out never needs any.
//!
//! XNU counterpart: `vm_external_map_t` (the existence map); `vm_compressor_pager_state_get`.

use alloc::boxed::Box;
use alloc::vec::Vec;

/// Pages of one leaf.
const LEAF_PAGES: u64 = 64 * 64;

/// A run of pages lies in two leaves at most.
const RUN_LEAVES: usize = 2;

type Leaf = Box<[u64; 64]>;

/// A sparse set of pages.
#[derive(Debug, Default)]
pub(crate) struct PagedOut {
    /// By number (page / [`LEAF_PAGES`]), ascending; none is empty.
    leaves: Vec<(u64, Leaf)>,
    count: u64,
}

/// Memory for adding one run of pages, made with no lock held.
#[derive(Debug, Default)]
pub(crate) struct Room {
    leaves: [Option<Leaf>; RUN_LEAVES],
    table: Vec<(u64, Leaf)>,
    wanted: usize,
}

/// The room does not suffice: [`Room::prepare`] it, with no lock held, and try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoRoom;

impl Room {
    /// Makes room for a run, as far as the last attempt showed how much is needed.
    ///
    /// # Errors
    /// [`NoRoom`] when there is no memory.
    pub(crate) fn prepare(&mut self) -> Result<(), NoRoom> {
        for leaf in self.leaves.iter_mut().filter(|leaf| leaf.is_none()) {
            let mut one = Vec::new();
            one.try_reserve_exact(64).map_err(|_| NoRoom)?;
            one.resize(64, 0);
            *leaf = one.into_boxed_slice().try_into().ok();
        }
        let wanted = self.wanted.max(RUN_LEAVES);
        if self.table.capacity() < wanted {
            self.table = Vec::new();
            self.table.try_reserve(wanted).map_err(|_| NoRoom)?;
        }
        Ok(())
    }
}

const fn place(page: u64) -> (u64, usize, u64) {
    let within = page % LEAF_PAGES;
    (
        page / LEAF_PAGES,
        (within / 64) as usize,
        1 << (within % 64),
    )
}

impl PagedOut {
    /// Is the page in the set?
    pub(crate) fn contains(&self, page: u64) -> bool {
        if self.count == 0 {
            return false;
        }
        let (number, word, bit) = place(page);
        self.find(number)
            .is_ok_and(|at| self.leaves[at].1[word] & bit != 0)
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    fn find(&self, number: u64) -> Result<usize, usize> {
        self.leaves.binary_search_by_key(&number, |leaf| leaf.0)
    }

    /// Makes sure that the pages `first..end`, one run, can be added.
    pub(crate) fn make_room(
        &mut self,
        first: u64,
        end: u64,
        room: &mut Room,
    ) -> Result<(), NoRoom> {
        for number in first / LEAF_PAGES..=(end - 1) / LEAF_PAGES {
            let Err(at) = self.find(number) else { continue };
            self.grow_table(room)?;
            let leaf = room
                .leaves
                .iter_mut()
                .find_map(Option::take)
                .ok_or(NoRoom)?;
            self.leaves.insert(at, (number, leaf));
        }
        Ok(())
    }

    fn grow_table(&mut self, room: &mut Room) -> Result<(), NoRoom> {
        if self.leaves.len() < self.leaves.capacity() {
            return Ok(());
        }
        if room.table.capacity() <= self.leaves.len() {
            room.wanted = 2 * self.leaves.len() + RUN_LEAVES;
            return Err(NoRoom);
        }
        room.table.append(&mut self.leaves);
        // The old table is given back with the room, when no lock is held.
        core::mem::swap(&mut room.table, &mut self.leaves);
        Ok(())
    }

    /// Adds a page; its leaf must be there ([`PagedOut::make_room`]).
    pub(crate) fn insert(&mut self, page: u64) {
        let (number, word, bit) = place(page);
        let Ok(at) = self.find(number) else {
            debug_assert!(false, "room was made for page {page}");
            return;
        };
        let bits = &mut self.leaves[at].1[word];
        self.count += u64::from(*bits & bit == 0);
        *bits |= bit;
    }

    /// Takes a page out; says whether it was there.
    pub(crate) fn remove(&mut self, page: u64) -> bool {
        let (number, word, bit) = place(page);
        let Ok(at) = self.find(number) else {
            return false;
        };
        let bits = &mut self.leaves[at].1[word];
        let was = *bits & bit != 0;
        *bits &= !bit;
        self.count -= u64::from(was);
        was
    }

    /// The first page at or after `from`, before `end`.
    pub(crate) fn next(&self, from: u64, end: u64) -> Option<u64> {
        if self.count == 0 {
            return None;
        }
        let start = self.find(from / LEAF_PAGES).unwrap_or_else(|at| at);
        for (number, leaf) in &self.leaves[start..] {
            let base = number * LEAF_PAGES;
            let skip = from.saturating_sub(base);
            let first_word = (skip / 64) as usize;
            for (word, bits) in leaf.iter().enumerate().skip(first_word) {
                let low = if word == first_word && from > base {
                    u64::MAX << (skip % 64)
                } else {
                    u64::MAX
                };
                if bits & low != 0 {
                    let page = base + word as u64 * 64 + u64::from((bits & low).trailing_zeros());
                    return (page < end).then_some(page);
                }
            }
        }
        None
    }

    /// How many pages of `first..end` there are.
    pub(crate) fn count_in(&self, first: u64, end: u64) -> u64 {
        let mut count = 0;
        let mut from = first;
        while let Some(page) = self.next(from, end) {
            count += 1;
            from = page + 1;
        }
        count
    }

    /// Takes every page of `first..end` out; says whether there was one.
    pub(crate) fn remove_range(&mut self, first: u64, end: u64) -> bool {
        let mut any = false;
        let mut from = first;
        while let Some(page) = self.next(from, end) {
            any |= self.remove(page);
            from = page + 1;
        }
        any
    }

    /// The count is right, leaves are in order.
    pub(crate) fn validate(&self) {
        let bits: u64 = self
            .leaves
            .iter()
            .flat_map(|leaf| leaf.1.iter())
            .map(|word| u64::from(word.count_ones()))
            .sum();
        assert_eq!(bits, self.count, "pages in the set");
        assert!(
            self.leaves.is_sorted_by(|one, two| one.0 < two.0),
            "leaves ascend"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn add(set: &mut PagedOut, first: u64, end: u64) {
        let mut room = Room::default();
        room.prepare().unwrap();
        while set.make_room(first, end, &mut room).is_err() {
            room.prepare().unwrap();
        }
        (first..end).for_each(|page| set.insert(page));
    }

    #[test]
    fn any_sequence_of_runs_agrees_with_a_plain_set() {
        let mut set = PagedOut::default();
        let mut model = BTreeSet::new();
        let mut seed = 7_u64;
        let mut random = |limit: u64| {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % limit
        };
        for _ in 0..3000 {
            let first = random(8) * 3 * LEAF_PAGES / 2 + random(200) + LEAF_PAGES - 100;
            let end = first + 1 + random(64);
            match random(4) {
                0 => {
                    assert_eq!(
                        set.remove_range(first, end),
                        model.range(first..end).next().is_some()
                    );
                    model.retain(|page| !(first..end).contains(page));
                }
                1 => assert_eq!(set.remove(first), model.remove(&first)),
                _ => {
                    add(&mut set, first, end);
                    model.extend(first..end);
                }
            }
            assert_eq!(set.count, model.len() as u64);
            assert_eq!(set.contains(first), model.contains(&first));
            let from = random(12) * LEAF_PAGES + random(LEAF_PAGES);
            assert_eq!(
                set.next(from, u64::MAX),
                model.range(from..).next().copied()
            );
            assert_eq!(
                set.count_in(first, end),
                model.range(first..end).count() as u64
            );
        }
        set.validate();
    }

    #[test]
    fn without_room_nothing_is_added() {
        let mut set = PagedOut::default();
        assert_eq!(set.make_room(0, 1, &mut Room::default()), Err(NoRoom));
        assert!(set.is_empty() && !set.contains(0) && set.next(0, u64::MAX).is_none());
    }
}
