//! Frames of physical memory and the pages in them.
//!
//! One static array of 64-byte page records, set up once from the boot's memory map ([`install`]), describes every
//! frame. A frame is in exactly one [`FrameState`] and counted there ([`counts`], checked by [`validate`]).
//!
//! | type | what holding it means |
//! |---|---|
//! | [`OwnedFrame`] | the frame is yours alone; dropping it frees it |
//! | [`ContiguousFrames`] | the same for a run of frames |
//! | [`PageList`] | the pages of one object; `&mut PageList`, reached through the object's lock, is the *object guard* |
//! | [`queues::QueuesGuard`] | the page queues are locked: queue links and wire counts are yours |
//! | [`PinnedFrame`] | the frame stays what it is until you let go, whatever happens to its object |
//! | [`PvGuard`] | the frame's list of mappings is yours (pmap) |
//!
//! Allocation states what it is for ([`Reserve`]); the last frames are kept for those who must get some to free more.
//! A failed allocation is a value ([`OutOfFrames`]): drop your locks, [`wait_for_frames`], start again.
//!
//! Nothing here allocates, and no slice is ever formed over a frame: contents are reached with [`zero`], [`copy`] and
//! the methods of the owning values, through `machine::frame_memory`.
//!
//! What this does not do: decide what to evict (vm), map anything (pmap).
//!
//! XNU counterpart: `osfmk/vm/vm_page.h`, `vm_resident.c`: `vm_page_lookup`, `vm_page_insert`, `vm_page_grab`.

mod allocate;
mod boot;
mod buddy;
mod cache;
mod flags;
mod owned;
mod page_list;
mod pinned;
pub mod queues;
mod record;
mod residency;
mod tree;
mod validate;
mod zero_page;

pub use allocate::{
    FrameWait, OutOfFrames, Reserve, Targets, allocate, allocate_contiguous, allocate_zeroed,
    available, frames_below_target, hold_ordinary_requests_back, release_ordinary_requests,
    targets, wait_for_frames, wait_for_shortage,
};
pub use boot::{MemoryRange, install, is_installed, release_reserved};
pub use flags::PageFlags;
pub use machine::FrameNumber;
pub use owned::{ContiguousFrames, FrameSource, OwnedFrame, copy, copy_part, zero};
pub use page_list::{OwnerId, PageIndex, PageKind, PageList, PageMut};
pub use pinned::PinnedFrame;
pub use record::{FrameState, PvGuard, PvHead};
pub use validate::validate;
pub use zero_page::{is_zero_page, zero_page};

pub(crate) use allocate::{has_room, release_one};

use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use boot::FrameMap;
use record::{PageRecord, STATES};

/// The array and the residency buckets; set once by [`install`].
static MAP: spin::Once<FrameMap> = spin::Once::new();

/// Frames by state; the three free states are counted together, in [`allocate`]'s own counter.
static COUNTS: [AtomicUsize; STATES] = [const { AtomicUsize::new(0) }; STATES];

fn map() -> &'static FrameMap {
    MAP.get().expect("frames are installed during start-up")
}

/// The record of a frame that exists.
#[track_caller]
fn record(frame: FrameNumber) -> &'static PageRecord {
    map().record(frame)
}

/// The pmap's part of a frame's record.
#[doc(alias = "pai_to_pvh")]
pub fn pv(frame: FrameNumber) -> &'static PvHead {
    &record(frame).pv
}

/// The pmap's part of a frame's record, or `None` for an address that is no RAM (a device's).
pub fn try_pv(frame: FrameNumber) -> Option<&'static PvHead> {
    Some(&MAP.get()?.get(frame)?.pv)
}

/// What a frame is used for; `None` outside of memory. A hint unless the caller owns the frame.
pub fn state(frame: FrameNumber) -> Option<FrameState> {
    Some(MAP.get()?.get(frame)?.state())
}

/// The owner and index of the page in this frame, as a hint: to be looked at again under the owner's lock.
#[doc(alias = "VM_PAGE_OBJECT")]
pub fn owner(frame: FrameNumber) -> Option<(OwnerId, PageIndex)> {
    let record = record(frame);
    let owner = OwnerId::from_raw(record.owner.load(Ordering::Acquire))?;
    Some((owner, PageIndex(record.index.load(Ordering::Acquire))))
}

/// A resident page's flags, as a hint: they change under its object's lock.
pub fn flags(frame: FrameNumber) -> PageFlags {
    PageFlags::from_bits_truncate(record(frame).flags.load(Ordering::Acquire))
}

/// How many pins a frame has; a hint.
pub fn pin_count(frame: FrameNumber) -> u32 {
    pinned::count(record(frame))
}

/// A resident page's wire count; exact under the page-queues lock.
pub fn wire_count(frame: FrameNumber) -> u32 {
    u32::from(record(frame).wires.load(Ordering::Acquire))
}

/// Number of frames in each state.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// RAM nobody may use: kernel image, page records, firmware.
    pub reserved: usize,
    /// Free, caches included.
    pub free: usize,
    /// Owned by a value and nothing more.
    pub owned: usize,
    /// In objects.
    pub resident: usize,
    /// In objects and wired.
    pub wired: usize,
    /// Page tables.
    pub page_tables: usize,
    /// Kernel heap.
    pub heap: usize,
    /// Kernel stacks.
    pub stacks: usize,
    /// Devices and their drivers.
    pub devices: usize,
    /// Given up but pinned.
    pub lingering: usize,
}

impl Counts {
    /// All RAM.
    pub fn total(&self) -> usize {
        self.reserved
            + self.free
            + self.owned
            + self.resident
            + self.wired
            + self.page_tables
            + self.heap
            + self.stacks
            + self.devices
            + self.lingering
    }
}

/// Number of frames in each state, at about this moment.
#[doc(alias = "vm_statistics64")]
pub fn counts() -> Counts {
    let of = |state: FrameState| COUNTS[state as usize].load(Ordering::Relaxed);
    Counts {
        reserved: of(FrameState::Reserved),
        free: available(),
        owned: of(FrameState::Owned),
        resident: of(FrameState::Resident),
        wired: of(FrameState::Wired),
        page_tables: of(FrameState::PageTable),
        heap: of(FrameState::Heap),
        stacks: of(FrameState::Stack),
        devices: of(FrameState::Device),
        lingering: of(FrameState::Lingering),
    }
}

/// Frames of RAM, whatever their state.
#[doc(alias = "max_mem")]
pub fn total() -> usize {
    map().total()
}

/// Moves a frame from the state it is in to `new`, and the count with it.
fn account(record: &PageRecord, new: FrameState) -> FrameState {
    let old = record.set_state_uncounted(new);
    if old != new {
        COUNTS[old as usize].fetch_sub(usize::from(!old.is_free()), Ordering::Relaxed);
        COUNTS[new as usize].fetch_add(usize::from(!new.is_free()), Ordering::Relaxed);
    }
    old
}

/// Spins until `bit` of `word` is ours. Preemption must be off.
fn bit_lock(word: &AtomicU32, bit: u32) {
    while word.fetch_or(bit, Ordering::Acquire) & bit != 0 {
        while word.load(Ordering::Relaxed) & bit != 0 {
            core::hint::spin_loop();
        }
    }
}
