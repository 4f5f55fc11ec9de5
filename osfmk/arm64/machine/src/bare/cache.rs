//! Cache maintenance by frame, through the direct map.

use crate::address::{FrameNumber, phys_to_virt};
use crate::page::PAGE_SIZE;
use core::arch::asm;

/// Bytes of the smallest data cache line (CTR_EL0.DminLine).
fn line_size() -> usize {
    4 << (super::read_register!("ctr_el0") >> 16 & 0xF)
}

/// Makes instruction fetches on all CPUs see what was written to `frame`.
#[doc(alias = "pmap_sync_page_data_phys")]
pub fn synchronise_instructions(frame: FrameNumber) {
    let start = phys_to_virt(frame.phys()).0;
    for line in (start..start + PAGE_SIZE as u64).step_by(line_size()) {
        // SAFETY: cleaning a line of RAM changes nothing that memory accesses can see.
        unsafe { asm!("dc cvau, {}", in(reg) line, options(nostack)) };
    }
    // SAFETY: as above; the whole instruction cache, as the frame is executed under other
    // addresses than the direct map's.
    unsafe { asm!("dsb ish", "ic ialluis", "dsb ish", "isb", options(nostack)) };
}

/// Writes back and forgets the data cache lines of `frame`, for devices that do not snoop.
pub fn clean_and_invalidate_data(frame: FrameNumber) {
    let start = phys_to_virt(frame.phys()).0;
    for line in (start..start + PAGE_SIZE as u64).step_by(line_size()) {
        // SAFETY: as above.
        unsafe { asm!("dc civac, {}", in(reg) line, options(nostack)) };
    }
    super::barrier::full();
}
