//! Contents of frames, through the direct map. No slice is ever formed over a frame: a user may
//! have it mapped.

use crate::address::{FrameNumber, phys_to_virt};
use crate::page::PAGE_SIZE;
use core::arch::global_asm;

global_asm!(include_str!("asm/frame_memory.S"));

unsafe extern "C" {
    fn frame_zero(start: *mut u8, length: usize, zva_block: usize);
    fn frame_copy(to: *mut u8, from: *const u8, length: usize);
}

/// A byte of a frame; `offset + length` must stay in the frame.
fn at(frame: FrameNumber, offset: usize, length: usize) -> *mut u8 {
    assert!(offset <= PAGE_SIZE && length <= PAGE_SIZE - offset);
    phys_to_virt(frame.phys().offset(offset as u64)).as_ptr()
}

/// Bytes that one DC ZVA clears, or 0 when it is forbidden.
fn zva_block() -> usize {
    let dczid = super::read_register!("dczid_el0");
    if dczid & 0x10 != 0 {
        0
    } else {
        4 << (dczid & 0xF)
    }
}

/// Fills `frame` with zeros.
#[doc(alias = "pmap_zero_page")]
pub fn zero(frame: FrameNumber) {
    // SAFETY: a whole frame of RAM in the direct map.
    unsafe { frame_zero(at(frame, 0, PAGE_SIZE), PAGE_SIZE, zva_block()) };
}

/// Copies `source` to `destination`.
#[doc(alias = "pmap_copy_page")]
pub fn copy(destination: FrameNumber, source: FrameNumber) {
    debug_assert_ne!(destination, source);
    let (to, from) = (at(destination, 0, PAGE_SIZE), at(source, 0, PAGE_SIZE));
    // SAFETY: two whole frames of RAM in the direct map.
    unsafe { frame_copy(to, from, PAGE_SIZE) };
}

/// Reads from `frame`, starting at `offset`.
pub fn read(frame: FrameNumber, offset: usize, buffer: &mut [u8]) {
    let from = at(frame, offset, buffer.len());
    // SAFETY: within the frame (checked); `buffer` is kernel memory of its own.
    unsafe { core::ptr::copy_nonoverlapping(from, buffer.as_mut_ptr(), buffer.len()) };
}

/// Writes to `frame`, starting at `offset`.
pub fn write(frame: FrameNumber, offset: usize, bytes: &[u8]) {
    let to = at(frame, offset, bytes.len());
    // SAFETY: as in `read`.
    unsafe { core::ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len()) };
}

/// Zeroes `length` bytes of `frame` from `offset`.
#[doc(alias = "pmap_zero_part_page")]
pub fn zero_part(frame: FrameNumber, offset: usize, length: usize) {
    // SAFETY: within the frame (checked).
    unsafe { core::ptr::write_bytes(at(frame, offset, length), 0, length) };
}

/// Copies `length` bytes between two frames (not within one).
#[doc(alias = "pmap_copy_part_page")]
pub fn copy_part(
    destination: FrameNumber,
    to: usize,
    source: FrameNumber,
    from: usize,
    length: usize,
) {
    assert!(destination != source);
    let (target, origin) = (at(destination, to, length), at(source, from, length));
    // SAFETY: within two different frames (checked).
    unsafe { core::ptr::copy_nonoverlapping(origin, target, length) };
}

/// Whether every byte of `frame` is `byte`.
#[must_use]
pub fn is_filled_with(frame: FrameNumber, byte: u8) -> bool {
    let pattern = u64::from_ne_bytes([byte; 8]);
    let words: *const u64 = at(frame, 0, PAGE_SIZE).cast();
    // SAFETY: aligned words within the frame; volatile, as a user may be writing.
    (0..PAGE_SIZE / 8).all(|index| unsafe { words.add(index).read_volatile() } == pattern)
}
