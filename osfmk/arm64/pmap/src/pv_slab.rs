//! Where pv entries come from: frames cut into cache lines.
//!
//! ```text
//!   frame:  | header | entry | entry | entry | ...            64 bytes each
//!   header: word 0 next page with free entries, 1 previous one, 2 number of free entries, 3 first free entry
//!   a free entry: word 0 the next free entry of its page
//! ```
//!
//! Entries are fetched by [`crate::TableReserve::fill`] while no lock is held; they are given back under a pv
//! lock, which is why this is not the kernel heap. One wholly free page is kept, further ones become frames
//! again. Words are reached through the direct map as relaxed atomics; the slab's lock (a page's header and free
//! entries) or the owner of the entry orders them.
//!
//! XNU counterpart: `pv_alloc`, `pv_free` and `pmap_pages` batches (`osfmk/arm/pmap/pmap_data.c`).

use core::sync::atomic::{AtomicU64, Ordering};

use arrayvec::ArrayVec;
use machine::address::{PhysAddr, phys_to_virt};
use machine::page::{PAGE_MASK, PAGE_SIZE};
use prim::frames::{self, FrameState, OutOfFrames, OwnedFrame, Reserve};
use prim::lock::{Rank, SpinLock};

/// Bytes of an entry.
pub(crate) const ENTRY_SIZE: u64 = 64;
/// Entries of a page, after its header.
const PER_PAGE: u64 = PAGE_SIZE as u64 / ENTRY_SIZE - 1;

const NEXT: u64 = 0;
const PREVIOUS: u64 = 8;
const FREE: u64 = 16;
const FIRST: u64 = 24;

static SLAB: SpinLock<Slab> = SpinLock::new(
    Rank::PvEntries,
    Slab {
        partial: 0,
        spare: 0,
        pages: 0,
        in_use: 0,
    },
);

/// Guarded by its lock, as are the headers and free entries of its pages.
struct Slab {
    /// First page with a free entry; 0 = none. Linked both ways.
    partial: u64,
    /// How many pages are wholly free.
    spare: usize,
    pages: usize,
    in_use: usize,
}

/// A pv entry that is not in a chain; goes back to its page when dropped.
#[derive(Debug)]
pub(crate) struct PvEntry(PhysAddr);

/// How many pv entries and pages of them there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PvStatistics {
    /// Entries in chains or in somebody's reserve.
    pub entries_in_use: usize,
    /// Frames cut into entries.
    pub pages: usize,
}

/// Counters of the slab.
pub fn statistics() -> PvStatistics {
    let slab = SLAB.lock();
    PvStatistics {
        entries_in_use: slab.in_use,
        pages: slab.pages,
    }
}

impl PvEntry {
    /// Fetches an entry; takes a frame of `class` when no page has a free one. No spinning lock of lower rank
    /// than the frames' may be in the way: called with none held.
    pub(crate) fn allocate(class: Reserve) -> Result<Self, OutOfFrames> {
        if let Some(entry) = SLAB.lock().take() {
            return Ok(entry);
        }
        let page = frames::allocate(class)?;
        let mut slab = SLAB.lock();
        slab.add_page(page);
        Ok(slab.take().expect("a page was just added"))
    }

    /// Fetches entries until `entries` holds `count`, as far as they can be had without a frame.
    pub(crate) fn take_ready<const N: usize>(entries: &mut ArrayVec<Self, N>, count: usize) {
        let mut slab = SLAB.lock();
        while entries.len() < count.min(N) {
            let Some(entry) = slab.take() else { return };
            entries.push(entry);
        }
    }

    /// Gives back all of `entries`.
    pub(crate) fn give_back_all<const N: usize>(entries: &mut ArrayVec<Self, N>) {
        let mut pages: ArrayVec<OwnedFrame, N> = ArrayVec::new();
        let mut slab = SLAB.lock();
        for entry in entries.drain(..) {
            pages.extend(slab.give_back(entry.into_address()));
        }
        drop(slab);
        // Frames are freed outside the slab's lock.
        drop(pages);
    }

    /// The entry becomes part of a chain.
    pub(crate) fn into_address(self) -> PhysAddr {
        let address = self.0;
        core::mem::forget(self);
        address
    }

    /// The entry leaves its chain.
    pub(crate) const fn from_address(address: PhysAddr) -> Self {
        Self(address)
    }
}

impl Drop for PvEntry {
    fn drop(&mut self) {
        let page = SLAB.lock().give_back(self.0);
        // Frames are freed outside the slab's lock.
        drop(page);
    }
}

impl Slab {
    fn add_page(&mut self, frame: OwnedFrame) {
        let page = frame.into_use(FrameState::Heap).phys();
        for index in 1..=PER_PAGE {
            let next = if index < PER_PAGE {
                page.0 + (index + 1) * ENTRY_SIZE
            } else {
                0
            };
            store(page.offset(index * ENTRY_SIZE), next);
        }
        store(page.offset(FIRST), page.0 + ENTRY_SIZE);
        store(page.offset(FREE), PER_PAGE);
        self.link(page);
        self.pages += 1;
        self.spare += 1;
    }

    fn take(&mut self) -> Option<PvEntry> {
        if self.partial == 0 {
            return None;
        }
        let page = PhysAddr(self.partial);
        let entry = PhysAddr(load(page.offset(FIRST)));
        let free = load(page.offset(FREE));
        store(page.offset(FIRST), load(entry));
        store(page.offset(FREE), free - 1);
        if free == PER_PAGE {
            self.spare -= 1;
        }
        if free == 1 {
            self.unlink(page);
        }
        self.in_use += 1;
        Some(PvEntry(entry))
    }

    /// Returns the page's frame if it is free altogether and another one is kept already.
    fn give_back(&mut self, entry: PhysAddr) -> Option<OwnedFrame> {
        let page = PhysAddr(entry.0 & !PAGE_MASK);
        let free = load(page.offset(FREE)) + 1;
        store(entry, load(page.offset(FIRST)));
        store(page.offset(FIRST), entry.0);
        store(page.offset(FREE), free);
        self.in_use -= 1;
        if free == 1 {
            self.link(page);
        }
        if free < PER_PAGE {
            return None;
        }
        if self.spare == 0 {
            self.spare = 1;
            return None;
        }
        self.unlink(page);
        self.pages -= 1;
        OwnedFrame::reclaim(page.frame(), FrameState::Heap)
    }

    fn link(&mut self, page: PhysAddr) {
        store(page.offset(NEXT), self.partial);
        store(page.offset(PREVIOUS), 0);
        if self.partial != 0 {
            store(PhysAddr(self.partial).offset(PREVIOUS), page.0);
        }
        self.partial = page.0;
    }

    fn unlink(&mut self, page: PhysAddr) {
        let (next, previous) = (load(page.offset(NEXT)), load(page.offset(PREVIOUS)));
        if next != 0 {
            store(PhysAddr(next).offset(PREVIOUS), previous);
        }
        if previous != 0 {
            store(PhysAddr(previous).offset(NEXT), next);
        } else {
            self.partial = next;
        }
    }
}

fn word(at: PhysAddr) -> &'static AtomicU64 {
    debug_assert!(at.0.is_multiple_of(8));
    // SAFETY: `at` lies in a frame that `add_page` took over (only such addresses are stored in pv words and
    // headers), the direct map shows it for as long, and everybody reaches it as atomics.
    unsafe { AtomicU64::from_ptr(phys_to_virt(at).as_ptr()) }
}

/// Reads a word of an entry.
pub(crate) fn load(at: PhysAddr) -> u64 {
    word(at).load(Ordering::Relaxed)
}

/// Writes a word of an entry.
pub(crate) fn store(at: PhysAddr, value: u64) {
    word(at).store(value, Ordering::Relaxed);
}
