//! Virtual memory of a task, with 64-bit sizes. Subsystem 4800, on a task port; memory entries and
//! pagers are named by ports. XNU: `mach/mach_vm.defs`, served by `vm/vm_user.c`.

use super::prelude::*;

interface! {
    subsystem mach_vm = 4800;

    /// Allocates zero-filled memory; flags are [`VmFlags`](crate::VmFlags).
    routine 4800 "mach_vm_allocate" allocate [] { address: u64, size: u64, flags: i32 }
    -> [] { address: u64 };

    /// Removes a range.
    routine 4801 "mach_vm_deallocate" deallocate [] { address: u64, size: u64 } -> [] {};

    /// Changes protection, or the maximum.
    routine 4802 "mach_vm_protect" protect [] {
        address: u64, size: u64, set_maximum: u32, new_protection: VmProt,
    } -> [] {};

    /// Changes what a child gets.
    routine 4803 "mach_vm_inherit" inherit [] { address: u64, size: u64, new_inheritance: u32 }
    -> [] {};

    /// Reads a range out of the task, as memory of the caller.
    routine 4804 "mach_vm_read" read [] { address: u64, size: u64 }
    -> [data: Memory] { data_cnt: u32 };

    /// Writes memory of the caller into the task.
    routine 4806 "mach_vm_write" write [data: Memory] { address: u64, data_cnt: u32 } -> [] {};

    /// Copies within the task.
    routine 4807 "mach_vm_copy" copy [] { source_address: u64, size: u64, dest_address: u64 }
    -> [] {};

    /// Reads a range into memory of the caller that is there already.
    routine 4808 "mach_vm_read_overwrite" read_overwrite [] {
        address: u64, size: u64, data: u64,
    } -> [] { outsize: u64 };

    /// Synchronises with the pager.
    routine 4809 "mach_vm_msync" msync [] { address: u64, size: u64, sync_flags: u32 } -> [] {};

    /// Advises.
    routine 4810 "mach_vm_behavior_set" behavior_set [] {
        address: u64, size: u64, new_behavior: i32,
    } -> [] {};

    /// Maps a memory entry, a pager's object, or (null port) zero-filled memory.
    routine 4811 "mach_vm_map" map [object: Port<COPY_SEND>] {
        address: u64, size: u64, mask: u64, flags: i32, offset: u64, copy: u32,
        cur_protection: VmProt, max_protection: VmProt, inheritance: u32,
    } -> [] { address: u64 };

    /// Cache maintenance.
    routine 4812 "mach_vm_machine_attribute" machine_attribute [] {
        address: u64, size: u64, attribute: u32, value: i32,
    } -> [] { value: i32 };

    /// Maps memory of another task here.
    routine 4813 "mach_vm_remap" remap [src_task: Port<COPY_SEND>] {
        target_address: u64, size: u64, mask: u64, flags: i32, src_address: u64, copy: u32,
        inheritance: u32,
    } -> [] { target_address: u64, cur_protection: VmProt, max_protection: VmProt };

    /// State of one page ([`PageDisposition`](crate::page_info::PageDisposition)).
    routine 4814 "mach_vm_page_query" page_query [] { offset: u64 }
    -> [] { disposition: i32, ref_count: i32 };

    /// The entry at or after an address, going into submaps ([`vm_region`](crate::vm_region)).
    routine 4815 "mach_vm_region_recurse" region_recurse [] {
        address: u64, nesting_depth: u32, info_cnt: u32,
    } -> [] { address: u64, size: u64, nesting_depth: u32, info: Array<i32, 19> };

    /// The entry at or after an address.
    routine 4816 "mach_vm_region" region [] { address: u64, flavor: i32, info_cnt: u32 }
    -> [object_name: Port<MOVE_SEND>] { address: u64, size: u64, info: Array<i32, 10> };

    /// Makes a port that names a range of memory.
    routine 4817 "mach_make_memory_entry" make_memory_entry [parent_handle: Port<COPY_SEND>] {
        size: u64, offset: u64, permission: VmProt,
    } -> [object_handle: Port<MOVE_SEND>] { size: u64 };

    /// Volatile memory.
    routine 4818 "mach_vm_purgable_control" purgable_control [] {
        address: u64, control: i32, state: i32,
    } -> [] { state: i32 };

    /// State of one page, by flavour.
    routine 4819 "mach_vm_page_info" page_info [] { address: u64, flavor: i32, info_cnt: u32 }
    -> [] { info: Array<i32, 32> };

    /// States of a range of pages, written to the caller's memory.
    routine 4820 "mach_vm_page_range_query" page_range_query [] {
        address: u64, size: u64, dispositions: u64, dispositions_count: u64,
    } -> [] { dispositions_count: u64 };

    /// Maps memory of another task here, with chosen protections.
    routine 4821 "mach_vm_remap_new" remap_new [src_task: Port<COPY_SEND>] {
        target_address: u64, size: u64, mask: u64, flags: i32, src_address: u64, copy: u32,
        cur_protection: VmProt, max_protection: VmProt, inheritance: u32,
    } -> [] { target_address: u64, cur_protection: VmProt, max_protection: VmProt };
}
