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

use machine::page::PAGE_SIZE;
use prim::trace::{self, Event};

use crate::descriptor::Descriptor;
use crate::flush::FlushBatch;
use crate::pv::PvList;
use crate::slot::Slot;
use crate::tree::{LeafRun, Tree};
use crate::{Pmap, table};

/// Most pages looked at under one hold of the lock.
pub(crate) const CHUNK: u64 = 2048;

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
        let stop = for_each_run(tree, start, end, |run| {
            for (va, slot) in run.slots().filter(|(_, slot)| !slot.read().is_absent()) {
                slot.make_dying();
                batch.add(va);
            }
        });
        batch.finish();
        let mut va = start;
        while let Some(run) = tree.next_leaf(va, stop) {
            for (_, slot) in run.slots() {
                self.forget_dying(slot);
            }
            if table::live(run.table) == 0 {
                tree.prune(self, run.start);
            }
            va = run.end;
        }
        stop
    }

    /// Takes a dying mapping, flushed already, off its list. Another CPU may have done so.
    fn forget_dying(&self, slot: Slot) {
        loop {
            let seen = slot.read();
            if seen.is_absent() {
                return;
            }
            let list = PvList::lock(seen.frame());
            if slot.read() == seen {
                self.retire_listed(slot, list);
                return;
            }
        }
    }

    /// As [`Pmap::retire`], for a frame that may have no list.
    pub(crate) fn retire_listed(&self, slot: Slot, list: Option<PvList>) {
        match list {
            Some(mut list) => self.retire(slot, &mut list),
            None => self.clear_slot(slot),
        };
    }

    /// The end of a mapping that no TLB has: off the pv list, out of the counters, out of the table, whose
    /// remaining live count is returned. Afterwards only the holder of the pmap's lock may touch table or pmap.
    pub(crate) fn retire(&self, slot: Slot, list: &mut PvList) -> u64 {
        list.remove(slot);
        self.clear_slot(slot)
    }

    fn clear_slot(&self, slot: Slot) -> u64 {
        let old = slot.read();
        debug_assert!(old.is_dying());
        self.resident.fetch_sub(1, Ordering::Relaxed);
        self.wired
            .fetch_sub(u64::from(old.is_wired()), Ordering::Relaxed);
        slot.write(Descriptor::ABSENT);
        table::lose(slot.table())
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
