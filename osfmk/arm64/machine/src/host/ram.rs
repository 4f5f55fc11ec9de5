//! Simulated RAM: frames at [`BASE`] and up, created at first use, alive until the process ends.

use crate::address::{FrameNumber, PhysAddr};
use crate::page::{PAGE_SHIFT, PAGE_SIZE};
use std::alloc::{Layout, alloc_zeroed};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Physical address of the first frame, as on QEMU `virt`.
pub const BASE: u64 = 0x4000_0000;
/// Bytes that are installed when nobody asked for another size.
pub const DEFAULT_SIZE: usize = 64 << 20;
/// Frames at the start that play the kernel image: the kernel's root table is the first.
pub const RESERVED_FRAMES: u32 = 4;

struct Ram {
    base: *mut u8,
    frames: u32,
    /// Per frame: written since its last instruction-cache synchronisation.
    unsynchronised: Box<[AtomicBool]>,
}

// SAFETY: `base` points to memory that is never freed; concurrent access is what RAM is for, and
// the code under test orders it as it would on the machine.
unsafe impl Send for Ram {}
// SAFETY: as above.
unsafe impl Sync for Ram {}

static RAM: OnceLock<Ram> = OnceLock::new();

/// A run of frames.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FrameRange {
    /// The first frame.
    pub start: FrameNumber,
    /// How many.
    pub count: u32,
}

fn create(frames: u32) -> Ram {
    let size = frames as usize * PAGE_SIZE;
    let layout = Layout::from_size_align(size, PAGE_SIZE).expect("a RAM size fits a layout");
    // SAFETY: `size` is not zero: every caller asks for more than the reserved frames.
    let base = unsafe { alloc_zeroed(layout) };
    assert!(!base.is_null(), "the host has no memory for simulated RAM");
    Ram {
        base,
        frames,
        unsynchronised: (0..frames).map(|_| AtomicBool::new(false)).collect(),
    }
}

fn ram() -> &'static Ram {
    RAM.get_or_init(|| create((DEFAULT_SIZE / PAGE_SIZE) as u32))
}

/// Installs RAM of `frames` frames unless RAM exists already, and returns what may be used: all
/// but the reserved frames.
pub fn install(frames: u32) -> FrameRange {
    assert!(frames > RESERVED_FRAMES, "no frame left to use");
    RAM.get_or_init(|| create(frames));
    range()
}

/// The usable frames.
#[must_use]
pub fn range() -> FrameRange {
    FrameRange {
        start: FrameNumber((BASE >> PAGE_SHIFT) as u32 + RESERVED_FRAMES),
        count: ram().frames - RESERVED_FRAMES,
    }
}

/// The frame of the kernel's root table.
#[must_use]
pub fn kernel_root() -> PhysAddr {
    PhysAddr(BASE)
}

/// Whether `frame` is RAM.
#[must_use]
pub fn contains(frame: FrameNumber) -> bool {
    index(frame).is_some()
}

fn index(frame: FrameNumber) -> Option<usize> {
    let index = frame.0.checked_sub((BASE >> PAGE_SHIFT) as u32)?;
    (index < ram().frames).then_some(index as usize)
}

/// The host pointer to a simulated byte. Panics when it is no RAM: a stray physical address.
#[must_use]
pub fn pointer(physical: PhysAddr) -> *mut u8 {
    let Some(index) = index(physical.frame()) else {
        panic!("{physical:?} is not RAM");
    };
    let offset = index * PAGE_SIZE + physical.page_offset() as usize;
    // SAFETY: `offset` lies within the allocation, as `index` is below its number of frames.
    unsafe { ram().base.add(offset) }
}

/// The physical address of a simulated byte.
#[must_use]
pub fn physical(pointer: *const u8) -> PhysAddr {
    let offset = (pointer as usize).wrapping_sub(ram().base as usize);
    assert!(
        offset < ram().frames as usize * PAGE_SIZE,
        "{pointer:?} is not in simulated RAM"
    );
    PhysAddr(BASE + offset as u64)
}

/// Reads bytes that lie in one frame.
pub(crate) fn read(at: PhysAddr, buffer: &mut [u8]) {
    check_span(at, buffer.len());
    // SAFETY: the span lies within one frame of RAM (checked), `buffer` is not in RAM because RAM
    // is only reached through pointers made here.
    unsafe { pointer(at).copy_to_nonoverlapping(buffer.as_mut_ptr(), buffer.len()) };
}

/// Writes bytes that lie in one frame.
pub(crate) fn write(at: PhysAddr, bytes: &[u8]) {
    check_span(at, bytes.len());
    mark_written(at.frame());
    // SAFETY: as in `read`.
    unsafe { pointer(at).copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
}

fn check_span(at: PhysAddr, length: usize) {
    assert!(
        at.page_offset() as usize + length <= PAGE_SIZE,
        "{length} bytes at {at:?} leave their frame"
    );
}

/// An aligned 64-bit word of RAM.
pub(crate) fn word(at: PhysAddr) -> &'static AtomicU64 {
    assert!(at.0.is_multiple_of(8), "{at:?} is misaligned");
    // SAFETY: aligned, within RAM (checked by `pointer`), never freed; words used as descriptors
    // are only accessed as atomics.
    unsafe { AtomicU64::from_ptr(pointer(at).cast()) }
}

/// An aligned 32-bit word of RAM.
pub(crate) fn half_word(at: PhysAddr) -> &'static std::sync::atomic::AtomicU32 {
    assert!(at.0.is_multiple_of(4), "{at:?} is misaligned");
    // SAFETY: as in `word`.
    unsafe { std::sync::atomic::AtomicU32::from_ptr(pointer(at).cast()) }
}

/// Notes that instruction caches may hold something else than `frame` does.
pub(crate) fn mark_written(frame: FrameNumber) {
    if let Some(index) = index(frame) {
        ram().unsynchronised[index].store(true, Ordering::Relaxed);
    }
}

/// Notes that instruction caches agree with `frame`.
pub(crate) fn mark_synchronised(frame: FrameNumber) {
    if let Some(index) = index(frame) {
        ram().unsynchronised[index].store(false, Ordering::Relaxed);
    }
}

/// Whether an instruction fetch from `frame` may see stale contents.
#[must_use]
pub fn is_unsynchronised(frame: FrameNumber) -> bool {
    index(frame).is_some_and(|index| ram().unsynchronised[index].load(Ordering::Relaxed))
}
