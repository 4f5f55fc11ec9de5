//! What `enter` may need, fetched beforehand: a [`TableReserve`].
//!
//! Entering a page allocates nothing, since the fault that enters it holds locks. When page tables or a pv entry
//! are missing, `enter` changes nothing, notes in the reserve what it lacked and returns [`NeedsTables`]:
//!
//! ```text
//!     let mut reserve = TableReserve::new();            // empty; most faults need nothing
//!     loop {
//!         ...lock object, find page...
//!         match pmap.enter(va, frame, prot, access, wiring, &mut reserve) {
//!             Ok(()) => break,
//!             Err(NeedsTables { .. }) => { ...unlock...; reserve.fill(class)?; }
//!         }
//!     }                                                  // what was not used goes back
//! ```
//!
//! The class says whose frames may be used: pageout and pagers have their own, so that the way to free memory
//! never waits for free memory. XNU counterpart: `pmap_expand` inside `pmap_enter`, which unlocks and may wait;
//! `pmap_pre_expand`.

use arrayvec::ArrayVec;
use prim::frames::{self, OutOfFrames, OwnedFrame, Reserve};

use crate::geometry::TABLES_PER_PAGE;
use crate::pv_slab::PvEntry;

/// Most pv entries a reserve holds; a longer run of shared pages is entered in steps.
pub const PV_ENTRIES: usize = 64;

/// `enter` lacks a page table or a pv entry. Drop your locks, [`TableReserve::fill`], try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NeedsTables {
    /// How many pages of a run were entered before.
    pub entered: usize,
}

/// Zeroed tables and pv entries that belong to one operation.
#[derive(Debug, Default)]
pub struct TableReserve {
    tables: ArrayVec<OwnedFrame, TABLES_PER_PAGE>,
    entries: ArrayVec<PvEntry, PV_ENTRIES>,
    /// What the last failed `enter` wanted to find here.
    wanted_tables: usize,
    wanted_entries: usize,
}

impl TableReserve {
    /// An empty reserve; allocates nothing.
    pub const fn new() -> Self {
        Self {
            tables: ArrayVec::new_const(),
            entries: ArrayVec::new_const(),
            wanted_tables: 0,
            wanted_entries: 0,
        }
    }

    /// Fetches what the last failed `enter` lacked; for a reserve that has not failed yet, what any one page can
    /// need. Call without locks. What was fetched before a failure stays for the next attempt.
    #[doc(alias = "pmap_pre_expand")]
    pub fn fill(&mut self, class: Reserve) -> Result<(), OutOfFrames> {
        if self.wanted_tables == 0 && self.wanted_entries == 0 {
            self.want(TABLES_PER_PAGE, 1);
        }
        while self.tables.len() < self.wanted_tables {
            self.tables.push(frames::allocate_zeroed(class)?);
        }
        while self.entries.len() < self.wanted_entries {
            self.entries.push(PvEntry::allocate(class)?);
        }
        self.want(0, 0);
        Ok(())
    }

    /// Fetches pv entries for up to `count` pages that are mapped elsewhere too, as far as they can be had at once. Allowed
    /// under every lock that stands before a pmap's.
    pub fn top_up(&mut self, count: usize, class: Reserve) {
        let count = count.min(PV_ENTRIES);
        PvEntry::take_ready(&mut self.entries, count);
        while self.entries.len() < count {
            let Ok(entry) = PvEntry::allocate(class) else {
                return;
            };
            self.entries.push(entry);
            // Its page has more of them.
            PvEntry::take_ready(&mut self.entries, count);
        }
    }

    /// Notes what should have been here.
    pub(crate) fn want(&mut self, tables: usize, entries: usize) {
        self.wanted_tables = tables.min(TABLES_PER_PAGE);
        self.wanted_entries = entries.min(PV_ENTRIES);
    }

    pub(crate) fn tables(&self) -> usize {
        self.tables.len()
    }

    pub(crate) fn take_table(&mut self) -> Option<OwnedFrame> {
        self.tables.pop()
    }

    pub(crate) fn take_entry(&mut self) -> Option<PvEntry> {
        self.entries.pop()
    }
}
