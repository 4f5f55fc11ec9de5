//! The page record: 64 bytes of bookkeeping for each frame, in one static array.
//!
//! Every field is an atomic, so no `unsafe` is needed to reach a record; who may change a field is a matter of
//! guards, named beside each. Links are frame numbers, never pointers.
//!
//! XNU counterpart: `struct vm_page` with `pv_head_table` and `pp_attr_table` folded in.

use core::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering};

use machine::FrameNumber;

/// "No frame" in a link.
pub(crate) const NIL: u32 = u32::MAX;

/// What a frame is used for. Every frame is in exactly one state and counted there.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[repr(u8)]
pub enum FrameState {
    /// A hole in the memory map: no RAM, or RAM nobody may use.
    Absent = 0,
    /// RAM that held the kernel image, the boot archive, the page records, or belongs to firmware.
    Reserved = 1,
    /// Free: head of a block in the free lists.
    Free = 2,
    /// Free: inside a block whose head comes earlier.
    FreeTail = 3,
    /// Free: in a processor's cache.
    Cached = 4,
    /// Owned by an [`super::OwnedFrame`] and nothing more.
    Owned = 5,
    /// In an object's page list.
    Resident = 6,
    /// In an object's page list and wired.
    Wired = 7,
    /// A page table.
    PageTable = 8,
    /// Kernel heap.
    Heap = 9,
    /// Kernel stack.
    Stack = 10,
    /// Memory of a device or its driver.
    Device = 11,
    /// Given up by its owner while pinned; freed with the last pin.
    Lingering = 12,
}

/// Number of states.
pub(crate) const STATES: usize = 13;

impl FrameState {
    /// Every state in order.
    pub const ALL: [FrameState; STATES] = [
        FrameState::Absent,
        FrameState::Reserved,
        FrameState::Free,
        FrameState::FreeTail,
        FrameState::Cached,
        FrameState::Owned,
        FrameState::Resident,
        FrameState::Wired,
        FrameState::PageTable,
        FrameState::Heap,
        FrameState::Stack,
        FrameState::Device,
        FrameState::Lingering,
    ];

    pub(crate) fn from_number(number: u8) -> FrameState {
        Self::ALL[number as usize]
    }

    /// Whether the frame can be allocated.
    pub fn is_free(self) -> bool {
        matches!(
            self,
            FrameState::Free | FrameState::FreeTail | FrameState::Cached
        )
    }
}

/// Bookkeeping of one frame.
#[repr(C, align(64))]
pub(crate) struct PageRecord {
    /// The pmap's part: mappings, reference and modification bits.
    pub(crate) pv: PvHead,
    /// Owner of the page list it is in, 0 for none. Changed under the object's lock; read without it as a hint.
    pub(crate) owner: AtomicU64,
    /// Page index within the owner. As `owner`.
    pub(crate) index: AtomicU64,
    /// Next in the residency bucket; bucket lock.
    pub(crate) hash_next: AtomicU32,
    /// Children in the owner's tree of pages; object lock.
    pub(crate) left: AtomicU32,
    pub(crate) right: AtomicU32,
    /// Links in a page queue (page-queues lock) or in a free list (frames lock).
    pub(crate) queue_next: AtomicU32,
    pub(crate) queue_previous: AtomicU32,
    /// [`super::PageFlags`]; object lock.
    pub(crate) flags: AtomicU32,
    /// Pins, with `LINGER` on top; atomic.
    pub(crate) pins: AtomicU16,
    /// Wire count; page-queues lock.
    pub(crate) wires: AtomicU16,
    /// [`FrameState`]; changed by whoever owns the frame.
    state: AtomicU8,
    /// Order of a free block; frames lock.
    pub(crate) order: AtomicU8,
    /// [`super::queues::PageQueue`] it is on; page-queues lock.
    pub(crate) queue: AtomicU8,
    pub(crate) spare: AtomicU8,
}

const _: () = assert!(size_of::<PageRecord>() == 64);

/// The part of a page record that belongs to the pmap: the list of mappings and the hardware's bits.
///
/// `word` is opaque here: none, one mapping packed, or a list's head, as the pmap encodes it. It is guarded by the
/// lock bit in `attributes`.
#[doc(alias = "pv_head_table")]
#[doc(alias = "pp_attr_table")]
#[repr(C)]
pub struct PvHead {
    /// The mappings of the frame; 0 for none. Guarded by [`PvHead::lock`].
    pub word: AtomicU64,
    attributes: AtomicU32,
    /// Not the pmap's, but room: counts the page's returns to its pager; object lock.
    pub(crate) generation: AtomicU32,
}

/// Bit of [`PvHead`]'s attributes that is its lock.
const LOCKED: u32 = 1 << 31;

impl PvHead {
    pub(crate) const fn new() -> Self {
        Self {
            word: AtomicU64::new(0),
            attributes: AtomicU32::new(0),
            generation: AtomicU32::new(0),
        }
    }

    /// The pmap's attribute bits; bit 31 is not among them.
    pub fn attributes(&self) -> u32 {
        self.attributes.load(Ordering::Acquire) & !LOCKED
    }

    /// Sets attribute bits; gives the ones before. Needs no lock.
    pub fn set_attributes(&self, bits: u32) -> u32 {
        debug_assert_eq!(bits & LOCKED, 0);
        self.attributes.fetch_or(bits, Ordering::AcqRel) & !LOCKED
    }

    /// Clears attribute bits; gives the ones before. Needs no lock.
    pub fn clear_attributes(&self, bits: u32) -> u32 {
        debug_assert_eq!(bits & LOCKED, 0);
        self.attributes.fetch_and(!bits, Ordering::AcqRel) & !LOCKED
    }

    /// Locks the list of mappings, spinning with preemption off.
    #[doc(alias = "pvh_lock")]
    #[track_caller]
    pub fn lock(&self) -> PvGuard<'_> {
        crate::thread::preemption::disable();
        let held = crate::lock::held::note(
            crate::lock::Rank::PageMappings,
            crate::lock::held::Order::Rising,
        );
        super::bit_lock(&self.attributes, LOCKED);
        PvGuard { head: self, held }
    }

    /// Locks the list if nobody has it; allowed against the lock order.
    #[doc(alias = "pvh_try_lock")]
    pub fn try_lock(&self) -> Option<PvGuard<'_>> {
        crate::thread::preemption::disable();
        if self.attributes.fetch_or(LOCKED, Ordering::Acquire) & LOCKED != 0 {
            crate::thread::preemption::enable();
            return None;
        }
        Some(PvGuard {
            head: self,
            held: crate::lock::held::note_tried(crate::lock::Rank::PageMappings),
        })
    }
}

/// Proof that a frame's list of mappings is locked.
#[must_use = "the list is unlocked at once if the guard is dropped"]
pub struct PvGuard<'a> {
    head: &'a PvHead,
    held: crate::lock::held::Held,
}

impl PvGuard<'_> {
    /// The word that holds the list.
    pub fn word(&self) -> u64 {
        self.head.word.load(Ordering::Relaxed)
    }

    /// Replaces the word.
    pub fn set_word(&mut self, word: u64) {
        self.head.word.store(word, Ordering::Relaxed);
    }

    /// The head itself.
    pub fn head(&self) -> &PvHead {
        self.head
    }
}

impl Drop for PvGuard<'_> {
    fn drop(&mut self) {
        self.head.attributes.fetch_and(!LOCKED, Ordering::Release);
        self.held.release();
        crate::thread::preemption::enable();
    }
}

impl PageRecord {
    pub(crate) const fn new() -> Self {
        Self {
            pv: PvHead::new(),
            owner: AtomicU64::new(0),
            index: AtomicU64::new(0),
            hash_next: AtomicU32::new(NIL),
            left: AtomicU32::new(NIL),
            right: AtomicU32::new(NIL),
            queue_next: AtomicU32::new(NIL),
            queue_previous: AtomicU32::new(NIL),
            flags: AtomicU32::new(0),
            pins: AtomicU16::new(0),
            wires: AtomicU16::new(0),
            state: AtomicU8::new(FrameState::Absent as u8),
            order: AtomicU8::new(0),
            queue: AtomicU8::new(0),
            spare: AtomicU8::new(0),
        }
    }

    pub(crate) fn state(&self) -> FrameState {
        FrameState::from_number(self.state.load(Ordering::Acquire))
    }

    /// Sets the state without counting; [`super::account`] counts.
    pub(crate) fn set_state_uncounted(&self, state: FrameState) -> FrameState {
        FrameState::from_number(self.state.swap(state as u8, Ordering::AcqRel))
    }
}

/// A link as an optional frame.
pub(crate) fn link(value: u32) -> Option<FrameNumber> {
    (value != NIL).then_some(FrameNumber(value))
}
