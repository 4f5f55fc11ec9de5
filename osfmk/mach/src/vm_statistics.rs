//! The counters of virtual memory as `host_statistics64` tells them: [`VmStatistics64`].
//!
//! XNU: `mach/vm_statistics.h`.

use crate::wire::wire_struct;

/// Flavour of `host_statistics64` for [`VmStatistics64`].
pub const HOST_VM_INFO64: i32 = 4;
/// Flavour of `host_statistics` for the 32-bit counters.
pub const HOST_VM_INFO: i32 = 2;

/// Flavour of `host_statistics64` for [`HeldStatistics`] (own number; XNU has none).
pub const HOST_VM_HELD: i32 = 0x700;

wire_struct! {
    /// What waits for the successors of pagers that have died.
    pub struct HeldStatistics {
        /// Objects without a pager that hold unsaved pages.
        pub objects: u64,
        /// Those pages.
        pub pages: u64,
    }
}

wire_struct! {
    /// Pages by state, and events since boot. `free_count` includes `speculative_count`.
    #[doc(alias = "vm_statistics64")]
    pub struct VmStatistics64 {
        /// Free pages, the speculative ones included.
        pub free_count: u32,
        /// Active pages.
        pub active_count: u32,
        /// Inactive pages.
        pub inactive_count: u32,
        /// Wired pages.
        pub wire_count: u32,
        /// Pages filled with zeros on demand.
        pub zero_fill_count: u64,
        /// Pages reactivated.
        pub reactivations: u64,
        /// Pages asked of a pager.
        pub pageins: u64,
        /// Pages given to a pager.
        pub pageouts: u64,
        /// Faults.
        pub faults: u64,
        /// Copy-on-write faults.
        pub cow_faults: u64,
        /// Object cache look-ups.
        pub lookups: u64,
        /// Object cache hits.
        pub hits: u64,
        /// Pages purged.
        pub purges: u64,
        /// Purgeable pages.
        pub purgeable_count: u32,
        /// Pages read ahead and not yet used.
        pub speculative_count: u32,
        /// Decompressions.
        pub decompressions: u64,
        /// Compressions.
        pub compressions: u64,
        /// Swap-ins.
        pub swapins: u64,
        /// Swap-outs.
        pub swapouts: u64,
        /// Pages of the compressor.
        pub compressor_page_count: u32,
        /// Throttled pages.
        pub throttled_count: u32,
        /// Pages of files.
        pub external_page_count: u32,
        /// Anonymous pages.
        pub internal_page_count: u32,
        /// Pages held compressed.
        pub total_uncompressed_pages_in_compressor: u64,
    }
}
