//! Telling the TLBs: what must be forgotten after a descriptor has changed.
//!
//! All maintenance is broadcast by the hardware to the inner shareable domain; no CPU is interrupted for it.
//! An operation gathers the pages it changed in a `FlushBatch` and issues them together, waiting once.
//!
//! **Range or whole ASID.** Up to [`RANGE_LIMIT`] pages between the first and the last page changed are
//! invalidated one by one; a wider batch drops everything the ASID has (for the kernel pmap, whose pages are
//! global: the whole TLB). 64 single invalidations cost about as much as refilling a TLB of a thousand entries
//! from tables that lie in the cache.
//!
//! **Which ASID.** The context is read *after* the descriptors have been written and a full barrier. An address
//! space that gets a new ASID at the same moment either is seen here, or walks the new descriptors: the other
//! half of that barrier is in `Asids::assign`. A pmap that never ran has no context, and nothing to flush.
//!
//! | change | flush needed |
//! |---|---|
//! | absent -> valid, access flag set | no: faults are not cached; a barrier makes it visible |
//! | read-only -> writable | yes, or the old entry faults again (spuriously) |
//! | fewer rights, access flag cleared, dying | yes, before anybody relies on it |
//! | only software bits | no |
//!
//! XNU counterpart: `flush_mmu_tlb_region_asid_async`, `sync_tlb_flush`.

use core::sync::atomic::Ordering;

use machine::page::{PAGE_MASK, PAGE_SIZE};
use machine::{barrier, tlb};

use crate::Pmap;
use crate::asid::{NEVER_RAN, asid_of};

/// Most pages that are invalidated one by one.
pub const RANGE_LIMIT: u64 = 64;

/// Pages of one pmap whose translations must be forgotten.
pub(crate) struct FlushBatch<'a> {
    pmap: &'a Pmap,
    /// First and last page, if any.
    pages: Option<(u64, u64)>,
}

impl<'a> FlushBatch<'a> {
    pub(crate) fn new(pmap: &'a Pmap) -> Self {
        Self { pmap, pages: None }
    }

    /// The page at `va` has changed.
    pub(crate) fn add(&mut self, va: u64) {
        let va = va & !PAGE_MASK;
        self.pages = Some(match self.pages {
            None => (va, va),
            Some((first, last)) => (first.min(va), last.max(va)),
        });
    }

    /// The page at `va` has changed, which lies behind all pages so far.
    pub(crate) fn add_next(&mut self, va: u64) {
        debug_assert!(self.pages.is_none_or(|(_, last)| last < va));
        self.pages = Some((self.pages.map_or(va, |(first, _)| first), va));
    }

    /// Issues the maintenance and waits until every CPU has done it.
    pub(crate) fn finish(self) {
        if self.issue() {
            tlb::sync();
        }
    }

    /// Issues the maintenance; true if there is something to wait for with `tlb::sync`.
    pub(crate) fn issue(self) -> bool {
        let Some((first, last)) = self.pages else {
            return false;
        };
        barrier::publish_tables();
        let end = last + PAGE_SIZE as u64;
        let count = (end - first) / PAGE_SIZE as u64;
        if self.pmap.is_kernel() {
            match count {
                ..=RANGE_LIMIT => tlb::invalidate_kernel_range(first, end),
                _ => tlb::invalidate_all(),
            }
            return true;
        }
        let context = self.pmap.context.load(Ordering::SeqCst);
        if context == NEVER_RAN {
            return false;
        }
        match count {
            1 => tlb::invalidate_page(asid_of(context), first),
            ..=RANGE_LIMIT => tlb::invalidate_range(asid_of(context), first, end),
            _ => tlb::invalidate_asid(asid_of(context)),
        }
        true
    }
}

/// One page of `pmap`, without waiting; true if there is something to wait for.
pub(crate) fn issue_page(pmap: &Pmap, va: u64) -> bool {
    let mut batch = FlushBatch::new(pmap);
    batch.add(va);
    batch.issue()
}
