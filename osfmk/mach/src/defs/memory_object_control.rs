//! What a pager tells XNU's kernel. Subsystem 2000, on a control port. Pagers of this system also
//! speak [`pager_control`](super::pager_control). XNU: `mach/memory_object_control.defs` (last
//! present in 8020).

use super::prelude::*;

interface! {
    subsystem memory_object_control = 2000;

    /// Attributes by flavour.
    routine 2000 "memory_object_get_attributes" get_attributes [] {
        flavor: i32, attributes_cnt: u32,
    } -> [] { attributes: Array<i32, 6> };

    /// Sets attributes.
    routine 2001 "memory_object_change_attributes" change_attributes [] {
        flavor: i32, attributes: Array<i32, 6>,
    } -> [] {};

    /// A synchronisation is done.
    routine 2002 "memory_object_synchronize_completed" synchronize_completed [] {
        offset: u64, length: u64,
    } -> [] {};

    /// Cleans, flushes or write-protects a range.
    routine 2003 "memory_object_lock_request" lock_request [] {
        offset: u64, size: u64, should_return: i32, flags: i32, lock_value: VmProt,
    } -> [] { resid_offset: u64, io_errno: i32 };

    /// Ends the object.
    routine 2004 "memory_object_destroy" destroy [] { reason: KernReturn } -> [] {};

    /// Where a cluster around a fault should start.
    routine 2007 "memory_object_cluster_size" cluster_size [] { fault_info: FaultInfo }
    -> [] { start: u64, length: u64, io_streaming: u32 };

    /// State of a page.
    routine 2008 "memory_object_page_op" page_op [] { offset: u64, ops: i32 }
    -> [] { phys_entry: u32, flags: i32 };

    /// Keeps a named object.
    routine 2009 "memory_object_recover_named" recover_named [] { wait_on_terminating: u32 }
    -> [] {};

    /// Gives up a name.
    routine 2010 "memory_object_release_name" release_name [] { flags: i32 } -> [] {};

    /// State of a range.
    routine 2011 "memory_object_range_op" range_op [] {
        offset_beg: u64, offset_end: u64, ops: i32,
    } -> [] { range: i32 };
}
