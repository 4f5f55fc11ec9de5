//! Contents of frames. The twin panics when a frame is zeroed or copied into while a user
//! translation still reaches it: it was reused before it was unmapped and flushed.

use crate::address::FrameNumber;
use crate::host::{ram, tlb};
use crate::page::PAGE_SIZE;

fn assert_unreachable(frame: FrameNumber) {
    if let Some((asid, page)) = tlb::reaches(frame) {
        panic!("{frame:?} is reused while ASID {asid:?} still reaches it at {page:#x}");
    }
}

/// Fills `frame` with zeros.
#[doc(alias = "pmap_zero_page")]
pub fn zero(frame: FrameNumber) {
    assert_unreachable(frame);
    ram::mark_written(frame);
    // SAFETY: the frame is RAM (checked by `pointer`), a whole page long.
    unsafe { ram::pointer(frame.phys()).write_bytes(0, PAGE_SIZE) };
}

/// Copies `source` to `destination`.
#[doc(alias = "pmap_copy_page")]
pub fn copy(destination: FrameNumber, source: FrameNumber) {
    assert_unreachable(destination);
    ram::mark_written(destination);
    assert_ne!(destination, source);
    let (to, from) = (
        ram::pointer(destination.phys()),
        ram::pointer(source.phys()),
    );
    // SAFETY: two different frames of RAM, each a whole page long.
    unsafe { to.copy_from_nonoverlapping(from, PAGE_SIZE) };
}

/// Reads from `frame`, starting at `offset`.
pub fn read(frame: FrameNumber, offset: usize, buffer: &mut [u8]) {
    ram::read(frame.phys().offset(offset as u64), buffer);
}

/// Writes to `frame`, starting at `offset`.
pub fn write(frame: FrameNumber, offset: usize, bytes: &[u8]) {
    ram::write(frame.phys().offset(offset as u64), bytes);
}

/// Zeroes `length` bytes of `frame` from `offset`.
#[doc(alias = "pmap_zero_part_page")]
pub fn zero_part(frame: FrameNumber, offset: usize, length: usize) {
    assert!(offset + length <= PAGE_SIZE);
    ram::mark_written(frame);
    // SAFETY: the span lies in one frame of RAM.
    unsafe { ram::pointer(frame.phys().offset(offset as u64)).write_bytes(0, length) };
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
    assert!(to + length <= PAGE_SIZE && from + length <= PAGE_SIZE && destination != source);
    ram::mark_written(destination);
    let target = ram::pointer(destination.phys().offset(to as u64));
    let origin = ram::pointer(source.phys().offset(from as u64));
    // SAFETY: spans within two different frames of RAM.
    unsafe { target.copy_from_nonoverlapping(origin, length) };
}

/// Whether every byte of `frame` is `byte`.
#[must_use]
pub fn is_filled_with(frame: FrameNumber, byte: u8) -> bool {
    let mut buffer = vec![0; PAGE_SIZE];
    read(frame, 0, &mut buffer);
    buffer.iter().all(|&found| found == byte)
}
