//! Small elements: frames cut into equal parts.
//!
//! Sizes are multiples of 16 up to 128, then four per doubling, up to a quarter page. Each size has a list of frames
//! that have free elements, under its own lock; full frames are on no list; one empty frame per size is kept.
//! A frame starts with its header, whose fields and whose elements' free links belong to the holder of the size's lock.
//!
//! XNU counterpart: `zone_t`'s page lists, `kalloc` size classes.

use core::alloc::Layout;
use core::ptr;
use core::sync::atomic::{AtomicUsize, Ordering};

use machine::page::PAGE_SIZE;
use machine::{PhysAddr, VirtAddr, address};

use crate::frames::{self, FrameNumber, FrameState, OwnedFrame, Reserve};
use crate::lock::{Rank, SpinLock};

/// Room for the header; also the largest alignment of elements.
const HEADER: usize = 64;
const SMALLEST: usize = 16;
const LARGEST: usize = PAGE_SIZE / 4;
/// Sizes up to 128 in steps of 16, then four per doubling.
const CLASSES: usize = 8 + 4 * (LARGEST.ilog2() as usize - 7);
const MAGIC: u32 = 0x51AB_51AB;

/// The element size of a class.
const fn size_of_class(class: usize) -> usize {
    if class < 8 {
        return SMALLEST * (class + 1);
    }
    let doubling = (class - 8) / 4;
    let quarter = 32 << doubling;
    (128 << doubling) + quarter * ((class - 8) % 4 + 1)
}

const _: () = assert!(size_of_class(CLASSES - 1) == LARGEST);

/// The class that serves a layout, if one does.
pub(super) fn class_of(layout: Layout) -> Option<usize> {
    if layout.align() > HEADER {
        return None;
    }
    let size = layout.size().max(1).next_multiple_of(layout.align());
    if size > LARGEST {
        return None;
    }
    let first = if size <= 128 {
        size.div_ceil(SMALLEST) - 1
    } else {
        let doubling = (size - 1).ilog2() as usize - 7;
        8 + 4 * doubling + (size - (128 << doubling)).div_ceil(32 << doubling) - 1
    };
    if layout.align() <= SMALLEST {
        return Some(first);
    }
    (first..CLASSES).find(|class| size_of_class(*class).is_multiple_of(layout.align()))
}

/// At the start of each frame.
struct Header {
    magic: u32,
    class: u32,
    /// Neighbours in the list of frames with free elements.
    next: *mut Header,
    previous: *mut Header,
    /// Free elements that were used before, linked through their first word.
    free: *mut u8,
    /// Elements handed out.
    used: u32,
    /// Elements that were never handed out start at this number.
    fresh: u32,
}

const _: () = assert!(size_of::<Header>() <= HEADER);

struct Class {
    /// Frames with free elements.
    partial: *mut Header,
    /// One frame without used elements, on no list.
    spare: *mut Header,
}

// SAFETY: the pointers are to frames of the heap, which belong to the class.
unsafe impl Send for Class {}

static CLASSES_OF: [SpinLock<Class>; CLASSES] = [const {
    SpinLock::new(
        Rank::Heap,
        Class {
            partial: ptr::null_mut(),
            spare: ptr::null_mut(),
        },
    )
}; CLASSES];
static USED: [AtomicUsize; CLASSES] = [const { AtomicUsize::new(0) }; CLASSES];
static FRAMES: [AtomicUsize; CLASSES] = [const { AtomicUsize::new(0) }; CLASSES];

/// Figures of one element size.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClassStatistics {
    /// Bytes of an element.
    pub element_size: usize,
    /// Elements in use.
    pub used: usize,
    /// Frames held.
    pub frames: usize,
}

/// The figures of every element size, at about this moment.
pub fn classes() -> impl Iterator<Item = ClassStatistics> {
    (0..CLASSES).map(|class| ClassStatistics {
        element_size: size_of_class(class),
        used: USED[class].load(Ordering::Relaxed),
        frames: FRAMES[class].load(Ordering::Relaxed),
    })
}

fn capacity(class: usize) -> u32 {
    ((PAGE_SIZE - HEADER) / size_of_class(class)) as u32
}

pub(super) fn allocate(class: usize) -> *mut u8 {
    let mut guard = CLASSES_OF[class].lock();
    if guard.partial.is_null() {
        let fresh = core::mem::take(&mut guard.spare);
        let fresh = if fresh.is_null() {
            new_frame(class)
        } else {
            fresh
        };
        if fresh.is_null() {
            return ptr::null_mut();
        }
        guard.link(fresh);
    }
    let frame = guard.partial;
    USED[class].fetch_add(1, Ordering::Relaxed);
    // SAFETY: frames on the list are the class's, under whose lock we are; `fresh` is below the capacity when there is
    // no used free element, since the frame is on the list.
    unsafe {
        let element = if (*frame).free.is_null() {
            let number = (*frame).fresh as usize;
            (*frame).fresh += 1;
            frame
                .cast::<u8>()
                .add(HEADER + number * size_of_class(class))
        } else {
            let element = (*frame).free;
            (*frame).free = element.cast::<*mut u8>().read();
            element
        };
        (*frame).used += 1;
        if (*frame).used == capacity(class) {
            guard.unlink(frame);
        }
        element
    }
}

/// Gives an element back.
///
/// # Safety
/// `element` came from [`allocate`] of the same class and is not used any more.
pub(super) unsafe fn free(class: usize, element: *mut u8) {
    let frame = (element as usize & !(PAGE_SIZE - 1)) as *mut Header;
    let mut guard = CLASSES_OF[class].lock();
    USED[class].fetch_sub(1, Ordering::Relaxed);
    // SAFETY: the element lies in a frame of the class, under whose lock we are.
    let unused = unsafe {
        assert!(
            (*frame).magic == MAGIC && (*frame).class == class as u32,
            "freeing {element:?}, which is not of the heap"
        );
        element.cast::<*mut u8>().write((*frame).free);
        (*frame).free = element;
        if (*frame).used == capacity(class) {
            guard.link(frame);
        }
        (*frame).used -= 1;
        (*frame).used == 0
    };
    if unused {
        guard.unlink(frame);
        let other = core::mem::replace(&mut guard.spare, frame);
        drop(guard);
        if !other.is_null() {
            return_frame(class, other);
        }
    }
}

impl Class {
    fn link(&mut self, frame: *mut Header) {
        // SAFETY: the class's frames, under its lock.
        unsafe {
            (*frame).previous = ptr::null_mut();
            (*frame).next = self.partial;
            if !self.partial.is_null() {
                (*self.partial).previous = frame;
            }
        }
        self.partial = frame;
    }

    fn unlink(&mut self, frame: *mut Header) {
        // SAFETY: the class's frames, under its lock; `frame` is on the list.
        unsafe {
            let (previous, next) = ((*frame).previous, (*frame).next);
            if previous.is_null() {
                self.partial = next;
            } else {
                (*previous).next = next;
            }
            if !next.is_null() {
                (*next).previous = previous;
            }
        }
    }
}

/// A frame with a header and no element used; null if there is none.
fn new_frame(class: usize) -> *mut Header {
    let Ok(frame) = frames::allocate(Reserve::Kernel) else {
        return ptr::null_mut();
    };
    let phys: PhysAddr = frame.into_use(FrameState::Heap).phys();
    let header = address::phys_to_virt(phys).as_ptr::<Header>();
    let empty = Header {
        magic: MAGIC,
        class: class as u32,
        next: ptr::null_mut(),
        previous: ptr::null_mut(),
        free: ptr::null_mut(),
        used: 0,
        fresh: 0,
    };
    // SAFETY: a whole frame that is the heap's alone, page-aligned and mapped by the direct map.
    unsafe { header.write(empty) };
    FRAMES[class].fetch_add(1, Ordering::Relaxed);
    header
}

fn return_frame(class: usize, frame: *mut Header) {
    // SAFETY: the frame is on no list and holds no element in use.
    unsafe { (*frame).magic = 0 };
    FRAMES[class].fetch_sub(1, Ordering::Relaxed);
    let number: FrameNumber = address::virt_to_phys(VirtAddr(frame as u64)).frame();
    let owned = OwnedFrame::reclaim(number, FrameState::Heap);
    debug_assert!(owned.is_some(), "a frame of the heap is in its state");
}
