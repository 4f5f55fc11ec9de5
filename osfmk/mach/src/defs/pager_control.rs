//! What a pager tells the kernel. Own interface, subsystem 2060, sent to the control port that
//! [`pager::init`](super::pager::init) brought.
//!
//! One-way except [`get_attributes`]. Nothing here waits for a page in the kernel. A supply of pages
//! that were not asked for, are there already, or do not fit is refused page by page and reported by
//! [`pager::supply_completed`](super::pager::supply_completed).

use super::prelude::*;

interface! {
    subsystem pager_control = 2060;

    /// Opens the object, or changes it: until then every fault on it sleeps. `cluster_size` is the
    /// run of bytes preferred per request (0: the kernel's choice), `deadline` milliseconds per
    /// request (0: the kernel's choice), `fallback` one of [`fallback`], `flags` of [`object_flag`].
    simpleroutine 2060 "pager_control_ready" ready [] {
        may_cache: u32, copy_strategy: i32, cluster_size: u32, deadline: u32, fallback: u32,
        flags: u32, want_reply: u32,
    };

    /// The attributes as they are.
    routine 2061 "pager_control_get_attributes" get_attributes [] {} -> [] {
        ready: u32, may_cache: u32, copy_strategy: i32, cluster_size: u32, deadline: u32,
        fallback: u32, flags: u32,
    };

    /// Gives data as memory, which moves into the object. `lock_value` are accesses forbidden;
    /// precious pages are returned even when clean.
    simpleroutine 2062 "pager_control_data_supply" data_supply [data: Memory] {
        offset: u64, lock_value: VmProt, precious: u32, want_reply: u32,
    };

    /// Gives data as frames of a page list, as a device filled them: `length` bytes from
    /// `list_offset` on.
    simpleroutine 2063 "pager_control_data_supply_pages" data_supply_pages [pages: Port<MOVE_SEND>] {
        offset: u64, length: u64, list_offset: u64, lock_value: VmProt, precious: u32,
        want_reply: u32,
    };

    /// There is no data: the object below shows, or zeros.
    simpleroutine 2064 "pager_control_data_unavailable" data_unavailable [] {
        offset: u64, length: u64,
    };

    /// The data cannot be had.
    simpleroutine 2065 "pager_control_data_error" data_error [] {
        offset: u64, length: u64, error: KernReturn,
    };

    /// Returned pages are safe (success), or are not, and stay dirty.
    simpleroutine 2066 "pager_control_clean_completed" clean_completed [] {
        offset: u64, length: u64, generation: u64, result: KernReturn,
    };

    /// Restricts access, returns, flushes: [`LockFlags`](crate::memory_object::LockFlags) and
    /// [`ReturnKind`](crate::ReturnKind). `lock_value` may be
    /// [`VmProt::NO_CHANGE`](crate::VmProt::NO_CHANGE).
    simpleroutine 2067 "pager_control_lock_request" lock_request [] {
        offset: u64, length: u64, should_return: i32, flags: u32, lock_value: VmProt,
        want_reply: u32,
    };

    /// Ends the object while it is mapped.
    simpleroutine 2068 "pager_control_destroy" destroy [] { reason: KernReturn };

    /// Gives pages that hold nothing but one word again and again; the kernel makes them.
    simpleroutine 2070 "pager_control_data_fill" data_fill [] {
        offset: u64, length: u64, word: u64,
    };

    /// A synchronisation is durable.
    simpleroutine 2069 "pager_control_synchronize_completed" synchronize_completed [] {
        offset: u64, length: u64, result: KernReturn,
    };
}

/// What happens to a request at its deadline.
pub mod fallback {
    /// Keep waiting.
    pub const WAIT: u32 = 0;
    /// Fail it.
    pub const ERROR: u32 = 1;
    /// Hand the object to a stand-in.
    pub const STAND_IN: u32 = 2;
}

/// Bits of `flags` in [`ready`].
pub mod object_flag {
    /// Contents need not be returned at termination.
    pub const TEMPORARY: u32 = 1;
    /// A page that is written while it is lent is copied up instead of changing under the pager.
    pub const STABLE: u32 = 2;
    /// Pages are returned as page lists ([`data_return_pages`](super::super::pager::data_return_pages)), and to acknowledge them
    /// does not mean that they are durable: that is asked by [`synchronize`](super::super::pager::synchronize).
    pub const PAGE_LISTS: u32 = 4;
    /// Small returns are put into the receive buffer, behind the message, if there is room: the descriptor shows where, and says
    /// that the memory is not to be deallocated ([`UserMemory::is_in_buffer`](crate::message::UserMemory::is_in_buffer)).
    pub const RETURNS_IN_BUFFER: u32 = 8;
}
