//! How much to ask for: the read-ahead policy of one object.
//!
//! | advice | request |
//! |---|---|
//! | RANDOM | the page alone |
//! | DEFAULT | the aligned [`MINIMUM_BYTES`] around the page; after a run of [`SEQUENTIAL_RUN`] clusters forward, one-sided and doubling |
//! | SEQUENTIAL | forward from the page, doubling with every request that continues the last |
//! | RSEQNTL | the same, backward |
//!
//! A request never exceeds [`MAXIMUM_BYTES`] or [`MAX_RUN_PAGES`], or, when frames are short, a part of those left to pagers;
//! it is clipped to the window of the mapping and the end of the object, and stops at pages that are there or expected.
//!
//! XNU counterpart: `vm_object_cluster_size`.

use core::ops::Range;

use mach::VmBehavior;
use machine::page::{PAGE_SHIFT, PAGE_SIZE};

use crate::memory_object::requests::MAX_RUN_PAGES;

/// The smallest cluster that is worth a message.
pub const MINIMUM_BYTES: u64 = 32 * 1024;
/// The largest.
pub const MAXIMUM_BYTES: u64 = 1024 * 1024;
/// This many requests, each where the last ended, make an access pattern sequential.
pub const SEQUENTIAL_RUN: u32 = 2;

const MINIMUM_PAGES: u64 = if MINIMUM_BYTES >> PAGE_SHIFT == 0 {
    1
} else {
    MINIMUM_BYTES >> PAGE_SHIFT
};
const MAXIMUM_PAGES: u64 = {
    let pages = MAXIMUM_BYTES >> PAGE_SHIFT;
    if pages > MAX_RUN_PAGES as u64 {
        MAX_RUN_PAGES as u64
    } else {
        pages
    }
};

/// What an object remembers of the requests made for it. Guarded by the object's lock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReadAhead {
    /// Page after the last request (before it, when going backward).
    next: u64,
    /// How many requests in a row continued the last.
    run: u32,
    /// Pages of the last request.
    last: u32,
}

/// What is known about the present fault.
#[derive(Clone, Debug)]
pub struct Situation {
    /// The page that is needed.
    pub page: u64,
    /// Advice for the mapping.
    pub behavior: VmBehavior,
    /// Pages the mapping shows.
    pub window: Range<u64>,
    /// Pages the object has.
    pub object_pages: u64,
    /// Pages for which there are frames.
    pub most: u64,
}

/// Decides the run of pages to ask for and remembers it. `occupied(page)`: resident or expected.
pub fn decide(
    memory: &mut ReadAhead,
    situation: &Situation,
    occupied: impl Fn(u64) -> bool,
) -> Range<u64> {
    let page = situation.page;
    let continues = page == memory.next && memory.last != 0;
    let run = if continues { memory.run + 1 } else { 0 };
    let wanted = wish(memory, situation, run);
    let low = situation.window.start.min(page);
    let high = situation
        .window
        .end
        .min(situation.object_pages)
        .max(page + 1);
    let mut start = page;
    while start > wanted.start.max(low) && !occupied(start - 1) {
        start -= 1;
    }
    let mut end = page + 1;
    while end < wanted.end.min(high) && !occupied(end) {
        end += 1;
    }
    let backward = situation.behavior == VmBehavior::ReverseSequential;
    *memory = ReadAhead {
        next: if backward { start.wrapping_sub(1) } else { end },
        run,
        last: (end - start) as u32,
    };
    start..end
}

/// The run as the policy would have it, before clipping.
fn wish(memory: &ReadAhead, situation: &Situation, run: u32) -> Range<u64> {
    let page = situation.page;
    let most = situation.most.clamp(1, MAXIMUM_PAGES);
    let grown = if run == 0 {
        MINIMUM_PAGES
    } else {
        u64::from(memory.last) * 2
    }
    .clamp(1, most);
    match situation.behavior {
        VmBehavior::Random => page..page + 1,
        VmBehavior::Sequential => page..page + grown,
        VmBehavior::ReverseSequential => (page + 1).saturating_sub(grown)..page + 1,
        _ if run >= SEQUENTIAL_RUN => page..page + grown,
        _ => {
            let start = page / MINIMUM_PAGES * MINIMUM_PAGES;
            start..start + MINIMUM_PAGES.min(most)
        }
    }
}

/// Bytes of one cluster at its smallest, for the table that `mmapwalk` prints.
pub const fn minimum_cluster() -> u64 {
    MINIMUM_PAGES * PAGE_SIZE as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn situation(page: u64, behavior: VmBehavior) -> Situation {
        Situation {
            page,
            behavior,
            window: 0..10_000,
            object_pages: 10_000,
            most: u64::MAX,
        }
    }

    #[test]
    fn random_advice_asks_for_the_page_alone() {
        let mut memory = ReadAhead::default();
        for page in [5, 6, 7, 8, 9] {
            assert_eq!(
                decide(&mut memory, &situation(page, VmBehavior::Random), |_| false),
                page..page + 1
            );
        }
    }

    #[test]
    fn sequential_advice_doubles_up_to_the_limit() {
        let mut memory = ReadAhead::default();
        let mut page = 3;
        let mut lengths = std::vec::Vec::new();
        for _ in 0..10 {
            let run = decide(
                &mut memory,
                &situation(page, VmBehavior::Sequential),
                |_| false,
            );
            assert_eq!(run.start, page);
            lengths.push(run.end - run.start);
            page = run.end;
        }
        assert_eq!(lengths[0], MINIMUM_PAGES);
        assert_eq!(lengths[1], MINIMUM_PAGES * 2);
        assert_eq!(*lengths.last().unwrap(), MAXIMUM_PAGES);
    }

    #[test]
    fn default_advice_notices_a_forward_run() {
        let mut memory = ReadAhead::default();
        let mut page = 0;
        let mut longest = 0;
        for _ in 0..20 {
            let run = decide(&mut memory, &situation(page, VmBehavior::Default), |_| {
                false
            });
            assert!(run.contains(&page));
            longest = longest.max(run.end - run.start);
            page = run.end;
        }
        assert_eq!(longest, MAXIMUM_PAGES);
        let jump = decide(&mut memory, &situation(9_001, VmBehavior::Default), |_| {
            false
        });
        assert!(jump.contains(&9_001) && jump.end - jump.start == MINIMUM_PAGES);
    }

    #[test]
    fn a_cluster_is_clipped_to_window_end_and_neighbours() {
        let mut memory = ReadAhead::default();
        let clipped = Situation {
            window: 10..12,
            ..situation(10, VmBehavior::Sequential)
        };
        assert!(decide(&mut memory, &clipped, |_| false).end <= 12);
        let last = Situation {
            object_pages: 11,
            ..situation(10, VmBehavior::Sequential)
        };
        assert_eq!(decide(&mut memory, &last, |_| false), 10..11);
        assert_eq!(
            decide(
                &mut ReadAhead::default(),
                &situation(100, VmBehavior::Sequential),
                |page| page == 101
            ),
            100..101
        );
    }

    #[test]
    fn short_memory_shrinks_the_cluster() {
        let mut memory = ReadAhead {
            next: 0,
            run: 5,
            last: MAXIMUM_PAGES as u32,
        };
        let short = Situation {
            most: MAXIMUM_PAGES / 4,
            ..situation(0, VmBehavior::Sequential)
        };
        let run = decide(&mut memory, &short, |_| false);
        assert_eq!(run.end - run.start, (MAXIMUM_PAGES / 4).max(1));
    }
}
