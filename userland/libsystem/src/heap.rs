//! The heap: talc over anonymous mappings, grown 256 KiB or more at a time.

use crate::memory;
use bsd_sys::mman::Prot;
use core::alloc::Layout;
use core::sync::atomic::{AtomicBool, Ordering};
use talc::TalcLock;
use talc::base::Talc;
use talc::base::binning::Binning;
use talc::lock_api::{GuardSend, RawMutex};
use talc::source::Source;

/// Fewest bytes fetched from the kernel at a time.
const STEP: usize = 256 * 1024;

/// Memory from the kernel; it is not given back before the program ends.
#[derive(Debug)]
struct Anonymous;

// SAFETY: `acquire` uses nothing but a system call and the `talc` it is given.
unsafe impl Source for Anonymous {
    fn acquire<B: Binning>(talc: &mut Talc<Self, B>, layout: Layout) -> Result<(), ()> {
        // Room for the request, its alignment, and the allocator's own records.
        let wanted = layout
            .size()
            .checked_add(layout.align())
            .and_then(|size| size.checked_add(STEP / 4));
        let size = wanted.ok_or(())?.max(STEP).next_multiple_of(64 * 1024);
        let base = memory::map_anonymous(size, Prot::READ | Prot::WRITE).map_err(|_| ())?;
        // SAFETY: the range is fresh memory that nobody else knows.
        unsafe { talc.claim(base as *mut u8, size) }
            .map(|_| ())
            .ok_or(())
    }
}

/// A lock that yields the processor while it waits.
struct Yielding(AtomicBool);

// SAFETY: `try_lock` succeeds for one holder at a time, until its `unlock`.
unsafe impl RawMutex for Yielding {
    #[allow(clippy::declare_interior_mutable_const)]
    const INIT: Self = Self(AtomicBool::new(false));
    type GuardMarker = GuardSend;

    fn lock(&self) {
        while !self.try_lock() {
            crate::mach_call::yield_processor();
        }
    }

    fn try_lock(&self) -> bool {
        !self.0.swap(true, Ordering::Acquire)
    }

    unsafe fn unlock(&self) {
        self.0.store(false, Ordering::Release);
    }
}

#[global_allocator]
static HEAP: TalcLock<Yielding, Anonymous> = TalcLock::new(Anonymous);
