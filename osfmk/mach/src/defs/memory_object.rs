//! What XNU's kernel tells a pager. Subsystem 2200. Pagers of this system speak
//! [`pager`](super::pager), which has runs of pages, generations and no replies; this file keeps
//! XNU's ids and shapes for pagers written to them. XNU: `mach/memory_object.defs` (last present in
//! 8020).

use super::prelude::*;

interface! {
    subsystem memory_object = 2200;

    /// The object is used; here is its control port.
    routine 2200 "memory_object_init" init [memory_control: Port<COPY_SEND>] {
        memory_object_page_size: u32,
    } -> [] {};

    /// The kernel is done with the object.
    routine 2201 "memory_object_terminate" terminate [] {} -> [] {};

    /// Data is wanted.
    routine 2202 "memory_object_data_request" data_request [] {
        offset: u64, length: u32, desired_access: VmProt, fault_info: FaultInfo,
    } -> [] {};

    /// Data comes back.
    routine 2203 "memory_object_data_return" data_return [] {
        offset: u64, size: u32, dirty: u32, kernel_copy: u32, upl_flags: i32,
    } -> [] { resid_offset: u64, io_error: i32 };

    /// Data of pages that never existed with the pager.
    routine 2204 "memory_object_data_initialize" data_initialize [] { offset: u64, size: u32 }
    -> [] {};

    /// More access is wanted.
    routine 2205 "memory_object_data_unlock" data_unlock [] {
        offset: u64, size: u64, desired_access: VmProt,
    } -> [] {};

    /// Synchronise.
    routine 2206 "memory_object_synchronize" synchronize [] {
        offset: u64, size: u64, sync_flags: u32,
    } -> [] {};

    /// The object is mapped.
    routine 2207 "memory_object_map" map [] { prot: VmProt } -> [] {};

    /// The last mapping went.
    routine 2208 "memory_object_last_unmap" last_unmap [] {} -> [] {};

    /// Give back store.
    routine 2209 "memory_object_data_reclaim" data_reclaim [] { reclaim_backing_store: u32 }
    -> [] {};
}
