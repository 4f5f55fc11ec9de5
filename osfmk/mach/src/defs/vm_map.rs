//! The older virtual memory calls that programs still use. Subsystem 3800, on a task port. XNU:
//! `mach/vm_map.defs`.

use super::prelude::*;

interface! {
    subsystem vm_map = 3800;

    /// As `mach_vm_allocate`.
    routine 3801 "vm_allocate" allocate [] { address: u64, size: u64, flags: i32 }
    -> [] { address: u64 };

    /// As `mach_vm_deallocate`.
    routine 3802 "vm_deallocate" deallocate [] { address: u64, size: u64 } -> [] {};

    /// As `mach_vm_protect`.
    routine 3803 "vm_protect" protect [] {
        address: u64, size: u64, set_maximum: u32, new_protection: VmProt,
    } -> [] {};

    /// As `mach_vm_inherit`.
    routine 3804 "vm_inherit" inherit [] { address: u64, size: u64, new_inheritance: u32 }
    -> [] {};

    /// As `mach_vm_read`.
    routine 3805 "vm_read" read [] { address: u64, size: u64 }
    -> [data: Memory] { data_cnt: u32 };

    /// As `mach_vm_write`.
    routine 3807 "vm_write" write [data: Memory] { address: u64, data_cnt: u32 } -> [] {};

    /// As `mach_vm_copy`.
    routine 3808 "vm_copy" copy [] { source_address: u64, size: u64, dest_address: u64 } -> [] {};

    /// As `mach_vm_read_overwrite`.
    routine 3809 "vm_read_overwrite" read_overwrite [] { address: u64, size: u64, data: u64 }
    -> [] { outsize: u64 };

    /// As `mach_vm_msync`.
    routine 3810 "vm_msync" msync [] { address: u64, size: u64, sync_flags: u32 } -> [] {};

    /// As `mach_vm_behavior_set`.
    routine 3811 "vm_behavior_set" behavior_set [] {
        address: u64, size: u64, new_behavior: i32,
    } -> [] {};

    /// As `mach_vm_map`.
    routine 3812 "vm_map" map [object: Port<COPY_SEND>] {
        address: u64, size: u64, mask: u64, flags: i32, offset: u64, copy: u32,
        cur_protection: VmProt, max_protection: VmProt, inheritance: u32,
    } -> [] { address: u64 };

    /// As `mach_vm_machine_attribute`.
    routine 3813 "vm_machine_attribute" machine_attribute [] {
        address: u64, size: u64, attribute: u32, value: i32,
    } -> [] { value: i32 };

    /// As `mach_vm_remap`.
    routine 3814 "vm_remap" remap [src_task: Port<COPY_SEND>] {
        target_address: u64, size: u64, mask: u64, flags: i32, src_address: u64, copy: u32,
        inheritance: u32,
    } -> [] { target_address: u64, cur_protection: VmProt, max_protection: VmProt };

    /// As `mach_vm_page_query`.
    routine 3817 "vm_map_page_query" map_page_query [] { offset: u64 }
    -> [] { disposition: i32, ref_count: i32 };

    /// As `mach_vm_region_recurse`.
    routine 3822 "vm_region_recurse_64" region_recurse_64 [] {
        address: u64, nesting_depth: u32, info_cnt: u32,
    } -> [] { address: u64, size: u64, nesting_depth: u32, info: Array<i32, 19> };

    /// As `mach_vm_region`.
    routine 3824 "vm_region_64" region_64 [] { address: u64, flavor: i32, info_cnt: u32 }
    -> [object_name: Port<MOVE_SEND>] { address: u64, size: u64, info: Array<i32, 10> };

    /// As `mach_make_memory_entry`.
    routine 3825 "mach_make_memory_entry_64" make_memory_entry_64 [parent_entry: Port<COPY_SEND>] {
        size: u64, offset: u64, permission: VmProt,
    } -> [object_handle: Port<MOVE_SEND>] { size: u64 };

    /// As `mach_vm_map`.
    routine 3826 "vm_map_64" map_64 [object: Port<COPY_SEND>] {
        address: u64, size: u64, mask: u64, flags: i32, offset: u64, copy: u32,
        cur_protection: VmProt, max_protection: VmProt, inheritance: u32,
    } -> [] { address: u64 };

    /// As `mach_vm_purgable_control`.
    routine 3830 "vm_purgable_control" purgable_control [] {
        address: u64, control: i32, state: i32,
    } -> [] { state: i32 };
}
