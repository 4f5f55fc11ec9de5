//! Memory barriers.

use core::arch::asm;

/// Orders all earlier accesses before all later ones, devices included.
#[inline]
pub fn full() {
    // SAFETY: a barrier.
    unsafe { asm!("dsb sy", options(nostack, preserves_flags)) };
}

/// Makes earlier descriptor writes visible to table walks; needed after an invalid descriptor
/// became valid.
#[inline]
pub fn publish_tables() {
    // SAFETY: barriers.
    unsafe { asm!("dsb ishst", "isb", options(nostack, preserves_flags)) };
}

/// Synchronises the instruction stream.
#[inline]
pub fn instruction() {
    // SAFETY: a barrier.
    unsafe { asm!("isb", options(nostack, preserves_flags)) };
}
