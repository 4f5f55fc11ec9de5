//! Planned failures of allocations on the current thread, for tests.
//!
//! A test that wants to see every failure path runs the operation again and again, letting the first, second, ...
//! n-th allocation fail until one run passes without a failure:
//!
//! ```
//! # prim::host::boot();
//! use prim::frames::{self, Reserve};
//! use prim::thread::injection::{self, Site};
//! injection::fail_nth(Site::Frames, 1);
//! assert!(frames::allocate(Reserve::Kernel).is_err());
//! assert!(frames::allocate(Reserve::Kernel).is_ok());
//! ```
//!
//! The plan belongs to a thread, so tests that run side by side do not disturb each other.

use core::sync::atomic::{AtomicU32, Ordering};

/// Which allocations.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Site {
    /// Frames of memory, single and contiguous.
    Frames,
    /// Admissions to a zone.
    Zones,
}

/// A thread's plan: calls left until one fails, 0 for none.
#[derive(Debug)]
pub(crate) struct Injection {
    frames: AtomicU32,
    zones: AtomicU32,
}

impl Injection {
    pub(crate) const fn new() -> Self {
        Self {
            frames: AtomicU32::new(0),
            zones: AtomicU32::new(0),
        }
    }

    fn counter(&self, site: Site) -> &AtomicU32 {
        match site {
            Site::Frames => &self.frames,
            Site::Zones => &self.zones,
        }
    }
}

/// The `n`-th allocation from now on by this thread fails (1 is the next one), once. 0 cancels the plan.
pub fn fail_nth(site: Site, n: u32) {
    super::current()
        .injection
        .counter(site)
        .store(n, Ordering::Relaxed);
}

/// Calls left until the planned failure; 0 when it has happened or none was planned.
pub fn remaining(site: Site) -> u32 {
    super::current()
        .injection
        .counter(site)
        .load(Ordering::Relaxed)
}

/// Counts one allocation of the current thread; says whether it must fail.
pub(crate) fn strikes(site: Site) -> bool {
    let Some(thread) = super::try_current() else {
        return false;
    };
    let counter = thread.injection.counter(site);
    let left = counter.load(Ordering::Relaxed);
    if left == 0 {
        return false;
    }
    counter.store(left - 1, Ordering::Relaxed);
    left == 1
}
