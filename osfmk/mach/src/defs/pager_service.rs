//! What any program may ask a registered pager. Own interface, subsystem 2980, on the port that
//! [`pager_registry::look_up`](super::pager_registry::look_up) gives.

use super::prelude::*;

interface! {
    subsystem pager_service = 2980;

    /// The memory object of a file, by its path below `/pagers/NAME`, to be mapped with
    /// `mach_vm_map`. It is the object that `mmap` of the same path maps.
    routine 2980 "pager_service_open" open [] { path: CString<1024> }
    -> [memory_object: Port<MAKE_SEND>] { size: u64 };

    /// What the pager has done so far, in its own words.
    routine 2981 "pager_service_describe" describe [] {} -> [] {
        objects: u32, reads: u64, pages: u64, returns: u64, refusals: u64,
    };
}
