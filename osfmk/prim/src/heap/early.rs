//! The heap before there are frames: a region in the image, by `buddy_system_allocator`.
//!
//! That crate's cost grows with the number of free blocks of one size (it scans their list on every free), which is
//! why it serves only the few allocations of early start-up.

use core::alloc::Layout;
use core::cell::UnsafeCell;
use core::ptr::{self, NonNull};

use buddy_system_allocator::Heap;

use crate::lock::{Rank, SpinLock};

const SIZE: usize = 64 * 1024;

#[repr(C, align(4096))]
struct Region(UnsafeCell<[u8; SIZE]>);
// SAFETY: only the heap below hands parts of it out, each to one owner.
unsafe impl Sync for Region {}

static REGION: Region = Region(UnsafeCell::new([0; SIZE]));
static HEAP: SpinLock<Option<Heap<17>>> = SpinLock::new(Rank::Heap, None);

pub(super) fn contains(pointer: *mut u8) -> bool {
    let start = REGION.0.get() as usize;
    (start..start + SIZE).contains(&(pointer as usize))
}

pub(super) fn allocate(layout: Layout) -> *mut u8 {
    let mut heap = HEAP.lock();
    let heap = heap.get_or_insert_with(|| {
        let mut heap = Heap::new();
        // SAFETY: the region is given over once, whole, and used by nobody else.
        unsafe { heap.init(REGION.0.get() as usize, SIZE) };
        heap
    });
    heap.alloc(layout).map_or(ptr::null_mut(), NonNull::as_ptr)
}

pub(super) fn free(pointer: *mut u8, layout: Layout) {
    if let (Some(heap), Some(pointer)) = (HEAP.lock().as_mut(), NonNull::new(pointer)) {
        // SAFETY: the pointer lies in the region, so it came from `allocate` with this layout.
        unsafe { heap.dealloc(pointer, layout) };
    }
}
