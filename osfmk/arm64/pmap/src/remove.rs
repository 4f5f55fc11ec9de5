//! Taking mappings out of a range.
//!
//! Works in chunks of [`CHUNK`] pages, so that neither the lock nor preemption is held for long. In each chunk:
//!
//! 1. every valid descriptor becomes dying;
//! 2. one batch of flushes, and the wait for it;
//! 3. every dying mapping is taken off its frame's pv list, then its descriptor becomes absent;
//! 4. leaf tables that are empty now are unhooked, flushed and freed.
//!
//! XNU counterpart: `pmap_remove_options`, `pmap_remove_range_options`.

use core::sync::atomic::Ordering;

use arrayvec::ArrayVec;
use machine::address::FrameNumber;
use machine::page::PAGE_SIZE;
use prim::trace::{self, Event};

use crate::descriptor::Descriptor;
use crate::flush::FlushBatch;
use crate::geometry::ENTRIES;
use crate::pv::PvList;
use crate::pv_slab::PvEntry;
use crate::reserve::PV_ENTRIES;
use crate::slot::Slot;
use crate::tree::{LeafRun, Tree};
use crate::{Pmap, table};

/// Most pages looked at under one hold of the lock.
pub(crate) const CHUNK: u64 = 2048;

/// Leaf tables that a chunk can lie in: only the first and the last may be there in part.
const CHUNK_RUNS: usize = CHUNK as usize / ENTRIES + 2;

impl Pmap {
    /// Removes every mapping in `[start, end)`. When it returns, no TLB has any of them.
    #[doc(alias = "pmap_remove")]
    pub fn remove(&self, start: u64, end: u64) {
        self.check_range(start, end);
        let before = self.resident.load(Ordering::Relaxed);
        let mut va = start;
        while va < end {
            let mut tree = self.tree.lock();
            self.sweep(&mut tree);
            va = self.remove_chunk(&mut tree, va, end);
        }
        let gone = before.saturating_sub(self.resident.load(Ordering::Relaxed));
        trace::point(Event::PmapRemove, start, end, gone, 0);
    }

    /// Removes up to a chunk; returns where to go on.
    fn remove_chunk(&self, tree: &mut Tree, start: u64, end: u64) -> u64 {
        let mut batch = FlushBatch::new(self);
        let mut runs: ArrayVec<LeafRun, CHUNK_RUNS> = ArrayVec::new();
        let stop = for_each_run(tree, start, end, |run| {
            run.for_each_present(|place, slot, seen| {
                slot.make_dying_from(seen);
                batch.add_next(run.address(place));
            });
            runs.push(run);
        });
        batch.finish();
        for run in runs {
            let mut gone = Gone::default();
            run.for_each_present(|_, slot, seen| forget_dying(slot, seen, &mut gone));
            if self.account(run.table, gone) == 0 {
                tree.prune(self, run.start);
            }
        }
        stop
    }

    /// Takes mappings out of the counters of the pmap and of their table, whose remaining live count is returned.
    fn account(&self, table: FrameNumber, gone: Gone) -> u64 {
        self.resident.fetch_sub(gone.mappings, Ordering::Relaxed);
        if gone.wired > 0 {
            self.wired.fetch_sub(gone.wired, Ordering::Relaxed);
        }
        table::lose(table, gone.mappings)
    }

    /// The end of a mapping that no TLB has and no pv list any more: out of the table and the counters. The table's
    /// remaining live count is returned; afterwards only the holder of the pmap's lock may touch table or pmap.
    pub(crate) fn retire(&self, slot: Slot) -> u64 {
        let mut gone = Gone::default();
        gone.clear(slot, slot.read());
        self.account(slot.table(), gone)
    }
}

/// Mappings of one table that were taken out and are still in the counters, and the pv entries that were theirs.
#[derive(Default)]
struct Gone {
    mappings: u64,
    wired: u64,
    entries: ArrayVec<PvEntry, PV_ENTRIES>,
}

impl Gone {
    /// Empties the slot of a mapping, `old`, that is on no pv list any more.
    fn clear(&mut self, slot: Slot, old: Descriptor) {
        debug_assert!(old.is_dying());
        self.mappings += 1;
        self.wired += u64::from(old.is_wired());
        slot.write(Descriptor::ABSENT);
    }

    /// A pv entry that is free now: they go back together.
    fn keep(&mut self, entry: Option<PvEntry>) {
        self.entries.extend(entry);
        if self.entries.is_full() {
            PvEntry::give_back_all(&mut self.entries);
        }
    }
}

impl Drop for Gone {
    fn drop(&mut self) {
        if !self.entries.is_empty() {
            PvEntry::give_back_all(&mut self.entries);
        }
    }
}

/// Takes a dying mapping, flushed already, off its list. Another CPU may have done so.
fn forget_dying(slot: Slot, mut seen: Descriptor, gone: &mut Gone) {
    while !seen.is_absent() {
        let list = PvList::lock(seen.frame());
        let now = slot.read();
        if now == seen {
            match list {
                Some(mut list) => {
                    let entry = list.remove(slot);
                    gone.clear(slot, seen);
                    drop(list);
                    gone.keep(entry);
                }
                None => gone.clear(slot, seen),
            }
            return;
        }
        seen = now;
    }
}

/// Calls `visit` for the leaf tables of `[start, end)` until a chunk of pages has been looked at; returns where
/// that was.
pub(crate) fn for_each_run(
    tree: &Tree,
    start: u64,
    end: u64,
    mut visit: impl FnMut(LeafRun),
) -> u64 {
    let (mut va, mut looked_at) = (start, 0);
    while looked_at < CHUNK {
        let Some(run) = tree.next_leaf(va, end) else {
            return end;
        };
        visit(run);
        looked_at += (run.end - run.start) / PAGE_SIZE as u64;
        va = run.end;
    }
    va
}
