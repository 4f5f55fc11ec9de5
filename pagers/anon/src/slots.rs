//! Free slots: a bitmap that gives runs, going round the disk.
//!
//! Pages that are paged out together are wanted together, so a run of slots is looked for first; when the disk is full of
//! small holes, the longest of those seen is given after a while.

use alloc::vec::Vec;
use core::ops::Range;

/// Words looked at before a shorter run is good enough.
const PATIENCE: usize = 256;

/// Which of a number of slots are free.
#[derive(Debug)]
pub struct Slots {
    /// A bit for each slot in use; those past the end are set.
    used: Vec<u64>,
    count: u32,
    free: u32,
    /// Where the next search begins.
    cursor: u32,
}

impl Slots {
    /// `count` free slots.
    #[must_use]
    pub fn new(count: u32) -> Self {
        let mut used = alloc::vec![0; count.div_ceil(64) as usize];
        if !count.is_multiple_of(64)
            && let Some(last) = used.last_mut()
        {
            *last = u64::MAX << (count % 64);
        }
        Self {
            used,
            count,
            free: count,
            cursor: 0,
        }
    }

    /// Free slots.
    #[must_use]
    pub fn free(&self) -> u32 {
        self.free
    }

    /// All slots.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Is the slot in use? One that does not exist is.
    #[must_use]
    pub fn is_used(&self, slot: u32) -> bool {
        let word = self.used.get((slot / 64) as usize);
        word.is_none_or(|word| word & 1 << (slot % 64) != 0)
    }

    /// Takes one slot; whether it was free.
    pub fn mark(&mut self, slot: u32) -> bool {
        if self.is_used(slot) {
            return false;
        }
        self.used[(slot / 64) as usize] |= 1 << (slot % 64);
        self.free -= 1;
        true
    }

    /// Gives one slot back; whether it was in use.
    pub fn give(&mut self, slot: u32) -> bool {
        if slot >= self.count || !self.is_used(slot) {
            return false;
        }
        self.used[(slot / 64) as usize] &= !(1 << (slot % 64));
        self.free += 1;
        true
    }

    /// Takes a run of at most `most` slots, as long as can be found without looking everywhere; `None` when none is free.
    pub fn take_run(&mut self, most: u32) -> Option<Range<u32>> {
        let mut best: Range<u32> = 0..0;
        let mut at = self.cursor;
        let mut looked = 0;
        let limit = self.used.len() + 1;
        while self.free > 0 && most > 0 && looked <= limit {
            let run = self.run_at(at, most);
            if run.len() > best.len() {
                best = run.clone();
            }
            if best.len() as u32 == most || (looked > PATIENCE && !best.is_empty()) {
                break;
            }
            let next = if run.is_empty() {
                (at / 64 + 1) * 64
            } else {
                run.end
            };
            looked += ((next.saturating_sub(at)) as usize).div_ceil(64).max(1);
            at = if next >= self.count { 0 } else { next };
        }
        if best.is_empty() {
            return None;
        }
        for slot in best.clone() {
            self.mark(slot);
        }
        self.cursor = if best.end >= self.count { 0 } else { best.end };
        Some(best)
    }

    /// The first free slots at or after `from` within its word, and what follows them without a gap.
    fn run_at(&self, from: u32, most: u32) -> Range<u32> {
        let word = (from / 64) as usize;
        let Some(free) = self.used.get(word).map(|word| !word) else {
            return 0..0;
        };
        let free = free & (u64::MAX << (from % 64));
        if free == 0 {
            return 0..0;
        }
        let start = word as u32 * 64 + free.trailing_zeros();
        let mut end = start + 1;
        while end - start < most && !self.is_used(end) {
            end += 1;
        }
        start..end
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_fresh_disk_gives_whole_runs_one_after_the_other() {
        let mut slots = Slots::new(1000);
        assert_eq!(slots.take_run(64), Some(0..64));
        assert_eq!(slots.take_run(10), Some(64..74));
        assert_eq!(slots.free(), 1000 - 74);
    }

    #[test]
    fn holes_are_used_when_there_is_nothing_longer() {
        let mut slots = Slots::new(100);
        while slots.take_run(64).is_some() {}
        assert_eq!((slots.free(), slots.take_run(1)), (0, None));
        for slot in [3, 40, 41, 42, 77] {
            assert!(slots.give(slot));
        }
        assert_eq!(slots.take_run(8), Some(40..43));
        assert!(slots.take_run(8).is_some_and(|run| run.len() == 1));
        assert!(slots.take_run(8).is_some_and(|run| run.len() == 1));
        assert_eq!(slots.take_run(8), None);
        assert!(!slots.give(100) && slots.is_used(100) && !slots.mark(100));
    }

    #[test]
    fn any_sequence_agrees_with_a_set() {
        let mut slots = Slots::new(777);
        let mut model: BTreeSet<u32> = (0..777).collect();
        let mut seed = 3_u64;
        let mut random = |limit: u32| {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) as u32 % limit
        };
        for _ in 0..20_000 {
            if random(3) > 0 {
                let most = 1 + random(64);
                match slots.take_run(most) {
                    Some(run) => {
                        assert!(run.len() <= most as usize);
                        assert!(run.clone().all(|slot| model.remove(&slot)), "{run:?}");
                    }
                    None => assert!(model.is_empty()),
                }
            } else {
                let first = random(777);
                for slot in first..(first + random(40)).min(777) {
                    assert_eq!(slots.give(slot), model.insert(slot));
                }
            }
            assert_eq!(slots.free() as usize, model.len());
        }
    }
}
