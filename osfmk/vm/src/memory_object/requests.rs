//! Requests an object has sent to its pager: a fixed table of runs, the object's *credits*.
//!
//! A run is a stretch of pages asked for in one `data_request`. It belongs to the request, not to the
//! thread that faulted: supply, `data_unavailable`, `data_error`, the deadline or the death of the pager
//! settles its pages; a faulting thread may go away at any time. No page record is planted for a page
//! that is only expected, and nothing here allocates.
//!
//! A settled run keeps its result until its slot is needed again, so that a thread that waited can tell
//! *absent* from *failed* from *supplied*. If the slot was reused meanwhile, the thread simply asks again.
//! *Absent* is true for a while only: once the page is asked for anew, or is put in ([`RequestTable::forget_absence`])
//! and may have gone back to the pager with data, a thread that still remembers the old request must not make zeros
//! of it.
//!
//! ```text
//!            begin                 settle (last page)                 begin (oldest settled first)
//!   free ───────────▶ outstanding ────────────────────▶ settled ───────────────────────────────▶ outstanding
//! ```
//!
//! Neighbours: `memory_object::supply` settles, `vm_object::step` consults. It does not call the pager.
//! XNU counterpart: the busy-and-absent placeholder pages of `vm_fault_page`, and `vm_object_pagein_throttle`.

use mach::KernReturn;

/// Requests one object may have outstanding (XNU: `vm_object_pagein_throttle`).
pub const CREDITS: usize = 16;

/// Longest run of one request, in pages: the width of the bitmaps below.
pub const MAX_RUN_PAGES: u32 = 64;

/// A deadline that never comes, in clock ticks.
pub const NEVER: u64 = u64::MAX;

/// Names one request of one object; never reused within the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Generation(pub u64);

/// How one page of a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// The page is in the object.
    Supplied,
    /// The pager has no data for it: zeros.
    Absent,
    /// The pager, or the kernel in its name, gave up.
    Failed(KernReturn),
}

/// What is known about a page of an earlier request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Still asked for.
    Outstanding,
    /// Settled.
    Settled(Settlement),
    /// The slot serves another request by now.
    Forgotten,
}

/// Every credit is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoCredit;

/// One request.
#[derive(Clone, Copy, Debug)]
struct Run {
    /// Zero: the slot was never used.
    generation: u64,
    /// First page asked for.
    first: u64,
    /// Length in pages, at most [`MAX_RUN_PAGES`].
    pages: u32,
    /// Bit n: page `first + n` is still expected.
    outstanding: u64,
    /// Bit n: the pager has no data for the page.
    absent: u64,
    /// Bit n: the page failed with `cause`.
    failed: u64,
    /// Why the failed pages failed (the latest reason).
    cause: KernReturn,
    /// When the wait for this run is over, in clock ticks.
    deadline: u64,
}

impl Run {
    const FREE: Run = Run {
        generation: 0,
        first: 0,
        pages: 0,
        outstanding: 0,
        absent: 0,
        failed: 0,
        cause: KernReturn::SUCCESS,
        deadline: NEVER,
    };

    /// The bit of `page`, if the run covers it.
    fn bit(&self, page: u64) -> Option<u64> {
        let distance = page.checked_sub(self.first)?;
        (distance < u64::from(self.pages)).then(|| 1 << distance)
    }

    /// The bits of those among `pages` pages from `first` that the run covers.
    fn bits(&self, first: u64, pages: u64) -> u64 {
        let from = first.max(self.first);
        let end = first
            .saturating_add(pages)
            .min(self.first + u64::from(self.pages));
        if from >= end {
            return 0;
        }
        low_bits((end - from) as u32) << (from - self.first)
    }

    fn settle(&mut self, bits: u64, how: Settlement) {
        let bits = bits & self.outstanding;
        self.outstanding &= !bits;
        match how {
            Settlement::Supplied => {}
            Settlement::Absent => self.absent |= bits,
            Settlement::Failed(cause) => {
                self.failed |= bits;
                if bits != 0 {
                    self.cause = cause;
                }
            }
        }
    }
}

/// The outstanding and recently settled requests of one object. Guarded by the object's lock.
#[derive(Debug)]
pub struct RequestTable {
    runs: [Run; CREDITS],
    /// Bit n: run n has pages that are still expected.
    busy: u32,
    next_generation: u64,
}

impl Default for RequestTable {
    fn default() -> Self {
        RequestTable::new()
    }
}

impl RequestTable {
    /// An empty table.
    pub const fn new() -> Self {
        RequestTable {
            runs: [Run::FREE; CREDITS],
            busy: 0,
            next_generation: 1,
        }
    }

    /// Takes a credit for `pages` pages from `first`, none of which may be outstanding already.
    pub fn begin(&mut self, first: u64, pages: u32, deadline: u64) -> Result<Generation, NoCredit> {
        debug_assert!((1..=MAX_RUN_PAGES).contains(&pages));
        let generation = self.next_generation;
        let slot = slots(!self.busy & ALL_SLOTS)
            .min_by_key(|&slot| self.runs[slot].generation)
            .ok_or(NoCredit)?;
        self.forget_absence(first, u64::from(pages));
        self.runs[slot] = Run {
            generation,
            first,
            pages,
            outstanding: low_bits(pages),
            deadline,
            ..Run::FREE
        };
        self.busy |= 1 << slot;
        self.next_generation += 1;
        Ok(Generation(generation))
    }

    /// What the pager has said to have no data for among these pages is no longer true: they are asked for anew, or put
    /// in. Who waited for the old answer looks again.
    pub fn forget_absence(&mut self, first: u64, pages: u64) {
        for run in self.runs.iter_mut().filter(|run| run.absent != 0) {
            run.absent &= !run.bits(first, pages);
        }
    }

    /// The request that `page` is expected from, and when the wait for it ends.
    pub fn expected(&self, page: u64) -> Option<(Generation, u64)> {
        self.busy_runs()
            .find(|run| run.bit(page).is_some_and(|bit| run.outstanding & bit != 0))
            .map(|run| (Generation(run.generation), run.deadline))
    }

    /// Settles one page. `false`: nobody asked for it (any more).
    pub fn settle(&mut self, page: u64, how: Settlement) -> bool {
        for slot in slots(self.busy) {
            match self.runs[slot].bit(page) {
                Some(bit) if self.runs[slot].outstanding & bit != 0 => {
                    self.settle_in(slot, bit, how);
                    return true;
                }
                _ => {}
            }
        }
        false
    }

    /// Settles some of a run's pages.
    fn settle_in(&mut self, slot: usize, bits: u64, how: Settlement) {
        let run = &mut self.runs[slot];
        run.settle(bits, how);
        if run.outstanding == 0 {
            self.busy &= !(1 << slot);
        }
    }

    /// The runs with pages that are still expected.
    fn busy_runs(&self) -> impl Iterator<Item = &Run> {
        slots(self.busy).map(|slot| &self.runs[slot])
    }

    /// What became of `page` in the request `generation`.
    pub fn outcome(&self, generation: Generation, page: u64) -> Outcome {
        let Some(run) = self
            .runs
            .iter()
            .find(|run| run.generation == generation.0 && run.generation != 0)
        else {
            return Outcome::Forgotten;
        };
        match run.bit(page) {
            None => Outcome::Forgotten,
            Some(bit) if run.outstanding & bit != 0 => Outcome::Outstanding,
            Some(bit) if run.failed & bit != 0 => Outcome::Settled(Settlement::Failed(run.cause)),
            Some(bit) if run.absent & bit != 0 => Outcome::Settled(Settlement::Absent),
            Some(_) => Outcome::Settled(Settlement::Supplied),
        }
    }

    /// Fails every page whose deadline has passed at `now`; how many there were.
    pub fn expire(&mut self, now: u64, cause: KernReturn) -> u32 {
        self.settle_where(Settlement::Failed(cause), |run| run.deadline <= now)
    }

    /// Overdue runs at `now` have all the time in the world.
    pub fn postpone(&mut self, now: u64) {
        for run in self.runs.iter_mut().filter(|run| run.deadline <= now) {
            run.deadline = NEVER;
        }
    }

    /// Settles every expected page among `pages` pages from `first`; how many there were.
    pub fn settle_range(&mut self, first: u64, pages: u64, how: Settlement) -> u32 {
        let mut settled = 0;
        for slot in slots(self.busy) {
            let run = &self.runs[slot];
            let bits = run.bits(first, pages) & run.outstanding;
            settled += bits.count_ones();
            self.settle_in(slot, bits, how);
        }
        settled
    }

    /// Is some run past its deadline?
    pub fn is_overdue(&self, now: u64) -> bool {
        self.busy_runs().any(|run| run.deadline <= now)
    }

    /// Fails everything outstanding (the pager died, the object goes away).
    pub fn fail_all(&mut self, cause: KernReturn) -> u32 {
        self.settle_where(Settlement::Failed(cause), |_| true)
    }

    /// Forgets every request: whoever waits asks again (the pager was replaced).
    pub fn forget_all(&mut self) {
        self.runs = [Run::FREE; CREDITS];
        self.busy = 0;
    }

    /// The earliest deadline of an outstanding run.
    pub fn next_deadline(&self) -> u64 {
        self.busy_runs()
            .map(|run| run.deadline)
            .min()
            .unwrap_or(NEVER)
    }

    /// Pages asked for and not settled.
    pub fn outstanding_pages(&self) -> u32 {
        self.busy_runs()
            .map(|run| run.outstanding.count_ones())
            .sum()
    }

    /// Credits left.
    pub fn credits(&self) -> usize {
        CREDITS - self.busy.count_ones() as usize
    }

    fn settle_where(&mut self, how: Settlement, applies: impl Fn(&Run) -> bool) -> u32 {
        let mut settled = 0;
        for slot in slots(self.busy) {
            if applies(&self.runs[slot]) {
                settled += self.runs[slot].outstanding.count_ones();
                self.settle_in(slot, u64::MAX, how);
            }
        }
        settled
    }

    /// No page is expected twice, or expected and absent; bits stay within their runs; generations are distinct.
    pub fn validate(&self) {
        for (index, run) in self.runs.iter().enumerate() {
            let all = run.outstanding | run.absent | run.failed;
            assert_eq!(all & !low_bits(run.pages), 0, "bits outside a run");
            assert_eq!(
                run.outstanding & (run.absent | run.failed),
                0,
                "a page both expected and settled"
            );
            let is_busy = self.busy & 1 << index != 0;
            assert_eq!(is_busy, run.outstanding != 0, "run {index}");
            assert!(run.generation < self.next_generation);
            for (number, other) in self.runs.iter().enumerate().filter(|(n, _)| *n != index) {
                assert!(run.generation == 0 || run.generation != other.generation);
                for page in (0..run.pages).map(|n| run.first + u64::from(n)) {
                    let is =
                        |run: &Run, bits: u64| run.bit(page).is_some_and(|bit| bits & bit != 0);
                    if !is(run, run.outstanding) {
                        continue;
                    }
                    let twice = number < index && is(other, other.outstanding);
                    assert!(!twice, "page {page} expected twice");
                    assert!(!is(other, other.absent), "page {page} expected and absent");
                }
            }
        }
    }
}

const ALL_SLOTS: u32 = (1 << CREDITS) - 1;

/// The numbers of the bits that are set.
fn slots(mut bits: u32) -> impl Iterator<Item = usize> {
    core::iter::from_fn(move || {
        let slot = (bits != 0).then(|| bits.trailing_zeros() as usize)?;
        bits &= bits - 1;
        Some(slot)
    })
}

/// The lowest `count` bits.
const fn low_bits(count: u32) -> u64 {
    if count == 0 {
        0
    } else {
        u64::MAX >> (64 - count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_settled_page_by_page_in_any_order() {
        let mut table = RequestTable::new();
        let generation = table.begin(10, 4, NEVER).unwrap();
        assert!(table.settle(12, Settlement::Supplied));
        assert!(
            !table.settle(12, Settlement::Supplied),
            "a duplicate is nobody's"
        );
        assert!(table.settle(10, Settlement::Absent));
        assert!(!table.settle(14, Settlement::Supplied), "past the run");
        assert!(!table.settle(9, Settlement::Supplied), "before the run");
        assert_eq!(table.outcome(generation, 11), Outcome::Outstanding);
        assert_eq!(
            table.outcome(generation, 10),
            Outcome::Settled(Settlement::Absent)
        );
        assert!(table.settle(11, Settlement::Failed(KernReturn::MEMORY_ERROR)));
        assert!(table.settle(13, Settlement::Supplied));
        assert_eq!(table.outstanding_pages(), 0);
        assert_eq!(table.credits(), CREDITS);
        table.validate();
    }

    #[test]
    fn credits_run_out_and_the_oldest_settled_run_is_reused() {
        let mut table = RequestTable::new();
        let generations: std::vec::Vec<_> = (0..CREDITS as u64)
            .map(|n| table.begin(n * 100, 64, NEVER).unwrap())
            .collect();
        assert_eq!(table.begin(5000, 1, NEVER), Err(NoCredit));
        table.validate();
        for page in 300..364 {
            assert!(table.settle(page, Settlement::Absent));
        }
        assert_eq!(
            table.outcome(generations[3], 300),
            Outcome::Settled(Settlement::Absent)
        );
        table.begin(5000, 1, NEVER).unwrap();
        assert_eq!(table.outcome(generations[3], 300), Outcome::Forgotten);
        assert_eq!(table.begin(6000, 1, NEVER), Err(NoCredit));
    }

    #[test]
    fn absence_is_forgotten_when_the_page_is_asked_for_anew_or_put_in() {
        let mut table = RequestTable::new();
        let old = table.begin(10, 4, NEVER).unwrap();
        assert_eq!(table.settle_range(0, u64::MAX, Settlement::Absent), 4);
        let new = table.begin(8, 3, NEVER).unwrap();
        table.validate();
        let absent = Outcome::Settled(Settlement::Absent);
        assert_ne!(table.outcome(old, 10), absent, "asked for anew");
        assert_eq!(table.outcome(old, 11), absent, "not asked for anew");
        table.forget_absence(12, 1);
        let left: std::vec::Vec<_> = (10..14)
            .map(|page| table.outcome(old, page) == absent)
            .collect();
        assert_eq!(left, [false, true, false, true]);
        assert!(table.settle(10, Settlement::Absent));
        assert_eq!(table.outcome(new, 10), absent);
        table.validate();
    }

    #[test]
    fn ranges_settle_exactly_the_pages_in_them() {
        for first in 0..20_u64 {
            for pages in [0, 1, 2, 5, 64, u64::MAX] {
                let mut table = RequestTable::new();
                let run = table.begin(5, 8, NEVER).unwrap();
                let inside = |page: &u64| (first..first.saturating_add(pages)).contains(page);
                let expected = (5..13).filter(inside).count() as u32;
                assert_eq!(
                    table.settle_range(first, pages, Settlement::Supplied),
                    expected
                );
                for page in 5..13 {
                    let outstanding = table.outcome(run, page) == Outcome::Outstanding;
                    assert_eq!(outstanding, !inside(&page), "{first} {pages} {page}");
                }
            }
        }
    }

    #[test]
    fn a_deadline_fails_only_its_own_run() {
        let mut table = RequestTable::new();
        let soon = table.begin(0, 2, 100).unwrap();
        let later = table.begin(2, 2, 200).unwrap();
        assert_eq!(table.next_deadline(), 100);
        assert!(!table.is_overdue(99));
        assert_eq!(table.expire(100, KernReturn::MEMORY_ERROR), 2);
        assert_eq!(
            table.outcome(soon, 1),
            Outcome::Settled(Settlement::Failed(KernReturn::MEMORY_ERROR))
        );
        assert_eq!(table.outcome(later, 2), Outcome::Outstanding);
        assert_eq!(table.fail_all(KernReturn::MEMORY_ERROR), 2);
        assert_eq!(table.next_deadline(), NEVER);
    }
}
