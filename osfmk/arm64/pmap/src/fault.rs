//! Faults that emulation causes and settles: access flag and first write.
//!
//! A fault on a *valid* descriptor whose rights cover the access is not the VM layer's business: the page is there
//! and allowed, only "referenced" or "modified" was not yet recorded, or this CPU's TLB was behind. The trap
//! handler asks here first and lets the instruction run again on `Settled`.
//!
//! XNU counterpart: `arm_fast_fault`, called by `handle_user_abort` before `vm_fault`.

use mach::VmProt;
use prim::trace::{self, Event};

use crate::descriptor::{Access, Descriptor};
use crate::flush::FlushBatch;
use crate::pv::PvList;
use crate::{Pmap, access_of};

impl Pmap {
    /// Settles a permission or access-flag fault at `va` if the mapping allows `access`, recording the access in
    /// the frame's attributes. True: run the instruction again. False: it is a fault for the VM layer.
    #[doc(alias = "arm_fast_fault")]
    pub fn fast_fault(&self, va: u64, access: VmProt) -> bool {
        let Some(access) = access_of(access) else {
            return false;
        };
        if !self.covers(va) {
            return false;
        }
        let tree = self.tree.lock();
        let Some(slot) = tree.slot(va) else {
            return false;
        };
        let seen = slot.read();
        if !seen.is_valid() || !seen.allows(access) {
            return false;
        }
        let Some(mut list) = PvList::lock(seen.frame()) else {
            return false;
        };
        // Under the list's lock nobody clears what is recorded now before the descriptor says the same.
        let settle = |old: Descriptor| {
            let usable = old.is_valid() && old.frame() == seen.frame() && old.allows(access);
            usable.then(|| {
                if access == Access::Write {
                    old.referenced().modified()
                } else {
                    old.referenced()
                }
            })
        };
        if settle(slot.read()).is_none() {
            return false;
        }
        list.record_access(access == Access::Write);
        let Some((old, new)) = slot.update(settle) else {
            return false;
        };
        // An unchanged descriptor means that a TLB was behind: flush as well.
        if old == new || old.needs_flush(new) {
            let mut batch = FlushBatch::new(self);
            batch.add(va);
            batch.finish();
        } else {
            machine::barrier::publish_tables();
        }
        let write = u64::from(access == Access::Write);
        trace::point(Event::PmapFastFault, va, write, new.0, 0);
        true
    }
}
