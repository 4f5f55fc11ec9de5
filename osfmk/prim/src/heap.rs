//! The kernel heap of the board: the global allocator.
//!
//! | request | served by |
//! |---|---|
//! | up to a quarter page, alignment up to 64 | `slab`: one frame cut into equal elements, a list of frames per size |
//! | larger | frames in a row |
//! | before the frames are set up | a small region in the image, by `buddy_system_allocator` |
//!
//! The sum of a slab's elements and its header is one frame, found from an element's address by masking. Frames come
//! with [`Reserve::Kernel`]: who may *cause* an allocation is decided before, by [`crate::zone`]. A failed allocation
//! returns null, so `try_reserve` works. Not to be used by interrupt handlers; that is asserted.
//!
//! XNU counterpart: `kalloc`, `zone_cram`, `kmem_alloc`.

mod early;
mod slab;

use core::alloc::{GlobalAlloc, Layout};
use core::ptr;
use core::sync::atomic::{AtomicUsize, Ordering};

use machine::page::{PAGE_SHIFT, PAGE_SIZE};
use machine::{PhysAddr, VirtAddr, address, cpu, interrupts};

use crate::frames::{self, ContiguousFrames, FrameState, Reserve};

pub use slab::{ClassStatistics, classes};

/// The allocator; its state is in statics.
struct KernelHeap;

#[global_allocator]
static HEAP: KernelHeap = KernelHeap;

/// Bytes in allocations of whole frames.
static LARGE_BYTES: AtomicUsize = AtomicUsize::new(0);

/// Bytes in allocations of whole frames, at about this moment.
pub fn large_bytes() -> usize {
    LARGE_BYTES.load(Ordering::Relaxed)
}

// SAFETY: each branch gives memory of the layout's size and alignment that nobody else has: an element of a slab
// (exclusively unlinked under its class's lock), a run of frames owned by the heap, or a block of the early region.
// `dealloc` finds the branch again from the address and the layout, which are the same as on allocation.
unsafe impl GlobalAlloc for KernelHeap {
    #[doc(alias = "kalloc")]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        debug_assert!(
            !in_interrupt_handler(),
            "allocation in an interrupt handler"
        );
        if !frames::is_installed() {
            return early::allocate(layout);
        }
        match slab::class_of(layout) {
            Some(class) => slab::allocate(class),
            None => allocate_frames(layout),
        }
    }

    #[doc(alias = "kfree")]
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        debug_assert!(!in_interrupt_handler(), "freeing in an interrupt handler");
        if early::contains(pointer) {
            early::free(pointer, layout);
        } else if let Some(class) = slab::class_of(layout) {
            // SAFETY: the pointer came from `slab::allocate(class)`, as the layout is the same.
            unsafe { slab::free(class, pointer) };
        } else {
            free_frames(pointer, layout);
        }
    }
}

/// Handlers run with interrupts masked; then this cannot move to another processor while it looks.
fn in_interrupt_handler() -> bool {
    !interrupts::are_enabled() && cpu::local().interrupt_depth.load(Ordering::Relaxed) != 0
}

/// Frames in a row for a large layout; alignment beyond the run's own is refused.
fn order_of(layout: Layout) -> usize {
    let bytes = layout.size().max(layout.align()).max(PAGE_SIZE);
    bytes.div_ceil(PAGE_SIZE).next_power_of_two().ilog2() as usize
}

fn allocate_frames(layout: Layout) -> *mut u8 {
    let order = order_of(layout);
    let Ok(run) = frames::allocate_contiguous(order, Reserve::Kernel) else {
        return ptr::null_mut();
    };
    LARGE_BYTES.fetch_add(PAGE_SIZE << order, Ordering::Relaxed);
    let phys: PhysAddr = run.into_use(FrameState::Heap).phys();
    address::phys_to_virt(phys).as_ptr()
}

fn free_frames(pointer: *mut u8, layout: Layout) {
    let order = order_of(layout);
    let first = address::virt_to_phys(VirtAddr(pointer as u64)).frame();
    debug_assert_eq!(pointer as usize & ((1 << PAGE_SHIFT) - 1), 0);
    let run = ContiguousFrames::reclaim(first, order, FrameState::Heap);
    assert!(
        run.is_some(),
        "freeing {pointer:?}, which is not of the heap"
    );
    LARGE_BYTES.fetch_sub(PAGE_SIZE << order, Ordering::Relaxed);
}
