//! From a frame to all its mappings, wherever they are.
//!
//! These take one pv lock and no pmap's: each descriptor is changed by compare-exchange (table in `slot`). All
//! mappings are changed first, their flushes issued one after the other, and waited for once.
//!
//! Frames that the kernel does not manage (device memory) have no list: nothing happens, nothing is reported.
//!
//! XNU counterpart: `pmap_page_protect_options`, `pmap_disconnect_options`, `pmap_get_refmod`, `phys_attribute_*`.

use core::sync::atomic::Ordering;

use bitflags::bitflags;
use mach::VmProt;
use machine::address::FrameNumber;
use machine::tlb;
use prim::frames::{self, PvHead};

use crate::descriptor::Descriptor;
use crate::flush::issue_page;
use crate::pv::{Attributes, PvList};
use crate::slot::Slot;
use crate::{rights_of, table};

bitflags! {
    /// What happened to a page since it was last asked and cleared.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
    pub struct RefMod: u32 {
        /// It was accessed.
        #[doc(alias = "VM_MEM_REFERENCED")]
        const REFERENCED = Attributes::REFERENCED.bits();
        /// It was written.
        #[doc(alias = "VM_MEM_MODIFIED")]
        const MODIFIED = Attributes::MODIFIED.bits();
    }
}

/// Lowers the rights of every mapping of the frame to `prot` at most; an empty `prot` removes them all. When it
/// returns, no TLB allows more.
#[doc(alias = "pmap_page_protect")]
#[doc(alias = "pmap_page_protect_options")]
pub fn page_protect(frame: FrameNumber, prot: VmProt) {
    let Some(limit) = rights_of(prot) else {
        disconnect(frame);
        return;
    };
    if let Some(list) = PvList::lock(frame) {
        change_all(&list, |old| old.limited(limit));
    }
}

/// Removes every mapping of the frame and tells what is known of its use. When it returns, no TLB has any; the
/// attributes stay as they are.
#[doc(alias = "pmap_disconnect")]
#[doc(alias = "pmap_disconnect_options")]
pub fn disconnect(frame: FrameNumber) -> RefMod {
    let Some(mut list) = PvList::lock(frame) else {
        return RefMod::empty();
    };
    let mut issued = false;
    list.for_each(|slot| {
        // One that is dying already may not have been flushed yet by whoever is removing it.
        slot.make_dying();
        issued |= issue_page(table::owner_of(slot), table::address_of(slot));
    });
    if issued {
        tlb::sync();
    }
    while let Some(slot) = list.first() {
        retire_unlocked(slot, &mut list);
    }
    RefMod::from_bits_truncate(list.attributes().bits())
}

/// What is known of the frame's use; looks at no mapping.
#[doc(alias = "pmap_get_refmod")]
#[doc(alias = "pmap_is_modified")]
#[doc(alias = "pmap_is_referenced")]
pub fn refmod(frame: FrameNumber) -> RefMod {
    frames::try_pv(frame).map_or(RefMod::empty(), |head| {
        RefMod::from_bits_truncate(head.attributes())
    })
}

/// Forgets accesses or modifications: the next access or write faults once and is recorded anew. When it
/// returns, no access that comes later goes unrecorded.
#[doc(alias = "pmap_clear_refmod")]
#[doc(alias = "pmap_clear_modify")]
#[doc(alias = "pmap_clear_reference")]
pub fn clear_refmod(frame: FrameNumber, which: RefMod) {
    let Some(mut list) = PvList::lock(frame) else {
        return;
    };
    list.clear(Attributes::from_bits_truncate(which.bits()));
    change_all(&list, |old| clear(old, which));
}

/// Kernel mappings stay usable without a fault; their writer calls [`set_modified`].
fn clear(old: Descriptor, which: RefMod) -> Descriptor {
    let mut new = old;
    if old.is_user() && which.contains(RefMod::REFERENCED) {
        new = new.unreferenced();
    }
    if old.is_user() && which.contains(RefMod::MODIFIED) {
        new = new.unmodified();
    }
    new
}

/// Notes that the kernel or a device has written the frame otherwise than through a mapping.
#[doc(alias = "pmap_set_modify")]
pub fn set_modified(frame: FrameNumber) {
    if let Some(mut list) = PvList::lock(frame) {
        list.record_access(true);
    }
}

/// Notes that the frame has been used otherwise than through a mapping.
#[doc(alias = "pmap_set_reference")]
pub fn set_referenced(frame: FrameNumber) {
    if let Some(head) = frames::try_pv(frame) {
        head.set_attributes(Attributes::REFERENCED.bits());
    }
}

/// Whether anybody maps the frame; a hint unless the caller keeps others from entering it.
#[doc(alias = "pmap_verify_free")]
pub fn is_mapped(frame: FrameNumber) -> bool {
    frames::try_pv(frame).is_some_and(is_mapped_by)
}

/// The same, where the pmap's part of the frame's record is at hand.
pub fn is_mapped_by(head: &PvHead) -> bool {
    head.word.load(Ordering::Acquire) != 0
}

/// How many mappings the frame has.
pub fn mapping_count(frame: FrameNumber) -> usize {
    let mut count = 0;
    if let Some(list) = PvList::lock(frame) {
        list.for_each(|_| count += 1);
    }
    count
}

/// Applies `change` to every valid mapping and flushes what that outdates.
fn change_all(list: &PvList, change: impl Fn(Descriptor) -> Descriptor) {
    let mut issued = false;
    list.for_each(|slot| {
        let changed = slot.update(|old| old.is_valid().then(|| change(old)));
        if changed.is_some_and(|(old, new)| old.needs_flush(new)) {
            issued |= issue_page(table::owner_of(slot), table::address_of(slot));
        }
    });
    if issued {
        tlb::sync();
    }
}

/// Ends a dying, flushed mapping without holding its pmap's lock, and frees its table if that leaves it empty and
/// the lock can be had at once; otherwise leaves word for the next operation on that pmap.
///
/// Order matters: once the live count is lowered, the pmap may end at any moment unless its lock is held.
fn retire_unlocked(slot: Slot, list: &mut PvList) {
    let pmap = table::owner_of(slot);
    let (table, va) = (slot.table(), table::address_of(slot));
    let mut tree = None;
    if table::live(table) == 1 {
        tree = pmap.tree.try_lock();
        if tree.is_none() {
            pmap.empty_tables.store(true, Ordering::Relaxed);
        }
    }
    drop(list.remove(slot));
    let left = pmap.retire(slot);
    if let (0, Some(tree)) = (left, tree.as_mut()) {
        tree.prune(pmap, va);
    }
}
