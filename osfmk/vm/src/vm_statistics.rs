//! Event counters of the virtual-memory system: what `vm_stat` and `host_statistics64` report.
//!
//! Counting only, never deciding. XNU counterpart: `vm_statistics64`, `VM_STAT_INCR`.

use core::sync::atomic::{AtomicU64, Ordering};

/// A counter that only grows.
#[derive(Debug)]
pub struct Counter(AtomicU64);

impl Counter {
    const fn new() -> Counter {
        Counter(AtomicU64::new(0))
    }

    /// Counts `amount` events.
    pub fn add(&self, amount: u64) {
        self.0.fetch_add(amount, Ordering::Relaxed);
    }

    /// Events so far.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

macro_rules! counters {
    ($($(#[$meta:meta])* $name:ident;)*) => {
        $($(#[$meta])* pub static $name: Counter = Counter::new();)*
    };
}

counters! {
    /// Faults taken.
    FAULTS;
    /// Pages copied up for a write.
    COW_FAULTS;
    /// Pages filled with zeros.
    ZERO_FILLS;
    /// Old pages pushed into copy objects.
    COPY_PUSHES;
    /// `data_request`s posted.
    PAGEIN_REQUESTS;
    /// Pages that pagers have supplied.
    PAGEINS;
    /// Pages returned to pagers.
    PAGEOUTS;
    /// Pages of anonymous memory that the default pager has given back.
    SWAPINS;
    /// Pages of anonymous memory given to the default pager.
    SWAPOUTS;
    /// Clean pages taken back.
    RECLAIMED;
    /// Inactive pages that were found referenced.
    REACTIVATIONS;
    /// Supplied pages that were refused.
    REFUSED_PAGES;
    /// Processes killed for want of memory.
    OUT_OF_MEMORY_KILLS;
    /// Requests whose deadline passed.
    LATE_REQUESTS;
    /// Shadow objects collapsed into their child.
    COLLAPSES;
    /// Shadow links bypassed.
    BYPASSES;
    /// Bytes copied on the way between a pager and an object; stays 0 where pages move.
    BYTES_COPIED_BY_PAGING;
}
