//! Table pages: whose they are, what they translate, how full they are.
//!
//! A frame that is a table has no mappings of its own to list, so its pv head describes the table:
//!
//! ```text
//! word of a table below the root                         attributes of a table
//!  63                       16 15          2   1 0      31                    0
//! +---------------------------+------------+-----+     +----------------------+
//! |  address it starts at >>14 |   live    |  3  |     |  frame of its root   |
//! +---------------------------+------------+-----+     +----------------------+
//!  sign-extended: all ones = kernel half
//!
//! word of a root: pointer to its Pmap | 3     (the kernel's root has no record; tables of the upper half are its)
//! ```
//!
//! From the physical address of a leaf descriptor this gives the address it maps (start + index pages) and the
//! pmap, which is all a pv list has to know. XNU counterpart: `pt_desc_t` (`ptd_info`, `pt_cnt`).
//!
//! **Live count.** The descriptors of a table that are not absent, *dying* ones included, and those that the holder of the
//! pmap's lock is about to write or has just taken out. It pins the table,
//! and through the table its pmap: whoever takes a mapping away by way of the pv list subtracts from the live
//! count as its very last access to either. A table is freed when the count is zero, by the holder of the pmap's
//! lock.

use core::sync::atomic::Ordering;

use machine::address::{FrameNumber, VA_BITS};
use machine::page::PAGE_SHIFT;
use prim::frames::{self, FrameState, OwnedFrame};

use crate::Pmap;
use crate::descriptor::Descriptor;
use crate::pv::TAG_TABLE;
use crate::slot::Slot;

const LIVE_SHIFT: u32 = 2;
const LIVE_ONE: u64 = 1 << LIVE_SHIFT;
const LIVE_MASK: u64 = 0x3fff << LIVE_SHIFT;
const BASE_SHIFT: u32 = 16;
/// The record keeps addresses in units of the smaller span of a leaf table, or better.
const BASE_UNIT: u32 = 14;
/// All attribute bits of a pv head.
const ATTRIBUTES: u32 = u32::MAX >> 1;

/// Turns a zeroed frame into a table of the tree under `root` that translates addresses from `base` on.
pub(crate) fn adopt(frame: OwnedFrame, root: FrameNumber, base: u64) -> FrameNumber {
    let frame = frame.into_use(FrameState::PageTable);
    let head = frames::pv(frame);
    debug_assert_eq!(head.word.load(Ordering::Relaxed), 0);
    let base = (base as i64 >> BASE_UNIT) as u64;
    head.clear_attributes(ATTRIBUTES);
    head.set_attributes(root.0);
    head.word
        .store(base << BASE_SHIFT | TAG_TABLE, Ordering::Release);
    frame
}

/// Turns an empty table that nothing points to any more back into a frame.
pub(crate) fn disown(table: FrameNumber) -> OwnedFrame {
    let head = frames::pv(table);
    debug_assert_eq!(live(table), 0, "a table is freed while it is in use");
    #[cfg(not(target_os = "none"))]
    debug_assert!(
        !machine::host::tlb::walked_through(table),
        "a TLB holds a walk through a freed table"
    );
    head.word.store(0, Ordering::Relaxed);
    head.clear_attributes(ATTRIBUTES);
    reclaim(table)
}

/// How many descriptors of the table are not absent.
pub(crate) fn live(table: FrameNumber) -> u64 {
    (frames::pv(table).word.load(Ordering::Acquire) & LIVE_MASK) >> LIVE_SHIFT
}

/// So many descriptors more are in use, or will be: before they are written.
pub(crate) fn gain(table: FrameNumber, count: u64) {
    frames::pv(table)
        .word
        .fetch_add(count * LIVE_ONE, Ordering::AcqRel);
}

/// So many descriptors fewer; returns how many are left. The caller may not touch table or pmap afterwards unless it
/// holds the pmap's lock.
pub(crate) fn lose(table: FrameNumber, count: u64) -> u64 {
    let before = frames::pv(table)
        .word
        .fetch_sub(count * LIVE_ONE, Ordering::AcqRel);
    let before = (before & LIVE_MASK) >> LIVE_SHIFT;
    debug_assert!(before >= count);
    before - count
}

/// The first address that the table translates.
pub(crate) fn base(table: FrameNumber) -> u64 {
    let word = frames::pv(table).word.load(Ordering::Relaxed);
    debug_assert_eq!(word & 3, TAG_TABLE);
    ((word as i64 >> BASE_SHIFT) << BASE_UNIT) as u64
}

/// The address that a leaf's slot maps.
pub(crate) fn address_of(slot: Slot) -> u64 {
    base(slot.table()) + ((slot.index() as u64) << PAGE_SHIFT)
}

/// The pmap that a leaf's slot belongs to. The reference is good while the slot is not absent and the caller
/// keeps it so, by the lock of its frame's pv list or of the pmap.
pub(crate) fn owner_of<'a>(slot: Slot) -> &'a Pmap {
    let table = slot.table();
    if base(table) >> VA_BITS != 0 {
        return Pmap::kernel();
    }
    let root = FrameNumber(frames::pv(table).attributes());
    let word = frames::pv(root).word.load(Ordering::Acquire);
    debug_assert_eq!(word & 3, TAG_TABLE);
    // SAFETY: `set_owner` stored the address of a pmap that clears it again only after its last table is gone,
    // and this table is pinned by the live count of the slot in the caller's hands.
    unsafe { &*((word & !3) as *const Pmap) }
}

/// Turns a zeroed frame into a root; [`set_owner`] follows.
pub(crate) fn adopt_root(frame: OwnedFrame) -> FrameNumber {
    frame.into_use(FrameState::PageTable)
}

/// Makes `root` lead to its pmap, which must not move while it has tables.
pub(crate) fn set_owner(root: FrameNumber, pmap: *const Pmap) {
    frames::pv(root)
        .word
        .store(pmap as u64 | TAG_TABLE, Ordering::Release);
}

/// Makes the record of an empty root that outlives its pmap: the pmap's context, and the next such root.
pub(crate) fn bury_root(root: FrameNumber, context: u64, next: FrameNumber) {
    let head = frames::pv(root);
    head.word.store(context, Ordering::Relaxed);
    head.clear_attributes(ATTRIBUTES);
    head.set_attributes(next.0);
}

/// What [`bury_root`] recorded.
pub(crate) fn buried(root: FrameNumber) -> (u64, FrameNumber) {
    let head = frames::pv(root);
    (
        head.word.load(Ordering::Relaxed),
        FrameNumber(head.attributes()),
    )
}

/// Takes back the frame of a buried root that no CPU has installed.
pub(crate) fn disown_root(root: FrameNumber) -> OwnedFrame {
    let head = frames::pv(root);
    head.word.store(0, Ordering::Relaxed);
    head.clear_attributes(ATTRIBUTES);
    reclaim(root)
}

fn reclaim(table: FrameNumber) -> OwnedFrame {
    OwnedFrame::reclaim(table, FrameState::PageTable)
        .expect("a table's frame is in state page table")
}

/// Counts the descriptors of a table that are not absent.
pub(crate) fn count_live(table: FrameNumber) -> u64 {
    (0..crate::geometry::ENTRIES)
        .filter(|&index| Slot::nth(table, index).read() != Descriptor::ABSENT)
        .count() as u64
}
