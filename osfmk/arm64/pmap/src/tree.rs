//! The tables of one pmap, walked, grown and pruned under its lock: [`Tree`].
//!
//! ```text
//!   root ──▶ table ──▶ leaf table ──▶ frame            (one more level with 4 KiB pages)
//!             live = 2    live = 917
//! ```
//!
//! Only leaf descriptors are ever changed from outside (through pv lists, see `slot`); everything else is this
//! file's. The kernel's tree starts at tables that the boot code made; those have no record and are never
//! pruned, and its operations stay inside [`crate::kernel::WINDOW`], which shares no table with them but the root.
//!
//! XNU counterpart: `pmap_tte`, `pmap_expand`, `pmap_tt_deallocate`.

use machine::address::FrameNumber;
use machine::barrier;
use machine::page::PAGE_SHIFT;

use crate::Pmap;
use crate::descriptor::Descriptor;
use crate::flush::FlushBatch;
use crate::geometry::{
    ENTRIES, LEAF_LEVEL, ROOT_LEVEL, TABLES_PER_PAGE, descriptor_base, descriptor_end,
    descriptor_span, index,
};
use crate::reserve::TableReserve;
use crate::slot::Slot;
use crate::table;

/// Part of one leaf table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LeafRun {
    /// The leaf table.
    pub(crate) table: FrameNumber,
    /// First address.
    pub(crate) start: u64,
    /// First address after the run, at most the end of the table.
    pub(crate) end: u64,
}

impl LeafRun {
    /// How many pages.
    pub(crate) fn pages(self) -> usize {
        ((self.end - self.start) >> PAGE_SHIFT) as usize
    }

    /// The address of a page of the run, counted from the first.
    pub(crate) fn address(self, place: usize) -> u64 {
        self.start + ((place as u64) << PAGE_SHIFT)
    }

    /// The slot of every page of the run, with its address.
    pub(crate) fn slots(self) -> impl Iterator<Item = (u64, Slot)> {
        let first = Slot::of(self.table, self.start, LEAF_LEVEL);
        (0..self.pages()).map(move |place| (self.address(place), first.ahead(place)))
    }

    /// Calls `visit` for every descriptor of the run that is not absent: the page's place in the run, the slot and what stands
    /// there; how many there are. Ends when as many were seen as the table had at the beginning: most tables of small
    /// programs hold few. The pmap is locked.
    #[inline]
    pub(crate) fn for_each_present(self, mut visit: impl FnMut(usize, Slot, Descriptor)) -> usize {
        let live = table::live(self.table) as usize;
        let first = Slot::of(self.table, self.start, LEAF_LEVEL);
        let end = first.ahead(self.pages());
        let (mut slot, mut left) = (first, live);
        while left > 0 && slot != end {
            let descriptor = slot.read();
            if !descriptor.is_absent() {
                visit(slot.index() - first.index(), slot, descriptor);
                left -= 1;
            }
            slot = slot.ahead(1);
        }
        live - left
    }
}

/// In a table of `level` above the leaves: the first descriptor of `[va, end)` that leads to a table, by the first address of
/// the range that it translates, and that table. `Err`: there is none; where this table's part of the range ends.
fn next_table(
    table: FrameNumber,
    va: u64,
    level: u32,
    end: u64,
) -> Result<(u64, FrameNumber), u64> {
    let span = descriptor_span(level);
    let last = (end - 1).min(va | (span * ENTRIES as u64 - 1));
    let first = index(va, level);
    let count = (last / span - va / span) as usize + 1;
    for at in 0..count {
        let descriptor = Slot::nth(table, first + at).read();
        if descriptor.is_table() {
            let start = descriptor_base(va, level) + at as u64 * span;
            return Ok((start.max(va), descriptor.frame()));
        }
    }
    Err(last + 1)
}

/// The tables under one root; guarded by the pmap's lock.
#[derive(Debug)]
pub(crate) struct Tree {
    pub(crate) root: FrameNumber,
    /// Tables below the root.
    pub(crate) count: u64,
}

impl Tree {
    /// The leaf slot of `va`, if its table is there.
    pub(crate) fn slot(&self, va: u64) -> Option<Slot> {
        let run = self.next_leaf(va, va + 1)?;
        Some(Slot::of(run.table, va, LEAF_LEVEL))
    }

    /// The first leaf table that translates something in `[va, end)`; holes are skipped in steps as large as they are.
    pub(crate) fn next_leaf(&self, mut va: u64, end: u64) -> Option<LeafRun> {
        let (mut table, mut level) = (self.root, ROOT_LEVEL);
        while va < end && self.count > 0 {
            match next_table(table, va, level, end) {
                Ok((start, below)) if level + 1 == LEAF_LEVEL => {
                    return Some(LeafRun {
                        table: below,
                        start,
                        end: descriptor_end(start, level, end),
                    });
                }
                Ok((start, below)) => (table, va, level) = (below, start, level + 1),
                Err(behind) => (table, va, level) = (self.root, behind, ROOT_LEVEL),
            }
        }
        None
    }

    /// The leaf table for `va`, made from the reserve where missing. `Err` (nothing changed) says how many tables
    /// that takes.
    #[doc(alias = "pmap_expand")]
    pub(crate) fn leaf_for(
        &mut self,
        va: u64,
        end: u64,
        reserve: &mut TableReserve,
    ) -> Result<LeafRun, usize> {
        let mut table = self.root;
        for level in ROOT_LEVEL..LEAF_LEVEL {
            let slot = Slot::of(table, va, level);
            let descriptor = slot.read();
            table = if descriptor.is_table() {
                descriptor.frame()
            } else {
                debug_assert!(descriptor.is_absent(), "a block at {va:#x}");
                let missing = (LEAF_LEVEL - level) as usize;
                if reserve.tables() < missing {
                    return Err(missing);
                }
                self.grow(table, slot, va, level, reserve)
            };
        }
        Ok(LeafRun {
            table,
            start: va,
            end: descriptor_end(va, LEAF_LEVEL - 1, end),
        })
    }

    /// Hangs a table from the reserve into `slot` of `parent`, which is of `level`.
    fn grow(
        &mut self,
        parent: FrameNumber,
        slot: Slot,
        va: u64,
        level: u32,
        reserve: &mut TableReserve,
    ) -> FrameNumber {
        let frame = reserve.take_table().expect("the reserve was measured");
        let new = table::adopt(frame, self.root, descriptor_base(va, level));
        // The zeroes of the new table must be seen by whoever sees the descriptor that leads there.
        barrier::publish_tables();
        slot.write(Descriptor::table(new));
        if parent != self.root {
            table::gain(parent, 1);
        }
        self.count += 1;
        new
    }

    /// Frees the leaf table of `va` if nothing is in it, and the tables above that it leaves empty. The flush
    /// comes between unhooking a table and freeing it.
    #[doc(alias = "pmap_tt_deallocate")]
    pub(crate) fn prune(&mut self, pmap: &Pmap, va: u64) {
        let mut path = [self.root; TABLES_PER_PAGE + 1];
        for level in ROOT_LEVEL..LEAF_LEVEL {
            let depth = (level - ROOT_LEVEL) as usize;
            let descriptor = Slot::of(path[depth], va, level).read();
            if !descriptor.is_table() {
                return;
            }
            path[depth + 1] = descriptor.frame();
        }
        let mut removed = 0;
        for level in (ROOT_LEVEL..LEAF_LEVEL).rev() {
            let depth = (level - ROOT_LEVEL) as usize;
            if table::live(path[depth + 1]) != 0 {
                break;
            }
            Slot::of(path[depth], va, level).write(Descriptor::ABSENT);
            if depth != 0 {
                table::lose(path[depth], 1);
            }
            removed += 1;
        }
        if removed == 0 {
            return;
        }
        // One address of the table's span is enough: an invalidation by address drops the cached walk to it.
        let mut batch = FlushBatch::new(pmap);
        batch.add(va);
        batch.finish();
        self.count -= removed;
        for table in path.iter().rev().take(removed as usize) {
            drop(table::disown(*table));
        }
    }

    /// Prunes every empty leaf table of `[start, end)`.
    pub(crate) fn prune_all(&mut self, pmap: &Pmap, start: u64, end: u64) {
        let mut va = start;
        while let Some(run) = self.next_leaf(va, end) {
            if table::live(run.table) == 0 {
                self.prune(pmap, run.start);
            }
            va = run.end;
        }
    }
}
