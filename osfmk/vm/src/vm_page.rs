//! The few things `vm` says about single pages: dirty, reclaimable, used, thrown away.
//!
//! Page records, lists and queues are `prim::frames`; mappings are `pmap`. Here they come together. A page's frame
//! is disconnected before it leaves its object.
//!
//! Queues of resident, unwired pages:
//!
//! ```text
//!   read ahead ─▶ speculative ──used──▶ active ──aged──▶ inactive ──clean──▶ reclaimed
//!                     │                  ▲  ▲                │  │               ▲
//!                     │                  │  └──referenced────┘  └─dirty─▶ laundry (lent to the pager)
//!                     └───── taken first, as if inactive            refused, written or used: active
//! ```
//!
//! Active and inactive pages of anonymous memory and of files are on queues of their own; what is of which kind never
//! changes, and a page that comes to another kind of object is queued anew.
//!
//! Locks: `&PageList`, `&mut PageList` mean that the object's lock is held.
//! XNU counterpart: `vm_resident.c`.

use mach::VmProt;
use pmap::RefMod;
use prim::frames::queues::{self, PageQueue};
use prim::frames::{
    self, FrameNumber, OwnedFrame, PageFlags, PageIndex, PageKind, PageList, PageMut,
};

/// A page number as an index.
pub(crate) const fn index(page: u64) -> PageIndex {
    PageIndex(page)
}

/// The pages of a list in order.
pub(crate) fn pages(list: &PageList) -> impl Iterator<Item = (u64, FrameNumber)> + '_ {
    list.iter().map(|(index, frame)| (index.0, frame))
}

/// The pages of `first..end` in order.
pub(crate) fn pages_in(
    list: &PageList,
    first: u64,
    end: u64,
) -> impl Iterator<Item = (u64, FrameNumber)> + '_ {
    list.range(PageIndex(first), PageIndex(end))
        .map(|(index, frame)| (index.0, frame))
}

/// The first page at or after `first`, before `end`.
pub(crate) fn next(list: &PageList, first: u64, end: u64) -> Option<(u64, FrameNumber)> {
    let (index, frame) = list.first_from(PageIndex(first))?;
    (index.0 < end).then_some((index.0, frame))
}

/// Moves a page to another object; the caller has seen that there is none.
pub(crate) fn transfer(from: &mut PageList, page: u64, to: &mut PageList, target: u64) {
    let moved = from.transfer(PageIndex(page), to, PageIndex(target));
    debug_assert!(moved, "page {page} could not move to {target}");
}

/// A page that came from an object whose pages are on no queue may be paged out from now on.
pub(crate) fn requeue(list: &PageList, page: u64) {
    if let Some(frame) = list.lookup(PageIndex(page))
        && frames::wire_count(frame) == 0
    {
        queues::lock().enqueue(frame, active_queue(list));
    }
}

/// Takes a page out of its object: no mapping of it is left.
#[doc(alias = "vm_page_remove")]
pub(crate) fn take(list: &mut PageList, page: u64) -> Option<OwnedFrame> {
    let frame = list.lookup(PageIndex(page))?;
    Some(take_frame(list, frame))
}

fn take_frame(list: &mut PageList, frame: FrameNumber) -> OwnedFrame {
    pmap::disconnect(frame);
    list.remove_frame(frame)
}

/// Throws a page away. Pinned frames linger until they are let go.
#[doc(alias = "vm_page_free")]
pub(crate) fn discard(list: &mut PageList, page: u64) {
    drop(take(list, page));
}

/// Throws every page away.
pub(crate) fn discard_all(list: &mut PageList) {
    while let Some((_, frame)) = next(list, 0, u64::MAX) {
        drop(take_frame(list, frame));
    }
}

/// Has the page been changed since its pager last had it?
pub(crate) fn is_dirty(list: &PageList, frame: FrameNumber) -> bool {
    list.flags(frame).contains(PageFlags::DIRTY) || pmap::refmod(frame).contains(RefMod::MODIFIED)
}

/// Would something be lost with the page?
pub(crate) fn is_unsaved(list: &PageList, frame: FrameNumber) -> bool {
    list.flags(frame)
        .intersects(PageFlags::CLEANING | PageFlags::PRECIOUS)
        || is_dirty(list, frame)
}

/// Could the page of an object with a pager be thrown away without losing anything?
pub(crate) fn is_reclaimable(list: &PageList, frame: FrameNumber) -> bool {
    let busy = PageFlags::CLEANING | PageFlags::PRECIOUS | PageFlags::BUSY;
    !list.flags(frame).intersects(busy)
        && frames::wire_count(frame) == 0
        && frames::pin_count(frame) == 0
        && !is_dirty(list, frame)
}

/// A page of the object was mapped with `protection` for `access`.
#[doc(alias = "vm_fault_enter")]
pub(crate) fn note_mapped(
    list: &mut PageList,
    frame: FrameNumber,
    protection: VmProt,
    access: VmProt,
) {
    let active = active_queue(list);
    use_page(
        &mut list.page_mut(frame),
        active,
        flags_of_mapping(protection, access),
    );
}

/// What a mapping with `protection` for `access` says of a page.
pub(crate) fn flags_of_mapping(protection: VmProt, access: VmProt) -> PageFlags {
    let mut flags = PageFlags::PMAPPED;
    if protection.contains(VmProt::EXECUTE) {
        flags |= PageFlags::XPMAPPED;
    }
    if protection.contains(VmProt::WRITE) {
        // The pmap grants a first write by itself.
        flags |= PageFlags::WPMAPPED;
    }
    if access.contains(VmProt::WRITE) {
        flags |= PageFlags::DIRTY;
    }
    flags
}

/// A page of the object was used: it counts as active.
#[doc(alias = "vm_page_activate")]
pub(crate) fn note_used(list: &mut PageList, frame: FrameNumber) {
    let active = active_queue(list);
    use_page(&mut list.page_mut(frame), active, PageFlags::empty());
}

/// The same for a page at hand whose place in use is `active`; more flags are set.
#[inline]
pub(crate) fn use_page(page: &mut PageMut<'_>, active: PageQueue, more: PageFlags) {
    let unused = PageFlags::SPECULATIVE | PageFlags::CLUSTERED;
    let before = page.change_flags(unused, PageFlags::REFERENCED | more);
    // The laundry is left alone: its end looks whether the page was used.
    let settled = page.is_on(active) || page.is_on(PageQueue::Laundry);
    let fresh = before.contains(PageFlags::SPECULATIVE) || !settled;
    if fresh && page.wire_count() == 0 {
        queues::lock().enqueue(page.frame(), active);
    }
}

/// A page came from its pager; nobody has used it yet.
#[doc(alias = "vm_page_speculate")]
pub(crate) fn note_supplied(list: &mut PageList, frame: FrameNumber, extra: PageFlags) {
    list.set_flags(frame, PageFlags::SPECULATIVE | PageFlags::CLUSTERED | extra);
    queues::lock().enqueue(frame, PageQueue::Speculative);
}

/// The page goes first when frames run short; its data is kept.
#[doc(alias = "vm_page_deactivate")]
pub(crate) fn deactivate(list: &mut PageList, frame: FrameNumber) {
    list.clear_flags(frame, PageFlags::REFERENCED);
    pmap::clear_refmod(frame, RefMod::REFERENCED);
    if frames::wire_count(frame) == 0 {
        queues::lock().enqueue(frame, inactive_queue(list));
    }
}

/// The active queue for pages of this object.
pub(crate) fn active_queue(list: &PageList) -> PageQueue {
    match list.kind() {
        PageKind::Anonymous => PageQueue::ActiveAnonymous,
        PageKind::File => PageQueue::ActiveFile,
    }
}

/// The inactive queue for pages of this object.
pub(crate) fn inactive_queue(list: &PageList) -> PageQueue {
    match list.kind() {
        PageKind::Anonymous => PageQueue::InactiveAnonymous,
        PageKind::File => PageQueue::InactiveFile,
    }
}

/// Was the page used since this was last asked?
pub(crate) fn was_referenced(list: &mut PageList, frame: FrameNumber) -> bool {
    let by_kernel = list
        .clear_flags(frame, PageFlags::REFERENCED)
        .contains(PageFlags::REFERENCED);
    let by_hardware = pmap::refmod(frame).contains(RefMod::REFERENCED);
    if by_hardware {
        pmap::clear_refmod(frame, RefMod::REFERENCED);
    }
    by_kernel || by_hardware
}
