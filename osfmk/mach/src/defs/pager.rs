//! What the kernel tells a pager. Own interface, subsystem 2260, sent to the memory object's port.
//!
//! Mach 3's messages, with what they lack: runs of pages, a generation on every request and return,
//! and a control identity. Every message is one-way; the pager answers on the control port by
//! [`pager_control`](super::pager_control). Offsets and lengths are bytes and multiples of the page
//! size told by `init`. `control_id` is the kernel's number for the object's control, told by `init`
//! and repeated, so that a pager needs no table by port.
//!
//! | Mach 3 | here |
//! |---|---|
//! | `memory_object_init` | [`init`] |
//! | `memory_object_data_request` | [`data_request`]: a run, answered page by page or as a whole |
//! | `memory_object_data_return` | [`data_return`] (memory) or [`data_return_pages`] (a page list): *lent*, until `clean_completed` names the generation |
//! | `memory_object_supply_completed` | [`supply_completed`]: every refusal, and success if asked for |

use super::prelude::*;

interface! {
    subsystem pager = 2260;

    /// The object is used: `control` takes the pager's messages. Answer with `ready`, or `destroy` to
    /// refuse.
    simpleroutine 2260 "pager_init" init [control: Port<COPY_SEND>] {
        control_id: u64, page_size: u32,
    };

    /// Nothing further comes on this control; its port is dead.
    simpleroutine 2261 "pager_terminate" terminate [] { control_id: u64 };

    /// Data of a run of pages is wanted, with at least this access. Every page must be answered by
    /// `data_supply`, `data_unavailable` or `data_error` before the object's deadline.
    simpleroutine 2262 "pager_data_request" data_request [] {
        control_id: u64, offset: u64, length: u64, desired_access: VmProt, generation: u64,
        fault_info: FaultInfo,
    };

    /// Pages are lent for writing back, as memory that shows them read-only, or as their bytes for a pager that takes those
    /// ([`object_flag::RETURNS_IN_BUFFER`](super::pager_control::object_flag::RETURNS_IN_BUFFER)). `length` is whole
    /// pages, `valid_length` the bytes of them that are the object's: less only at its end. Bits of `flags` are in [`return_flag`].
    simpleroutine 2263 "pager_data_return" data_return [data: Memory] {
        control_id: u64, offset: u64, length: u64, valid_length: u64, generation: u64, flags: u32,
    };

    /// As `data_return`, as a page list to be forwarded to a device, for a pager that asked for lists
    /// ([`object_flag::PAGE_LISTS`](super::pager_control::object_flag::PAGE_LISTS)).
    simpleroutine 2264 "pager_data_return_pages" data_return_pages [pages: Port<MOVE_SEND>] {
        control_id: u64, offset: u64, length: u64, valid_length: u64, generation: u64, flags: u32,
    };

    /// A `lock_request` that asked for it is done.
    simpleroutine 2265 "pager_lock_completed" lock_completed [] {
        control_id: u64, offset: u64, length: u64,
    };

    /// How a supply went: always when something was refused, otherwise if asked for.
    simpleroutine 2266 "pager_supply_completed" supply_completed [] {
        control_id: u64, offset: u64, length: u64, result: KernReturn, error_offset: u64,
        accepted_pages: u32,
    };

    /// A change of attributes that asked for it is in effect.
    simpleroutine 2267 "pager_change_completed" change_completed [] {
        control_id: u64, may_cache: u32, copy_strategy: i32,
    };

    /// Pages the kernel has are locked against an access that is wanted now.
    simpleroutine 2268 "pager_data_unlock" data_unlock [] {
        control_id: u64, offset: u64, length: u64, desired_access: VmProt,
    };

    /// Everything dirty of the range has been returned; make it durable and answer with
    /// `synchronize_completed`.
    simpleroutine 2269 "pager_synchronize" synchronize [] {
        control_id: u64, offset: u64, length: u64, sync_flags: u32,
    };

    /// To the pager of anonymous memory: a new object with its receive right, ready at once.
    simpleroutine 2270 "pager_create" create [
        memory_object: Port<MOVE_RECEIVE>,
        control: Port<COPY_SEND>,
    ] {
        control_id: u64, size: u64, page_size: u32,
    };

    /// To the pager of anonymous memory: its copies of this range are not wanted any more. What it is about to supply of
    /// them must not come.
    simpleroutine 2271 "pager_data_discard" data_discard [] {
        control_id: u64, offset: u64, length: u64,
    };
}

/// Bits of `flags` in the two returns.
pub mod return_flag {
    /// The pages differ from what the pager has.
    pub const DIRTY: u32 = 1;
    /// The kernel keeps the pages in use.
    pub const KERNEL_COPY: u32 = 2;
    /// The pages are precious and unchanged.
    pub const PRECIOUS: u32 = 4;
}
