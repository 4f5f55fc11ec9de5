//! Calls on a memory entry. Subsystem 4900. XNU: `mach/memory_entry.defs`.

use super::prelude::*;

interface! {
    subsystem memory_entry = 4900;

    /// Volatile memory.
    routine 4900 "mach_memory_entry_purgable_control" purgable_control [] {
        control: i32, state: i32,
    } -> [] { state: i32 };

    /// Counts accesses.
    routine 4901 "mach_memory_entry_access_tracking" access_tracking [] { access_tracking: i32 }
    -> [] { access_tracking: i32, access_tracking_reads: u32, access_tracking_writes: u32 };

    /// Passes the charge for the memory to another task.
    routine 4902 "mach_memory_entry_ownership" ownership [owner: Port<COPY_SEND>] {
        ledger_tag: i32, ledger_flags: i32,
    } -> [] {};
}
