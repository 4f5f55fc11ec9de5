//! Access to descriptors in table memory, through the direct map.
//!
//! `at` must be an aligned word of a page that is a table: the callers are the kernel's mapper and
//! `pmap`, which own their table pages. Descriptors are only ever accessed as atomics.

use crate::address::{PhysAddr, phys_to_virt};
use core::sync::atomic::{AtomicU64, Ordering};

fn word(at: PhysAddr) -> &'static AtomicU64 {
    debug_assert!(at.0 & 7 == 0);
    // SAFETY: table pages are RAM, which the direct map covers for good; words of tables are
    // accessed by atomics only (and by the walker).
    unsafe { AtomicU64::from_ptr(phys_to_virt(at).as_ptr()) }
}

/// Reads a descriptor.
#[must_use]
pub fn read_descriptor(at: PhysAddr) -> u64 {
    word(at).load(Ordering::Acquire)
}

/// Writes a descriptor.
pub fn write_descriptor(at: PhysAddr, value: u64) {
    word(at).store(value, Ordering::Release);
}

/// Replaces `current` by `new` in one step; the error is what stood there.
pub fn compare_exchange_descriptor(at: PhysAddr, current: u64, new: u64) -> Result<(), u64> {
    word(at)
        .compare_exchange(current, new, Ordering::AcqRel, Ordering::Acquire)
        .map(drop)
}
