//! For tests on the host: a booted twin.
//!
//! [`boot`] sets up simulated memory and its page records once for the process; everything else starts by itself.
//! Frames are global, so tests that count them run one at a time ([`exclusive`]).

use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use machine::PhysAddr;
use machine::host::ram;
use machine::page::{PAGE_SHIFT, PAGE_SIZE};

use crate::frames::{self, MemoryRange};

/// Frames of simulated memory when nobody asks for another number: 64 MiB.
pub const DEFAULT_FRAMES: u32 = (ram::DEFAULT_SIZE / PAGE_SIZE) as u32;

/// Boots the twin with 64 MiB. Any number of calls, from any thread.
pub fn boot() {
    boot_with(DEFAULT_FRAMES);
}

/// Boots the twin with this much memory, unless it is booted already.
pub fn boot_with(count: u32) {
    static BOOTED: Once = Once::new();
    BOOTED.call_once(|| {
        let range = ram::install(count);
        let start = u64::from(range.start.0) << PAGE_SHIFT;
        let end = start + (u64::from(range.count) << PAGE_SHIFT);
        let memory = MemoryRange {
            start: PhysAddr(start),
            end: PhysAddr(end),
        };
        // SAFETY: simulated memory that was just installed and that nobody uses.
        unsafe { frames::install(&[memory], &[]) };
        // Now, while there is memory for their threads: a test may use all of it up.
        let started = crate::clock::start_callout_thread().and_then(|()| crate::reaper::start());
        assert!(started.is_ok(), "the twin's own threads start");
    });
}

/// Boots the twin and lets no other caller of this function run at the same time: for tests that count frames, fill
/// memory or validate it.
pub fn exclusive() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    boot();
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}
