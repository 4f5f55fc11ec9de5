//! Lowering rights in a range, and wiring.
//!
//! `protect` never raises: the VM layer may know that a page is copy-on-write or must be checked first, so more
//! rights come only from a fault that ends in `enter`. XNU counterpart: `pmap_protect_options`,
//! `pmap_change_wiring`.

use core::sync::atomic::Ordering;

use mach::VmProt;

use crate::descriptor::Rights;
use crate::flush::FlushBatch;
use crate::remove::for_each_run;
use crate::tree::{LeafRun, Tree};
use crate::{Pmap, Wiring, rights_of};

impl Pmap {
    /// Lowers the rights of every mapping in `[start, end)` to `prot` at most; an empty `prot` removes them. When
    /// it returns, no TLB allows more.
    #[doc(alias = "pmap_protect")]
    #[doc(alias = "pmap_protect_options")]
    pub fn protect(&self, start: u64, end: u64, prot: VmProt) {
        let Some(limit) = rights_of(prot) else {
            return self.remove(start, end);
        };
        if limit
            == (Rights {
                write: true,
                execute: true,
            })
        {
            return;
        }
        self.check_range(start, end);
        let mut va = start;
        while va < end {
            let tree = self.tree.lock();
            va = self.protect_chunk(&tree, va, end, limit);
        }
    }

    fn protect_chunk(&self, tree: &Tree, start: u64, end: u64, limit: Rights) -> u64 {
        let mut batch = FlushBatch::new(self);
        let stop = for_each_run(tree, start, end, |run| protect_run(run, limit, &mut batch));
        batch.finish();
        stop
    }

    /// Marks the mapping of `va`, if there is one, as wired or not.
    #[doc(alias = "pmap_change_wiring")]
    pub fn change_wiring(&self, va: u64, wiring: Wiring) {
        self.check_address(va);
        let tree = self.tree.lock();
        let Some(slot) = tree.slot(va) else { return };
        let wired = wiring == Wiring::Wired;
        let update = |old: crate::descriptor::Descriptor| {
            (old.is_valid() && old.is_wired() != wired).then(|| old.with_wired(wired))
        };
        // Counted first, so that a concurrent `disconnect` never takes the counter below zero.
        if wired {
            self.wired.fetch_add(1, Ordering::Relaxed);
        }
        let changed = slot.update(update).is_some();
        if changed != wired {
            self.wired.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

fn protect_run(run: LeafRun, limit: Rights, batch: &mut FlushBatch<'_>) {
    run.for_each_present(|place, slot, seen| {
        if !seen.is_valid() || seen.limited(limit) == seen {
            return;
        }
        let changed = slot.update_from(seen, |old| old.is_valid().then(|| old.limited(limit)));
        if changed.is_some_and(|(old, new)| old.needs_flush(new)) {
            batch.add(run.address(place));
        }
    });
}
